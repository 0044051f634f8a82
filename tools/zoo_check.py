"""Captures one module of the zoo and checks its golden; the result is plain data, for a file of JSON."""

from __future__ import annotations

import re
import time
import traceback
from collections.abc import Callable
from typing import Any

import torch

from kernelsnap import capture, virtual_device
from kernelsnap.capture.on_device import tensors
from kernelsnap.diff.compare import compare
from kernelsnap.errors import GoldenError, KernelsnapError, UnreadableCodeError, UnsupportedLibraryError
from kernelsnap.golden.build import build_golden
from kernelsnap.golden.format import parse, render
from kernelsnap.model.capture import Capture

#: Makes a module and what it is called with, by position and by name, on the active device.
Build = Callable[[], tuple[torch.nn.Module, tuple[Any, ...], dict[str, Any]]]

#: The two ways in which every module is captured.
INFERENCE, TRAINING = "inference", "training"

# Errors of kernelsnap's that tell of a fault of its own, or of the installation: no refusals.
_OWN_FAULTS = (UnreadableCodeError, UnsupportedLibraryError, GoldenError)
# A package that a module imports and this machine has not.
_NOT_INSTALLED = re.compile(r"No module named '(?P<package>[\w.]+)'")
# How much of an eager error has to be in that of the compiled module; names of classes and sizes come later.
_SAME_ERROR = 80
# The end of a traceback that goes into a result, in characters.
_TRACE = 6000


class WrongGoldenError(Exception):
    """A golden is not what its text holds, or a second capture gave another one."""


def check(build: Build, phase: str, target: str, *, twice: bool = True) -> dict[str, Any]:
    """Capture the module, compare its golden, and return what came of it.

    Args:
        build: makes the module; called anew for each capture.
        phase: `INFERENCE`, or `TRAINING` for the forward and backward pass in training mode. A module without
            parameters is trained by gradients of its inputs.
        target: the virtual GPU.
        twice: whether to capture it a second time, and compare the goldens.
    """
    begun = time.perf_counter()
    result: dict[str, Any] = {"outcome": "captured", "torch": torch.__version__.partition("+")[0]}
    try:
        result |= _checked(build, phase, target, twice)
    except Exception as error:
        own = isinstance(error, KernelsnapError) and not isinstance(error, _OWN_FAULTS)
        missing = isinstance(error, ImportError) and _NOT_INSTALLED.search(str(error))
        eager = "" if own or missing else _eager_error(build, phase)
        wrong = bool(eager) and eager[:_SAME_ERROR] in str(error)
        result["outcome"] = "refused" if own or wrong else "not installed" if missing else "failed"
        result["reason"] = (
            f"in eager mode, too: {eager}" if wrong else f"{type(error).__name__}: {_first_line(str(error))}"
        )
        result["trace"] = traceback.format_exc()[-_TRACE:]
    result["seconds"] = round(time.perf_counter() - begun, 1)
    return result


def _checked(build: Build, phase: str, target: str, twice: bool) -> dict[str, Any]:
    begun = time.process_time()
    first = _capture(build, phase, target)
    seconds = time.process_time() - begun
    golden = build_golden(first, f"zoo::{phase}")
    text = render(golden)
    read = parse(text, "the golden")
    if read != golden or render(read) != text:
        raise WrongGoldenError("the golden that is read from its text is another one")
    again = build_golden(_capture(build, phase, target), f"zoo::{phase}") if twice else golden
    for other, what in ((read, "itself"), (again, "that of a second capture")):
        if render(other) != text or not compare(golden, other).same:
            raise WrongGoldenError(f"the golden differs from {what}: {_difference(text, render(other))}")
    return {
        "graphs": [graph.phase for graph in first.graphs],
        "kernels": first.kernels,
        "externs": sum(call.kind == "extern" for graph in first.graphs for call in graph.calls),
        "breaks": list(first.graph_breaks),
        "lines": len(text.splitlines()),
        "twice": twice,
        "processor_seconds": round(seconds, 1),
    }


def _capture(build: Build, phase: str, target: str) -> Capture:
    training = phase == TRAINING
    with virtual_device(target), torch.device("cuda"), torch.set_grad_enabled(training):
        module, args, kwargs = build()
        module.train(training)
        if training and not any(parameter.requires_grad for parameter in module.parameters()):
            for tensor in tensors((args, kwargs)):
                if tensor.is_floating_point():
                    tensor.requires_grad_()
        return capture(module, *args, backward=training, allow_no_kernels=True, **kwargs)


def _eager_error(build: Build, phase: str) -> str:
    """What the module raises without `torch.compile`, on tensors without values; "" if it runs."""
    try:
        with torch.device("meta"), torch.set_grad_enabled(phase == TRAINING):
            module, args, kwargs = build()
            results = module.train(phase == TRAINING)(*args, **kwargs)
            graded = [tensor for tensor in tensors(results) if tensor.requires_grad]
            if phase == TRAINING and graded:
                torch.autograd.backward(graded, [torch.ones_like(tensor) for tensor in graded])
    except Exception as error:
        return _first_line(str(error)).partition(" Hint:")[0]
    return ""


def _first_line(text: str) -> str:
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def _difference(old: str, new: str) -> str:
    pairs = zip(old.splitlines(), new.splitlines(), strict=False)
    return next((f"{a!r} and {b!r}" for a, b in pairs if a != b), "one is longer, or only the comparison differs")
