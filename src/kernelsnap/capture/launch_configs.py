"""Finds the launch configurations that Triton's autotuner would get for a generated kernel.

Inductor's heuristics choose them when the kernel's module is loaded, from its metadata and the device's properties, so
the module is loaded here too; nothing is compiled or launched.
"""

from __future__ import annotations

import linecache
import re
from typing import Any

from kernelsnap.capture import private
from kernelsnap.errors import UnsupportedTorchError
from kernelsnap.model.capture import LaunchConfig
from kernelsnap.shared.private_names import release_of, require

# Triton's own defaults (triton.Config, 3.6 and 3.7): an option is shown only where it differs.
_OPTIONS = {"num_ctas": 1, "maxnreg": None}
# )                          The end of the heuristics decorator: helper functions before it are kept.
# @triton.jit
# def triton_poi_fused_add_0(in_ptr0, out_ptr0, xnumel, XBLOCK : tl.constexpr):
#     xnumel = 100
_BODY = re.compile(r"^(\)\n@triton\.jit\ndef \w+\(.*?\):\n).*\Z", re.MULTILINE | re.DOTALL)


def launch_configs(name: str, source: str) -> tuple[LaunchConfig, ...]:
    """The candidate configurations of the kernel `name` in `source`, in the order that the heuristics give them."""
    # The heuristics read a kernel's metadata and parameters, never its body: without it there is little to compile.
    return tuple(launch_config(config) for config in autotuner(name, _BODY.sub(r"\1    pass\n", source)).configs)


def launch_config(config: Any) -> LaunchConfig:
    """A `triton.Config` in kernelsnap's words."""
    options = tuple(
        (name, repr(getattr(config, name))) for name, default in _OPTIONS.items() if getattr(config, name) != default
    )
    blocks = tuple((str(name), int(value)) for name, value in config.kwargs.items())
    return LaunchConfig(blocks, config.num_warps, config.num_stages, options)


def autotuner(name: str, source: str) -> Any:
    """What the heuristics made of the kernel. The host's name for it is not always the one in its own module."""
    require(*private.OF_AUTOTUNERS)
    # `triton.jit` reads the source of the function that it decorates, so the text needs a place to be read from.
    filename = f"<kernelsnap {name}>"
    linecache.cache[filename] = (len(source), None, source.splitlines(keepends=True), filename)
    namespace: dict[str, Any] = {"__file__": filename, "__name__": filename}
    try:
        # It would make the real GPU's driver the active one.
        with private.SET_DRIVER.replaced(lambda: None):
            exec(compile(source, filename, "exec"), namespace)
    finally:
        del linecache.cache[filename]
    autotuners = [value for value in namespace.values() if isinstance(value, private.AUTOTUNER.get())]
    if len(autotuners) != 1:
        raise UnsupportedTorchError(
            f"torch {release_of('torch')}: the module of kernel {name} defines {len(autotuners)} kernels, not one"
        )
    return autotuners[0]
