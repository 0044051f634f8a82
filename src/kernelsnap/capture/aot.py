"""Compiles a function ahead of time, as AOTInductor does, and returns what was generated: `capture_aot`.

No C++ is compiled and nothing is run. AOTInductor writes a C++ wrapper around the kernels; Inductor can write a Python
wrapper for the same scheduled graph. The plan is read from the latter, as in every capture, and `read.cpp_wrapper`
compares the C++ with it: it launches the same kernels and calls the same operators in the same order, or the capture
is an error.

Left out are the C++ functions that launch one kernel each. AOTInductor writes the launch configuration that was fastest
into them, and nothing is timed here; all candidates are in the golden.
"""

from __future__ import annotations

import contextlib
import inspect
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import torch

from kernelsnap.capture import private
from kernelsnap.capture.hooks import GeneratedGraph, recording
from kernelsnap.capture.machine_code.kernel_resources import kernel_resources
from kernelsnap.capture.on_device import check_on_device
from kernelsnap.capture.read.cpp_wrapper import with_cpp_wrapper
from kernelsnap.capture.run import as_graph, readable_errors
from kernelsnap.capture.settings import settings_of_capture
from kernelsnap.capture.templates import templates_of
from kernelsnap.capture.timed import without_timing
from kernelsnap.errors import CaptureError, NoCompileError, NoKernelsError
from kernelsnap.model.capture import Capture
from kernelsnap.shared.private_names import require
from kernelsnap.virtual import active_target
from kernelsnap.virtual.device import torch_functions_kept
from kernelsnap.virtual.private import COMPILE_AOT, FAKE_TENSOR, WITHOUT_MODES

# What makes AOTInductor write something else than one C++ module around one graph, and why that cannot be captured.
_NOT_CAPTURED = {
    "fx_wrapper": "its wrapper is a graph, not text",
    "aot_inductor.use_runtime_constant_folding": "it writes a second graph, which runs when a model is loaded",
}


class _Generated(BaseException):
    """Ends the compile where AOTInductor would compile C++. No `Exception`: torch would wrap it, and go on."""


class _Function(torch.nn.Module):
    """A function as a module, for `torch.export` takes nothing else."""

    def __init__(self, fn: Callable[..., Any]) -> None:
        super().__init__()
        self.fn = fn

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        """Call the function."""
        return self.fn(*args, **kwargs)


def capture_aot(
    fn: Callable[..., Any] | torch.export.ExportedProgram,
    *args: Any,
    dynamic_shapes: Any = None,
    config: Mapping[str, Any] | None = None,
    allow_no_kernels: bool = False,
    **kwargs: Any,
) -> Capture:
    """Compile `fn(*args, **kwargs)` ahead of time for the virtual GPU, and return what AOTInductor generates.

    The golden has the plan, the metrics, the configurations and the kernels as that of `capture`; its host code is the
    body of the C++ wrapper. Gradients are off, as AOTInductor compiles inference only.

    Args:
        fn: a module, a function, or what `torch.export.export` returned for one inside `virtual_device`.
        args: what `fn` is exported with, fake tensors on the device; none with an exported program.
        dynamic_shapes: as in `torch.export.export`.
        config: settings of `torch._inductor.config` for this capture, by name, `aot_inductor.…` among them.
        allow_no_kernels: accept a function without a generated kernel.
        kwargs: what else `fn` is exported with.

    Returns:
        A capture with one graph, whose phase is "inference".

    Raises:
        CaptureError: no virtual GPU is active, a setting makes AOTInductor write what cannot be captured, or one of the
            errors that `capture` documents.
        UnreadableCodeError: the C++ is of a form that kernelsnap does not know, or does something else than the plan.
    """
    target = active_target()
    if target is None or not target.is_gpu:
        raise CaptureError(
            "capture_aot generates code for a virtual GPU only: call it inside `virtual_device`, or in a test that "
            "uses `kernel_snapshot`, with the target of a GPU"
        )
    require(*private.OF_AOT)
    with readable_errors(), torch_functions_kept(), torch.no_grad():
        program = _exported(fn, args, kwargs, dynamic_shapes)
        with without_timing(launches=False), settings_of_capture(config or {}), recording(run=False) as recorded:
            _check_settings()
            wrapper = _compiled(program)
    if not recorded or wrapper is None:
        raise NoCompileError("AOTInductor compiled nothing: a golden of it would be empty")
    check_on_device(recorded[-1].devices, program.module(), args, kwargs)
    return _capture(target.name, recorded[-1], wrapper, allow_no_kernels)


def _capture(target: str, generated: GeneratedGraph, wrapper: str, allow_no_kernels: bool) -> Capture:
    graph = with_cpp_wrapper(as_graph(generated), wrapper)
    if not graph.kernels and not allow_no_kernels:
        raise NoKernelsError(
            "the function compiled without a single generated kernel; if that is right (it only calls libraries, say), "
            "write capture_aot(..., allow_no_kernels=True)"
        )
    return Capture(
        target=target,
        graphs=(graph,),
        templates=templates_of((graph,)),
        files=tuple(sorted(generated.files)),
        compile=kernel_resources,
    )


