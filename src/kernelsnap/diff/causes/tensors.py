"""Causes that concern what a program takes and returns: number, shapes and types of tensors."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from itertools import zip_longest

from kernelsnap.diff.causes.cause_names import CauseName, Phase, Scope
from kernelsnap.diff.causes.facts import Facts, host_code
from kernelsnap.diff.causes.family import CauseKind, CauseSearch, Family, Kinds
from kernelsnap.diff.causes.finding import Finding
from kernelsnap.diff.text.lines import common
from kernelsnap.golden.user_names import as_named
from kernelsnap.model.capture import Buffer
from kernelsnap.model.golden import Plan

# assert_size_stride(arg2, (300, ), (1, ), 'input')
_INPUT_SIZE = re.compile(r"assert_size_stride\(\w+, (\([^)]*\)), \([^)]*\), 'input'\)")
# return (buf0, reinterpret_tensor(buf1, (30, 5), (64, 1), 0), )
_RETURN = re.compile(r"^ *return \((.*)\)$", re.MULTILINE)
_VIEW = re.compile(r"\breinterpret_tensor\((\w+), \(([\w, ]*)\),")


def user_graphs(facts: Facts) -> Iterator[tuple[Plan, Plan]]:
    """The graphs of both sides that take what the user gives."""
    for graph in facts.graphs:
        old, new = graph.old_plan, graph.new_plan
        if old and new and not new.graph.startswith("backward"):
            yield old, new


def types_of(buffers: tuple[Buffer, ...]) -> Counter[tuple[str, tuple[str, ...] | None]]:
    """Types and shapes of tensors, each as often as there are such."""
    return Counter((buffer.dtype, buffer.shape) for buffer in buffers)


def _outputs(plan: Plan, host_code: str) -> list[Buffer]:
    """What an inference graph returns; forward's outputs are mixed with what it saves.

    The plan has the buffer of which a view is returned: its shape is in the host code.
    """
    if not plan.graph.startswith("inference"):
        return []
    views: dict[str, list[str]] = {}
    for returned in _RETURN.findall(host_code):
        for name, shape in _VIEW.findall(returned):
            views.setdefault(name, []).append(shape)
    known = {
        name: replace(buffer, shape=tuple(views[name].pop(0).replace(",", " ").split()))
        if len(views.get(name, ())) == plan.outputs.count(name) == 1
        else buffer
        for name, buffer in plan.buffers.items()
    }
    return [known[name] for name in plan.outputs if name in known]


def tensors(search: CauseSearch) -> Iterator[Finding]:
    """Number, shape and type of what the program takes and returns; next to attention only of gradients.

    What attention is given is compared with the attention kernels.
    """
    facts, elsewhere = search.facts, search.plan_changed_elsewhere
    for old, new in () if search.attended else user_graphs(facts):
        for what, before, after in (
            ("input", list(as_named(old).inputs), list(as_named(new).inputs)),
            ("output", _outputs(old, host_code(facts.old, old)), _outputs(new, host_code(facts.new, new))),
        ):
            if what == "input" and _checked(facts, 0) == _checked(facts, 1):
                before = _seen_alike(before, after)
            if len(before) != len(after) and facts.ops[0] != facts.ops[1]:
                continue  # that is another program, and takes or returns what it needs
            changes = list(tensor_changes(what, new.graph, before, after))
            if what == "input" and not facts.changed:
                changes = _turned(changes, before, after)
            own = facts.changed or not elsewhere or _other_numbers(facts, before, after)
            yield from (f for f in changes if f.cause != CauseName.SHAPES or own)
    yield from _gradients(facts)


def _checked(facts: Facts, side: int) -> Counter[str]:
    """The sizes of inputs that host code checks, each as often as it does."""
    return Counter(_INPUT_SIZE.findall(facts.host_codes[side]))


def _seen_alike(before: list[Buffer], after: list[Buffer]) -> list[Buffer]:
    """The inputs of one side, with the dimensions of size 1 that those of the other one have.

    The plan has the view through which the first kernel reads an input.
    """
    if len(before) != len(after):
        return before
    sizes = [[[size for size in buffer.shape or () if size != "1"] for buffer in side] for side in (before, after)]
    pairs = zip(before, after, *sizes, strict=True)
    return [replace(old, shape=new.shape) if mine == other else old for old, new, mine, other in pairs]


def _other_numbers(facts: Facts, before: list[Buffer], after: list[Buffer]) -> bool:
    """Whether the same operations take more or fewer numbers: no kernel reads one, so it is in the part without any."""
    ops = (facts.whole or facts).ops
    alone = all(buffer.shape is None and not buffer.dtype for buffer in (*before, *after))
    return ops[0] == ops[1] and alone and len(before) != len(after)


def _turned(changes: list[Finding], before: list[Buffer], after: list[Buffer]) -> list[Finding]:
    """Inputs with their dimensions in another order, which all kernels take as before, have other strides."""
    sizes = [Counter((buffer.dtype, tuple(sorted(buffer.shape or ()))) for buffer in side) for side in (before, after)]
    if sizes[0] != sizes[1]:
        return changes
    return [
        replace(f, cause=CauseName.INDEXING, scope=Scope.STRIDES) if f.cause == CauseName.SHAPES else f for f in changes
    ]


def _gradients(facts: Facts) -> Iterator[Finding]:
    """Gradients that are returned on one side only."""
    for graph in facts.graphs:
        old, new = graph.old_plan, graph.new_plan
        if old and new and new.graph.startswith("backward"):
            before, after = (sum(_is_gradient(plan, name) for name in plan.outputs) for plan in (old, new))
            if before != after and (facts.ops[0] == facts.ops[1]):
                words = f"gradients returned {before} -> {after}"
                yield Finding(CauseName.SHAPES, new.graph, words, "gradient count", Scope.GRADIENTS)
            if len(tangents(old)) == len(tangents(new)):
                yield from tensor_changes("gradient", new.graph, tangents(old), tangents(new))


def _is_gradient(plan: Plan, name: str) -> bool:
    """Whether backward returns a gradient there, and not the state of a generator of random numbers, an integer."""
    buffer = plan.buffers.get(name)
    return name != "None" and not (buffer and buffer.dtype.startswith(("i", "u")))


def tangents(plan: Plan) -> list[Buffer]:
    """The gradients that backward is given: of the same shapes and types as what forward returns to the user."""
    return [replace(buffer, name="tangents") for buffer in plan.inputs if is_tangent(buffer)]


def is_tangent(buffer: Buffer) -> bool:
    """Whether an input of backward is the gradient of something that forward returns, and not saved by it."""
    return buffer.name.startswith("tangents")


def tensor_changes(what: str, graph: str, before: list[Buffer], after: list[Buffer]) -> Iterator[Finding]:
    """What differs between two lists of tensors; one that is new or gone does not shift the others."""
    if Counter(types_of(tuple(before))) == Counter(types_of(tuple(after))):
        return
    kinds = [[(buffer.dtype, buffer.shape) for buffer in side] for side in (before, after)]
    kept = list(common(*kinds))
    olds = [buffer for index, buffer in enumerate(before) if index not in {i for i, _ in kept}]
    news = [buffer for index, buffer in enumerate(after) if index not in {j for _, j in kept}]
    for old, new in zip_longest(olds, news):
        if old is None or new is None:
            buffer = new or old
            words = f"{what} {_type(buffer)} is {'new' if new else 'gone'}"
            yield Finding(CauseName.SHAPES, graph, words, f"{what} count", Scope.COUNT)
            continue
        if old.shape != new.shape and (what == "input" or None not in (old.shape, new.shape)):
            scope = Scope.OUTPUT_SHAPE if what == "output" else None
            yield Finding(CauseName.SHAPES, graph, f"{what} {old} -> {_type(new)}", f"{what} shape", scope)
        if old.dtype != new.dtype and old.dtype and new.dtype:
            yield Finding(CauseName.DTYPE, graph, f"{what} {old} -> {_type(new)}", f"{what} {old.dtype} -> {new.dtype}")


def _type(buffer: Buffer) -> str:
    return str(replace(buffer, name="")).strip() or "without a type"


_OF_SHAPES: Kinds = frozenset(
    [
        CauseName.FUSION_SPLIT,
        CauseName.FUSION_MERGE,
        CauseName.TILING,
        CauseName.IN_PLACING,
        CauseName.INDEXING,
        CauseName.MASK,
        CauseName.CONSTANTS,
        CauseName.CACHING,
        CauseName.LAUNCH,
        CauseName.METADATA,
        CauseName.UNKNOWN,
        Scope.LAYOUT,
        Scope.STRIDES,
        Scope.NUMBER,
        Scope.ATTENTION_CODE,
    ]
)
_OF_DTYPE: Kinds = frozenset(
    [
        CauseName.IN_PLACING,
        CauseName.INTRINSIC,
        CauseName.CACHING,
        CauseName.LAUNCH,
        CauseName.METADATA,
        CauseName.UNKNOWN,
    ]
)
FAMILY = Family(
    kinds=(
        CauseKind(
            CauseName.SHAPES,
            "shapes",
            "number or shape of the tensors that go in or come out",
            follows=_OF_SHAPES,
            scopes=dict.fromkeys((Scope.COUNT, Scope.OUTPUT_SHAPE, Scope.GRADIENTS), _OF_SHAPES),
            changes_plan=True,
            changes_numbers=True,
        ),
        CauseKind(
            CauseName.DTYPE,
            "dtype or upcast",
            "the type of a tensor, or in which a kernel computes",
            follows=_OF_DTYPE,
            scopes={Scope.CAST: _OF_DTYPE, Scope.MOVED_CAST: frozenset([CauseName.METADATA, CauseName.UNKNOWN])},
            changes_plan=True,
            changes_numbers=True,
        ),
    ),
    finders={Phase.TENSORS: (tensors,)},
)
