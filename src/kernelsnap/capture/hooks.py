"""Inductor's private parts that a capture needs, and nothing else of them. Checked on torch 2.11 and 2.13.

_compile_fx_inner           compiles one graph; inside the virtual device its result runs the graph, not the code
GraphLowering.compile_to_module     generates the code of a graph, then loads and compiles it
GraphLowering.save_output_code      is handed the generated text; `run_and_get_code` listens here
GraphLowering.scheduler, .is_inference, .is_backward; the scheduler's nodes count bytes
"""

from __future__ import annotations

import contextlib
import types
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch
from torch._inductor import compile_fx, metrics
from torch._inductor import config as inductor_config
from torch._inductor.graph import GraphLowering
from torch._inductor.output_code import CompiledFxGraph

from kernelsnap.capture.candidates import untimed_choices
from kernelsnap.capture.combo_kernels import described_combo_kernels
from kernelsnap.capture.device_constants import put_on_device
from kernelsnap.errors import CaptureError, UnreadableCodeError
from kernelsnap.model.capture import Choice, GraphCounts, Phase
from kernelsnap.virtual.support import UnsupportedTorchError
from kernelsnap.virtual.values import running_a_graph


@dataclass(frozen=True)
class GeneratedGraph:
    """What Inductor generated for one graph, and what it counted on the way."""

    text: str
    phase: Phase
    counts: GraphCounts
    choices: tuple[Choice, ...] = ()


@contextlib.contextmanager
def recording(run: bool) -> Iterator[list[GeneratedGraph]]:
    """Record every graph that Inductor compiles inside the block.

    With `run` false the generated code is not loaded: a compiled graph then computes its outputs from the graph itself,
    so that fake tensors flow through it and the backward gets compiled too.

    Raises:
        UnsupportedTorchError: this torch lacks one of the internals above.
    """
    _check()
    recorded: list[GeneratedGraph] = []
    counted = metrics.ir_nodes_pre_fusion
    listener: Callable[[str], None] | None = None
    original = GraphLowering.compile_to_module

    def compile_to_module(graph: GraphLowering) -> Any:
        nonlocal counted, listener
        listener = GraphLowering.save_output_code

        def save_output_code(text: str) -> None:
            nonlocal counted
            before, counted = counted, metrics.ir_nodes_pre_fusion
            recorded.append(GeneratedGraph(text, _phase(graph), _counts(graph, counted - before), tuple(choices)))
            choices.clear()
            if listener is not None:
                listener(text)

        with mock.patch.object(GraphLowering, "save_output_code", save_output_code):
            return original(graph) if run else _generate(graph)

    with contextlib.ExitStack() as stack:
        # Those of a graph are made while it is lowered, and its code is generated before the next graph is begun.
        choices = stack.enter_context(untimed_choices())
        stack.enter_context(described_combo_kernels())
        stack.enter_context(mock.patch.object(GraphLowering, "compile_to_module", compile_to_module))
        if not run:
            stack.enter_context(mock.patch.object(compile_fx, "_compile_fx_inner", _without_running))
            stack.enter_context(mock.patch.object(GraphLowering, "__init__", _with_constants_on_device))
        yield recorded


def _check() -> None:
    for owner, name in (
        (GraphLowering, "compile_to_module"),
        (GraphLowering, "save_output_code"),
        (GraphLowering, "codegen"),
        (compile_fx, "_compile_fx_inner"),
        (metrics, "ir_nodes_pre_fusion"),
    ):
        if not hasattr(owner, name):
            raise UnsupportedTorchError(
                f"torch {torch.__version__} has no {owner.__name__}.{name}, which a capture needs: "
                "this torch is not supported yet"
            )


def _generate(graph: GraphLowering) -> types.SimpleNamespace:
    """Generate a graph's code without loading it, and stand in for the module that it would have become."""
    for name in ("cpp_wrapper", "fx_wrapper"):
        if getattr(graph, name, False):
            raise UnreadableCodeError(f"`{name}` is on: kernelsnap reads the Python wrapper; capture without it")
    if inductor_config.triton.autotune_at_compile_time:
        raise CaptureError("`triton.autotune_at_compile_time` is on: it runs kernels on the GPU; capture without it")
    code, _ = graph.codegen()
    if not isinstance(getattr(code, "value", None), str):
        raise UnreadableCodeError(f"Inductor generated a {type(code).__name__}, not the text of a module")
    assert GraphLowering.save_output_code is not None
    GraphLowering.save_output_code(code.value)
    # CUDA graphs wrap the partitions of a module through its runner; there is nothing here to wrap.
    runner = types.SimpleNamespace(recursively_apply_fns=lambda wrappers: None, partitions=[])
    return types.SimpleNamespace(call=_never_run, runner=runner, __file__="")


def _never_run(*args: object) -> None:
    raise AssertionError("generated code was run inside the virtual device")


_compile_fx_inner = compile_fx._compile_fx_inner


def _without_running(gm: torch.fx.GraphModule, *args: Any, **kwargs: Any) -> Any:
    """Compile a graph for the sake of its code; what is returned computes on fake tensors, from the graph."""
    # Compiling rewrites the graph in place, into operators that only generated code can run.
    graph = torch.fx.Graph()
    graph.output(graph.graph_copy(gm.graph, {}))
    runnable = torch.fx.GraphModule(gm, graph)
    output = _compile_fx_inner(gm, *args, **kwargs)
    if isinstance(output, CompiledFxGraph):

        def run(inputs: list[Any]) -> Any:
            values = list(inputs)
            inputs.clear()  # the boxed calling convention: the callee frees its inputs
            with running_a_graph():
                return torch.fx.Interpreter(runnable).run(*values)

        output.current_callable = run
    return output


_init = GraphLowering.__init__


def _with_constants_on_device(lowering: GraphLowering, gm: torch.fx.GraphModule, *args: Any, **kwargs: Any) -> None:
    """Begin to lower a graph; only now, for a constant that says it is on the GPU is nothing that fake mode takes."""
    put_on_device(gm)
    _init(lowering, gm, *args, **kwargs)


def _phase(graph: GraphLowering) -> Phase:
    if graph.is_backward:
        return "backward"
    return "inference" if graph.is_inference else "forward"


def _counts(graph: GraphLowering, nodes_before_fusion: int) -> GraphCounts:
    nodes = graph.scheduler.nodes
    return GraphCounts(
        # The sum of `graph.count_bytes()`, which also estimates run times, and asks this machine's nvidia-smi for that.
        bytes_accessed=int(sum(node.get_read_write_buffers_sizes() for node in nodes)),
        bytes_read=int(sum(node.get_read_buffer_sizes() for node in nodes)),
        bytes_written=int(sum(node.get_write_buffer_sizes() for node in nodes)),
        nodes_before_fusion=nodes_before_fusion,
        nodes_after_fusion=len(nodes),
    )
