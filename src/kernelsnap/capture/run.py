"""Compiles a function and returns what TorchInductor generated for it: `capture`, and `capture_refusal`."""

from __future__ import annotations

import contextlib
import contextvars
import dataclasses
import warnings
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextvars import ContextVar
from pathlib import Path
from typing import Any

import torch

from kernelsnap.capture import private
from kernelsnap.capture.hooks import GeneratedGraph, recording
from kernelsnap.capture.launch_configs import launch_configs
from kernelsnap.capture.library_calls import check_library_calls
from kernelsnap.capture.machine_code.kernel_resources import kernel_resources
from kernelsnap.capture.nothing_but_code import nothing_but_code
from kernelsnap.capture.on_device import check_on_device, known_devices, tensors, watched_devices
from kernelsnap.capture.read.parse import read_graph
from kernelsnap.capture.refusal import first_line, refusal_text
from kernelsnap.capture.settings import pinned_cpu, settings_of_capture
from kernelsnap.capture.templates import templates_of
from kernelsnap.capture.timed import without_timing
from kernelsnap.capture.why.listen import why_of
from kernelsnap.errors import (
    CaptureError,
    DataDependentError,
    GraphBreakError,
    KernelsnapError,
    NoCompileError,
    NoKernelsError,
    UnreadableCodeError,
    UnsupportedLibraryError,
    UnsupportedTorchError,
)
from kernelsnap.model.capture import Capture, FusedOp, Graph
from kernelsnap.shared.assigned import assigned
from kernelsnap.shared.private_names import release_of, require
from kernelsnap.shared.processes import collecting_garbage_rarely
from kernelsnap.targets.lookup import name_for_device, project_targets
from kernelsnap.virtual import active_target, require_autograd
from kernelsnap.virtual.cpu_values import unknown_numbers_refused
from kernelsnap.virtual.device import torch_functions_kept
from kernelsnap.virtual.needs_gpu import NeedsGpuError
from kernelsnap.virtual.no_kernel import operator_without_result
from kernelsnap.virtual.private import DATA_DEPENDENT_OUTPUT, DYNAMIC_OUTPUT_SHAPE, SHAPE_ENV


def capture(
    fn: Callable[..., Any],
    *args: Any,
    backward: bool = False,
    dynamic: bool | None = None,
    fullgraph: bool = False,
    mode: str | None = None,
    config: Mapping[str, Any] | None = None,
    allow_no_kernels: bool = False,
    **kwargs: Any,
) -> Capture:
    """Compile `fn(*args, **kwargs)` and return every graph that TorchInductor generated code for.

    Inside `virtual_device` (and so in every test that uses `kernel_snapshot`) code is generated for that GPU, and
    nothing is launched. Outside, code is generated for this machine's own GPU, or for its CPU if it has none, and the
    compiled code is really run.

    Args:
        fn: a function, a module, or the result of `torch.compile` on one.
        args: what `fn` is called with. Inside `virtual_device` tensors made on "cuda" are fake: they have a shape, a
            dtype and a device, and take no memory.
        backward: also compile the backward pass: every floating-point output that requires a gradient gets one of
            ones. Gradients accumulate in `.grad`, as in a training step.
        dynamic: as in `torch.compile`: True makes sizes symbolic.
        fullgraph: as in `torch.compile`: a graph break is an error.
        mode: as in `torch.compile`, such as "max-autotune-no-cudagraphs".
        config: settings of `torch._inductor.config` for this capture, by name. They override the settings that every
            capture has: no caches (which stays), one compile thread, no `shape_padding`. Those of the command line
            (`--kernelsnap-config`) override them.
        allow_no_kernels: accept a function without a generated kernel (one that only calls libraries, say).
        kwargs: what else `fn` is called with.

    Returns:
        The graphs in the order in which they were compiled, each with its kernels, calls, counts and text.

    Raises:
        NoCompileError: nothing was compiled, so that a golden would be empty.
        NotOnDeviceError: nothing that was compiled is on the virtual GPU.
        NoKernelsError: no kernel was generated, and `allow_no_kernels` was not given.
        GraphBreakError: `fullgraph` was given, and the graph broke.
        DataDependentError: the code needs the value of a fake tensor, which has none.
        CaptureError: `config` names a setting that torch does not have, or that something else sets back; Inductor
            would have to time something; or `backward` was given and no output requires a gradient. It is the base
            class of all errors above.
    """
    private.check_torch()
    target = active_target()
    if backward:
        require_autograd()
    compiled = _compiled(fn, dynamic=dynamic, fullgraph=fullgraph, mode=mode)

    def run() -> None:
        outputs = compiled(*args, **kwargs)
        if backward:
            _backward(outputs)

    require(*private.SETTINGS)
    counters = private.COUNTERS.get()
    breaks = Counter(counters["graph_break"])
    with (
        collecting_garbage_rarely(),
        readable_errors(),
        torch_functions_kept(),
        pinned_cpu() if target and not target.is_gpu else contextlib.nullcontext(),
        without_timing(launches=target is None),
        settings_of_capture(config or {}) as settings,
        nothing_but_code(),
        recording(run=target is None) as recorded,
        unknown_numbers_refused(),
        warnings.catch_warnings(),
    ):
        # It says that caches are off, which is what was asked for.
        warnings.filterwarnings("ignore", message="dynamo_pgo force disabled")
        try:
            # In a context of its own: each use of torch's `config.patch` leaves a context variable behind for ever.
            _, texts = contextvars.copy_context().run(private.RUN_AND_GET_CODE.get(), run)
        finally:
            forget_compiled()
    _check_complete(recorded, texts)
    check_on_device(frozenset[str]().union(*(graph.devices for graph in recorded)), fn, args, kwargs)
    graphs = sorted(
        (as_graph(graph) for graph in recorded), key=lambda graph: (graph.aot_id, graph.phase == "backward")
    )
    if not (allow_no_kernels or _kernels_optional.get()) and not any(graph.kernels for graph in graphs):
        raise NoKernelsError(
            "the function compiled without a single generated kernel; if that is right (it only calls libraries, "
            "say), write capture(..., allow_no_kernels=True)"
        )
    check_library_calls(graphs)
    _warn_of_descriptors(graphs, settings)
    new_breaks = Counter(counters["graph_break"]) - breaks
    return Capture(
        target=this_target(),
        graphs=tuple(graphs),
        templates=templates_of(graphs),
        graph_breaks=tuple(sorted(first_line(reason) for reason in new_breaks.elements())),
        files=tuple(sorted(frozenset[str]().union(*(graph.files for graph in recorded)))),
        compile=kernel_resources,
    )


