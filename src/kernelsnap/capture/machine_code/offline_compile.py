"""Compiles a generated kernel to machine code with Triton's own compiler, without a GPU."""

from __future__ import annotations

import contextlib
import io
import os
import re
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from unittest import mock

from kernelsnap.capture import private
from kernelsnap.capture.machine_code.machine_code import amd_numbers, nvidia_numbers
from kernelsnap.errors import CaptureError, UnsupportedTritonError
from kernelsnap.shared.private_names import require

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
