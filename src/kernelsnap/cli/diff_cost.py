"""`kernelsnap diff --cost`: what each change is estimated to cost, the worst first. Needs no torch, and no GPU."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator
from pathlib import Path

from kernelsnap.cost.compare import Comparison, compare, micro
from kernelsnap.cost.estimate import GoldenCost, estimate
from kernelsnap.diff.sides.sides import Sides
from kernelsnap.diff.tree.change import Change
from kernelsnap.golden.files import decoded
from kernelsnap.golden.format import parse
from kernelsnap.golden.store import SUFFIX
from kernelsnap.targets.lookup import TargetTable, project_targets


def cost_report(changes: Iterable[Change], sides: Sides) -> str:
    """A line for each golden that both sides have, the worst first, and one for all of them together."""
    targets = project_targets(Path.cwd())
    compared = {
        change.name: compare(*(_estimate(sides, change.name, side, targets) for side in (1, 2)))
        for change in changes
        if change.status == "changed"
    }
    known = {name: found for name, found in compared.items() if found.direction != "cannot tell"}
    order = sorted(compared, key=lambda name: (name not in known, -compared[name].ratio, name))
    return "\n".join([*(f"{name}: {compared[name]}" for name in order), *_together(compared, known)]) + "\n"


def _estimate(sides: Sides, name: str, side: int, targets: TargetTable) -> GoldenCost:
    content = sides[name][side]
    assert isinstance(content, bytes)  # of a golden that changed, both sides are there
    golden = parse(decoded(content, name, SUFFIX), name)
    if golden.target not in targets.entries:
        return GoldenCost((), 0.0, 0.0, 0.0, golden.target, f"there is no target {golden.target}")
    return estimate(golden, targets.entries[golden.target])


def _together(compared: dict[str, Comparison], known: dict[str, Comparison]) -> Iterator[str]:
    if not compared:
        yield "no golden changed that both sides have"
    elif known:
        old, new = (math.fsum(getattr(found, side).time for found in known.values()) for side in ("old", "new"))
        times = f"est. {micro(old)} -> {micro(new)}  x{new / old:.2f}"
        yield f"together: {times}, of {len(known)} of {len(compared)} goldens"
    else:
        yield f"of {len(compared)} goldens nothing can be told"
