"""What a step's run of pytest tells: one line of JSON per event, so that what was told survives a crash of the run."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

_WORST = ["passed", "skipped", "failed"]


@dataclass(frozen=True)
class RunReport:
    """The events of one run."""

    toolchain: Mapping[str, str]
    rootdir: str
    collected: tuple[tuple[str, str], ...]  # (case, file) of every golden test, in order
    outcomes: Mapping[str, str]  # the worst of each case's tests, by case; by node id for a test that is no case
    messages: tuple[tuple[str, str], ...]  # (case or file, text), in the order in which they came
    finished: frozenset[str]  # cases of which every test came to its end
    running: tuple[str, ...]  # cases with a test that started and did not come to its end
    whole: bool  # whether the run came to its end

    def message(self, place: str) -> str:
        """The first message about a case or file; "" where there is none."""
        return next((text for about, text in self.messages if about == place), "")


def read_report(path: Path) -> RunReport | None:
    """The events in a file, without a line that a kill cut off; None where the run did not come so far."""
    try:
        lines = path.read_text(encoding="utf-8").splitlines(keepends=True)
        events: list[dict[str, Any]] = [json.loads(line) for line in lines if line.endswith("\n")]
    except (OSError, ValueError):
        return None
    if not events:
        return None
    outcomes: dict[str, str] = {}
    ended: Counter[str] = Counter()
    tests: dict[str, int] = {}
    running: Counter[str] = Counter()
    messages = []
    for event in events:
        match event:
            case {"started": place}:
                running[place] += 1
            case {"place": place, "outcome": outcome, "tests": count, "when": when}:
                outcomes[place] = max(outcomes.get(place, "passed"), outcome, key=_WORST.index)
                tests[place] = count
                ended[place] += when == "teardown"
                running[place] -= when == "teardown"
        if event.get("message"):
            messages.append((str(event["place"]), str(event["message"])))
    return RunReport(
        toolchain=events[0]["toolchain"],
        rootdir=events[0]["rootdir"],
        collected=tuple((name, file) for event in events for name, file in event.get("collected", ())),
        outcomes=outcomes,
        messages=tuple(messages),
        finished=frozenset(place for place, count in tests.items() if ended[place] >= count),
        running=tuple(place for place, count in running.items() if count > 0),
        whole=any(event.get("whole") for event in events),
    )
