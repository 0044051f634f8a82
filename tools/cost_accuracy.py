"""How right the cost estimate is on the pairs that were timed on a real GPU.

    python tools/cost_accuracy.py [--part "held out"] [--misses]

The pairs, with their goldens and times, are in tests/data/cost_pairs (`tools/record_cost_pairs.py`). Each pair of the
first set is in one of two halves, by a hash of its name: `fit` and `held out`. docs/cost.md tells what was learned from
which of them, and what each set gave when it was scored for the first time.
"""

from __future__ import annotations

import argparse
import json
import lzma
import math
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from cost_pairs.split import half, half_by_program
from kernelsnap.cost.estimate import GoldenCost, estimate_on
from kernelsnap.cost.machine import Machine, machine_for
from kernelsnap.golden.format import parse
from kernelsnap.model.golden import Golden
from kernelsnap.targets.table import ENTRIES

_FOLDER = Path(__file__).parents[1] / "tests" / "data" / "cost_pairs"
RECORDED, SECOND = _FOLDER / "h200.jsonl.xz", _FOLDER / "h200-second.jsonl.xz"
THIRD = _FOLDER / "h200-third.jsonl.xz"
TRAINING, FOURTH = _FOLDER / "h200-training.jsonl.xz", _FOLDER / "h200-fourth.jsonl.xz"
_FILES = {"second": SECOND, "third": THIRD, "training": TRAINING}
_FILES |= dict.fromkeys(("fourth, learned from", "fourth, clean"), FOURTH)
#: A change of time is one from here on; below the other it is none.
CHANGED, UNCHANGED = 1.10, 1.03


@dataclass(frozen=True)
class Timed:
    """A pair, with what was measured."""

    name: str
    sides: tuple[str, str]
    measured: tuple[float, float]

    @property
    def ratio(self) -> float:
        """New over old, as measured."""
        return self.measured[1] / self.measured[0]


@dataclass(frozen=True)
class Recorded:
    """All that was recorded."""

    goldens: dict[str, Golden]
    pairs: tuple[Timed, ...]
    raw: tuple[dict[str, Any], ...]


def recorded(path: Path = RECORDED) -> Recorded:
    """The pairs and goldens of the file; pairs whose sides are one text are left out, as no change."""
    lines = [json.loads(line) for line in lzma.decompress(path.read_bytes()).decode().splitlines()]
    texts = {line["side"]: line["golden"] for line in lines if "side" in line}
    raw = tuple(line for line in lines if "pair" in line and texts[line["sides"][0]] != texts[line["sides"][1]])
    pairs = tuple(
        Timed(
            line["pair"], (line["sides"][0], line["sides"][1]),
            (line["old"]["timing"]["total"]["median"], line["new"]["timing"]["total"]["median"]),
        )
        for line in raw
    )  # fmt: skip
    return Recorded({side: parse(text, side) for side, text in texts.items()}, pairs, raw)


def h200() -> Machine:
    """The GPU that was measured."""
    machine = machine_for(next(target for target in ENTRIES if target.name == "h200"))
    assert machine is not None
    return machine


@dataclass(frozen=True)
class Accuracy:
    """How right the estimates of some pairs are."""

    pairs: int
    unknown: int
    changed: int
    right: int
    unchanged: int
    alarms: int
    rank: float
    sides: int
    within: int
    misses: tuple[str, ...]

    def __str__(self) -> str:
        """A line of the table."""
        told = self.pairs - self.unknown
        return (
            f"{self.pairs} pairs: direction right in {self.right} of {self.changed} ({self.right / self.changed:.1%}), "
            f"Spearman {self.rank:.3f}, false alarms {self.alarms} of {self.unchanged} "
            f"({self.alarms / max(1, self.unchanged):.1%}), cannot tell {self.unknown} "
            f"({self.unknown / self.pairs:.1%}), "
            f"within 1.5 times {self.within} of {self.sides} ({self.within / self.sides:.1%}); {told} told"
        )


