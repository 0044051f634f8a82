"""Pins the processor that C++ is generated for, so that a capture for the target `cpu` is the same everywhere."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from kernelsnap.capture import private
from kernelsnap.errors import CaptureError

# The target `cpu` is: AVX2, which every x86-64 server of the last ten years has, and eight threads.
THREADS = 8


@contextlib.contextmanager
def pinned_cpu() -> Iterator[None]:
    """Generate C++ for AVX2 and `THREADS` threads inside the block; Inductor would ask this machine's processor.

    Raises:
        UnsupportedTorchError: this torch asks for its vector instructions in another way.
    """
    with (
        private.PICK_VECTOR_ISA.replaced(_vector_isa),
        private.PICK_VECTOR_ISA_OF_GEMM.replaced(_vector_isa),
        # With `vec_isa_ok` no compiler is asked whether this machine has them.
        private.CONFIG.get().patch({"cpp.threads": THREADS, "cpp.vec_isa_ok": True}),
    ):
        yield


def _vector_isa() -> Any:
    """AVX2, or what the setting `cpp.simdlen` asks for."""
    bits = private.CONFIG.get().cpp.simdlen
    if bits is None:
        return private.AVX2.get()()
    if bits <= 1:
        return private.NO_VECTOR_ISA.get()
    for name in (private.AVX2, private.AVX512):
        isa = name.get()()
        if isa.bit_width() == bits:
            return isa
    raise CaptureError(f"`cpp.simdlen` is {bits}, but vectors of the target `cpu` have 256 bits, or 512 if asked for")