def _exported(fn: Any, args: Any, kwargs: Mapping[str, Any], dynamic_shapes: Any) -> torch.export.ExportedProgram:
    if isinstance(fn, torch.export.ExportedProgram):
        if args or kwargs or dynamic_shapes is not None:
            raise CaptureError("the program is exported already: give its arguments and shapes to torch.export.export")
        return fn
    module = fn if isinstance(fn, torch.nn.Module) else _Function(fn)
    return torch.export.export(module, args, dict(kwargs), dynamic_shapes=dynamic_shapes, strict=False)


def _check_settings() -> None:
    config = private.CONFIG.get()
    for name, why in _NOT_CAPTURED.items():
        owner, _, attribute = name.rpartition(".")
        if getattr(getattr(config, owner) if owner else config, attribute):
            raise CaptureError(f"`{name}` is on: {why}; capture without it")


def _compiled(program: torch.export.ExportedProgram) -> str | None:
    """The C++ wrapper of a program. The Python one is recorded on the way, by `recording`."""
    module = program.module(check_guards=False)
    values = {node.name: node.meta.get("val") for node in program.graph.find_nodes(op="placeholder")}
    leaves, spec = private.TREE_FLATTEN.get()(program.example_inputs)
    # In the fake mode of the program, which knows the symbols of dynamic shapes.
    leaves = [
        values[name] if isinstance(leaf, torch.Tensor) else leaf
        for name, leaf in zip(program.graph_signature.user_inputs, leaves, strict=True)
    ]
    args, kwargs = private.TREE_UNFLATTEN.get()(leaves, spec)
    texts: list[str] = []
    with _generating(texts), WITHOUT_MODES.get()(), contextlib.suppress(_Generated):
        _move_parameters(module, leaves)
        private.AOT_COMPILE.get()(module, args, kwargs)
    return texts[0] if texts else None


def _move_parameters(module: torch.nn.Module, inputs: Iterable[Any]) -> None:
    """Give a module its parameters in the fake mode of its inputs: torch mixes no modes."""
    fake = FAKE_TENSOR.get()
    mode = next((value.fake_mode for value in inputs if isinstance(value, fake)), None)
    if mode is None:
        raise CaptureError("AOTInductor is given no tensor: capture_aot needs at least one among the arguments")
    # By id, with the original, so that no id is used again.
    moved: dict[int, tuple[torch.Tensor, torch.Tensor]] = {}

    def in_mode(tensor: Any) -> Any:
        if not isinstance(tensor, fake) or tensor.fake_mode is mode:
            return tensor
        if id(tensor) not in moved:
            with mode:
                copy = torch.empty_strided(tensor.shape, tensor.stride(), dtype=tensor.dtype, device=tensor.device)
            is_parameter = isinstance(tensor, torch.nn.Parameter)
            moved[id(tensor)] = tensor, torch.nn.Parameter(copy, tensor.requires_grad) if is_parameter else copy
        return moved[id(tensor)][1]

    for part in module.modules():
        for held in (private.PARAMETERS.of(part), private.BUFFERS.of(part), vars(part)):
            held.update({name: in_mode(value) for name, value in held.items()})


@contextlib.contextmanager
def _generating(texts: list[str]) -> Iterator[None]:
    """Inside the block AOTInductor generates both wrappers, appends the C++ to the list, and ends there."""
    generate = private.GENERATE_CPP_WRAPPER.get()

    def codegen_with_cpp_wrapper(graph: Any) -> Any:
        # The Python wrapper first, and what Inductor itself resets when it generates a graph a second time.
        graph.cpp_wrapper = False
        with private.CONFIG.get().patch({"triton.autotune_at_compile_time": False}):
            graph.compile_to_module()
        graph.cpp_wrapper = True
        for remembered in (graph.removed_buffers, graph.removed_operations, graph.inplaced_to_remove):
            remembered.clear()
        graph.sizevars.precomputed_replacements.clear()
        graph.sizevars.inv_precomputed_replacements.clear()
        with private.CONFIG.get().patch({"triton.autotune_at_compile_time": True}):
            return generate(graph)

    def compile_cpp(graph: Any, wrapper: str, *args: Any, **kwargs: Any) -> None:
        texts.append(wrapper)
        raise _Generated

    with (
        # In a session of existing tests, compiling with AOTInductor is refused.
        COMPILE_AOT.replaced(inspect.unwrap(COMPILE_AOT.get())),
        private.GENERATE_CPP_WRAPPER.replaced(codegen_with_cpp_wrapper),
        # Both need the configuration that was the fastest.
        private.TUNE_FOR_CPP_WRAPPER.replaced(lambda wrapper: None),
        private.GENERATE_LAUNCHER.replaced(lambda launcher, wrapper: None),
        private.COMPILE_CPP_WRAPPER.replaced(compile_cpp),
    ):
        yield