def accuracy(pairs: Iterable[Timed], costs: dict[str, GoldenCost]) -> Accuracy:
    """The accuracy over some pairs."""
    pairs = list(pairs)
    told = [pair for pair in pairs if not any(costs[side].unknown for side in pair.sides)]
    estimated = {pair.name: costs[pair.sides[1]].time / costs[pair.sides[0]].time for pair in told}
    changed = [pair for pair in told if abs(math.log(pair.ratio)) > math.log(CHANGED)]
    unchanged = [pair for pair in told if abs(math.log(pair.ratio)) < math.log(UNCHANGED)]
    right = [pair for pair in changed if same_direction(pair.ratio, estimated[pair.name])]
    alarms = [pair for pair in unchanged if abs(math.log(estimated[pair.name])) > math.log(CHANGED)]
    sides = {side: value for pair in told for side, value in zip(pair.sides, pair.measured, strict=True)}
    within = [side for side, value in sides.items() if abs(math.log(costs[side].time / value)) < math.log(1.5)]
    misses = [
        f"{pair.name}: measured {pair.measured[0]:.1f} -> {pair.measured[1]:.1f} us x{pair.ratio:.2f}, estimated "
        f"{costs[pair.sides[0]].time:.1f} -> {costs[pair.sides[1]].time:.1f} us x{estimated[pair.name]:.2f}"
        for pair in told
        if (pair in changed and pair not in right) or pair in alarms
    ]
    return Accuracy(
        len(pairs), len(pairs) - len(told), len(changed), len(right), len(unchanged), len(alarms),
        spearman([pair.ratio for pair in told], [estimated[pair.name] for pair in told]),
        len(sides), len(within), tuple(misses),
    )  # fmt: skip


def same_direction(measured: float, estimated: float) -> bool:
    """Whether an estimate that is a change (by more than 3 %) goes the way of the measurement."""
    return (measured > 1) == (estimated > 1) and abs(math.log(estimated)) > math.log(UNCHANGED)


def spearman(left: list[float], right: list[float]) -> float:
    """The rank correlation."""
    a, b = _ranks(left), _ranks(right)
    mean = (len(a) - 1) / 2
    covariance = sum((x - mean) * (y - mean) for x, y in zip(a, b, strict=True))
    return covariance / math.sqrt(sum((x - mean) ** 2 for x in a) * sum((y - mean) ** 2 for y in b))


def _ranks(values: list[float]) -> list[float]:
    order = sorted(range(len(values)), key=values.__getitem__)
    ranks = [0.0] * len(values)
    start = 0
    while start < len(order):
        end = start
        while end + 1 < len(order) and values[order[end + 1]] == values[order[start]]:
            end += 1
        for index in order[start : end + 1]:
            ranks[index] = (start + end) / 2
        start = end + 1
    return ranks


def _parts(name: str) -> tuple[str, ...]:
    """The parts that a pair of a file may be in."""
    if "fourth_" in name:
        return (half_by_program(name),)
    return half(name), "second", "third", "training"


def main() -> None:
    """Print the accuracy of each half."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("fit", "held out", *_FILES), action="append")
    parser.add_argument("--misses", action="store_true", help="print each pair whose direction is wrong or made up")
    options = parser.parse_args()
    for name in options.part or ("fit", "held out", *_FILES):
        found, machine = recorded(_FILES.get(name, RECORDED)), h200()
        costs = {side: estimate_on(golden, machine) for side, golden in found.goldens.items()}
        part = [pair for pair in found.pairs if name in _parts(pair.name)]
        result = accuracy(part, costs)
        print(f"{name}: {result}")
        if name == "held out":
            fitted_sides = {side for pair in found.pairs if half(pair.name) == "fit" for side in pair.sides}
            fresh = [pair for pair in part if not set(pair.sides) <= fitted_sides]
            print(f"of which one side or both are in no pair of the other half: {accuracy(fresh, costs)}")
        for reason in sorted({costs[s].unknown for pair in part for s in pair.sides if costs[s].unknown}):
            print(f"  cannot tell: {reason}")
        for miss in result.misses if options.misses else ():
            print(f"  {miss}")


if __name__ == "__main__":
    main()
