"""Records every graph that Inductor compiles: its code, what is counted on the way, and the choices that were made."""

from __future__ import annotations

import contextlib
import copy
import types
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

import torch

from kernelsnap.capture import private
from kernelsnap.capture.candidates import untimed_choices
from kernelsnap.capture.declared import declared_modules
from kernelsnap.capture.device_constants import put_on_device
from kernelsnap.capture.fake_constants import fake_constants
from kernelsnap.capture.settings import check_in_force
from kernelsnap.capture.traced import source_lines, traced_files
from kernelsnap.capture.traffic import traffic
from kernelsnap.capture.user_names import UNNAMED, NamedGraphs, TensorNames
from kernelsnap.capture.why.listen import Decisions, Listener
from kernelsnap.errors import CaptureError, UnreadableCodeError, UnsupportedTorchError
from kernelsnap.model.capture import Choice, GraphCounts, Phase
from kernelsnap.shared.private_names import release_of, require
from kernelsnap.virtual.values import running_a_graph


@dataclass(frozen=True)
class GeneratedGraph:
    """What Inductor generated for one graph, and what it counted on the way."""

    text: str
    phase: Phase
    counts: GraphCounts
    choices: tuple[Choice, ...] = ()
    files: frozenset[str] = frozenset()  # those of the Python code that it comes from
    devices: frozenset[str] = frozenset()  # the types of the devices that its tensors are on
    names: TensorNames = UNNAMED
    lines: Mapping[str, str] = field(default_factory=dict)  # the user's lines, by the names of traced expressions
    decisions: Decisions = field(default_factory=Decisions)


@contextlib.contextmanager
def recording(run: bool, load: bool = False) -> Iterator[list[GeneratedGraph]]:
    """Record every graph that Inductor compiles inside the block.

    With `run` false the generated code is not run: a compiled graph then computes its outputs from the graph itself, so
    that fake tensors flow through it and the backward gets compiled too. Nor is it loaded, unless `load` is true.

    Raises:
        UnsupportedTorchError: this torch lacks one of the internals that this needs, or no longer counts what is
            recorded.
    """
    require(*private.OF_GRAPHS, *private.OF_NAMES)
    recorded: list[GeneratedGraph] = []
    counted: int = private.NODES_BEFORE_FUSION.get()
    listener: Callable[[str], None] | None = None
    original = private.COMPILE_TO_MODULE.get()
    named, why = NamedGraphs(), Listener()

    def compile_to_module(graph: Any) -> Any:
        nonlocal counted, listener
        listener = private.SAVE_OUTPUT_CODE.get()
        # Whoever compiles may set torch's counters back between two graphs.
        counted = min(counted, private.NODES_BEFORE_FUSION.get())

        def save_output_code(text: str) -> None:
            nonlocal counted
            before, counted = counted, private.NODES_BEFORE_FUSION.get()
            counts = _counts(graph, counted - before)
            files, devices = traced_files(graph), frozenset(graph.device_types)
            names = named.of(graph)
            lines = source_lines(graph)
            made, decisions = tuple(choices), why.taken(graph, devices)
            phase = _phase(graph)
            recorded.append(GeneratedGraph(text, phase, counts, made, files, devices, names, lines, decisions))
            choices.clear()
            if listener is not None:
                listener(text)

        with private.SAVE_OUTPUT_CODE.replaced(save_output_code):
            check_in_force()
            if run:
                return original(graph)
            _check_runs_nothing(graph)
            return original(graph) if load else _generate(graph)

    with contextlib.ExitStack() as stack:
        # Those of a graph are made while it is lowered, and its code is generated before the next graph is begun.
        choices = stack.enter_context(untimed_choices())
        stack.enter_context(described_combo_kernels())
        stack.enter_context(named.listening())
        stack.enter_context(why.listening())
        stack.enter_context(own_operations())
        stack.enter_context(private.COMPILE_TO_MODULE.replaced(compile_to_module))
        if not run:
            stack.enter_context(declared_modules())
            stack.enter_context(private.COMPILE_FX_INNER.replaced(without_running))
            stack.enter_context(fake_constants())
            stack.enter_context(private.LOWERING_INIT.replaced(_with_constants_on_device))
        yield recorded


def _generate(graph: Any) -> types.SimpleNamespace:
    """Generate a graph's code without loading it; a stub takes the place of the module that it would have become."""
    code, _ = graph.codegen()
    if not isinstance(getattr(code, "value", None), str):
        raise UnreadableCodeError(f"Inductor generated a {type(code).__name__}, not the text of a module")
    private.SAVE_OUTPUT_CODE.get()(code.value)
    # CUDA graphs wrap the partitions of a module through its runner; there is nothing here to wrap.
    runner = types.SimpleNamespace(recursively_apply_fns=lambda wrappers: None, partitions=[])
    return types.SimpleNamespace(call=_never_run, runner=runner, __file__="")


def _check_runs_nothing(graph: Any) -> None:
    """Raise where generating the code would run kernels, or write a wrapper that cannot be read."""
    for name in ("cpp_wrapper", "fx_wrapper"):
        if getattr(graph, name):
            raise UnreadableCodeError(f"`{name}` is on: kernelsnap reads the Python wrapper; capture without it")
    if private.CONFIG.get().triton.autotune_at_compile_time:
        raise CaptureError("`triton.autotune_at_compile_time` is on: it runs kernels on the GPU; capture without it")


