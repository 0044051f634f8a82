"""What two lines of a kernel differ in, found by ablation: take a kind of meaning out of both, then compare.

Two lines that are equal after an ablation, and not before, differ in what it takes out. The smallest set of ablations
that makes them equal names the difference.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from functools import lru_cache
from itertools import combinations
from typing import NamedTuple

from kernelsnap.diff.causes.cause_names import CauseName
from kernelsnap.diff.causes.line_forms import ACCUMULATOR, INDEX, INDEX_START, LITERAL, NAME, TEMPORARY

# tl.load(  tl.store(  tl.atomic_add(
_ACCESS = re.compile(r"\btl\.(load|store|atomic_\w+)\(")
# , eviction_policy='evict_last'   , cache_modifier='.cg'
_CACHING = re.compile(r", (?:eviction_policy|cache_modifier)=[^,()]+")
# , other=0.0   , other=float("-inf")   , boundary_check=[0]   , padding_option='zero'
_BOUND = re.compile(r", (?:other|padding_option)=(?:[^,()]|\([^()]*\))+|, boundary_check=\[[^\]]*\]")
# .to(tl.float32)   tl.bfloat16   *fp32 align 16
_CAST = re.compile(r"\.to\((?:tl|torch|cutlass)\.\w+(?:, bitcast=\w+)?\)")
_DTYPE = re.compile(r"\btl\.(?:b?float\d+\w*|u?int\d+)\b|(?<=  )\*?\b(?:[fibu]|fp|bf)\d+\w*")
_LITERAL = re.compile(LITERAL)
# arg in_ptr0  *fp32 align 16 tt.pointer_range 32: what is known of an address
_ALIGN = re.compile(r" align \d+| tt\.pointer_range \d+")
# tl.dot(a, b, input_precision="tf32")
_PRODUCT_TYPE = re.compile(r", (?:input_precision=\"\w+\"|allow_tf32=\w+)")
_INDEX_TYPE = re.compile(r"\.to\(INDEX_DTYPE\)|, INDEX_DTYPE\b")
# What a block pointer is given to store: tl.broadcast_to(tmp6, [XBLOCK]).to(tl.float32)
_BLOCK_VALUE = re.compile(rf"tl\.broadcast_to\(({NAME}), \[[^\]]*\]\)(?:\.to\(tl\.\w+\))?")
# tl.load(in_ptr0 + (x0), None): no mask, as if the argument were left out
_NO_MASK = re.compile(r", None(?=[,)])")
_OPERAND = re.compile(f"{NAME}|{LITERAL}")
# tl.atomic_add(   and   , sem='relaxed'
_ATOMIC = re.compile(r"\btl\.atomic_\w+\(")
_ORDERING = re.compile(r", sem='\w+'")
# tl.make_tensor_descriptor(...).load([xoffset])   .store([xoffset], tmp5)
_DESCRIPTOR = re.compile(
    r"tl\.make_tensor_descriptor\((?:(?!tl\.make_tensor_).)*?\)\.(load|store)\(\[[^\[\]]*\](?:, )?"
)
# the shape of a constant's block: tl.full([1, 1], 2.0, tl.float32)
_BLOCK_SHAPE = re.compile(r"\btl\.full\(\[[^\]]*\]")
# tl.trans(tl.make_tensor_descriptor(...).load([xoffset, yoffset]), [1, 0])
_TRANSPOSED = re.compile(r"\btl\.trans\((tl\.make_\w+\((?:(?!tl\.trans\().)*\)\.load\(\[[^\[\]]*\]\)), \[[\d, ]*\]\)")
# what Triton decides by a type: ... if (tmp5).dtype is tl.float32 else ...
_BY_TYPE = re.compile(rf" if \({NAME}\)\.dtype is (?:(?! if ).)*? else ")
# tmp4 = ...    tmp4_val, tmp4_idx = ...
_TARGET = re.compile(rf"(\s*(?:{TEMPORARY}|{ACCUMULATOR})(?:, {NAME})*) = (.*)")
# tmp5 = (tl_math.abs(((r0_1 + 128*x1) % 256) % 16)).to(tl.int64): an index as a value; with a comparison in it, it is a
# choice between values, which is computed with
# At each place one alternative at most can hold, and it in one way only: so a line is read in linear time.
_INDEX_VALUE = re.compile(
    rf"({TEMPORARY}) = (?=[^=]*{INDEX_START})"
    rf"(?:{INDEX}|\b(?:tl|tl_math)\.\w+\b|\d|[-+*/%(), ])+\.to\(tl\.int\d+\)\Z"
)
#: The most ablations that are made together, and the number of lines up to which several are.
_MOST_TOGETHER = 3
_MANY_LINES = 400


class Ablation(NamedTuple):
    """One kind of meaning that a line of code carries, and how it is taken out."""

    cause: CauseName
    apply: Callable[[str], str]


class LinePair(NamedTuple):
    """A line of each side, equal but for what some ablations take out."""

    causes: tuple[CauseName, ...]
    old: str
    new: str


def _without_address(line: str) -> str:
    line = _TRANSPOSED.sub(r"\1", _BLOCK_SHAPE.sub("tl.full([]", line))
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


#: Sets of ablations are tried on the same lines again and again.
_remembered = lru_cache(maxsize=8192)

#: In the order in which they are made where several are, and in which sets of them are tried: of two sets of one size
#: that make two lines equal, the first names the difference.
ABLATIONS = (
    Ablation(CauseName.CACHING, _remembered(lambda line: _CACHING.sub("", line))),
    Ablation(CauseName.MASK, _remembered(_without_mask)),
    Ablation(CauseName.INDEXING, _remembered(_without_address)),
    Ablation(CauseName.CONSTANTS, _remembered(lambda line: _LITERAL.sub("N", line))),
    Ablation(CauseName.DTYPE, _remembered(lambda line: _DTYPE.sub("T", _CAST.sub("", _PRODUCT_TYPE.sub("", line))))),
    Ablation(CauseName.INTRINSIC, _remembered(_without_instruction)),
    Ablation(CauseName.INDEXING, _remembered(lambda line: _INDEX_VALUE.sub(r"\1 = INDEX", line))),
)


def paired_off(removed: list[str], added: list[str]) -> Iterator[LinePair]:
    """Lines of both lists that differ in what one or a few ablations take out. Both lists keep what is left."""
    most = _MOST_TOGETHER if len(removed) + len(added) <= _MANY_LINES else 1
    for size in range(1, most + 1):
        for chosen in combinations(ABLATIONS, size):
            waiting: dict[str, list[str]] = {}
            for line in added:
                waiting.setdefault(_ablated(line, chosen), []).append(line)
            for line in list(removed):
                if others := waiting.get(_ablated(line, chosen)):
                    other = others.pop(0)
                    removed.remove(line)
                    added.remove(other)
                    yield LinePair(tuple(ablation.cause for ablation in chosen), line, other)


def is_index_value(line: str) -> bool:
    """Whether it computes with an index as a value: `tmp0 = ((-2) + x0).to(tl.int32)`."""
    return _INDEX_VALUE.search(line) is not None


def same_but_numbers(old: str, new: str) -> bool:
    """Whether two lines differ in numbers alone."""
    return _LITERAL.sub("N", old) == _LITERAL.sub("N", new)


def _ablated(line: str, ablations: tuple[Ablation, ...]) -> str:
    for ablation in ablations:
        line = ablation.apply(line)
    return line
