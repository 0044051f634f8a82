"""Causes that are read from the host code of graphs whose kernels are the same."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kernelsnap.diff.causes import line_forms
from kernelsnap.diff.causes.cause_names import CauseName, Phase, Scope
from kernelsnap.diff.causes.facts import Facts
from kernelsnap.diff.causes.family import CauseKind, CauseSearch, Family
from kernelsnap.diff.causes.finding import Finding
from kernelsnap.diff.causes.line_forms import read

# assert_size_stride(arg1, (64, 128), (1, 64), 'input')
# assert_tensor_metadata(buf1, (64, 128), (1, 64), torch.float32, 'torch.ops.aten.topk.default')
_SIZE_STRIDE = re.compile(
    r"assert_(?:size_stride|tensor_metadata)\(\S+, (\([^)]*\)), (\([^)]*\)), (?:torch\.\w+, )?'([\w.]+)'\)"
)
_VIEWED = re.compile(r"^\w+ = (?:reinterpret_tensor\(.*\)|\w+); del \w+$")
_RETURNED = re.compile(r"^return ")
_REALIGNED = re.compile(r"\bcopy_if_misaligned\(")
_ALLOCATED = re.compile(r"\bempty_strided_\w+\(")
# What follows from the tensors that there are, and from how long each is needed:
# buf0 = empty_strided_cuda(...   del buf0   buf1 = buf0; del buf0   k1.run(buf0, 8192)   extern_kernels.mm(buf0, ...
_MEMORY = re.compile(
    r"^(?:args|return) |\bempty_strided_\w+\(|^del |^\w+ = (?:reinterpret_tensor\(|\w+;)|\.run\(|\bextern_kernels\."
)
_LIBRARY = re.compile(r"(?<![\w.])(?:torch\.ops|extern_kernels|aten)\.[\w.]+(?=\()|\bk\d+\.run(?=\()")
# assert_alignment checks what a library returns: it comes and goes with library calls.
_CHECK = re.compile(r"\b(?:assert_(?!alignment)\w+|isnan|isinf)\b")
_KERNEL = re.compile(r"\bk\d+(?=\.run\b)")
# reinterpret_tensor(arg0, (12, 32, 100), (6400, 1, 64), 32)
_VIEW = re.compile(r"reinterpret_tensor\((\w+), \([^()]*\), \([^()]*\), [^()]*\)")
#: Of a program that computes something else, or on other tensors, library calls may have other numbers.
_OF_PROGRAM = frozenset(
    [
        CauseName.GRAPH_BREAKS,
        CauseName.OPERATIONS,
        CauseName.SHAPES,
        CauseName.DTYPE,
        CauseName.PARTITIONING,
        CauseName.ATTENTION,
        CauseName.TEMPLATE,
        CauseName.INDEXING,
    ]
)
_CALL = re.compile(r"(?<!\w)(?<!\w\.)[A-Za-z_]\w*(?:\.\w+)*(?=\()|^\w+ = ")


def strides(search: CauseSearch) -> Iterator[Finding]:
    """An input, or what a library call returns, of the same size with other strides."""
    facts = search.facts
    before, after = ([_SIZE_STRIDE.search(read(row)) for row in rows] for rows in facts.host_rows)
    for old in before:
        for new in after:
            if old and new and old.group(1, 3) == new.group(1, 3) and old.group(2) != new.group(2):
                what = "an input" if new.group(3) == "input" else f"the result of {new.group(3)}"
                change = f"{what} {new.group(1)} has strides {new.group(2)}, had {old.group(2)}"
                yield Finding(CauseName.INDEXING, "host", change, f"strides of {what}", Scope.STRIDES)


def _arguments(facts: Facts, kernels: bool = True) -> Iterator[Finding]:
    """Library calls, and `kernels` that did not change, with another number or switch for the same tensors."""
    changed = {name for pair in facts.changed for name in pair.new_names}
    for old, new in _same_calls(facts):
        called = _LIBRARY.search(read(new))
        assert called is not None
        of_kernel = called.group().endswith(".run")
        if of_kernel and not kernels:
            continue
        if read(old) == read(new):
            continue  # in another block
        if called.group().removesuffix(".run") not in changed:  # else the number is the grid of another launch
            kind = "a kernel" if of_kernel else called.group()
            # Only what of its tensors it is given differs.
            views = _VIEW.sub(r"\1", read(old)) == _VIEW.sub(r"\1", read(new))
            cause = CauseName.INDEXING if views else CauseName.CONSTANTS
            yield Finding(cause, "host", f"{read(old)} -> {read(new)}", f"argument of {kind}")


def _same_calls(facts: Facts) -> Iterator[tuple[str, str]]:
    """Lines of both sides that call the same function of a library with the same tensors."""
    waiting: dict[tuple[str, ...], list[str]] = {}
    for row in facts.host_rows[1]:
        if _LIBRARY.search(read(row)):
            waiting.setdefault(_called_with(row), []).append(row)
    for row in facts.host_rows[0]:
        if others := waiting.get(_called_with(row)):
            yield row, others.pop(0)


def _called_with(row: str) -> tuple[str, ...]:
    """What is called, and the tensors in the order in which they are given."""
    return tuple(called.group() for called in _LIBRARY.finditer(read(row))) + tuple(line_forms.names(row))


def arguments_of_libraries(search: CauseSearch) -> Iterator[Finding]:
    """Library calls with another number or switch, where kernels only do the same in another way."""
    if search.causes and _OF_PROGRAM.isdisjoint(finding.cause for finding in search.found):
        yield from (f for f in _arguments(search.facts, kernels=False) if f.cause == CauseName.CONSTANTS)


def checks(search: CauseSearch) -> Iterator[Finding]:
    """Kinds of checks that only one side makes, whatever else changed."""
    facts = search.facts
    called = [{name for row in rows for name in _CHECK.findall(read(row))} for rows in facts.host_rows]
    still = [set(_CHECK.findall(code)) for code in facts.host_codes]
    for names, others, sign in ((called[0], still[1], "gone"), (called[1], still[0], "new")):
        for name in sorted(names - others):
            yield Finding(CauseName.HOST, "host", f"{sign}: {name}", f"{sign} {name}")


def input_checks(search: CauseSearch) -> Iterator[Finding]:
    """Checks of inputs that only one side makes of what a part takes, whatever else changed."""
    facts = search.facts
    sides = [[read(row.shape) for forms in facts.host_forms.values() for row in forms[n].lines] for n in (0, 1)]
    called = [{name for row in rows if row.endswith("'input')") for name in _CHECK.findall(row)} for rows in sides]
    if all(plan.inputs for golden in (facts.old, facts.new) for plan in golden.plan):
        yield from (
            Finding(CauseName.HOST, "host", f"gone: {name}", f"gone {name}") for name in called[0] if not called[1]
        )
        yield from (
            Finding(CauseName.HOST, "host", f"new: {name}", f"new {name}") for name in called[1] if not called[0]
        )


def host_code(search: CauseSearch) -> Iterator[Finding]:
    """What host code does otherwise, where no cause that was named explains it."""
    strides = (Scope.STRIDES, Scope.INPUT_STRIDES)
    if not any(finding.scope in strides for finding in search.named):  # else it takes another view of a tensor
        yield from _arguments(search.facts)
    yield from _lines(search)


def _lines(search: CauseSearch) -> Iterator[Finding]:
    """Lines of host code that only one side has, without those that follow from a cause."""
    facts, explained = search.facts, search.causes
    removed, added = map(list, facts.host_rows)
    for old, new in _same_calls(facts):
        removed.remove(old)
        added.remove(new)
    if search.plan_changed_elsewhere:
        removed, added = _own_lines(facts, removed, added)
        if not removed and not added:
            return
    if CauseName.LAUNCH in explained:  # a kernel that is launched in another way needs another workspace
        removed, added = ([row for row in rows if "workspace" not in read(row)] for rows in (removed, added))
    if CauseName.INDEXING in explained:  # buffers are allocated with the strides that kernels write them with
        for form in (_SIZE_STRIDE, _ALLOCATED, _VIEWED, _RETURNED, _REALIGNED):
            removed, added = ([row for row in rows if not form.search(read(row))] for rows in (removed, added))
        if not removed and not added:
            return
    if not removed and not added and any(map(len, facts.host_rows)):
        return
    for sign, rows in (("gone", removed), ("new", added)):
        for row in rows:
            called = _KERNEL.sub("kernel", " ".join(_CALL.findall(read(row)))) or "line"
            yield Finding(CauseName.HOST, "host", f"{sign}: {read(row)}", f"{sign} {called}")
    if not facts.host_rows[0] and not facts.host_rows[1] and facts.host_reordered:
        yield _reordered(facts)


def _reordered(facts: Facts) -> Finding:
    """The same host code in another order: with it the launches, or only what is allocated and freed between them."""
    for forms in facts.host_forms.values():
        before, after = ([row.shape for row in form.lines if _LIBRARY.search(read(row.shape))] for form in forms)
        if before != after and sorted(before) == sorted(after):
            return Finding(CauseName.HOST, "host", "the same launches in another order", "order of launches")
    return Finding(CauseName.HOST, "host", "the same lines in another order or on other variables", "order")


def _own_lines(facts: Facts, removed: list[str], added: list[str]) -> tuple[list[str], list[str]]:
    """Lines that do not follow from another plan elsewhere: for that, tensors have other lifetimes and other memory.

    They are checked at other places, and there are more of them, or fewer. What is left are kinds of lines.
    """
    kinds = [{_kind(row.shape) for sides in facts.host_forms.values() for row in sides[n].lines} for n in (0, 1)]
    return (
        [row for row in removed if _kind(row) not in kinds[1] and not _MEMORY.search(read(row))],
        [row for row in added if _kind(row) not in kinds[0] and not _MEMORY.search(read(row))],
    )


def _kind(row: str) -> str:
    """What a line of host code calls, or else the line itself."""
    return " ".join(_CALL.findall(read(row))) or read(row)


FAMILY = Family(
    kinds=(
        CauseKind(
            CauseName.HOST, "host wrapper only", "allocations, checks and launches around kernels that are the same"
        ),
    ),
    finders={
        Phase.CALLS: (strides,),
        Phase.CHECKS: (arguments_of_libraries, input_checks),
        Phase.PROGRAM: (checks,),
        Phase.HOST: (host_code,),
    },
)
