"""Loads generated code as torch does on a GPU, except that no kernel is compiled, and that nothing of it can run.

For tests that look at what loading leaves behind: files in Inductor's cache folder, `PyCodeCache.modules` and the
autotuners in them, the logs `output_code` and `kernel_code`, debug folders, structured traces, counters.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator
from typing import Any

from kernelsnap.capture import private
from kernelsnap.virtual.needs_gpu import NeedsGpuError

Run = Callable[[list[Any]], Any]

# What kernels of other languages than Triton become; the text is the last string that the generated module passes.
_LANGUAGES = (
    (private.LOAD_CPP, "CPP"),
    (private.LOAD_CPP_BINDING, "CPP+Bindings"),
    (private.LOAD_CUDA, "CUDA"),
    (private.LOAD_ROCM, "ROCm"),
    (private.LOAD_CUTEDSL, "CuteDSL"),
    (private.LOAD_NV_GEMM, "NVIDIA Universal GEMM"),
)


@contextlib.contextmanager
def loaded_without_compiling() -> Iterator[dict[str, Run]]:
    """Load each generated module inside the block without compiling its kernels.

    Yields:
        What computes the graph of a module, by the module's key in `PyCodeCache`, for whoever compiles to fill in: a
        graph that torch finds in one of its caches is loaded without being compiled again.

    Raises:
        UnsupportedTorchError: this torch loads its code in another way.
    """
    known: dict[str, Run] = {}
    load, load_triton = private.LOAD_MODULE.get(), private.LOAD_TRITON.get()

    def load_by_key_path(key: str, path: str, *args: Any, **kwargs: Any) -> Any:
        module = load(key, path, *args, **kwargs)
        if "call" in vars(module):  # the module of a graph, and not of a kernel
            module.call = _as_known(known, key, path)
        return module

    def triton(*args: Any, **kwargs: Any) -> Any:
        with private.PRECOMPILE_KERNEL.replaced(lambda *args, **kwargs: None):
            return load_triton(*args, **kwargs)

    with contextlib.ExitStack() as stack:
        stack.enter_context(private.LOAD_MODULE.replaced(load_by_key_path))
        stack.enter_context(private.LOAD_TRITON.replaced(triton))
        for name, language in _LANGUAGES:
            stack.enter_context(name.replaced(_logged(language)))
        yield known


def _as_known(known: dict[str, Run], key: str, path: str) -> Run:
    def call(inputs: list[Any]) -> Any:
        if key in known:
            return known[key](inputs)
        raise NeedsGpuError(f"running {path}", "a GPU: another process compiled it, and this one found it in a cache")

    return call


def _logged(language: str) -> Callable[..., object]:
    """Stands in for the method that compiles kernels of a language: it logs the kernel."""

    def load(*args: Any, **kwargs: Any) -> object:
        texts = [value for value in (*args, *kwargs.values()) if isinstance(value, str) and "\n" in value]
        private.KERNEL_CODE_LOG.get().info("%s Kernel:\n%s", language, *texts[-1:])
        return _not_compiled

    return load


def _not_compiled(*args: object, **kwargs: object) -> None:
    raise NeedsGpuError("launching a kernel of generated code", "to run on the GPU")
