"""The answer of a step: whether a predicate holds for what a case generated there, and the stored goldens as reference.

A predicate holds for a case if it holds for any of the case's goldens.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kernelsnap.bisect.observe.observe import Observation, texts_of
from kernelsnap.bisect.predicate.conditions import Condition, Subject
from kernelsnap.bisect.search import Answer
from kernelsnap.golden.format import parse
from kernelsnap.golden.sharing import head_of
from kernelsnap.golden.store import golden_files, golden_text


@dataclass(frozen=True)
class Predicate:
    """What every step is asked."""

    text: str  # as its user wrote it
    condition: Condition | None  # None where a script of the user's answers

    @property
    def needs_reference(self) -> bool:
        """Whether it compares with another golden."""
        return self.condition is not None and self.condition.needs_reference


@dataclass(frozen=True)
class Reply:
    """An answer, and why it is unknown."""

    answer: Answer
    reason: str = ""


def reply(predicate: Predicate, seen: Observation, reference: Observation | None) -> Reply:
    """The answer of a step, from what the case generated there and what that is compared with."""
    if seen.skipped:
        return Reply(Answer.UNKNOWN, seen.skipped)
    if predicate.condition is None:
        return Reply(Answer.NO if seen.status == 0 else Answer.YES)
    if reference is None or not predicate.needs_reference:
        subjects = [Subject(seen.golden(name), None, seen.failed) for name in seen.goldens]
    elif missing := [name for name in reference.goldens if name not in seen.goldens]:
        return Reply(Answer.UNKNOWN, f"the case records no {missing[0]}")
    else:
        subjects = [Subject(seen.golden(name), reference.golden(name), seen.failed) for name in reference.goldens]
    return Reply(Answer.YES if any(map(predicate.condition.holds, subjects)) else Answer.NO)


def stored_goldens(folder: Path, seen: Observation) -> Observation | None:
    """The stored goldens of what an observation holds; None where one of them is missing.

    Raises:
        GoldenError: one of them cannot be read.
    """
    texts = texts_of(parse(golden_text(path), str(path)) for path in stored_files(folder, seen))
    found = {name: text for name, text in texts.items() if name in seen.goldens}
    return Observation(found) if found and set(found) == set(seen.goldens) else None


def stored_files(folder: Path, seen: Observation) -> list[Path]:
    """The golden files of the cases that an observation holds."""
    cases = {seen.golden(name).case for name in seen.goldens}
    return [path for path in golden_files(folder) if head_of(path)[0] in cases]
