"""Writes what a bisection found out: Markdown that is ready to paste into an issue, and JSON.

The first part is shared with the reports of `kernelsnap attribute`.
"""

from __future__ import annotations

import json
import platform
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kernelsnap.bisect.errors import BisectError
from kernelsnap.bisect.many import CaseResult
from kernelsnap.bisect.outcome import AnswerChange, Asked, AxisStep, Outcome
from kernelsnap.bisect.search import Answer
from kernelsnap.diff.compare import Diff
from kernelsnap.report.diff_text import failure_lines
from kernelsnap.report.headline import headline
from kernelsnap.shared.data_files import parsed_json
from kernelsnap.shared.wording import first_few

_MOST_CANDIDATES = 20
_MANY_FORMAT = "kernelsnap bisect, many cases, 1"
_ONLY_SHARD = "1/1"
#: Differing in these, two reports answer different questions.
_SAME_IN_ALL_SHARDS = ("format", "axis", "question", "selected")


def as_json(data: Mapping[str, Any]) -> str:
    """A report's data as JSON."""
    return json.dumps(data, indent=2) + "\n"


def row(fields: Iterable[str]) -> str:
    """A row of a Markdown table."""
    return f"| {' | '.join(field.replace('|', '&#124;') for field in fields)} |"


def letters(contents: Iterable[str]) -> dict[str, str]:
    """A letter for each content, in their order: A, B, ..., Z, A1, B1, ... Equal contents have the same letter."""
    unique = enumerate(dict.fromkeys(contents))
    return {content: f"{chr(ord('A') + number % 26)}{number // 26 or ''}" for number, content in unique}


def environment(title: str, toolchain: Mapping[str, str], commands: Iterable[str], python: str = "") -> list[str]:
    """The end of every report in Markdown: the versions of packages and of Python, and the commands."""
    versions = [f"- {name} {version}" for name, version in toolchain.items()]
    return [f"## {title}", "", *versions, f"- {python or this_python()}", "", "```sh", *commands, "```"]


def this_python() -> str:
    """`Python 3.11.7, Linux x86_64`."""
    return f"Python {platform.python_version()}, {platform.system()} {platform.machine()}"


def diff_data(diff: Diff) -> dict[str, Any]:
    """What JSON holds of a difference between two goldens."""
    changed = [delta for delta in diff.metrics if delta.verdict != "unchanged"]
    return {
        "case": diff.new.case,
        "target": diff.new.target,
        "says": headline(diff),
        "layers": list(diff.layers),
        "causes": [cause.name for cause in diff.causes],
        "metrics": [{"graph": d.graph, "name": d.name, "old": d.old, "new": d.new} for d in changed],
        "lines": failure_lines(diff, color=False),
    }


def case_markdown(outcome: Outcome, command: str) -> str:
    """One case: each culprit with what it changed, then every step asked, the environment and the command."""
    lines = [f"# {outcome.case}", ""]
    for number, change in enumerate(outcome.changes):
        lines += [*_change(outcome, change, outcome.changes[:number]), ""]
    lines += [*_limits(outcome), "", "## Steps", "", *_steps(outcome.asked), ""]
    lines += environment(f"Environment of {outcome.last.name}", outcome.toolchain, [command])
    return "\n".join(lines) + "\n"


def _change(outcome: Outcome, change: AnswerChange, above: Sequence[AnswerChange]) -> Iterator[str]:
    if len(change.candidates) == 1:
        yield f"## {change.after}"
    else:
        yield f"## One of {len(change.candidates)} steps, {change.candidates[0].name} to {change.after.name}"
        yield ""
        yield from (f"- {step}" for step in first_few(list(map(str, change.candidates)), _MOST_CANDIDATES))
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
        yield from ("", note)
    same = next((other for other in above if change.diffs and other.diffs == change.diffs), None)
    if same is not None:
        yield from ("", f"What is generated changes as with {same.after.name}, above.")
        return
    for diff in change.diffs:
        yield from ("", *([f"{diff.new.case} ({diff.new.target})", ""] if len(change.diffs) > 1 else []))
        yield from ("```diff", *failure_lines(diff, color=False), "```")
    if not change.diffs:
        yield "What is generated is the same on both sides."


def _limits(outcome: Outcome) -> Iterator[str]:
    """What the outcome leaves open."""
    repeated = outcome.steps - outcome.nodes
    equal = f", {repeated} of them equal to the one before" if repeated > 0 else ""
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
    letter = {"": "", **letters(entry.fingerprint for entry in asked if entry.fingerprint)}
    yield "| step | answer | generates | |"
    yield "| --- | --- | --- | --- |"
    for entry in asked:
        note = entry.reply.reason or entry.step.title
        yield row([entry.step.name, entry.reply.answer, letter[entry.fingerprint], note])


def case_data(outcome: Outcome) -> dict[str, Any]:
    """What JSON holds of one case's outcome."""
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
                "diffs": [diff_data(diff) for diff in change.diffs],
            }
            for change in outcome.changes
        ],
        "asked": [
            {
                **_step(entry.step),
                "answer": str(entry.reply.answer),
                "reason": entry.reply.reason,
                "generates": entry.fingerprint,
            }
            for entry in outcome.asked
        ],
        "toolchain": dict(outcome.toolchain),
    }


def case_json(outcome: Outcome, command: str) -> str:
    """One case as JSON, with the command."""
    return as_json({**case_data(outcome), "command": command})


def _step(step: AxisStep) -> dict[str, str]:
    return {"name": step.name, "title": step.title}


