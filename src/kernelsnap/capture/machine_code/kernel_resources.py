"""Compiles the kernels of a capture to machine code, in every launch configuration, and counts what they need."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
from collections.abc import Iterator
from pathlib import Path

import torch

from kernelsnap.capture.launch_configs import autotuner, launch_config
from kernelsnap.capture.machine_code.offline_compile import (
    DoesNotCompileError,
    check_triton_compiles,
    compilers,
    machine_numbers,
)
from kernelsnap.errors import CaptureError
from kernelsnap.model.capture import Capture, Graph, Kernel
from kernelsnap.model.resources import KernelResources, NotCompiled, Resources
from kernelsnap.targets.lookup import Target, project_targets
from kernelsnap.virtual import active_target, virtual_device

_LANGUAGES = {
    "cpp": "not compiled: a C++ kernel: it runs on the CPU",
    "cutedsl": "not compiled: a CuteDSL kernel: CUTLASS compiles it when it is first launched",
}
_EXTERN = "not compiled: a call into a library"
#: How many compiled kernels are kept: the same kernel is in many goldens.
_KEPT = 4096


def kernel_resources(capture: Capture) -> Resources:
    """Compile the kernels of a capture to machine code; count registers, spills, shared memory and instructions.

    Needs no GPU: Triton's own compilers do it, in a few tenths of a second for each kernel and launch configuration,
    once per process. Outside of `virtual_device`, the device of the capture is active while this runs.

    Args:
        capture: what `capture` returned.

    Returns:
        One entry for each Triton kernel and launch configuration (`.kernels`), and what was not compiled, with the
        reason (`.not_compiled`). Registers, stack and spills are per thread, shared memory is in bytes per block.

    Raises:
        MachineCodeError: an environment variable is set that changes Triton's code, or a compiler cannot be run.
        UnreadableMachineCodeError: the compilers' output has a form that kernelsnap cannot read.
        CaptureError: the capture was made for another device than the active one, or for one that no target describes.
    """
    entries: list[KernelResources | NotCompiled] = []
    with _device_of(capture) as target:
        tools: tuple[tuple[str, str], ...] = ()
        if any(kernel.language == "triton" for graph in capture.graphs for kernel in graph.kernels):
            check_triton_compiles()
            # Before anything is compiled: it finds the compilers.
            tools = compilers(target.arch)
        for name, graph in zip(capture.graph_names, capture.graphs, strict=True):
            entries += _entries(name, graph, capture.target)
    return Resources(capture.target, tuple(entries), tools=tools)


def _entries(name: str, graph: Graph, target: str) -> Iterator[KernelResources | NotCompiled]:
    for index, kernel in enumerate(graph.in_launch_order):
        if kernel.language == "triton":
            yield from _compiled(name, f"k{index}", kernel, target)
        else:
            yield NotCompiled(name, f"k{index}", _LANGUAGES[kernel.language])
    for callee in dict.fromkeys(call.name for call in graph.calls if call.kind == "extern"):
        yield NotCompiled(name, callee, _EXTERN)


def _compiled(graph: str, name: str, kernel: Kernel, target: str) -> Iterator[KernelResources | NotCompiled]:
    found = _in_every_configuration(kernel.name, kernel.source, target)
    if tuple(entry.launch for entry in found) != kernel.configs:
        raise CaptureError(
            f"kernel {kernel.name}: Inductor's heuristics give it other launch configurations now than when it was "
            f"captured; take its resources under the same settings"
        )
    for entry in found:
        yield dataclasses.replace(entry, graph=graph, kernel=name)


@functools.lru_cache(_KEPT)
def _in_every_configuration(name: str, source: str, target: str) -> tuple[KernelResources | NotCompiled, ...]:
    """What a kernel needs in each configuration, or why it does not compile; for no graph, and without a name."""
    tuner = autotuner(name, source)
    found: list[KernelResources | NotCompiled] = []
    for config in tuner.configs:
        launch = launch_config(config)
        try:
            found.append(KernelResources("", "", launch, **machine_numbers(tuner, config)))
        except DoesNotCompileError as error:
            found.append(NotCompiled("", "", str(error), launch))
    return tuple(found)


@contextlib.contextmanager
def _device_of(capture: Capture) -> Iterator[Target]:
    """The target that a capture was made for, its device turned on."""
    described = project_targets(Path.cwd()).entries
    active = active_target()
    if active is not None and active.name == capture.target:
        yield active
    elif active is not None:
        raise CaptureError(
            f"the capture was made for {capture.target}, and the active device is {active.name}: take its resources "
            f"inside the same one"
        )
    elif capture.target not in described:
        raise CaptureError(f"no target describes {capture.target}, so that nothing can be compiled for it")
    elif torch.cuda.is_available():
        yield described[capture.target]
    else:
        with virtual_device(described[capture.target]) as target:
            yield target
