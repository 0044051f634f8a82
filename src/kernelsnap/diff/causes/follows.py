"""What follows from a cause, and is not named beside it."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from kernelsnap.diff.causes.kinds import Finding
from kernelsnap.diff.facts import Facts

#: By scope (`Finding.scope`, or the cause) what follows from it.
FOLLOWS = {
    "shapes": frozenset(
        [
            "strides",
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
    ),
    "dtype": frozenset(["caching", "launch", "metadata", "unknown", "intrinsic", "constants", "in-placing"]),
    "operations": frozenset(
        [
            "strides",
            "tiling",
            "in-placing",
            "in-placing at all",
            "constants",
            "indexing",
            "mask",
            "metadata",
            "unknown",
            "fusion-split",
            "fusion-merge",
            "op-moved",
            "call",
        ]
    ),
    "attention": frozenset(["metadata", "indexing", "constants", "unknown", "mask", "intrinsic"]),
    "call": frozenset(["indexing", "intrinsic", "mask", "caching", "launch", "unknown", "metadata"]),
    "template": frozenset(["launch", "metadata", "strides"]),
    "fusion-split": frozenset(["tiling", "in-placing", "metadata"]),
    "fusion-merge": frozenset(["tiling", "in-placing", "metadata"]),
    "op-moved": frozenset(["tiling", "in-placing", "constants", "metadata", "unknown", "indexing", "mask", "caching"]),
    "reduction-strategy": frozenset(["in-placing"]),
    "in-placing": frozenset(["indexing", "metadata", "unknown"]),
    "in-placing at all": frozenset(["indexing", "metadata", "unknown"]),
    "layout": frozenset(["in-placing", "mask", "metadata"]),
    "strides": frozenset(["in-placing", "metadata"]),
}
#: Causes that reach no further than the kernels they are about; others reach those that exchange a buffer with them.
_HERE_ONLY = frozenset(["fusion-split", "fusion-merge"])


def not_following(findings: Iterable[Finding], found: Sequence[Finding], facts: Facts) -> list[Finding]:
    """Those that are no consequence of what was found: for the golden as a whole, or for a kernel that is near."""
    leading: dict[str, list[Finding]] = {}
    for cause in found:
        for name in FOLLOWS.get(cause.scope or cause.cause, ()):
            leading.setdefault(name, []).append(cause)
    return [f for f in findings if not any(_reaches(cause, f, facts) for cause in leading.get(f.scope or f.cause, ()))]


def _reaches(cause: Finding, finding: Finding, facts: Facts) -> bool:
    if cause is finding:
        return False
    if cause.cause in _HERE_ONLY and cause.about and finding.about:
        return bool(set(cause.about) & set(finding.about))
    return near(cause, finding, facts)


def near(finding: Finding, other: Finding, facts: Facts) -> bool:
    """Whether two findings are about the same kernels, or about some that exchange a buffer; or one about all."""
    if not finding.about or not other.about:
        return True
    return any(facts.near(one, another) for one in finding.about for another in other.about)
