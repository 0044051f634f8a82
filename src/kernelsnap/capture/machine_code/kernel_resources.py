"""Compiles the kernels of a capture to machine code, in every launch configuration, and counts what they need."""

from __future__ import annotations

import contextlib
import dataclasses
import functools
import io
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

import torch

from kernelsnap.capture import private
from kernelsnap.capture.launch_configs import autotuner, launch_config
from kernelsnap.capture.machine_code.machine_code import amd_numbers, nvidia_numbers
from kernelsnap.errors import CaptureError, UnsupportedTritonError
from kernelsnap.model.capture import Capture, Graph, Kernel
from kernelsnap.model.resources import KernelResources, NotCompiled, Resources
from kernelsnap.shared.private_names import require
from kernelsnap.targets.lookup import project_targets
from kernelsnap.targets.target import Target
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


# What changes the code but is in no list of Triton's.
_OTHER_VARIABLES = ("PTXAS_OPTIONS", "TRITON_INTERPRET", "TRITON_MOCK_PTX_VERSION", "TRITON_OVERRIDE_ARCH")
_RELEASE = re.compile(r"release (\d+\.\d+), V([\d.]+)")


class MachineCodeError(CaptureError):
    """A kernel cannot be compiled to machine code here: the environment is not as it should be."""


class DoesNotCompileError(CaptureError):
    """Triton, or ptxas, refuses a kernel in one configuration: it would on any machine."""


def check_triton_compiles() -> None:
    """Check that an offline compile gives what a plain one would.

    Raises:
        MachineCodeError: a variable is set that makes Triton generate other code.
        UnsupportedTorchError, UnsupportedTritonError: one of the internals that this needs is missing.
    """
    require(private.PRECOMPILE, private.SET_DRIVER, private.CODE_VARIABLES, *private.OF_KNOBS)
    changing = [name for name in _OTHER_VARIABLES if os.environ.get(name)]
    if names := sorted({*changing, *private.CODE_VARIABLES.get()()}):
        raise MachineCodeError(
            f"{', '.join(names)} is set, which makes Triton generate other code: resources recorded with it would hold "
            f"on this machine only; unset it"
        )


def machine_numbers(autotuner: Any, config: Any) -> dict[str, Any]:
    """Compile a kernel for one configuration; the fields of `KernelResources` that its machine code gives.

    Args:
        autotuner: what the heuristics made of the kernel, a `CachingAutotuner`.
        config: one of its `configs`, a `triton.Config`.

    Raises:
        DoesNotCompileError: this configuration does not compile; Triton's own error is the cause.
        MachineCodeError: a compiler is missing, was killed, or could not write its files.
        UnreadableMachineCodeError: what the compilers print is of another form.
    """
    import triton

    binaries: list[Any] = []
    original = triton.compile

    def compile_(*args: Any, **kwargs: Any) -> Any:
        binary = original(*args, **kwargs)
        binaries.append(binary)
        return binary

    with (
        _own_cache(),
        mock.patch.object(triton, "compile", compile_),
        private.SET_DRIVER.replaced(lambda: None),
        contextlib.redirect_stdout(io.StringIO()) as log,
    ):
        try:
            private.PRECOMPILE.of(autotuner)(config)
        except Exception as error:
            said = f"{type(error).__name__}: {_first_line(error)}"
            if _refuses(error):
                raise DoesNotCompileError(f"does not compile: {said}") from error
            raise MachineCodeError(f"kernel {autotuner.fn.__name__} could not be compiled: {said}") from error
    (binary,) = binaries
    name = binary.metadata.name
    if "cubin" in binary.asm:
        numbers = nvidia_numbers(name, log.getvalue(), listing(binary.asm["cubin"]))
    elif "amdgcn" in binary.asm:
        numbers = amd_numbers(name, binary.asm["amdgcn"])
    else:
        raise MachineCodeError(f"Triton compiled to {', '.join(binary.asm)}: neither a cubin nor AMDGCN")
    return {**numbers, "shared": binary.metadata.shared}


def compilers(arch: int | str) -> tuple[tuple[str, str], ...]:
    """What compiles for an architecture, by name: ("ptxas", "12.8.93"), ("triton", "3.7.1").

    AMD's compiler is the LLVM inside Triton.
    """
    import triton

    version = ("triton", triton.__version__.partition("+")[0])
    if isinstance(arch, str):
        return (version,)
    try:
        path = private.GET_PTXAS.get()(arch).path
    except RuntimeError as error:
        raise MachineCodeError(f"Triton does not find its ptxas: {error}") from error
    found = _RELEASE.search(_output([path, "--version"]))
    if found is None:
        raise UnsupportedTritonError(f"{path} --version does not say its release")
    return ((Path(path).name, found.group(2)), version)


def _refuses(error: Exception) -> bool:
    """Whether an error is about the kernel: Triton's own ones, and what MLIR's passes raise. A signal is not."""
    if type(error).__module__.partition(".")[0] == "triton":
        return "failed with error code -" not in str(error)
    return isinstance(error, RuntimeError) and "PassManager::run failed" in str(error)


@contextlib.contextmanager
def _own_cache() -> Iterator[None]:
    """Compile in any case, and say what ptxas says: a hit in Triton's cache on disk has no log."""
    knobs = private.KNOBS.get()
    with tempfile.TemporaryDirectory(prefix="kernelsnap-") as folder, knobs.cache.scope(), knobs.nvidia.scope():
        knobs.cache.dir = folder
        knobs.nvidia.dump_ptxas_log = True
        yield


def listing(cubin: bytes) -> str:
    """What `cuobjdump -res-usage -sass` prints of a cubin. Raises `MachineCodeError`."""
    knobs = private.KNOBS.get()
    with tempfile.NamedTemporaryFile(prefix="kernelsnap-", suffix=".cubin") as file:
        file.write(cubin)
        file.flush()
        return _output([knobs.nvidia.cuobjdump.path, "-res-usage", "-sass", file.name])


def _output(command: list[str]) -> str:
    try:
        return subprocess.run(command, capture_output=True, check=True, encoding="utf-8", errors="replace").stdout
    except (OSError, subprocess.CalledProcessError) as error:
        said = getattr(error, "stderr", "") or ""
        raise MachineCodeError(f"{' '.join(command[:-1])} failed: {error} {said.strip()}") from error


def _first_line(error: Exception) -> str:
    return next((line.strip() for line in str(error).splitlines() if line.strip()), "")
