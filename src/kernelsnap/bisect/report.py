"""The outcome of a bisection as text that is ready to paste into an issue, and as JSON."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Sequence
from typing import Any

from kernelsnap.bisect.axis import Step
from kernelsnap.bisect.letters import letter_of
from kernelsnap.bisect.outcome import Asked, Change, Outcome
from kernelsnap.bisect.predicates import causes
from kernelsnap.bisect.question import Reply
from kernelsnap.bisect.search import Answer
from kernelsnap.diff.compare import Diff
from kernelsnap.report.diff_text import failure_lines
from kernelsnap.report.words import headline

_MOST_CANDIDATES = 20


def markdown(outcome: Outcome, command: str) -> str:
    """The outcome: each culprit with what it changed, then every step asked, the environment and the command."""
    lines = [f"# {outcome.case}", ""]
    for number, change in enumerate(outcome.changes):
        lines += [*_change(outcome, change, outcome.changes[:number]), ""]
    lines += [*_limits(outcome), "", "## Steps", "", *_steps(outcome.asked), ""]
    lines += [f"## Environment of {outcome.last.name}", ""]
    lines += [f"- {name} {version}" for name, version in outcome.toolchain.items()]
    lines += [f"- Python {platform.python_version()}, {platform.system()} {platform.machine()}", ""]
    lines += ["```sh", command, "```"]
    return "\n".join(lines) + "\n"


def _change(outcome: Outcome, change: Change, above: Sequence[Change]) -> Iterator[str]:
    if len(change.candidates) == 1:
        yield f"## {_name(change.after)}"
    else:
        yield f"## One of {len(change.candidates)} steps, {change.candidates[0].name} to {change.after.name}"
        yield ""
        yield from (f"- {_name(step)}" for step in change.candidates[:_MOST_CANDIDATES])
        if len(change.candidates) > _MOST_CANDIDATES:
            yield f"- and {len(change.candidates) - _MOST_CANDIDATES} more"
    yield ""
    held = f", with `golden` being {outcome.reference}" if outcome.reference else ""
    opposite = "no" if change.answer is Answer.YES else "yes"
    yield f"`{outcome.question}`{held}: {opposite} at {change.before.name}, {change.answer} at {change.after.name}."
    times = f"{change.repeats} more time{'' if change.repeats == 1 else 's'}"
    yield f"Both were asked {times}, and answered the same." if change.repeats else "Neither was asked again."
    if len(change.moved) > 1:
        # More than the axis moved: which of them it was, this bisection cannot tell.
        yield f"Between the two: {', '.join(change.moved)}."
    for note in change.notes:
        yield ""
        yield note
    same = next((other for other in above if change.diffs and other.diffs == change.diffs), None)
    if same is not None:
        yield ""
        yield f"What is generated changes as with {same.after.name}, above."
        return
    for diff in change.diffs:
        yield ""
        yield from ([f"{diff.new.case} ({diff.new.target})", ""] if len(change.diffs) > 1 else [])
        yield from ["```diff", *failure_lines(diff, color=False), "```"]
    if not change.diffs:
        yield "What is generated is the same on both sides."


def _limits(outcome: Outcome) -> Iterator[str]:
    """What the outcome does not say."""
    equal = (
        f", {outcome.steps - outcome.nodes} of them equal to the one before" if outcome.steps > outcome.nodes else ""
    )
    yield f"{outcome.steps} steps from {outcome.first.name} to {outcome.last.name}{equal}; {len(outcome.asked)} asked."
    if not outcome.complete:
        yield "The limit ended the search: the steps above are those that are left."
    if outcome.untested:
        were = "was" if outcome.untested == 1 else "were"
        yield f"{outcome.untested} {were} not asked: a change that landed and was reverted among them would not show."
    for before, after in outcome.others:
        yield f"What is generated also changed from {before.name} to {after.name}, which the answer does not show."
    yield from outcome.notes
    for step in outcome.flaky:
        yield f"{step.name} answered differently when asked again, and counts as unknown."


def _steps(asked: Sequence[Asked]) -> Iterator[str]:
    """A table of the answers; steps that generate the same have the same letter."""
    letters: dict[str, str] = {}
    yield "| step | answer | generates | |"
    yield "| --- | --- | --- | --- |"
    for entry in asked:
        letter = letters.setdefault(entry.fingerprint, letter_of(len(letters))) if entry.fingerprint else ""
        note = entry.reply.reason or entry.step.title
        yield f"| {entry.step.name} | {entry.reply.answer} | {letter} | {note.replace('|', '&#124;')} |"


def _name(step: Step) -> str:
    return f"{step.name}  {step.title}".rstrip()


def as_json(outcome: Outcome, command: str) -> str:
    """The same as data."""
    return json.dumps({**as_data(outcome), "command": command}, indent=2) + "\n"


def as_data(outcome: Outcome) -> dict[str, Any]:
    """What JSON holds of an outcome."""
    return {
        "case": outcome.case,
        "axis": outcome.axis,
        "question": outcome.question,
        "reference": outcome.reference,
        "first": _step(outcome.first),
        "last": _step(outcome.last),
        "steps": outcome.steps,
        "untested": outcome.untested,
        "complete": outcome.complete,
        "others": [[_step(before), _step(after)] for before, after in outcome.others],
        "flaky": [_step(step) for step in outcome.flaky],
        "notes": list(outcome.notes),
        "changes": [
            {
                "candidates": [_step(step) for step in change.candidates],
                "before": _step(change.before),
                "after": _step(change.after),
                "answer": str(change.answer),
                "repeats": change.repeats,
                "moved": list(change.moved),
                "notes": list(change.notes),
                "diffs": [_diff(diff) for diff in change.diffs],
            }
            for change in outcome.changes
        ],
        "asked": [
            {**_step(entry.step), **_reply(entry.reply), "generates": entry.fingerprint} for entry in outcome.asked
        ],
        "toolchain": outcome.toolchain,
    }


def _step(step: Step) -> dict[str, str]:
    return {"name": step.name, "title": step.title}


def _reply(reply: Reply) -> dict[str, str]:
    return {"answer": str(reply.answer), "reason": reply.reason}


def _diff(diff: Diff) -> dict[str, Any]:
    changed = [delta for delta in diff.metrics if delta.verdict != "unchanged"]
    return {
        "case": diff.new.case,
        "target": diff.new.target,
        "says": headline(diff),
        "layers": list(diff.layers),
        "causes": [cause.name for cause in causes(diff.old, diff.new)],
        "metrics": [{"graph": d.graph, "name": d.name, "old": d.old, "new": d.new} for d in changed],
        "lines": failure_lines(diff, color=False),
    }
