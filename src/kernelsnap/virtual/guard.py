"""The part of the virtual device in C++: built once per torch with the machine's compiler, cached, and loaded.

torch's autograd engine and convolution lowering ask C++ objects about CUDA which no Python patch reaches, and recurrent
layers call C++ functions of a build with CUDA. `guard.cpp` answers them, `recurrent.cpp` has these functions. Without a
compiler code for inference is still captured; `installed` then yields the error that says what to install, and whatever
would need the answers raises it.
"""

from __future__ import annotations

import contextlib
import ctypes
import functools
import hashlib
import os
import platform
import shlex
import shutil
import subprocess
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import torch

from kernelsnap.errors import KernelsnapError
from kernelsnap.shared.places import cache_folder
from kernelsnap.targets.target import Target
from kernelsnap.virtual import private

#: The first includes the other: most of the time goes into torch's headers, which so are read once.
_SOURCES = tuple(Path(__file__).with_name(name) for name in ("guard.cpp", "recurrent.cpp"))
_COMPILERS = ("c++", "g++", "clang++")
# Seconds; it takes under ten on a slow machine.
_BUILD_TIMEOUT = 300
# c10::DeviceType, stable since it is part of torch's serialized formats.
_CUDA_SLOT = 1
_INSTALL_HINT = (
    "install a C++ compiler (Debian, Ubuntu: apt-get install g++; Fedora: dnf install gcc-c++; conda: "
    "conda install cxx-compiler), or name one in $CXX"
)


class CompilerMissingError(KernelsnapError):
    """Something needs the C++ part, and no compiler on this machine could build it."""


def find_compiler() -> list[str] | None:
    """The command that compiles C++: $CXX, else the first of c++, g++ and clang++ on the path."""
    for candidate in (os.environ.get("CXX", ""), *_COMPILERS):
        command = shlex.split(candidate)
        if command and shutil.which(command[0]):
            return command
    return None


def _flags() -> list[str]:
    root = Path(torch.__file__).parent
    return [
        "-std=c++20",
        "-O1",
        "-fPIC",
        "-shared",
        f"-D_GLIBCXX_USE_CXX11_ABI={int(torch.compiled_with_cxx11_abi())}",
        f"-I{root / 'include'}",
        f"-I{root / 'include/torch/csrc/api/include'}",
        f"-L{root / 'lib'}",
    ]


_LIBRARIES = ["-lc10", "-ltorch_cpu", "-ltorch_python"]


def _library_name() -> str:
    """One file per torch build, C++ ABI, machine and source: a change of any of them builds anew."""
    facts = (
        torch.__version__,
        torch.version.git_version,
        str(torch.compiled_with_cxx11_abi()),
        platform.machine(),
        *(source.read_text(encoding="utf-8") for source in _SOURCES),
    )
    digest = hashlib.sha256("\0".join(facts).encode()).hexdigest()[:16]
    return f"guard-{torch.__version__}-{digest}.so"


def build() -> Path:
    """The built library, from the cache where it is there already.

    Several processes may build it at once: each writes a file of its own and moves it into place. A cache folder
    that cannot be written is replaced by a temporary one. Raises `CompilerMissingError` where there is no
    compiler or it fails, with what it said.
    """
    library = cache_folder() / _library_name()
    if library.is_file():
        return library
    compiler = find_compiler()
    if compiler is None:
        raise CompilerMissingError(f"no C++ compiler found ($CXX, {', '.join(_COMPILERS)}): {_INSTALL_HINT}")
    try:
        library.parent.mkdir(parents=True, exist_ok=True)
        handle, temporary = tempfile.mkstemp(dir=library.parent, prefix=f".{library.name}.")
    except OSError:
        library = Path(tempfile.mkdtemp(prefix="kernelsnap-")) / library.name
        handle, temporary = tempfile.mkstemp(dir=library.parent, prefix=f".{library.name}.")
    os.close(handle)
    try:
        _compile(compiler, Path(temporary))
        Path(temporary).replace(library)
    finally:
        Path(temporary).unlink(missing_ok=True)
    return library


def _compile(compiler: list[str], output: Path) -> None:
    command = [*compiler, *_flags(), str(_SOURCES[0]), "-o", str(output), *_LIBRARIES]
    try:
        done = subprocess.run(command, capture_output=True, text=True, timeout=_BUILD_TIMEOUT, check=False)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CompilerMissingError(f"the C++ compiler cannot be run ({error}): {_INSTALL_HINT}") from error
    if done.returncode != 0:
        raise CompilerMissingError(
            f"{shlex.join(compiler)} cannot build kernelsnap's C++ part for torch {torch.__version__}:\n"
            f"{done.stderr[-2000:]}\n{_INSTALL_HINT}"
        )


