"""Pins what differs between machines, so that a capture is the same everywhere: no choice by timing, and one CPU."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterator

from kernelsnap.capture import private
from kernelsnap.errors import CaptureError

# Each is called only once there is a choice to make, and before anything is compiled or run for it: its name, what is
# chosen by timing, and a setting that chooses without.
_CHOICES = (
    (
        private.SHOULD_PAD,
        "shape_padding chooses which multiplications to pad",
        '{"shape_padding": False} pads none, {"force_shape_pad": True} pads all that can be',
    ),
    (
        private.BENCHMARK_FUSION,
        "benchmark_fusion chooses which nodes to fuse",
        '{"benchmark_fusion": False} lets the heuristics choose',
    ),
    (
        private.BENCHMARK_COMBO_KERNEL,
        "benchmark_combo_kernel chooses which kernels to combine",
        '{"benchmark_combo_kernel": False} lets the heuristics choose',
    ),
)

# The target `cpu` is: AVX2, which every x86-64 server of the last ten years has, and eight threads.
THREADS = 8


@contextlib.contextmanager
def no_timing() -> Iterator[None]:
    """Raise `CaptureError`, naming a setting, where Inductor would choose by timing: a virtual GPU has no times.

    Raises:
        UnsupportedTorchError: this torch makes its choices in another place.
    """
    with contextlib.ExitStack() as stack:
        for name, choice, instead in _CHOICES:
            stack.enter_context(name.replaced(_refusing(choice, instead)))
        yield


def _refusing(choice: str, instead: str) -> Callable[..., object]:
    def refuse(*args: object, **kwargs: object) -> object:
        raise CaptureError(f"{choice} by timing them, which needs the GPU; of the settings for `config=`, {instead}")

    return refuse


@contextlib.contextmanager
def pinned_cpu() -> Iterator[None]:
    """Generate C++ for AVX2 and `THREADS` threads inside the block; Inductor would ask this machine's processor.

    Raises:
        UnsupportedTorchError: this torch asks for its vector instructions in another way.
    """
    isa = private.AVX2.get()()
    with (
        private.PICK_VECTOR_ISA.replaced(lambda: isa),
        private.PICK_VECTOR_ISA_OF_GEMM.replaced(lambda: isa),
        private.CONFIG.get().patch({"cpp.threads": THREADS}),
    ):
        yield