def forget_compiled() -> None:
    """Torch forgets what it compiled, and all shapes that the methods of their class keep in caches, for ever."""
    torch.compiler.reset()
    for attribute in vars(SHAPE_ENV.get()).values():
        if hasattr(attribute, "cache_clear"):
            attribute.cache_clear()


def capture_refusal(fn: Callable[..., Any], *args: Any, **options: Any) -> Capture:
    """Compile a function that torch rightly rejects, and return a `Capture` that holds the error.

    For errors that your users see: the golden then keeps the message from changing unnoticed.

    Args:
        fn: as in `capture`.
        args: as in `capture`.
        options: the keyword arguments of `capture`.

    Returns:
        A capture without graphs, whose `refusal` is the type of the error, the first line of its message, and the
        operator that was lowered; without a message, also the statement that raised it and its function. Folders,
        addresses and line numbers are left out.

    Raises:
        CaptureError: torch compiled the function.
        NotOnDeviceError: it has tensors, and none is on the virtual GPU. kernelsnap's own errors are raised as
            `capture` raises them.
    """
    try:
        with watched_devices() as made:
            capture(fn, *args, **options)
    except KernelsnapError:
        raise
    except Exception as error:
        # An error of a function without tensors is the same on every device.
        if devices := made | known_devices(fn, args, options):
            check_on_device(devices, fn, args, options)
        return Capture(this_target(), (), refusal=refusal_text(error))
    raise CaptureError("torch compiled the function: a refusal was expected")


# Whether a capture may find no kernel without `allow_no_kernels`.
_kernels_optional: ContextVar[bool] = ContextVar("kernelsnap_kernels_optional", default=False)


@contextlib.contextmanager
def kernels_optional() -> Iterator[None]:
    """Let a capture inside the block find no kernel: it is right while decisions of the compiler are refused."""
    with assigned(_kernels_optional, True):
        yield


def _compiled(fn: Callable[..., Any], dynamic: bool | None, fullgraph: bool, mode: str | None) -> Callable[..., Any]:
    if hasattr(fn, private.COMPILED_FROM.name) or isinstance(fn, private.OPTIMIZED_MODULE.get()):
        if dynamic is not None or fullgraph or mode is not None:
            raise CaptureError("the function is compiled already: give dynamic, fullgraph and mode to torch.compile")
        return fn
    compiled: Callable[..., Any] = torch.compile(fn, dynamic=dynamic, fullgraph=fullgraph, mode=mode)
    return compiled


def _backward(outputs: Any) -> None:
    """Drive the gradient of every output that requires one."""
    roots = [t for t in tensors(outputs) if t.requires_grad]
    if not roots:
        raise CaptureError(
            "backward=True, but no output requires a gradient: does an input or a parameter, and is grad mode on?"
        )
    torch.autograd.backward(roots, [torch.ones_like(root) for root in roots])


def _check_complete(recorded: list[GeneratedGraph], texts: list[str]) -> None:
    """`run_and_get_code` and the hooks must have seen the same code (it keeps one of two graphs with equal text)."""
    if not recorded:
        raise NoCompileError(
            "nothing was compiled: the function never reached TorchInductor (it has no tensor operation, its compile "
            "is disabled, or it was compiled before and cached); a golden of it would be empty"
        )
    if {graph.text for graph in recorded} != set(texts):
        raise UnreadableCodeError("torch's run_and_get_code saw other code than kernelsnap's hooks: please report this")


