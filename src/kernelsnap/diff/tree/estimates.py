"""The time of changes: estimated from both goldens of each (see `kernelsnap.cost`), or as a GPU measured it.

What `kernelsnap time` measured is kept in a file; reports show it next to the estimates. Needs numpy, no torch, no GPU.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from kernelsnap.diff.sides.trees import Contents, DiffInputError
from kernelsnap.diff.tree.change import Change, golden_of
from kernelsnap.diff.tree.cost import NO_ESTIMATE, Time
from kernelsnap.model.golden import Golden
from kernelsnap.shared.data_files import parsed_json
from kernelsnap.shared.processes import mapped

if TYPE_CHECKING:
    from kernelsnap.cost.estimate import GoldenCost, StepCost
    from kernelsnap.diff.compare import Diff
    from kernelsnap.diff.match.items import KernelRef
    from kernelsnap.diff.match.pairs import Pair

#: The format of the file that `kernelsnap time --output` writes.
FORMAT = 1
#: With more changed goldens than these, nothing is estimated unless it is asked for: 50 take two seconds of one core.
MOST = 50
# Fewer than these are estimated before another process has started.
_FEW = 12
# The layers that hold what is estimated.
_DECIDE = {"code", "config"}


def estimated(
    changes: Sequence[Change], contents: Mapping[str, Contents], processes: int | None = None
) -> list[Change]:
    """The changes with their estimates, in the same order; `contents` has both sides of each golden by name."""
    pairs = [contents[change.name] for change in changes if change.status == "changed" and _matters(change)]
    times = dict(mapped(_time, pairs, few=_FEW, processes=processes))
    return [
        replace(change, time=times.get(change.name, AS_BEFORE)) if change.status == "changed" else change
        for change in changes
    ]


def with_estimate(change: Change) -> Change:
    """The change of two goldens, whose comparison it still has, with its estimate."""
    if change.diff is None:
        return change
    old, new = change.diff.old, change.diff.recorded
    return replace(change, time=time_of(old, new) if _matters(change) else AS_BEFORE)


#: That of goldens whose code and launches are as they were.
AS_BEFORE = Time(told=1)


def _matters(change: Change) -> bool:
    return bool(_DECIDE & {*change.layers})


def _time(contents: Contents) -> tuple[str, Time]:
    name, old, new = contents
    before, after = golden_of(name, old, "old"), golden_of(name, new, "new")
    assert before  # of a golden that changed, both sides are there
    assert after
    return name, time_of(before, after)


def time_of(old: Golden, new: Golden) -> Time:
    """What two goldens are estimated to take."""
    # Imported late: a comparison without estimates does not wait for numpy.
    from kernelsnap.cost.compare import compare
    from kernelsnap.cost.estimate import estimate

    found = compare(estimate(old), estimate(new))
    if found.direction == "cannot tell":
        return Time(untold=1, unknown=found.reason)
    if found.is_equal:
        return AS_BEFORE
    return Time(
        round(found.old.counted, 3),
        round(found.new.counted, 3),
        round(found.old_spread, 3),
        round(found.new_spread, 3),
        found.reason,
        told=1,
    )


@dataclass(frozen=True)
class KernelTime:
    """What became of the time of some kernels and calls: of one that changed, of one that was split, ..."""

    names: str  # under the names of the old golden: `forward k0 -> k0, k1`
    time: Time


@dataclass(frozen=True)
class TimeByPart:
    """The estimated time of a change, divided between what changed."""

    kernels: tuple[KernelTime, ...]  # of each kernel and call that changed, in the order of the new plan
    causes: tuple[Time, ...]  # of each cause, in their order


def time_by_part(diff: Diff) -> TimeByPart:
    """The estimated time of each kernel that changed, and of each cause. What starts a graph is in none of them."""
    from kernelsnap.cost.estimate import estimate

    old, new = _Steps(diff.old, estimate(diff.old)), _Steps(diff.recorded, estimate(diff.recorded))
    # The comparison has the new names aligned with the old ones, and in the same order those that were recorded.
    kernels = tuple(
        KernelTime(_names(pair), _together(old.of(stored.old), new.of(stored.new)))
        for pair, stored in zip(diff.pairs, diff.stored_pairs, strict=True)
        if pair.status not in ("unchanged", "renamed", "reordered")
    )
    effects = [cause.effect for cause in diff.causes]
    return TimeByPart(kernels, tuple(_together(old.of(effect.old), new.of(effect.new)) for effect in effects))


def _names(pair: Pair) -> str:
    before, after = (", ".join(part.name for part in side) or "nothing" for side in (pair.old, pair.new))
    graph = (*pair.new, *pair.old)[0].graph
    return f"{graph} {before}" if before == after else f"{graph} {before} -> {after}"


def _together(old: Sequence[StepCost], new: Sequence[StepCost]) -> Time:
    from kernelsnap.cost.compare import reason_of, uncertainty

    if not old and not new:
        return NO_ESTIMATE
    if unknown := next((step.unknown for step in (*old, *new) if step.unknown), ""):
        return Time(untold=1, unknown=unknown)
    before, after = (math.fsum(step.time for step in side) for side in (old, new))
    return Time(before, after, uncertainty(old), uncertainty(new), reason_of(old, new), told=1)


class _Steps:
    """The estimates of a golden's steps, by the step of its plan that they are of."""

    def __init__(self, golden: Golden, cost: GoldenCost) -> None:
        self._found: dict[tuple[str, str], list[StepCost]] = {}
        for step in cost.steps:
            self._found.setdefault((step.graph, step.name), []).append(step)
        # Calls into a library of one name are told apart by their order.
        self._place: dict[tuple[str, int], int] = {}
        for plan in golden.plan:
            seen: dict[str, int] = {}
            for index, name in enumerate(step.name for step in plan.steps):
                self._place[plan.graph, index] = seen.get(name, 0)
                seen[name] = seen.get(name, 0) + 1

    def of(self, parts: Sequence[KernelRef]) -> list[StepCost]:
        return [step for part in parts for step in self._of(part)]

    def _of(self, part: KernelRef) -> Iterator[StepCost]:
        found = self._found.get((part.graph, part.name), [])
        if part.kind != "extern":
            yield from found
        elif (place := self._place.get((part.graph, part.step), -1)) < len(found):
            yield found[place]


def with_measurement(time: Time, old: float, new: float) -> Time:
    """An estimate with what was measured."""
    return replace(time, old_measured=round(old, 3), new_measured=round(new, 3))


def read_measured(file: Path) -> dict[str, tuple[float, float]]:
    """Both times of each golden by name, in microseconds, from a file that `kernelsnap time --output` wrote.

    Raises:
        DiffInputError: it is no such file.
    """
    try:
        content = parsed_json(file.read_bytes())
        if content["format"] != FORMAT:
            raise DiffInputError(f"{file}: written by another release of kernelsnap: run `kernelsnap time` again")
        found = content["goldens"].items()
        return {str(name): (_measured(both["old"]), _measured(both["new"])) for name, both in found}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DiffInputError(f"{file}: not what `kernelsnap time --output` writes ({error})") from None


def _measured(side: Mapping[str, Any]) -> float:
    total = side["total"]
    if not isinstance(total, int | float) or not 0 < total < math.inf:
        raise ValueError(f"a time of {total!r}")
    return float(total)


def with_measurements(changes: tuple[Change, ...], found: Mapping[str, tuple[float, float]]) -> tuple[Change, ...]:
    """The changes, each with what was measured of its golden."""
    return tuple(
        replace(change, time=with_measurement(change.time, *found[change.name])) if change.name in found else change
        for change in changes
    )
