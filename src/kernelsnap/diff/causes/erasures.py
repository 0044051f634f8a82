"""What two lines of a kernel differ in: each erasure takes one kind of meaning out of a line.

Two lines that are equal after an erasure, and not before, differ in what it erases. The smallest set of erasures that
makes them equal names the difference.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from itertools import combinations

# tl.load(  tl.store(  tl.atomic_add(
_ACCESS = re.compile(r"\btl\.(load|store|atomic_\w+)\(")
# , eviction_policy='evict_last'   , cache_modifier='.cg'
_CACHING = re.compile(r", (?:eviction_policy|cache_modifier)=[^,()]+")
# , other=0.0   , boundary_check=[0]   , padding_option='zero'
_BOUND = re.compile(r", (?:other|padding_option)=[^,()]+|, boundary_check=\[[^\]]*\]")
# .to(tl.float32)   tl.bfloat16   *fp32 align 16
_CAST = re.compile(r"\.to\((?:tl|torch|cutlass)\.\w+(?:, bitcast=\w+)?\)")
_DTYPE = re.compile(r"\btl\.(?:b?float\d+\w*|u?int\d+)\b|(?<=  )\*?\b(?:[fibu]|fp|bf)\d+\w*")
# 1.0  1e-05  64  and -1 after a comma or a bracket, but not the digits of a name;  descending=True  float("-inf")
_LITERAL = re.compile(
    r"(?:(?<=, )-|(?<=\()-)?(?<![\w\0.])\d+(?:\.\d*)?(?:e[+-]?\d+)?(?![\w\0])"
    r"|(?<=[=( ])(?:True|False)\b|\bfloat\(['\"]-?\w+['\"]\)"
)
_ALIGN = re.compile(r" align \d+")
_INDEX_TYPE = re.compile(r"\.to\(INDEX_DTYPE\)|, INDEX_DTYPE\b")
# What a block pointer is given to store: tl.broadcast_to(tmp6, [XBLOCK]).to(tl.float32)
_BLOCK_VALUE = re.compile(r"tl\.broadcast_to\((\0[^\0]*\0), \[[^\]]*\]\)(?:\.to\(tl\.\w+\))?")
# tl.load(in_ptr0 + (x0), None): no mask, as if the argument were left out
_NO_MASK = re.compile(r", None(?=[,)])")
_OPERAND = re.compile(r"\0[^\0]*\0|" + _LITERAL.pattern)
# tl.atomic_add(   and   , sem='relaxed'
_ATOMIC = re.compile(r"\btl\.atomic_\w+\(")
_ORDERING = re.compile(r", sem='\w+'")
# tl.make_tensor_descriptor(...).load([xoffset])   .store([xoffset], tmp5)
_DESCRIPTOR = re.compile(r"tl\.make_tensor_descriptor\(.*?\)\.(load|store)\(\[[^\]]*\](?:, )?")
# the shape of a constant's block: tl.full([1, 1], 2.0, tl.float32)
_BLOCK_SHAPE = re.compile(r"\btl\.full\(\[[^\]]*\]")
# what Triton decides by a type: ... if (tmp5).dtype is tl.float32 else ...
_BY_TYPE = re.compile(r" if \(\0[^\0]*\0\)\.dtype is .*? else ")
# tmp4 = ...    tmp4_val, tmp4_idx = ...
_TARGET = re.compile(r"(\s*\0_?tmp[^\0]*\0(?:, \0[^\0]*\0)*) = (.*)")
# tmp5 = (tl_math.abs(((r0_1 + 128*x1) % 256) % 16)).to(tl.int64): an index as a value; with a comparison in it, it is a
# choice between values, which is computed with
_INDEX_VALUE = re.compile(
    r"(\s*\0tmp[^\0]*\0) = (?=.*\0[xyzr])"
    r"(?:\0[xyzr]\d*_?\{\}\0|\b(?:tl|tl_math)\.\w+|\d+|[-+*/%(), ])+\.to\(tl\.int\d+\)\Z"
)
#: The size of a set of erasures tried together, and of the rows for which they are tried.
_MOST_TOGETHER = 3
_MANY_ROWS = 400


@dataclass(frozen=True)
class Erasure:
    """One kind of meaning that a line of code carries."""

    cause: str
    apply: Callable[[str], str]


def _without_address(line: str) -> str:
    line = _BLOCK_SHAPE.sub("tl.full([]", line)
    if "make_block_ptr" in line or "tensor_descriptor" in line:
        line = _without_reshape(line)
        line = _BLOCK_VALUE.sub(r"\1", line)
        line = _DESCRIPTOR.sub(lambda access: f"tl.{access.group(1)}(_, ", line).replace("(_, )", "(_)")
    return _INDEX_TYPE.sub("", _ALIGN.sub("", _with_argument(line, {"load": 0, "store": 0, "atomic": 0})))


def _without_reshape(line: str) -> str:
    """The line with what is reshaped in place of `tl.reshape(..., [R0_BLOCK])`."""
    while (start := line.find("tl.reshape(")) >= 0:
        arguments, end = split_arguments(line, start + len("tl.reshape("))
        line = line[:start] + arguments[0] + line[end + 1 :]
    return line


def _without_mask(line: str) -> str:
    return _BOUND.sub("", _with_argument(line, {"load": 1, "store": 2, "atomic": 2}))


def _with_argument(line: str, places: dict[str, int]) -> str:
    """The line with one argument of each memory access left out, and `None` for a mask."""
    for match in reversed(list(_ACCESS.finditer(line))):
        arguments, end = split_arguments(line, match.end())
        place = places[match.group(1).partition("_")[0]]
        positional = [a for a in arguments if not re.match(r"\w+=(?!=)", a)]
        if place < len(positional):
            arguments[arguments.index(positional[place])] = "_" if place == 0 else ""
        kept = ", ".join(a for a in arguments if a)
        line = line[: match.end()] + kept + line[end:]
    return _NO_MASK.sub("", line) if _ACCESS.search(line) else line


def split_arguments(line: str, start: int) -> tuple[list[str], int]:
    """The arguments of a call whose bracket opened just before `start`, and where it closes."""
    depth, begin = 0, start
    arguments: list[str] = []
    for index in range(start, len(line)):
        char = line[index]
        if char in "([{":
            depth += 1
        elif char in ")]}":
            depth -= 1
            if depth < 0:
                return [*arguments, line[begin:index]], index
        elif char == "," and depth == 0:
            arguments.append(line[begin:index])
            begin = index + 2
    return [*arguments, line[begin:]], len(line)


def _without_instruction(line: str) -> str:
    """What is computed from what, the instruction left out."""
    if _ATOMIC.search(line):
        return _ORDERING.sub("", _ATOMIC.sub("tl.store(", line))
    line = _BY_TYPE.sub(" if T else ", line)
    match = None if _ACCESS.search(line) else _TARGET.match(line)
    return f"{match.group(1)} = {' '.join(_OPERAND.findall(match.group(2)))}" if match else line


ERASURES = (
    Erasure("caching", lambda line: _CACHING.sub("", line)),
    Erasure("mask", _without_mask),
    Erasure("indexing", _without_address),
    Erasure("constants", lambda line: _LITERAL.sub("N", line)),
    Erasure("dtype", lambda line: _DTYPE.sub("T", _CAST.sub("", line))),
    Erasure("intrinsic", _without_instruction),
    Erasure("indexing", lambda line: _INDEX_VALUE.sub(r"\1 = INDEX", line)),
)


def paired_off(removed: list[str], added: list[str]) -> Iterator[tuple[tuple[str, ...], str, str]]:
    """Lines of both lists that differ in what one or a few erasures erase: the causes and both lines.

    Both lists keep what is left.
    """
    most = _MOST_TOGETHER if len(removed) + len(added) <= _MANY_ROWS else 1
    for size in range(1, most + 1):
        for chosen in combinations(ERASURES, size):
            waiting: dict[str, list[str]] = {}
            for line in added:
                waiting.setdefault(_erased(line, chosen), []).append(line)
            for line in list(removed):
                if others := waiting.get(_erased(line, chosen)):
                    other = others.pop(0)
                    removed.remove(line)
                    added.remove(other)
                    yield tuple(erasure.cause for erasure in chosen), line, other


def _erased(line: str, erasures: tuple[Erasure, ...]) -> str:
    for erasure in erasures:
        line = erasure.apply(line)
    return line
