"""How much alike two kernels or library calls are that are not equal."""

from __future__ import annotations

from collections import Counter
from collections.abc import Hashable, Mapping, Sequence
from typing import TypeVar

from kernelsnap.diff.items import EXTERN, Item

_Key = TypeVar("_Key", bound=Hashable)


class Likeness:
    """Compares items; lines that many of them share (every kernel computes its index) say less than rare ones."""

    def __init__(self, items: Sequence[Item]) -> None:
        """Weigh the lines of all items that will be compared."""
        self._lines = {item.part: Counter(row.shape for row in item.skeleton.rows) for item in items}
        everywhere = Counter(shape for lines in self._lines.values() for shape in lines)
        self._weight = {shape: 1 / count for shape, count in everywhere.items()}

    def of(self, old: Item, new: Item) -> int:
        """From 0, nothing in common, to 1000; what neither item has does not count."""
        parts: list[tuple[int, float]] = []
        if old.ops or new.ops:
            parts.append((450, _share(old.ops, new.ops)))
        if old.written or new.written:
            parts.append((200, _share(old.written, new.written)))
        if old.part.kind == EXTERN and new.part.kind == EXTERN:
            parts.append((350, old.part.name == new.part.name))
        elif EXTERN not in (old.part.kind, new.part.kind):
            parts.append((250, _share(self._lines[old.part], self._lines[new.part], self._weight)))
            parts.append((100, old.shape == new.shape))
        total = sum(weight for weight, _ in parts)
        return int(1000 * sum(weight * value for weight, value in parts) / total) if total else 0


def _share(old: Counter[_Key], new: Counter[_Key], weight: Mapping[_Key, float] | None = None) -> float:
    """Twice what both have, over what each has."""

    def size(counter: Counter[_Key]) -> float:
        return sum(count * (weight[key] if weight else 1) for key, count in counter.items())

    total = size(old) + size(new)
    return 2 * size(old & new) / total if total else 0.0