def _never_run(*args: object) -> None:
    raise AssertionError("generated code was run inside the virtual device")


# As they are without any recording: one recording may be inside another.
_compile_fx_inner = private.COMPILE_FX_INNER.get()
_init = private.LOWERING_INIT.get()


def without_running(gm: torch.fx.GraphModule, *args: Any, **kwargs: Any) -> Any:
    """Compile a graph for the sake of its code; what is returned computes on fake tensors, from the graph."""
    # Compiling rewrites the graph in place, into operators that only generated code can run.
    graph = torch.fx.Graph()
    graph.output(graph.graph_copy(gm.graph, {}))
    runnable = torch.fx.GraphModule(gm, graph)
    output = _compile_fx_inner(gm, *args, **kwargs)
    if isinstance(output, private.COMPILED_FX_GRAPH.get()):

        def run(inputs: list[Any]) -> Any:
            values = list(inputs)
            inputs.clear()  # the boxed calling convention: the callee frees its inputs
            with running_a_graph():
                return torch.fx.Interpreter(runnable).run(*values)

        output.current_callable = run
    return output


def _with_constants_on_device(lowering: Any, gm: torch.fx.GraphModule, *args: Any, **kwargs: Any) -> None:
    """Begin to lower a graph; only now, for a constant that says it is on the GPU is nothing that fake mode takes."""
    put_on_device(gm)
    _init(lowering, gm, *args, **kwargs)


def _phase(graph: Any) -> Phase:
    if graph.is_backward:
        return "backward"
    return "inference" if graph.is_inference else "forward"


def _counts(graph: Any, nodes_before_fusion: int) -> GraphCounts:
    """What Inductor counted for a graph. Raises `UnsupportedTorchError` where nothing was counted: that is no 0."""
    nodes = graph.scheduler.nodes
    if nodes and nodes_before_fusion <= 0:
        raise UnsupportedTorchError(
            f"torch {release_of('torch')} did not count the nodes of a graph in {private.NODES_BEFORE_FUSION}, from "
            f"which kernelsnap takes the metric 'nodes before fusion': this torch is not supported yet"
        )
    moved = traffic(graph)
    return GraphCounts(
        bytes_accessed=moved.accessed,
        bytes_read=moved.read,
        bytes_written=moved.written,
        nodes_before_fusion=nodes_before_fusion,
        nodes_after_fusion=len(nodes),
    )


@contextlib.contextmanager
def described_combo_kernels() -> Iterator[None]:
    """Inside the block the comment above a combo kernel names the operations of all its nodes.

    A combo kernel does the work of several nodes of the scheduler in one launch, `foreach` or `combo_kernels`. Inductor
    writes above every kernel which expressions it computes, but looks into none of the nodes that a combo kernel is
    made of: the comment is empty, or names the operations of another kernel. Here it is asked about them one by one.

    Raises:
        UnsupportedTorchError: this torch lacks one of the internals that this needs.
    """
    require(*private.OF_KERNELS)
    define, describe = private.DEFINE_KERNEL.get(), private.DESCRIBE_KERNEL.get()
    combined, single = private.FOREACH_NODE.get(), private.SCHEDULER_NODE.get()

    def define_kernel(backend: Any, src_code: str, node_schedule: Any, kernel: Any) -> Any:
        if not any(isinstance(node, combined) for node in node_schedule):
            return define(backend, src_code, node_schedule, kernel)
        nodes = [
            node
            for part in getattr(kernel, "sub_kernels", (kernel,))
            for node in part.features.node_schedule
            if isinstance(node, single)
        ]
        with private.DESCRIBE_TRITON_KERNEL.replaced(lambda _, wrapper: describe(nodes, wrapper)):
            return define(backend, src_code, node_schedule, kernel)

    with private.DEFINE_KERNEL.replaced(define_kernel):
        yield


@contextlib.contextmanager
def own_operations() -> Iterator[None]:
    """Inside the block the comment above a call into a library names the call's own operation, or none.

    The comment names the nodes of the graph that the call came from: its own, and those of its inputs that are views or
    were computed for it. Which of them is its own cannot be seen, but Inductor lists it before those of the inputs:

        # Topologically Sorted Source Nodes: [linear, gelu, linear_1], Original ATen: [aten.addmm, aten.gelu, aten.t]
        extern_kernels.addmm(primals_5, buf1, reinterpret_tensor(primals_4, (128, 64), (1, 128), 0), alpha=1, ...)

    Raises:
        UnsupportedTorchError: this torch lacks one of the internals that this needs.
    """
    require(*private.OF_CALLS)
    describe = private.DESCRIBE_CALL.get()

    def describe_own(node: Any, wrapper: Any) -> Any:
        graph = private.VIRTUALIZED.get().graph.module.graph
        # What a decomposition made, in a graph of its own, comes from the node that was decomposed.
        own = [o for o in node.origins if o.graph is graph and o.meta.get("original_aten")] or list(node.origins)
        alone = copy.copy(node)
        object.__setattr__(alone, "origins", type(node.origins)(own[:1]))  # a node of the IR is frozen
        return describe(alone, wrapper) if own else ("", "")

    with private.DESCRIBE_CALL.replaced(describe_own):
        yield
