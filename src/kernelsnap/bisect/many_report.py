"""The outcomes of many cases as data, put together from shards, and as text that is ready to paste."""

from __future__ import annotations

import json
import platform
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from kernelsnap.bisect.errors import BisectError
from kernelsnap.bisect.many import Result
from kernelsnap.bisect.report import as_data

_FORMAT = "kernelsnap bisect, many cases, 1"
_WHOLE = "1/1"
#: Differing in these, two reports answer different questions.
_SAME = ("format", "axis", "question", "selected")


def many_data(
    results: Sequence[Result], *, axis: str, question: str, selected: Sequence[str], shard: str, command: str
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
        "format": _FORMAT,
        "axis": axis,
        "question": question,
        "selected": list(selected),
        "shards": [shard or _WHOLE],
        "cases": [_case(result) for result in results],
        "python": f"Python {platform.python_version()}, {platform.system()} {platform.machine()}",
        "commands": [command],
    }


def _case(result: Result) -> dict[str, Any]:
    told = as_data(result.outcome) if result.outcome else {"toolchain": dict(result.toolchain)}
    return told | {"case": result.case, "unchanged": result.unchanged, "unknown": result.unknown}


def merge(paths: Sequence[Path]) -> dict[str, Any]:
    """The data of all shards together: what one run of all cases would give.

    Raises:
        BisectError: a file is no such report, they do not belong together, or a shard is missing.
    """
    parts = [_read(path) for path in paths]
    first = parts[0]
    for path, part in zip(paths, parts, strict=True):
        if other := [name for name in _SAME if part[name] != first[name]]:
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
        "shards": [_WHOLE],
        "cases": [cases[name] for name in first["selected"]],
        "commands": [command for part in parts for command in part["commands"]],
    }


def _read(path: Path) -> dict[str, Any]:
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if isinstance(content, dict) and content.get("format") == _FORMAT:
            return content
    except (UnicodeDecodeError, ValueError):
        pass
    raise BisectError(f"{path} is no report that `kernelsnap bisect ... --shard I/N --json` wrote")


def found(data: Mapping[str, Any]) -> bool:
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
    lines += ["| changed by | cases |", "| --- | --- |"]
    lines += [f"| {name} | {len(changed)} |" for name, changed in culprits.items()]
    for kind, title in reasons.items():
        if count := sum(bool(case[kind]) for case in cases):
            lines.append(f"| {title} | {count} |")
    for name, changed in culprits.items():
        lines += ["", f"## {name}", ""]
        for case in changed:
            lines += _change(case["case"], case["change"])
    for kind, title in reasons.items():
        chosen = [case for case in cases if case[kind]]
        if chosen:
            lines += ["", f"## {title.capitalize()}", ""]
            lines += _by_reason(kind, chosen)
    lines += ["", "## Environment", ""]
    toolchain: Mapping[str, str] = next((case["toolchain"] for case in cases if case.get("toolchain")), {})
    lines += [f"- {name} {version}" for name, version in toolchain.items()]
    lines += [f"- {data['python']}", "", "```sh", *data["commands"], "```"]
    return "\n".join(lines) + "\n"


def _culprit(change: Mapping[str, Any]) -> str:
    names = [f"{step['name']}  {step['title']}".rstrip() for step in change["candidates"]]
    return names[0] if len(names) == 1 else f"One of {len(names)} steps, {names[0]} to {names[-1]}"


def _change(case: str, change: Mapping[str, Any]) -> Iterator[str]:
    opposite = "no" if change["answer"] == "yes" else "yes"
    says = dict.fromkeys(diff["says"] for diff in change["diffs"])
    yield f"- `{case}`: {opposite} at {change['before']['name']}, {change['answer']} at {change['after']['name']}"
    for text in says:
        yield f"  - {text}"
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


def many_json(data: Mapping[str, Any]) -> str:
    """The data as JSON."""
    return json.dumps(data, indent=2) + "\n"
