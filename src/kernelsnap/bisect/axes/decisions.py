"""Decisions of the compiler (a pass that runs, a fusion that is made), and which of them a step refuses.

The search and the process of a step share this module. The search writes the step's `Cut` into a folder and names the
folder in a variable; the step's process compiles, lets a `Judge` answer for each decision whether it is made, and
writes those that were (`Decided`) into the same folder. As a plugin of pytest (`-p`), this module is the part inside
the step's process: it imports no pytest, and torch only once a test runs.
"""

from __future__ import annotations

import contextlib
import json
import os
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from kernelsnap.shared.data_files import parsed_json

#: The variable that names the folder of a step, and its files: what to refuse, and what was decided.
DECISIONS = "KERNELSNAP_BISECT_DECISIONS"
CUT, DECIDED = "cut.json", "decided.json"
#: This module, as the plugin of a step's process.
PLUGIN = __name__
# What one decision of a subsystem is called, where that is not the subsystem's own name.
_NAMES = {
    "pre_grad_passes": "pre-grad pass",
    "joint_graph_passes": "joint-graph pass",
    "post_grad_passes": "post-grad pass",
    "patterns": "pattern",
    "lowerings": "lowering",
    "fusions": "fusion",
}


def decision_name(subsystem: str, number: int | None = None) -> str:
    """What a decision of a subsystem is called in steps and reports: `fusion 7` for the seventh, else `fusion`."""
    name = _NAMES.get(subsystem, subsystem)
    return name if number is None else f"{name} {number}"


@dataclass(frozen=True)
class Decision:
    """One application of a pass, decomposition, lowering or pattern, or one fusion."""

    key: str  # equal in every compile that gets as far
    words: str


@dataclass(frozen=True)
class Cut:
    """Which decisions of one subsystem are refused; none, by default. All others are made.

    A decision can be found by its number: up to a cut after the n-th, nothing was refused, so that the first n are
    those of the whole compile.
    """

    subsystem: str = ""
    first: int | None = None  # how many are made before all that come later are refused
    allowed: tuple[str, ...] | None = None  # the keys of the only ones that are made
    refused: tuple[str, ...] = ()  # the keys of those that are refused
    settings: Mapping[str, Any] = field(default_factory=dict)  # to compile with, for what is refused by a setting

    @property
    def key(self) -> str:
        """Equal for equal cuts."""
        return json.dumps(asdict(self), sort_keys=True)

    def permits(self, subsystem: str, key: str, index: int) -> bool:
        """Whether a decision is made; `index` is its number in the subsystem, from 0."""
        if subsystem != self.subsystem:
            return True
        if self.first is not None:
            return index < self.first
        if self.allowed is not None:
            return key in self.allowed
        return key not in self.refused


def cut_of(key: str) -> Cut:
    """The cut that has this key."""
    content = parsed_json(key)
    allowed = None if content["allowed"] is None else tuple(content["allowed"])
    return Cut(**{**content, "allowed": allowed, "refused": tuple(content["refused"])})


class Judge:
    """Answers in a step's process which decisions are made, and remembers them."""

    def __init__(self, cut: Cut) -> None:
        """Nothing was decided yet."""
        self.made: defaultdict[str, list[Decision]] = defaultdict(list)
        self._cut = cut
        self._times: Counter[tuple[str, str]] = Counter()
        self._numbers: defaultdict[str, dict[str, int]] = defaultdict(dict)

    def __call__(self, subsystem: str, key: str, words: str) -> bool:
        """Whether a decision is made. One without a key gets its words for a key, and a number where they repeat."""
        if not key:
            self._times[subsystem, words] += 1
            key = f"{words} #{self._times[subsystem, words]}"
        numbers = self._numbers[subsystem]
        # A fusion that was refused is asked for again in the scheduler's next round.
        permitted = self._cut.permits(subsystem, key, numbers.setdefault(key, len(numbers)))
        if permitted:
            self.made[subsystem].append(Decision(key, words))
        return permitted


@dataclass(frozen=True)
class Decided:
    """What a step's process reports: the subsystems that its torch has, and the decisions that were made."""

    # By subsystem, the setting that refuses all of it, and its value; ("", None) where each decision is asked about.
    settings: Mapping[str, tuple[str, Any]]
    made: Mapping[str, Sequence[Decision]]  # by subsystem, in order

    def as_json(self) -> dict[str, Any]:
        """The form in which it is written."""
        return {
            "settings": {name: list(setting) for name, setting in self.settings.items()},
            "made": {name: [[one.key, one.words] for one in made] for name, made in self.made.items()},
        }


def decided_of(content: Mapping[str, Any]) -> Decided:
    """What `Decided.as_json` wrote."""
    settings = {name: (setting[0], setting[1]) for name, setting in content["settings"].items()}
    made = {name: tuple(Decision(*one) for one in made) for name, made in content["made"].items()}
    return Decided(settings, made)


def read_decided(folder: Path) -> Decided | None:
    """What the process of a step reported; None where it ended before."""
    try:
        return decided_of(parsed_json((folder / DECIDED).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None


def pytest_configure(config: Any) -> None:
    """Take part in this run."""
    config.pluginmanager.register(_DecisionRecorder(Path(os.environ[DECISIONS])), "kernelsnap-bisect-passes-recorder")


class _DecisionRecorder:
    def __init__(self, folder: Path) -> None:
        self._folder = folder
        self._judge = Judge(cut_of((folder / CUT).read_text(encoding="utf-8")))
        self._entered = contextlib.ExitStack()
        self._settings: dict[str, tuple[str, Any]] | None = None

    def pytest_runtest_setup(self, item: Any) -> None:
        if self._settings is not None:
            return
        from kernelsnap.capture.decisions import deciding, subsystems

        found = {subsystem.name: (subsystem.setting, subsystem.value) for subsystem in subsystems()}
        self._entered.enter_context(deciding(self._judge))
        self._settings = found

    def pytest_sessionfinish(self, session: Any) -> None:
        self._entered.close()
        if self._settings is not None:
            content = Decided(self._settings, self._judge.made).as_json()
            (self._folder / DECIDED).write_text(json.dumps(content), encoding="utf-8")
