"""How large a buffer is."""

from __future__ import annotations

import re
from math import prod

from kernelsnap.model.capture import Buffer

# bf16, f32, uint64, b8, f8e4m3fn: the number is that of bits
_BITS = re.compile(r"(?:bf|f|c|i|u|uint|b)(\d+)(?:e\d.*)?\Z")


def buffer_bytes(buffer: Buffer) -> int | None:
    """The bytes of a dense buffer, elements times their size; None where type or shape is not known or dynamic."""
    bits = _BITS.match(buffer.dtype)
    if bits is None or buffer.shape is None or not all(size.isdecimal() for size in buffer.shape):
        return None
    return prod(map(int, buffer.shape)) * int(bits.group(1)) // 8
