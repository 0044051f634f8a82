"""What one golden's change comes to: its layers, causes and numbers, small enough to keep ten thousand of them."""

from __future__ import annotations

import hashlib
from collections import Counter
from dataclasses import dataclass, replace
from functools import cached_property
from typing import Literal

from kernelsnap.diff.causes.cause_names import CauseName
from kernelsnap.diff.causes.classify import classify
from kernelsnap.diff.causes.facts import Facts
from kernelsnap.diff.causes.finding import Cause
from kernelsnap.diff.compare import changed_layers
from kernelsnap.diff.match.pairs import matched_graphs
from kernelsnap.diff.metrics import MetricDelta, metric_deltas
from kernelsnap.errors import GoldenFormatError
from kernelsnap.golden.build import TOTAL
from kernelsnap.golden.format import parse
from kernelsnap.golden.store import SUFFIX
from kernelsnap.model.golden import Golden

Status = Literal["changed", "new", "gone", "unreadable"]


@dataclass(frozen=True)
class Change:
    """One golden that is not the same on both sides."""

    name: str  # its path below the tree
    status: Status
    case: str = ""
    target: str = ""
    layers: tuple[str, ...] = ()
    causes: tuple[Cause, ...] = ()
    metrics: tuple[MetricDelta, ...] = ()  # of the golden as a whole
    kernels: tuple[tuple[str, int], ...] = ()  # how many were split, merged, new, ...
    error: str = ""  # why it is unreadable
    shared_with: tuple[str, ...] = ()  # the other targets that read the golden

    @property
    def cause_names(self) -> tuple[CauseName, ...]:
        """Its causes by name, in the order of the table."""
        return tuple(cause.name for cause in self.causes)

    @cached_property
    def fingerprint(self) -> str:
        """Equal for goldens that changed in the same way, whatever their names, sizes and numbers; stable."""
        patterns = sorted({(f.cause.value, f.pattern or f.evidence) for cause in self.causes for f in cause.findings})
        return hashlib.sha256(repr((self.status, self.layers, patterns)).encode()).hexdigest()[:12]

    def delta(self, metric: str) -> int | None:
        """How a metric moved; None where a side does not have it."""
        for found in self.metrics:
            if found.name == metric and found.old is not None and found.new is not None:
                return found.new - found.old
        return None


def change_of(name: str, old: bytes | None, new: bytes | None) -> Change | None:
    """The change from one file's content to another's; None if both say the same. A file that is not there is None."""
    try:
        before, after = _golden(name, old, "old"), _golden(name, new, "new")
        if before is None or after is None:
            only = before or after
            assert only is not None
            status: Status = "new" if before is None else "gone"
            return Change(name, status, only.case, only.target, shared_with=only.shared_with)
        return _compared(name, before, after)
    except (GoldenFormatError, SyntaxError) as error:
        return Change(name, "unreadable", error=_says(name, error))


def _golden(name: str, content: bytes | None, side: str) -> Golden | None:
    if content is None:
        return None
    where = f"{name} ({side})"
    if b"\r" in content and b"\r\n" in content:
        line = content[: content.index(b"\r\n")].count(b"\n") + 1
        raise GoldenFormatError(
            f"{where}:{line}: the file has Windows line ends (CRLF); add `*{SUFFIX} text eol=lf` to .gitattributes and "
            f"check it out again"
        )
    try:
        text = content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content[: error.start].count(b"\n") + 1
        raise GoldenFormatError(
            f"{where}:{line}: the file is not UTF-8 text; restore it (git checkout -- FILE), or record it again with "
            f"--snapshot-update"
        ) from error
    return parse(text, where)


def _says(name: str, error: Exception) -> str:
    if isinstance(error, SyntaxError):
        return f"{name}: the host code is not Python: {error.msg}: {(error.text or '').strip()}"
    return str(error)


def _compared(name: str, old: Golden, new: Golden) -> Change | None:
    after = replace(new, case=old.case, target=old.target, shared_with=old.shared_with)
    layers = changed_layers(old, after)
    if not layers:
        return None
    graphs = matched_graphs(old, after)
    statuses = Counter(pair.status for graph in graphs for pair in graph.pairs)
    metrics = tuple(delta for delta in metric_deltas(old, after) if delta.graph == TOTAL)
    causes = classify(Facts(old, after, graphs))
    kernels = tuple(sorted(statuses.items()))
    return Change(name, "changed", new.case, new.target, layers, causes, metrics, kernels, shared_with=new.shared_with)
