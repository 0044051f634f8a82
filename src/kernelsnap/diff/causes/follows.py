"""What follows from a cause, and is not named beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kernelsnap.diff.causes.facts import Facts
from kernelsnap.diff.causes.kinds import Finding

_OF_SHAPES = frozenset(
    [
        "strides",
        "number",
        "indexing",
        "mask",
        "caching",
        "launch",
        "tiling",
        "constants",
        "metadata",
        "unknown",
        "fusion-split",
        "fusion-merge",
        "attention code",
    ]
)
_OF_DTYPE = frozenset(["caching", "launch", "metadata", "unknown", "intrinsic", "in-placing"])
_OF_ATTENTION = frozenset(["metadata", "indexing", "constants", "unknown", "mask", "intrinsic"])
#: By scope (`Finding.scope`, or the cause) what follows from it.
FOLLOWS = {
    "shapes": _OF_SHAPES,
    "count": _OF_SHAPES,
    "output shape": _OF_SHAPES,
    "gradients": _OF_SHAPES,
    "cast": _OF_DTYPE,
    "dtype": _OF_DTYPE,
    "operations": frozenset(
        [
            "strides",
            "tiling",
            "in-placing",
            "stages",
            "constants",
            "indexing",
            "mask",
            "metadata",
            "unknown",
            "fusion-split",
            "fusion-merge",
            "op-moved",
            "call",
            "count",
            "output shape",
        ]
    ),
    "attention": _OF_ATTENTION | {"gradients"},
    "attention code": _OF_ATTENTION,
    "call": frozenset(["indexing", "intrinsic", "mask", "caching", "launch", "unknown", "metadata"]),
    "template": frozenset(["launch", "in-placing", "intrinsic", "metadata", "strides", "unknown"]),
    "fusion-split": frozenset(["tiling", "in-placing", "metadata", "cast", "indexing", "caching"]),
    "fusion-merge": frozenset(["tiling", "in-placing", "metadata", "cast", "indexing", "caching"]),
    "op-moved": frozenset(
        ["tiling", "in-placing", "constants", "intrinsic", "metadata", "unknown", "indexing", "mask", "caching"]
    ),
    "reduction-strategy": frozenset(["in-placing"]),
    "stages": frozenset(["in-placing"]),
    "in-placing": frozenset(["indexing", "metadata", "unknown"]),
    "in-placing at all": frozenset(["indexing", "metadata", "unknown"]),
    "layout": frozenset(["in-placing", "mask", "metadata", "output shape"]),
    "strides": frozenset(["in-placing", "metadata", "turned"]),
}
#: What follows only in the kernels that a cause is about; all else does in those that exchange a buffer with them, too.
_HERE_ONLY = {
    "fusion-split": frozenset(["tiling", "in-placing"]),
    "fusion-merge": frozenset(["tiling", "in-placing"]),
    "operations": frozenset(["stages"]),
}


def not_following(findings: Iterable[Finding], found: Sequence[Finding], facts: Facts) -> list[Finding]:
    """Those that are no consequence of what was found: for the golden as a whole, or for a kernel that is near."""
    reached: dict[str, _Reached] = {}
    for cause in found:
        here = _HERE_ONLY.get(cause.cause, frozenset())
        for name in FOLLOWS.get(cause.scope or cause.cause, ()):
            reached.setdefault(name, _Reached(facts)).by(cause, near=name not in here)
    return [f for f in findings if not ((r := reached.get(f.scope or f.cause)) and r.holds(f))]


class _Reached:
    """The kernels in which something follows from causes that were found."""

    def __init__(self, facts: Facts) -> None:
        self._facts = facts
        self._everywhere = False
        self._places: set[int] = set()
        self._graphs: set[str] = set()  # of causes that reach other graphs, too

    def by(self, cause: Finding, near: bool) -> None:
        """One more cause: it reaches the kernels that it is about, and those near them if so asked."""
        self._everywhere |= not cause.about
        for place in cause.about:
            self._places.add(place)
            if near:
                self._places |= self._facts.neighbourhood(place)
                self._graphs.add(self._facts.pairs[place].graph)

    def holds(self, finding: Finding) -> bool:
        """Whether a finding is about one of them, or about the whole."""
        if self._everywhere or not finding.about:
            return True
        return any(place in self._places or self._graphs - {self._facts.pairs[place].graph} for place in finding.about)


def near(finding: Finding, other: Finding, facts: Facts) -> bool:
    """Whether two findings are about the same kernels, or about some that exchange a buffer; or one about all."""
    if not finding.about or not other.about:
        return True
    return any(facts.near(one, another) for one in finding.about for another in other.about)
