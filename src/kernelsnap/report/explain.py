"""Why a change was given its causes: all evidence for one golden, or for one kernel of it."""

from __future__ import annotations

from collections.abc import Iterator

from kernelsnap.diff.causes.kinds import CAUSE
from kernelsnap.diff.change import Change
from kernelsnap.report import phrases


def explanation(change: Change, kernel: str = "") -> str:
    """The layers that differ, what became of the kernels, the effect, and each cause with everything it rests on."""
    return "".join(f"{line}\n" for line in _lines(change, kernel))


def _lines(change: Change, kernel: str) -> Iterator[str]:
    yield f"{change.name}  {change.case}  {change.target}".rstrip()
    if change.status != "changed":
        yield change.error or f"the golden is {change.status}"
        return
    yield f"layers that differ: {', '.join(change.layers)}"
    yield f"kernels and library calls: {', '.join(f'{number} {status}' for status, number in change.kernels)}"
    yield f"effect of all causes together: {phrases.effect(change)}"
    for cause in change.causes:
        findings = [f for f in cause.findings if not kernel or kernel in (f.where, f.where.rpartition(" ")[2])]
        if not findings:
            continue
        yield ""
        yield f"{CAUSE[cause.name].title} ({CAUSE[cause.name].says}), because:"
        for finding in findings:
            yield f"  {finding.where or 'golden'}: {finding.evidence}"
