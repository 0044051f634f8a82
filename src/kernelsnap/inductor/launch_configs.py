"""Which launch configurations Triton's autotuner would get for a generated kernel.

Inductor's heuristics choose them when the kernel's module is loaded, from its metadata and the device's properties, so
the module is loaded here too; nothing is compiled or launched. Private API, checked on torch 2.11 and 2.13:
`torch._inductor.runtime.triton_heuristics.CachingAutotuner.configs`, `triton_helpers.set_driver_to_gpu`.
"""

from __future__ import annotations

import linecache
import re
from typing import Any
from unittest import mock

import torch
from torch._inductor.runtime import triton_helpers

from kernelsnap.model import LaunchConfig
from kernelsnap.virtual.support import UnsupportedTorchError

# Triton's own defaults (triton.Config, 3.6 and 3.7): an option is shown only where it differs.
_OPTIONS = {"num_ctas": 1, "maxnreg": None}
# @triton.jit
# def triton_poi_fused_add_0(in_ptr0, out_ptr0, xnumel, XBLOCK : tl.constexpr):
#     xnumel = 100
_BODY = re.compile(r"^(@triton\.jit\ndef \w+\(.*?\):\n).*\Z", re.MULTILINE | re.DOTALL)


def launch_configs(name: str, source: str) -> tuple[LaunchConfig, ...]:
    """The candidate configurations of the kernel `name` in `source`, in the order that the heuristics give them."""
    autotuner = _load(name, source)
    configs = getattr(autotuner, "configs", None)
    if configs is None:
        raise UnsupportedTorchError(
            f"torch {torch.__version__}: kernel {name} is a {type(autotuner).__name__} with no `configs`"
        )
    return tuple(_config(config) for config in configs)


def _config(config: Any) -> LaunchConfig:
    options = tuple(
        (name, repr(getattr(config, name))) for name, default in _OPTIONS.items() if getattr(config, name) != default
    )
    blocks = tuple((str(name), int(value)) for name, value in config.kwargs.items())
    return LaunchConfig(blocks, config.num_warps, config.num_stages, options)


def _load(name: str, source: str) -> Any:
    # The heuristics read a kernel's metadata and parameters, never its body: without it there is little to compile.
    source = _BODY.sub(r"\1    pass\n", source)
    # `triton.jit` reads the source of the function that it decorates, so the text needs a place to be read from.
    filename = f"<kernelsnap {name}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    namespace: dict[str, Any] = {"__file__": filename, "__name__": filename}
    try:
        # It would make the real GPU's driver the active one.
        with mock.patch.object(triton_helpers, "set_driver_to_gpu", lambda: None):
            exec(compile(source, filename, "exec"), namespace)
    finally:
        del linecache.cache[filename]
    return namespace[_defined(name, namespace)]


def _defined(name: str, namespace: dict[str, Any]) -> str:
    """The kernel's own name in its module: a user's kernel keeps the user's, without the suffix of the host's."""
    if name in namespace:
        return name
    stem = name.rpartition("_")[0]
    if stem in namespace:
        return stem
    raise UnsupportedTorchError(f"torch {torch.__version__}: the module of kernel {name} does not define it")
