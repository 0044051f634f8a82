"""Times that `kernelsnap time` measured on a GPU, kept in a file, for reports to show beside the estimates."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from kernelsnap.diff.sides.trees import DiffInputError
from kernelsnap.diff.tree.change import Change
from kernelsnap.diff.tree.cost import Time
from kernelsnap.shared.data_files import parsed_json

FORMAT = 1


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
        return {str(name): (_time(both["old"]), _time(both["new"])) for name, both in content["goldens"].items()}
    except (ValueError, TypeError, KeyError, AttributeError) as error:
        raise DiffInputError(f"{file}: not what `kernelsnap time --output` writes ({error})") from None


def _time(side: Mapping[str, Any]) -> float:
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
