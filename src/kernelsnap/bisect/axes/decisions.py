"""Which of the compiler's decisions stand at a step, and which were made: what both sides of a step's process know."""

from __future__ import annotations

import json
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

#: The variable that names the folder of a step, and its files: what to refuse, and what was decided.
DECISIONS = "KERNELSNAP_BISECT_DECISIONS"
CUT, DECIDED = "cut.json", "decided.json"


@dataclass(frozen=True)
class Decision:
    """One application of a pass, decomposition, lowering or pattern, or one fusion."""

    key: str  # equal in every compile that comes to it
    words: str


@dataclass(frozen=True)
class Cut:
    """What is refused in one subsystem; nothing, by default.

    The first decisions are the same wherever the line is drawn behind them, since nothing before it was refused: so the
    n-th decision is the n-th of every step that has it.
    """

    subsystem: str = ""
    first: int | None = None  # so many decisions stand, and all that come later are refused
    allowed: tuple[str, ...] | None = None  # only those with these keys stand
    refused: tuple[str, ...] = ()  # all but those with these keys stand
    settings: Mapping[str, Any] = field(default_factory=dict)  # to compile with

    @property
    def key(self) -> str:
        """Equal for equal cuts."""
        return json.dumps(asdict(self), sort_keys=True)

    def permits(self, subsystem: str, key: str, index: int) -> bool:
        """Whether a decision stands, which is the subsystem's `index`-th, from 0."""
        if subsystem != self.subsystem:
            return True
        if self.first is not None:
            return index < self.first
        if self.allowed is not None:
            return key in self.allowed
        return key not in self.refused


def cut_of(key: str) -> Cut:
    """The cut that has this key."""
    content = json.loads(key)
    allowed = None if content["allowed"] is None else tuple(content["allowed"])
    return Cut(**{**content, "allowed": allowed, "refused": tuple(content["refused"])})


class Judge:
    """Answers for one process which decisions stand, and remembers those that do."""

    def __init__(self, cut: Cut) -> None:
        """Nothing was decided yet."""
        self.made: defaultdict[str, list[Decision]] = defaultdict(list)
        self._cut = cut
        self._times: Counter[tuple[str, str]] = Counter()
        self._numbers: defaultdict[str, dict[str, int]] = defaultdict(dict)

    def __call__(self, subsystem: str, key: str, words: str) -> bool:
        """Whether a decision stands; one without a key is told from others by its words, and how often they came."""
        if not key:
            self._times[subsystem, words] += 1
            key = f"{words} #{self._times[subsystem, words]}"
        numbers = self._numbers[subsystem]
        # A fusion that was refused is asked for again in the scheduler's next round.
        stands = self._cut.permits(subsystem, key, numbers.setdefault(key, len(numbers)))
        if stands:
            self.made[subsystem].append(Decision(key, words))
        return stands


@dataclass(frozen=True)
class Decided:
    """What a process reports: the subsystems that its torch has, and the decisions that stood."""

    settings: Mapping[str, tuple[str, Any]]  # by subsystem: what is set to refuse it; empty where each is asked for
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
    """What the process of a step reported; None where it did not come so far."""
    try:
        return decided_of(json.loads((folder / DECIDED).read_text(encoding="utf-8")))
    except FileNotFoundError:
        return None
