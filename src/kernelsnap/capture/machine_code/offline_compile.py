"""Triton's own compile of a generated kernel, to machine code, without a GPU. Private parts, and nothing else of them.

Checked on torch 2.11 with triton 3.6, torch 2.13 with triton 3.7.1 and torch 2.14 with triton 3.8:

CachingAutotuner._precompile_config     turns a configuration into the call of `triton.compile` that Inductor makes
triton_helpers.set_driver_to_gpu        would make the real GPU's driver the active one
triton.knobs        .cache.dir; .nvidia.dump_ptxas_log, which prints what `ptxas -v` says; .nvidia.cuobjdump
triton.backends.nvidia.compiler.get_ptxas      which ptxas compiles for an architecture
triton._C.libtriton.get_cache_invalidating_env_vars     variables that make Triton generate other code
"""

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

from torch._inductor.runtime import triton_helpers
from torch._inductor.runtime.triton_heuristics import CachingAutotuner

from kernelsnap.capture.machine_code.machine_code import amd_numbers, nvidia_numbers
from kernelsnap.errors import CaptureError
from kernelsnap.virtual.support import UnsupportedTorchError, UnsupportedTritonError

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
        UnsupportedTorchError, UnsupportedTritonError: one of the internals above is missing.
    """
    import torch
    import triton
    from triton._C import libtriton

    for owner, name in ((CachingAutotuner, "_precompile_config"), (triton_helpers, "set_driver_to_gpu")):
        if not hasattr(owner, name):
            raise UnsupportedTorchError(
                f"torch {torch.__version__} has no {owner.__name__}.{name}, which an offline compile needs: "
                "this torch is not supported yet"
            )
    for owner, path in (
        (libtriton, "get_cache_invalidating_env_vars"),
        (triton, "knobs.cache.dir"),
        (triton, "knobs.nvidia.cuobjdump"),
        (triton, "knobs.nvidia.dump_ptxas_log"),
    ):
        value: Any = owner
        for name in path.split("."):
            if not hasattr(value, name):
                raise UnsupportedTritonError(
                    f"triton {triton.__version__} has no {owner.__name__}.{path}, which an offline compile needs: "
                    "this triton is not supported yet"
                )
            value = getattr(value, name)
    changing = [name for name in _OTHER_VARIABLES if os.environ.get(name)]
    if names := sorted({*changing, *libtriton.get_cache_invalidating_env_vars()}):
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
        mock.patch.object(triton_helpers, "set_driver_to_gpu", lambda: None),
        contextlib.redirect_stdout(io.StringIO()) as log,
    ):
        try:
            autotuner._precompile_config(config)
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
    from triton.backends.nvidia.compiler import get_ptxas

    try:
        path = get_ptxas(arch).path
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
    from triton import knobs

    with tempfile.TemporaryDirectory(prefix="kernelsnap-") as folder, knobs.cache.scope(), knobs.nvidia.scope():
        knobs.cache.dir = folder
        knobs.nvidia.dump_ptxas_log = True
        yield


def listing(cubin: bytes) -> str:
    """What `cuobjdump -res-usage -sass` prints of a cubin. Raises `MachineCodeError`."""
    from triton import knobs

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
