"""Causes that are read from the changed lines of a kernel that is otherwise the same: code, launches, metadata."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Collection, Iterator

from kernelsnap.diff.causes.dataflow import LOAD, POINTER, Operands, same_computation, same_on_tensors
from kernelsnap.diff.causes.erasures import paired_off
from kernelsnap.diff.causes.facts import KernelPair, read
from kernelsnap.diff.causes.fusion import is_combo
from kernelsnap.diff.causes.kinds import Finding, said_by
from kernelsnap.diff.causes.settings import LAUNCHED_WITH, hints, launches, tiles
from kernelsnap.diff.match.alpha_normal_form import AlphaNormalForm, NormalLine
from kernelsnap.diff.match.items import Item
from kernelsnap.golden.canonical import USER_TRITON

# tmp2 = tl.full([1], 0.5, tl.float32)
_NUMBER = re.compile(r"\s*\0tmp\{\}\0 = tl\.full\(\[1(?:, 1)*\], ")
# A line that stands on one side alone, by what it is for: the first pattern that matches.
_ALONE = (
    # An argument of a call that is written over several lines.
    ("constants", re.compile(r"\s*(?:(?:\0[^\0]*\0|True|False|\d+)[,)]\s*)*(?:\0[^\0]*\0|True|False|\d+)[,)]*\Z")),
    ("launch", re.compile(r"\s*tl\.extra\.cuda\.gdc_\w+\(\)")),  # programmatic dependent launch
    ("mask", re.compile(r"tl\.device_assert\(|\s*\w*mask = |.*= tl\.where\((?:\w*mask\b| & )+")),
    ("dtype", re.compile(r"\s*\0[^\0]*\0 = \0[^\0]*\0\.to\((?:tl|torch)\.\w+\)\Z")),
    ("constants", _NUMBER),
    (
        "indexing",
        re.compile(r"\s*\0?(?:[xyzr]\d*_?(?:\{\}|index|offset|base|numel|\d)|INDEX_DTYPE)(?:\b|\0)|.*_base = "),
    ),
)
# What a user's score_mod and mask_mod become in the body of a template: numbered temporaries, and their results.
_MODIFICATION = re.compile(
    r"\s*(?:\0|post_mod_scores = |mask_mod_output = |grad_scores = |tSrS_ssa = |"
    r".*\b(?:score_mod|mask_mod)\b|return \0|return tSrS_ssa|return mask)"
)
# x1 = xindex // 64, but not xnumel = 64
_INDEX = re.compile(r"\s*\0[xyzr]\d*_?\{\}\0 = ")
# tl.associative_scan((tmp6,), 1, _triton_helper_fn_add0)
_COMBINING = re.compile(r"\b_triton_helper_fn_(\w+?)\d+\b")
# tmp4 = tl.where(tmp2, tmp3, tmp1), but no load
_COMPUTES = re.compile(r"\s*\0tmp[^\0]*\0 = (?!tl\.load\()")
# num_xblocks_1 = num_xblocks_0 + tl.cdiv(70, XBLOCK)   elif pid < num_xblocks_1:   xoffset = pid_offset * XBLOCK
# What a program of a combo kernel is to do, by its number.
_DISPATCH = re.compile(
    r"\s*(?:arg \w*BLOCK\w*  constexpr\Z|\w*blocks_\d+ = |(?:el)?if pid [<%] |\w*pid\w* = |[xyz](?:offset|index) = )"
)
# XBLOCK_0
_BLOCK = re.compile(r"\b([XYZR]\d?_?BLOCK)_\d+\b")
# PRESCALE_QK : tl.constexpr = False
_TEMPLATE_OPTION = re.compile(r"\s*\w+ : tl\.constexpr = ")
# triton_helpers.maximum(   and   , tl.PropagateNan.ALL
_MODULE = re.compile(r"\b(?:[A-Za-z_]\w*\.)+(?=\w+\()")
_POWER = re.compile(r"\bpow\(")
_OF_POWER = re.compile(r"\b(?:pow|r?sqrt(?:_rn)?)\(")
_LITERALS = re.compile(r"(?<![\w\0.])\d+(?![\w\0])")
_FUNCTION = re.compile(r"\b(?:[A-Za-z_]\w*\.)*[A-Za-z_]\w*(?=\()")
_FLOAT = re.compile(r"\bf(?=(?:max|min)\w*\()")
_SWITCH = re.compile(r", tl\.\w+\.\w+(?=[,)])")


def line_findings(pair: KernelPair, operands: tuple[Operands, Operands]) -> Iterator[Finding]:
    """What the changed lines of one kernel say; `operands`: which tensors its arguments are, on both sides."""
    attention = "attention" in pair.new[0].ref.kind
    yield from _code(pair, attention, operands)
    yield from launches(pair)
    yield from hints(pair, attention)


def _code(pair: KernelPair, attention: bool, operands: tuple[Operands, Operands]) -> Iterator[Finding]:
    before, after = pair.old[0].normal_form, pair.new[0].normal_form
    if before.key == after.key:
        return
    removed, added = map(list, pair.rows)
    if not removed and not added:
        if same_computation(before, after):
            yield said_by(pair, "renumbering", "independent lines in another order")
        elif all(operands) and same_on_tensors(before, after, operands):
            yield said_by(pair, "renumbering", "the same tensors given in another order", "arguments")
        elif same_computation(before, after, addresses=False):
            yield said_by(pair, "indexing", "the same loads of other elements", "elements")
        else:
            cause = "attention" if attention else "operations"
            yield said_by(pair, cause, _other_operands(before, after), "operands", scope=_scope(cause))
        return
    if pair.item.ref.kind in ("template", USER_TRITON):
        removed, added = ([row for row in rows if not LAUNCHED_WITH.match(row)] for rows in (removed, added))
        yield from tiles(pair)
    grids = [_grid(side[0]) for side in (pair.old, pair.new)]
    if grids[0] != grids[1] and is_combo(pair.old[0]) and is_combo(pair.new[0]):
        removed, added = _without_dispatch(removed, added)
        yield said_by(pair, "launch", " -> ".join(grids), "grid")
    _without_renamed_arguments(removed, added)
    paired = list(paired_off(removed, added))
    if any(_POWER.search(row) for row in (*pair.rows[0], *pair.rows[1])) and _numbers_differ(paired, removed, added):
        # Another exponent: x * x is a power of 2, and its gradient multiplies by a root.
        paired = [(causes, old, new) for causes, old, new in paired if causes != ("intrinsic",)]
        removed, added = ([row for row in rows if not _OF_POWER.search(row)] for rows in (removed, added))
    if _only_loads(paired) and not removed and not added and not same_computation(before, after, addresses=False):
        yield said_by(pair, "operations", "the same instructions on other operands", "operands")
        return
    if _combining(pair.old[0]) != _combining(pair.new[0]):
        yield said_by(pair, "operations", "another function is scanned or reduced with", "combining function")
        return
    # A CuteDSL kernel is the Python that calls flash attention: whatever it does is how that is called.
    flash = attention and "FLASH" in pair.item.ref.kind
    called = None if flash else {row.shape for piece in (before, after) for row in after_first_function(piece)}
    for causes, old, new in paired:
        for cause in _caused(causes, old):
            if attention and _of_attention(cause, old, new, called):
                cause = "attention"
            # Of what an attention kernel does with its result.
            scope = "number" if attention and cause == "constants" and _NUMBER.match(new) else _scope(cause)
            yield said_by(pair, cause, f"{read(old)} -> {read(new)}", _pattern(cause, old, new), scope=scope)
    if (len(removed) > 3 and not added) or (len(added) > 3 and not removed):
        rows = removed or added
        shapes = {_LITERALS.sub("N", row) for row in rows}
        kept = {_LITERALS.sub("N", row.shape) for row in (after if removed else before).lines}
        if shapes <= kept and any(LOAD.match(row) for row in rows):
            says = f"{len(rows)} lines {'less' if removed else 'more'} of the same form"
            yield said_by(pair, "shapes", says, "window")
            return
    computing = [row for row in (*removed, *added) if _COMPUTES.match(row) and _alone(row, False) == "unknown"]
    for sign, rows in (("gone", removed), ("new", added)):
        for row in rows:
            cause = _alone(row, attention, called)
            if cause == "unknown" and (pair.item.ref.kind == USER_TRITON or row in computing):
                cause = "intrinsic"  # of the same operations: what is one of them in other steps
            elif cause == "constants" and computing:
                continue
            yield said_by(pair, cause, f"{sign}: {read(row)}", f"{sign} {_called(row)}", scope=_scope(cause))


def _grid(item: Item) -> str:
    """How Inductor spreads the programs of a kernel: `SequentialComboKernelGrid`."""
    return dict(item.config.meta).get("grid_type", "none") if item.config else "none"


def _without_dispatch(removed: list[str], added: list[str]) -> tuple[list[str], list[str]]:
    """The lines of a combo kernel that are not about which program does what; parts may have blocks of their own."""
    kept = [[row for row in rows if not _DISPATCH.match(read(row))] for rows in (removed, added)]
    forms = [Counter(_BLOCK.sub(r"\1", row) for row in rows) for rows in kept]
    left = (forms[0] - forms[1], forms[1] - forms[0])
    first, second = (
        [row for row in rows if _BLOCK.sub(r"\1", row) in own] for rows, own in zip(kept, left, strict=True)
    )
    return first, second


def _without_renamed_arguments(removed: list[str], added: list[str]) -> None:
    """Take out arguments of the same type that are called for another use: `in_out_ptr0` was never read."""
    for row in [row for row in removed if row.startswith("arg ")]:
        for other in added:
            if other.startswith("arg ") and POINTER.sub("", row) == POINTER.sub("", other):
                removed.remove(row)
                added.remove(other)
                break


def _other_operands(before: AlphaNormalForm, after: AlphaNormalForm) -> str:
    """The same lines on other variables; or functions with other parameters, where that is what differs."""
    heads = [[row.shape for row in piece.lines if row.signature] for piece in (before, after)]
    for old, new in zip(*heads, strict=False):
        if old != new:
            return f"{read(old)} -> {read(new)}"
    return "the same instructions on other operands"


def _combining(item: Item) -> frozenset[str]:
    """The functions that a kernel scans and reduces with, which Inductor names by what they compute."""
    return frozenset(_COMBINING.findall(item.code))


def _only_loads(paired: list[tuple[tuple[str, ...], str, str]]) -> bool:
    """Whether all that differs is which elements are loaded."""
    return bool(paired) and all(
        causes == ("indexing",) and LOAD.match(old) and LOAD.match(new) for causes, old, new in paired
    )


def _numbers_differ(paired: list[tuple[tuple[str, ...], str, str]], removed: list[str], added: list[str]) -> bool:
    """Whether a constant is another, or one more or less."""
    alone = any(_alone(row, False) == "constants" for row in (*removed, *added))
    return alone or any("constants" in causes for causes, _, _ in paired)


def _scope(cause: str) -> str:
    """What kind of change a line shows: in attention code, or a cast; otherwise the cause says it."""
    return {"attention": "attention code", "dtype": "cast"}.get(cause, "")


def _of_attention(cause: str, old: str, new: str, called: Collection[str] | None) -> bool:
    """Whether a line of an attention kernel differs in what score_mod and mask_mod compute, or an option says.

    They are computed in the functions that the kernel calls for each block: `called`; its own lines are of what it does
    with the result. None: all of it is how attention is called.
    """
    if _TEMPLATE_OPTION.match(new) or called is None:
        return cause != "dtype"
    if old not in called and new not in called:
        return False
    return bool(_MODIFICATION.match(new)) and not (cause == "intrinsic" and _same_functions(old, new))


def _same_functions(old: str, new: str) -> bool:
    """Whether two lines call the same functions, in whatever way they choose between them."""
    return set(_FUNCTION.findall(old)) == set(_FUNCTION.findall(new)) != set()


def same_function(pair: KernelPair) -> Iterator[Finding]:
    """Lines that call a function of the same name of another module, or with another switch, on the same operands.

    Of a kernel whose operations changed, these are the instructions that did not change with them.
    """
    added: dict[str, list[str]] = {}
    for row in pair.rows[1]:
        added.setdefault(_without_module(row), []).append(row)
    for row in pair.rows[0]:
        if others := added.get(_without_module(row)):
            other = others.pop()
            yield said_by(pair, "intrinsic", f"{read(row)} -> {read(other)}", _pattern("intrinsic", row, other))


def _without_module(row: str) -> str:
    # fmax2 is max2, and another instruction
    return _FLOAT.sub("", _SWITCH.sub("", _MODULE.sub("", row)))


def _caused(causes: tuple[str, ...], row: str) -> tuple[str, ...]:
    """What is to be said of one line that differs in several things."""
    if causes == ("constants",) and _INDEX.match(row):
        return ("indexing",)
    if {"constants", "intrinsic"} <= set(causes):
        return ("operations",)  # other numbers in another formula: the value is another
    if {"caching", "indexing"} <= set(causes):
        return tuple(cause for cause in causes if cause != "caching")  # the hint follows how often an address is read
    return causes


def _alone(row: str, attention: bool, called: Collection[str] | None = ()) -> str:
    if attention and (called is None or _TEMPLATE_OPTION.match(row) or (_MODIFICATION.match(row) and row in called)):
        return "attention"
    return next((cause for cause, form in _ALONE if form.match(row) or form.match(row.lstrip())), "unknown")


def after_first_function(piece: AlphaNormalForm) -> tuple[NormalLine, ...]:
    """The lines of the functions that a kernel calls: those after its own."""
    heads = [place for place, row in enumerate(piece.lines) if row.signature]
    return piece.lines[heads[1] :] if len(heads) > 1 else ()


def _pattern(cause: str, old: str, new: str) -> str:
    """The change without what differs from kernel to kernel: numbers and operands."""
    return f"{_called(old)} -> {_called(new)}" if cause in ("intrinsic", "dtype", "attention") else cause


def _called(row: str) -> str:
    """The functions that a line calls, and the types that it names."""
    return " ".join(re.findall(r"[A-Za-z_][\w.]*(?=\()|(?<=\()tl\.\w+|[-+*/%<>=&|~^]{1,2}(?= )", read(row))) or "line"
