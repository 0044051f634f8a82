"""What is asked of every step, and the answer that an observation gives."""

from __future__ import annotations

from dataclasses import dataclass

from kernelsnap.bisect.observe.observe import Observation
from kernelsnap.bisect.predicates import Condition, Evidence
from kernelsnap.bisect.search import Answer


@dataclass(frozen=True)
class Question:
    """A condition, and what it compares with."""

    text: str  # as its user wrote it
    condition: Condition | None  # None where a script of the user's answers


@dataclass(frozen=True)
class Reply:
    """An answer, and why it is unknown."""

    answer: Answer
    reason: str = ""


def reply(question: Question, seen: Observation, reference: Observation | None) -> Reply:
    """The answer that an observation gives: yes if the condition holds for any golden of the case."""
    if seen.skipped:
        return Reply(Answer.UNKNOWN, seen.skipped)
    if question.condition is None:
        return Reply(Answer.NO if seen.status == 0 else Answer.YES)
    names = list(seen.goldens)
    if question.condition.needs_reference and reference is not None:
        names = list(reference.goldens)
        missing = [name for name in names if name not in seen.goldens]
        if missing:
            return Reply(Answer.UNKNOWN, f"the case records no {missing[0]}")
    holds = any(
        question.condition.holds(
            Evidence(seen.golden(name), reference.golden(name) if reference else None, seen.failed)
        )
        for name in names
        if reference is None or name in reference.goldens or not question.condition.needs_reference
    )
    return Reply(Answer.YES if holds else Answer.NO)