@functools.cache
def _load() -> ctypes.CDLL:
    # Not cached when it raises: a compiler installed meanwhile is found.
    path = build()
    try:
        library = ctypes.PyDLL(str(path))
    except OSError as error:
        raise CompilerMissingError(f"{path} was built but cannot be loaded ({error}): remove it") from error
    library.kernelsnap_install.argtypes = library.kernelsnap_restore.argtypes = [ctypes.c_bool]
    library.kernelsnap_install.restype = library.kernelsnap_restore.restype = None
    library.kernelsnap_install_recurrent.argtypes = [ctypes.c_bool]
    library.kernelsnap_install_recurrent.restype = library.kernelsnap_restore_recurrent.restype = None
    library.kernelsnap_choose_sdpa.argtypes = [_ANSWER]
    library.kernelsnap_choose_sdpa.restype = library.kernelsnap_restore_sdpa.restype = None
    return library


# int64_t (*)(query, key, value, mask, dropout, causal, gqa, message, message_size)
_ANSWER = ctypes.CFUNCTYPE(
    ctypes.c_int64, *[ctypes.c_void_p] * 4, ctypes.c_double, *[ctypes.c_bool] * 2, ctypes.c_void_p, ctypes.c_size_t
)


@contextlib.contextmanager
def answering_sdpa(choose: Callable[..., int]) -> Iterator[None]:
    """Let ``choose(query, key, value, mask, dropout, causal, gqa)`` be torch's choice of a backend for CUDA tensors.

    What it raises becomes a `RuntimeError` with its message: an exception cannot cross C++.
    """
    library = _load()
    # PyObject* THPVariable_Wrap(const at::TensorBase&)
    wrap = ctypes.PyDLL(str(Path(torch.__file__).parent / "lib" / "libtorch_python.so"))[
        "_Z16THPVariable_WrapRKN2at10TensorBaseE"
    ]
    wrap.argtypes, wrap.restype = [ctypes.c_void_p], ctypes.py_object

    def answer(query: int, key: int, value: int, mask: int | None, *rest: Any) -> int:
        dropout, causal, gqa, message, size = rest
        try:
            tensors = [wrap(pointer) if pointer else None for pointer in (query, key, value, mask)]
            return choose(*tensors, dropout, causal, gqa)
        except BaseException as error:
            text = (str(error) or type(error).__name__).encode()[: size - 1] + b"\0"
            ctypes.memmove(message, text, len(text))
            return -1

    callback = _ANSWER(answer)
    library.kernelsnap_choose_sdpa(callback)
    try:
        yield
    finally:
        library.kernelsnap_restore_sdpa()


@contextlib.contextmanager
def installed(target: Target) -> Iterator[CompilerMissingError | None]:
    """Put the guard and the hooks in place, and what was there back; yield why they are not, if they are not.

    To be entered before ``torch.cuda`` is patched: whether CUDA was initialised is read here.
    """
    requires_init = not private.CUDA_INITIALIZED.get()
    try:
        library = _load()
    except CompilerMissingError as missing:
        with _inert_guard():
            yield missing
        return
    is_hip = target.backend == "hip"
    library.kernelsnap_install(is_hip)
    library.kernelsnap_install_recurrent(is_hip)
    try:
        yield None
    finally:
        library.kernelsnap_restore_recurrent()
        library.kernelsnap_restore(requires_init)


@contextlib.contextmanager
def _inert_guard() -> Iterator[None]:
    """torch's own no-op guard for CUDA, so that an autograd node on a CUDA tensor cannot abort the process.

    Without a guard, torch throws inside a function that may not throw. torch replaces a guard that counts no
    devices by its no-op one, but not an absent guard (the CPU wheel's). So it is shown one that counts none: an
    object each of whose virtual functions returns 0. torch asks it for nothing but that count.
    """
    library = ctypes.CDLL(str(Path(torch.__file__).parent / "lib" / "libc10.so"))
    registry = (ctypes.c_void_p * (_CUDA_SLOT + 1)).in_dll(library, "_ZN3c104impl26device_guard_impl_registryE")
    original = registry[_CUDA_SLOT]
    if original is None:
        returns_zero = ctypes.CFUNCTYPE(ctypes.c_int8, ctypes.c_void_p)(lambda this: 0)
        slots = 64
        vtable = (ctypes.c_void_p * slots)(*[ctypes.cast(returns_zero, ctypes.c_void_p)] * slots)
        countless = ctypes.c_void_p(ctypes.addressof(vtable))
        registry[_CUDA_SLOT] = ctypes.addressof(countless)
        private.ENSURE_CUDA_GUARD.get()()
        if registry[_CUDA_SLOT] == ctypes.addressof(countless):
            registry[_CUDA_SLOT] = None
    try:
        yield
    finally:
        registry[_CUDA_SLOT] = original