def _warn_of_descriptors(graphs: list[Graph], config: Mapping[str, Any]) -> None:
    """Warn where Inductor's experimental descriptors are in a kernel: Triton has refused to compile one on an H100."""
    asked = config.get("triton.use_tensor_descriptor", private.CONFIG.get().triton.use_tensor_descriptor)
    kernels = [kernel.name for graph in graphs for kernel in graph.kernels if "make_tensor_descriptor" in kernel.source]
    if asked and active_target() and kernels:
        names = ", ".join(kernels)
        warnings.warn(
            f"`triton.use_tensor_descriptor` is experimental: on the GPU, Triton may refuse to compile {names}; "
            "a virtual capture compiles no kernel, and does not show that",
            stacklevel=3,
        )


def as_graph(generated: GeneratedGraph) -> Graph:
    """The `Graph` in what was generated for it. Raises `UnreadableCodeError`."""
    graph = read_graph(generated.text, generated.phase, generated.counts)
    if graph.kernels and not generated.counts.nodes_after_fusion:
        raise UnsupportedTorchError(
            f"torch {release_of('torch')} has no nodes in the scheduler of a graph with {len(graph.kernels)} kernels: "
            "the metrics that kernelsnap takes from them cannot be known"
        )
    kernels = tuple(
        dataclasses.replace(kernel, configs=launch_configs(kernel.name, kernel.source))
        if kernel.language == "triton"
        else kernel
        for kernel in graph.kernels
    )
    names, graph = generated.names, dataclasses.replace(graph, kernels=kernels, choices=generated.choices)
    return dataclasses.replace(
        graph,
        kernels=tuple(dataclasses.replace(kernel, ops=_with_lines(kernel.ops, generated)) for kernel in kernels),
        calls=tuple(dataclasses.replace(call, ops=_with_lines(call.ops, generated)) for call in graph.calls),
        names=names.inputs,
        results=names.outputs,
        why=why_of(graph, generated.decisions),
    )


def _with_lines(ops: Iterable[FusedOp], generated: GeneratedGraph) -> tuple[FusedOp, ...]:
    return tuple(dataclasses.replace(op, line=generated.lines.get(op.source, "")) for op in ops)


def this_target() -> str:
    """The name of the virtual device, or of what this machine is; a GPU that no entry describes has its own name."""
    if target := active_target():
        return target.name
    if not torch.cuda.is_available():
        return "cpu"
    device = torch.cuda.get_device_name()
    known = project_targets(Path.cwd()).entries.values()
    return next((target.name for target in known if target.device_name == device), name_for_device(device))


@contextlib.contextmanager
def readable_errors() -> Iterator[None]:
    """Turn what torch raises for bad input into the errors that `capture` documents; the cause stays attached."""
    try:
        yield
    except Exception as error:
        chain = list(causes(error))
        data_dependent = tuple(
            name.get() for name in (DATA_DEPENDENT_OUTPUT, DYNAMIC_OUTPUT_SHAPE, private.DATA_DEPENDENT_GUARD)
        )
        if any(isinstance(cause, data_dependent) for cause in chain):
            raise DataDependentError(
                "the code asks for the value of a fake tensor (an `.item()`, a branch on data, a size that depends on "
                f"data), which has none: {first_line(str(error))}"
            ) from error
        # Dynamo raises an error of the user's code in place of the break that it was at first.
        if any(isinstance(cause, private.UNSUPPORTED_BY_DYNAMO.get()) for cause in causes(error, suppressed=False)):
            raise GraphBreakError(
                f"the graph breaks, and must not (`fullgraph=True`) or cannot at this place: {first_line(str(error))}"
            ) from error
        tracing = any(isinstance(cause, private.DYNAMO_EXCEPTION.get()) for cause in chain)
        for cause in chain:
            # Raised inside a hook or a patch, and wrapped by torch.
            if isinstance(cause, CaptureError | UnsupportedLibraryError | NeedsGpuError):
                raise cause from error
            if operator := operator_without_result(cause, tracing=tracing):
                raise CaptureError(
                    f"`{operator}` cannot be answered by the virtual device, where no kernel runs and tensors have no "
                    "values; on a GPU it runs. Capture the functions before and after it"
                ) from error
        raise


def causes(error: BaseException | None, *, suppressed: bool = True) -> Iterator[BaseException]:
    """The error, and what led to it, latest first; also what `raise ... from None` hides, if asked for."""
    seen: set[int] = set()  # `raise a from b` inside a handler of `a` makes a ring
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        context = error.__context__ if suppressed or not error.__suppress_context__ else None
        error = getattr(error, "inner_exception", None) or error.__cause__ or context
