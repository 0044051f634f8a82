"""Names causes for a kernel with the same lines as before: in another order, on other tensors, on other operands."""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterator, Mapping, Sequence
from dataclasses import replace

from kernelsnap.diff.causes import line_forms
from kernelsnap.diff.causes.ablation import LinePair
from kernelsnap.diff.causes.cause_names import CauseName, Scope
from kernelsnap.diff.causes.dataflow import Operands, same_computation, same_on_tensors
from kernelsnap.diff.causes.facts import KernelPair
from kernelsnap.diff.causes.finding import Finding
from kernelsnap.diff.causes.line_forms import read
from kernelsnap.diff.match.alpha_normal_form import AlphaNormalForm
from kernelsnap.golden.canonical import USER_TRITON


def same_lines(pair: KernelPair, attention: bool, operands: tuple[Operands, Operands]) -> Iterator[Finding]:
    """A kernel with the same lines as before, in another order or on other names."""
    before, after = pair.old[0].normal_form, pair.new[0].normal_form
    if same_computation(before, after):
        yield Finding.of(pair, CauseName.RENUMBERING, "independent lines in another order")
    elif all(operands) and same_on_tensors(before, after, operands):
        if _written_over(operands[0]) != _written_over(operands[1]):
            yield Finding.of(pair, CauseName.IN_PLACING, "another tensor is written over", "the same tensors")
            return
        yield Finding.of(pair, CauseName.RENUMBERING, "the same tensors given in another order", "arguments")
    elif pair.item.ref.kind == USER_TRITON and same_computation(*_with_one_name(before, after)):
        yield Finding.of(pair, CauseName.METADATA, "another name of the kernel that the user wrote")
    elif same_computation(before, after, addresses=False):
        yield Finding.of(pair, CauseName.INDEXING, "the same loads of other elements", "elements")
    else:
        cause = CauseName.ATTENTION if attention else CauseName.OPERATIONS
        yield Finding.of(
            pair, cause, _other_operands(before, after), "operands", scope=Scope.ATTENTION_CODE if attention else None
        )


def _written_over(operands: Operands) -> set[Hashable]:
    """The tensors that are read and written through one argument."""
    return {read for read, written in operands.values() if read is not None and written is not None}


def _with_one_name(before: AlphaNormalForm, after: AlphaNormalForm) -> tuple[AlphaNormalForm, AlphaNormalForm]:
    """A kernel of the user whose function has the name on one side that Inductor gives it, with that on both."""
    old, new = _named_by_inductor(before), _named_by_inductor(after)
    return (old, new) if (old == before) != (new == after) else (before, after)


def _named_by_inductor(piece: AlphaNormalForm) -> AlphaNormalForm:
    rows = list(piece.lines)
    head = next((n for n, row in enumerate(rows) if row.shape.startswith("def ")), None)
    if head is not None:
        rows[head] = replace(rows[head], shape=line_forms.named_by_inductor(rows[head].shape))
    return AlphaNormalForm(tuple(rows))


def _other_operands(before: AlphaNormalForm, after: AlphaNormalForm) -> str:
    """The same lines on other variables; or functions with other parameters, where that is what differs."""
    heads = [[row.shape for row in piece.lines if row.signature] for piece in (before, after)]
    for old, new in zip(*heads, strict=False):
        if old != new:
            return f"{read(old)} -> {read(new)}"
    return "the same instructions on other operands"


def rewired(pair: KernelPair, paired: Sequence[LinePair], lone: Collection[str]) -> Iterator[Finding]:
    """Lines that are the same as before and read something else, next to other masks and caching hints."""
    hints = {CauseName.MASK, CauseName.CACHING}
    masks = all(line_forms.purpose(row) == CauseName.MASK for row in lone)
    if not masks or any(not hints.issuperset(line.causes) for line in paired):
        return
    same = {line.new: line.old for line in paired}
    old, new = (_with_lines(item.normal_form, same, lone) for item in (pair.old[0], pair.new[0]))
    forms = [sorted(row.shape for row in piece.lines) for piece in (old, new)]
    atoms = all(len(line_forms.names(row.shape)) == len(row.atoms) for row in (*old.lines, *new.lines))
    if forms[0] != forms[1] or not atoms:
        return  # with another mask, a line has other variables
    if not same_computation(old, new):
        cause = CauseName.INDEXING if same_computation(old, new, addresses=False) else CauseName.OPERATIONS
        yield Finding.of(pair, cause, "the same lines on other operands", "operands")


def _with_lines(piece: AlphaNormalForm, others: Mapping[str, str], gone: Collection[str]) -> AlphaNormalForm:
    """A piece of code with other lines in place of some, and without those that are gone."""
    kept = (row for row in piece.lines if row.shape not in gone)
    return AlphaNormalForm(tuple(replace(row, shape=others.get(row.shape, row.shape)) for row in kept))
