"""What groups of changes are called: by their causes, and by what tells them apart where several have the same ones."""

from __future__ import annotations

import hashlib
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from kernelsnap.diff.causes.family import CauseKind
    from kernelsnap.diff.causes.finding import Finding

#: Characters of one piece of evidence in a heading.
_LONGEST = 60
#: Pieces of evidence that are kept of a group: more would be no heading.
_MOST = 12

#: A digest of the pattern of a finding, equal wherever the same change happened, and its evidence in short.
Detail = tuple[str, str]


@dataclass(frozen=True)
class Untitled:
    """A group that needs a heading."""

    fingerprint: str
    title: str  # its causes
    details: Sequence[Detail]
    layers: Sequence[str]


def titles(names: Iterable[str]) -> str:
    """Causes as a reader knows them: `fusion split, other operations`; what is no cause, such as `new`, as it is."""
    from kernelsnap.diff.causes.registry import CAUSES  # late: a list of pending goldens needs it for few lines

    causes: Mapping[str, CauseKind] = CAUSES  # type: ignore[assignment]
    return ", ".join(causes[name].title if name in causes else name for name in names)


def details(findings: Iterable[Finding]) -> tuple[tuple[str, str], ...]:
    """The evidence of a change that a heading may use: the first of each pattern."""
    found: dict[str, str] = {}
    for finding in findings:
        pattern = repr((finding.cause.value, finding.pattern or finding.evidence))
        text = " ".join(finding.evidence.split())
        short = text if len(text) <= _LONGEST else f"{text[: _LONGEST - 1]}…"
        found.setdefault(hashlib.sha256(pattern.encode("utf-8", "surrogatepass")).hexdigest()[:8], short)
    return tuple(found.items())[:_MOST]


def headings(groups: Iterable[Untitled]) -> dict[str, str]:
    """The heading of each group, by fingerprint; no two are equal."""
    alike: defaultdict[str, list[Untitled]] = defaultdict(list)
    for group in groups:
        alike[group.title].append(group)
    found: dict[str, str] = {}
    for title, same in alike.items():
        if len(same) == 1:
            found[same[0].fingerprint] = title
        else:
            found |= _told_apart(same)
    return found


def _told_apart(groups: Sequence[Untitled]) -> dict[str, str]:
    """Headings for groups of the same causes: as much evidence as is needed, what fewest of them have first."""
    number = Counter(pattern for group in groups for pattern, _ in group.details)
    ways = {group.fingerprint: _ways(group, number) for group in groups}
    found = {fingerprint: next(way) for fingerprint, way in ways.items()}
    while clashing := [one for one, text in found.items() if Counter(found.values())[text] > 1]:
        for fingerprint in clashing:
            found[fingerprint] = next(ways[fingerprint])
    return found


def _ways(group: Untitled, number: Counter[str]) -> Iterator[str]:
    """The headings that a group may have, the shortest first; the last one is its own."""
    ordered = sorted(group.details, key=lambda detail: number[detail[0]])
    texts = list(dict.fromkeys(text for _, text in ordered))
    yield ": ".join([group.title, *texts[:1]])
    for end in range(2, min(len(texts), 3) + 1):
        yield f"{group.title}: {'; '.join(texts[:end])}"
    yield f"{': '.join([group.title, *texts[:1]])} (in {', '.join(group.layers)})"
    yield f"{': '.join([group.title, *texts[:1]])} ({group.fingerprint})"
