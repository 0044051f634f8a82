"""Why the code of a golden is as it is: what the compiler decided, and its reasons. Recorded and shown, never compared.

Imports no torch. The names of steps are those of the plan; a step that has the name of an earlier one in its graph ends
in its number, `k0@2`.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from enum import StrEnum


class Reason(StrEnum):
    """The kinds of reasons for which two steps that share a tensor are not one kernel. Stable: goldens name them."""

    SIZE = "size"  # they go over different numbers of elements
    TILING = "tiling"  # their loops cannot be tiled in one way
    INDEXING = "indexing"  # they access what they share in another order
    BETWEEN = "between"  # a step between them needs one and is needed by the other
    CYCLE = "cycle"  # other fusions made each need the other
    NO_SHARED_DATA = "no-shared-data"  # Inductor counts no common access
    MAX_SIZE = "max-size"  # the kernel would be made of too many operations
    MAX_BUFFERS = "max-buffers"  # the kernel would read and write too many tensors
    MEMORY = "memory"  # the peak of memory might grow
    SCORE = "score"  # it would save too little traffic
    DEVICE = "device"  # they run on different devices
    ORDER = "order"  # the second has to run first
    LIBRARY = "library"  # one of them is a call into a library
    USER_KERNEL = "user-kernel"  # one of them is a Triton kernel that the user wrote
    TEMPLATE = "template"  # what a template can take in, before or after it, is limited
    FOREACH = "foreach"  # one of them does the work of several nodes
    ORDER_OF_SUMS = "order-of-sums"  # sums would be added up in another order
    NESTED = "nested"  # a reduction of reductions cannot take it in
    SCAN = "scan"  # a split scan takes no reduction in
    DISABLED = "disabled"  # the graph forbids it, or it was grouped apart
    TIMING = "timing"  # the fused kernel would spill registers, or was slower
    ALLOWED = "allowed"  # it was allowed, and another fusion came first
    UNTRIED = "untried"  # Inductor did not try it
    NO_REASON = "no-reason"  # Inductor refused it and gave no reason
    OTHER = "other"  # a reason that kernelsnap does not know; its text has it


#: What a compile counts, by the word that a golden has for it.
FIRED = ("passes", "patterns", "decompositions", "counters")


@dataclass(frozen=True)
class Apart:
    """Pairs of steps that share a tensor and are not one kernel, all for one reason."""

    pairs: tuple[tuple[str, str], ...]
    reason: Reason
    text: str  # in the compiler's words


#: What a decision of this kind is: a setting that somebody gave another value than the default, `max_fusion_size = 1`.
SETTING = "setting"
#: Inductor's words where a template takes in nothing after it, or before it, which a setting may have ruled out.
NO_EPILOGUE, NO_PROLOGUE = "template epilogue not satisfied", "prologue fusion turned off"
# persistent, hint inner
_HINT = re.compile(r", hint (\w+)")


@dataclass(frozen=True)
class Decided:
    """One decision about a kernel, or about the graph, with what it was made from."""

    kernel: str  # "" for the graph
    what: str  # SETTING, "reduction", "split", "tiling", "attention"
    text: str

    @property
    def hint(self) -> str:
        """The direction in which a reduction reads its input, as `with_hint` wrote it: "inner"; "" without one."""
        found = _HINT.search(self.text) if self.what == "reduction" else None
        return found.group(1) if found else ""


def with_hint(text: str, hint: str) -> str:
    """The text of a decision about a reduction with its direction, which `Decided.hint` reads: part of the format."""
    return f"{text}, hint {hint}"


@dataclass(frozen=True)
class Fired:
    """What was applied to a graph, and how often: `("_fuse_attention", 1)`."""

    kind: str  # of FIRED
    times: tuple[tuple[str, int], ...]


@dataclass(frozen=True)
class Operation:
    """One operation of the graph that the compiler made kernels of: what the program became before it was scheduled.

    An input is one too, `input()`, and so are a constant and the last one, `output(%add)`.
    """

    name: str  # as torch.fx calls it, such as "add_1"; "sdpa_score0/add" in a graph that an operation is given
    expression: str  # "add.Tensor(%mul, 2.0)": a % begins the name of an operation whose result is taken
    result: str  # "f32[8, 16]"; of an input that is not contiguous "f32[8, 16] strides [1, 8]"; "int" of a size
    origin: str = ""  # the operator of the program that it was decomposed from, where that is another: "gelu"
    steps: tuple[str, ...] = ()  # the kernels that compute it; calls into libraries are not known

    @property
    def target(self) -> str:
        """What is called: "add.Tensor"."""
        return self.expression.partition("(")[0]


@dataclass(frozen=True)
class Why:
    """The reasons of one graph."""

    graph: str = ""
    apart: tuple[Apart, ...] = ()
    decided: tuple[Decided, ...] = ()
    fired: tuple[Fired, ...] = ()
    more: int = field(default=0)  # pairs of steps that are left out
    operations: tuple[Operation, ...] = ()  # of the graph, in its order; none of one that has too many

    @property
    def is_empty(self) -> bool:
        """Whether it has nothing to tell."""
        return not (self.apart or self.decided or self.fired or self.operations)

    def of(self, first: str, second: str) -> Apart | None:
        """The reason why two steps are not one kernel, in either order; None where there is none."""
        return next((apart for apart in self.apart if {(first, second), (second, first)} & {*apart.pairs}), None)


def numbered(names: Iterable[str]) -> tuple[str, ...]:
    """The names of steps, with a number where a name occurs again: `k0`, `k1`, `k0@2`."""
    seen: Counter[str] = Counter()
    found = []
    for name in names:
        seen[name] += 1
        found.append(f"{name}@{seen[name]}" if seen[name] > 1 else name)
    return tuple(found)


def without_number(step: str) -> str:
    """The name of a step as the plan has it: `k0` of `k0@2`."""
    return step.partition("@")[0]


def renamed(why: Why, names: Mapping[str, str]) -> Why:
    """The reasons with their steps and kernels under other names."""

    def name(step: str) -> str:
        stem, at, number = step.partition("@")
        return names.get(stem, stem) + at + number

    return replace(
        why,
        apart=tuple(replace(it, pairs=tuple((name(a), name(b)) for a, b in it.pairs)) for it in why.apart),
        decided=tuple(replace(it, kernel=name(it.kernel)) for it in why.decided),
        operations=tuple(replace(it, steps=tuple(map(name, it.steps))) for it in why.operations),
    )