def many_data(
    results: Sequence[CaseResult], *, axis: str, question: str, selected: Sequence[str], shard: str, command: str
) -> dict[str, Any]:
    """The results of the cases of one shard.

    Args:
        results: of its cases.
        axis, question: what was searched, and what was asked.
        selected: the cases of all shards, in order.
        shard: `I/N`; "" where there is only one.
        command: what the user gave.
    """
    return {
        "format": _MANY_FORMAT,
        "axis": axis,
        "question": question,
        "selected": list(selected),
        "shards": [shard or _ONLY_SHARD],
        "cases": [_case(result) for result in results],
        "python": this_python(),
        "commands": [command],
    }


def _case(result: CaseResult) -> dict[str, Any]:
    data = case_data(result.outcome) if result.outcome else {"toolchain": dict(result.toolchain)}
    return data | {"case": result.case, "unchanged": result.unchanged, "unknown": result.unknown}


def merge(paths: Sequence[Path]) -> dict[str, Any]:
    """The data of all shards together: what one run of all cases would give.

    Raises:
        BisectError: a file is no such report, they do not belong together, or a shard is missing.
    """
    parts = [_read(path) for path in paths]
    first = parts[0]
    for path, part in zip(paths, parts, strict=True):
        if other := [name for name in _SAME_IN_ALL_SHARDS if part[name] != first[name]]:
            raise BisectError(f"{path} does not belong to {paths[0]}: it has another {' and '.join(other)}")
    shards = [shard for part in parts for shard in part["shards"]]
    count = int(shards[0].partition("/")[2])
    for number in range(1, count + 1):
        if shards.count(f"{number}/{count}") != 1:
            there = "missing" if f"{number}/{count}" not in shards else "there more than once"
            raise BisectError(f"shard {number}/{count} is {there}: --merge takes one report of each shard")
    cases = {case["case"]: case for part in parts for case in part["cases"]}
    if missing := [name for name in first["selected"] if name not in cases]:
        raise BisectError(f"no shard has {missing[0]}: they were not made by the same command")
    return first | {
        "shards": [_ONLY_SHARD],
        "cases": [cases[name] for name in first["selected"]],
        "commands": [command for part in parts for command in part["commands"]],
    }


def _read(path: Path) -> dict[str, Any]:
    try:
        content = parsed_json(path.read_text(encoding="utf-8"))
        if isinstance(content, dict) and content.get("format") == _MANY_FORMAT:
            return content
    except (UnicodeDecodeError, ValueError):
        pass
    raise BisectError(f"{path} is no report that `kernelsnap bisect ... --shard I/N --json` wrote")


def all_found(data: Mapping[str, Any]) -> bool:
    """Whether each case either has single culprits, or nothing to find."""
    return all(
        case["unchanged"] or (case.get("changes") and all(len(c["candidates"]) == 1 for c in case["changes"]))
        for case in data["cases"]
    )


def many_markdown(data: Mapping[str, Any]) -> str:
    """The same as text: the cases by what changed them, then those without a change, then those without an answer."""
    cases = data["cases"]
    lines = [f"# {len(cases)} cases, axis {data['axis']}", "", f"`{data['question']}`", ""]
    culprits: dict[str, list[Mapping[str, Any]]] = {}
    for case in cases:
        for change in case.get("changes", ()):
            culprits.setdefault(_culprit(change), []).append({**case, "change": change})
    reasons = {"unchanged": "without a change", "unknown": "without an answer"}
    counts = {name: len(changed) for name, changed in culprits.items()}
    counts |= {title: count for kind, title in reasons.items() if (count := sum(bool(case[kind]) for case in cases))}
    lines += ["| changed by | cases |", "| --- | --- |", *(row([name, str(count)]) for name, count in counts.items())]
    for name, changed in culprits.items():
        lines += ["", f"## {name}", ""]
        for case in changed:
            lines += _case_change(case["case"], case["change"])
    for kind, title in reasons.items():
        chosen = [case for case in cases if case[kind]]
        if chosen:
            lines += ["", f"## {title.capitalize()}", ""]
            lines += _by_reason(kind, chosen)
    toolchain: Mapping[str, str] = next((case["toolchain"] for case in cases if case.get("toolchain")), {})
    lines += ["", *environment("Environment", toolchain, data["commands"], data["python"])]
    return "\n".join(lines) + "\n"


def _culprit(change: Mapping[str, Any]) -> str:
    names = [f"{step['name']}  {step['title']}".rstrip() for step in change["candidates"]]
    return names[0] if len(names) == 1 else f"One of {len(names)} steps, {names[0]} to {names[-1]}"


def _case_change(case: str, change: Mapping[str, Any]) -> Iterator[str]:
    opposite = "no" if change["answer"] == "yes" else "yes"
    yield f"- `{case}`: {opposite} at {change['before']['name']}, {change['answer']} at {change['after']['name']}"
    yield from (f"  - {text}" for text in dict.fromkeys(diff["says"] for diff in change["diffs"]))
    for diff in change["diffs"]:
        yield from ["", "  <details><summary>diff</summary>", "", "  ```diff"]
        yield from (f"  {line}".rstrip() for line in diff["lines"])
        yield from ["  ```", "", "  </details>", ""]


def _by_reason(kind: str, cases: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    by_reason: dict[str, list[str]] = {}
    for case in cases:
        by_reason.setdefault(case[kind], []).append(case["case"])
    for reason, names in by_reason.items():
        yield f"- {reason}"
        yield from (f"  - `{name}`" for name in names)
