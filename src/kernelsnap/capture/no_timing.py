"""Where Inductor would choose by timing on the GPU: say so, for a virtual one has no times, and none are made up.

Private API, checked on torch 2.11 and 2.13: the functions in `_CHOICES`.
"""

from __future__ import annotations

import contextlib
import importlib
from collections.abc import Callable, Iterator
from unittest import mock

import torch

from kernelsnap.errors import CaptureError
from kernelsnap.virtual.support import UnsupportedTorchError

# Each is called only once there is a choice to make, and before anything is compiled or run for it: where it lives,
# what is chosen by timing, and a setting that chooses without.
_CHOICES = (
    (
        "torch._inductor.fx_passes.pad_mm:get_cached_should_pad",
        "shape_padding chooses which multiplications to pad",
        '{"shape_padding": False} pads none, {"force_shape_pad": True} pads all that can be',
    ),
    (
        "torch._inductor.scheduler:Scheduler.benchmark_codegened_module",
        "benchmark_fusion chooses which nodes to fuse",
        '{"benchmark_fusion": False} lets the heuristics choose',
    ),
    (
        "torch._inductor.scheduler:Scheduler.benchmark_combo_kernel",
        "benchmark_combo_kernel chooses which kernels to combine",
        '{"benchmark_combo_kernel": False} lets the heuristics choose',
    ),
)


@contextlib.contextmanager
def no_timing() -> Iterator[None]:
    """Inside the block a choice that Inductor would make by timing raises `CaptureError`, naming a setting.

    Raises:
        UnsupportedTorchError: this torch makes its choices in another place.
    """
    with contextlib.ExitStack() as stack:
        for place, choice, instead in _CHOICES:
            module, _, path = place.partition(":")
            owner: object = importlib.import_module(module)
            *parents, name = path.split(".")
            for parent in parents:
                owner = getattr(owner, parent, None)
            if not hasattr(owner, name):
                raise UnsupportedTorchError(f"torch {torch.__version__} has no {place}: it is not supported yet")
            stack.enter_context(mock.patch.object(owner, name, _refusing(choice, instead)))
        yield


def _refusing(choice: str, instead: str) -> Callable[..., object]:
    def refuse(*args: object, **kwargs: object) -> object:
        raise CaptureError(f"{choice} by timing them, which needs the GPU; of the settings for `config=`, {instead}")

    return refuse
