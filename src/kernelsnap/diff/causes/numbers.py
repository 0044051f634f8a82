"""The numbers that a kernel computes with."""

from __future__ import annotations

import re
from functools import lru_cache

from kernelsnap.diff.match.items import Item

# tl.full([1, 1], 1e-06, tl.float32): a number of the program, not a block of them, nor one that an index needs
_NUMBER = re.compile(r"tl\.full\(\[1(?:, 1)*\], ([^,()]+|float\([^()]*\)), tl\.b?float\d+\)")
#: Numbers that any formula may begin to need.
_NEUTRAL = frozenset({"0", "1", "0.0", "1.0", "True", "False"})


def numbers_of(item: Item) -> frozenset[str]:
    """The numbers of a kernel, but for the sizes of what it runs over and those that any formula needs."""
    sizes = {size for step in item.steps for _, size in step.sizes}
    known = sizes | {f"{size}.0" for size in sizes} | _NEUTRAL
    return _numbers(item.code) - known


@lru_cache(maxsize=4096)
def _numbers(code: str) -> frozenset[str]:
    return frozenset(_NUMBER.findall(code))
