"""Why a change was given its causes: all evidence for one golden, or for one kernel of it."""

from __future__ import annotations

from collections.abc import Iterator

from kernelsnap.diff.causes.kinds import CAUSE
from kernelsnap.diff.tree.change import Change
from kernelsnap.report import phrases
from kernelsnap.report.fold import folded
from kernelsnap.report.visible import visible


def explanation(change: Change, kernel: str = "", width: int = 80) -> str:
    """The layers that differ, what became of the kernels, the effect, and each cause with everything it rests on.

    Lines are folded at so many characters; with `kernel` the evidence is that of one kernel only.
    """
    return "".join(f"{part}\n" for line in _lines(change, kernel) for part in _folded(visible(line), width))


def _folded(line: str, width: int) -> list[str]:
    text = line.lstrip(" ")
    space = " " * (len(line) - len(text))
    return folded(text, width, space, f"{space}    ")


def _lines(change: Change, kernel: str) -> Iterator[str]:
    yield change.name
    if change.case:
        yield f"test: {change.case}"
        yield f"target: {' '.join((change.target, *change.shared_with))}"
    if change.status != "changed":
        yield change.error or f"the golden is {change.status}"
        return
    yield f"layers that differ: {', '.join(change.layers)}"
    yield f"kernels and library calls: {', '.join(f'{number} {status}' for status, number in change.kernels)}"
    yield f"effect of all causes together: {phrases.effect(change)}"
    named = dict.fromkeys(finding.where or "golden" for cause in change.causes for finding in cause.findings)
    if kernel and not any(kernel in _names(where) for where in named):
        yield f"no evidence is about {kernel}; there is some about: {', '.join(named)}"
    for cause in change.causes:
        findings = [finding for finding in cause.findings if not kernel or kernel in _names(finding.where)]
        if not findings:
            continue
        yield ""
        yield f"{phrases.titled(cause)} ({CAUSE[cause.name].says}), because:"
        for finding in findings:
            yield f"  {finding.where or 'golden'}: {finding.evidence}"


def _names(where: str) -> tuple[str, ...]:
    """How a user may call the place of a finding: `forward k1`, or `k1`."""
    return where, where.rpartition(" ")[2]
