"""Shows two texts side by side: which lines are next to each other, with long unchanged stretches folded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import groupby, zip_longest
from typing import Literal

from markupsafe import Markup

from kernelsnap.diff.text.lines import edits
from kernelsnap.report.html.highlight import (
    Span,
    changed_words,
    highlighted,
    painted,
    painted_line,
    words_of,
)

#: Unchanged lines shown before and after a change; a stretch is folded where that hides at least `_WORTH` lines.
_CONTEXT, _WORTH = 4, 4
#: Lines that a fold can show; of a longer one only the number of lines is shown.
MOST_FOLDED = 600
#: Lines of one text that are shown.
MOST_ROWS = 3_000
#: Lines are the same one changed if they have this share of their words in common.
_ALIKE = 0.5
#: With more pairs of lines than this, finding those that belong together takes too long.
_MOST_PAIRS = 2_500
_LONG_STRING = ('"""', "'''")


@dataclass(frozen=True)
class Cell:
    """One line of one side; numbers are those of the golden file, from 1."""

    number: int
    html: Markup


@dataclass(frozen=True)
class TableRow:
    """Lines that are next to each other; None where a side has none."""

    old: Cell | None
    new: Cell | None


@dataclass(frozen=True)
class Stretch:
    """Consecutive rows of one sort. The lines of a fold are those of both sides, with the old side's HTML."""

    sort: Literal["same", "change", "fold"]
    rows: tuple[TableRow, ...]
    size: int  # its lines; of a fold perhaps more than it has rows


@dataclass(frozen=True)
class Text:
    """One side of a text: where it starts in its golden's file, and its lines."""

    start: int
    lines: tuple[str, ...]
    code: bool  # whether it is Python


@dataclass(frozen=True)
class Block:
    """Two texts compared."""

    label: str
    runs: tuple[Stretch, ...]
    removed: int
    added: int
    old_lines: int  # all lines of the old side
    new_lines: int
    left_out: int  # lines beyond `MOST_ROWS`


def block(label: str, old: Text, new: Text, full: bool) -> Block:
    """The two texts side by side; with `full` nothing is left out."""
    paint = (_painter(old), _painter(new))
    steps = list(edits(old.lines, new.lines))
    runs = list(_runs(steps, old, new, paint, full))
    shown = runs if full else list(_first(runs, MOST_ROWS))
    tags = Counter(tag for tag, _, _ in steps)
    left_out = sum(run.size for run in runs) - sum(run.size for run in shown)
    return Block(label, tuple(shown), tags["-"], tags["+"], len(old.lines), len(new.lines), left_out)


def _first(runs: Iterable[Stretch], most: int) -> Iterator[Stretch]:
    """The first stretches, as far as they have at most `most` rows together."""
    for run in runs:
        if len(run.rows) > most:
            if most:
                yield Stretch(run.sort, run.rows[:most], most)
            return
        yield run
        most -= len(run.rows)


#: What gives the HTML of a line by its place in the text and what is marked in it.
_Paint = Callable[[int, Sequence[Span]], Markup]


def _painter(text: Text) -> _Paint:
    """Lines are read one by one, when they are needed, unless a string may reach over several of them."""
    lines = text.lines
    if text.code and any(quotes in line for line in lines for quotes in _LONG_STRING):
        pieces = highlighted("\n".join(lines))
        return lambda place, marked: painted(pieces[place], marked)
    return lambda place, marked: painted_line(lines[place], text.code, tuple(marked))


def _runs(
    steps: Sequence[tuple[str, int, int]], old: Text, new: Text, paint: tuple[_Paint, _Paint], full: bool
) -> Iterator[Stretch]:
    stretches = [list(group) for _, group in groupby(steps, key=lambda step: step[0] == " ")]
    for place, stretch in enumerate(stretches):
        if stretch[0][0] != " ":
            removed = [i for tag, i, _ in stretch if tag == "-"]
            added = [j for tag, _, j in stretch if tag == "+"]
            rows = tuple(_change_rows(removed, added, old, new, paint))
            yield Stretch("change", rows, len(rows))
            continue
        head = 0 if place == 0 else _CONTEXT
        tail = 0 if place == len(stretches) - 1 else _CONTEXT
        hidden = len(stretch) - head - tail
        if hidden < _WORTH:
            yield _same("same", stretch, old, new, paint, both=True)
            continue
        if head:
            yield _same("same", stretch[:head], old, new, paint, both=True)
        middle = stretch[head : len(stretch) - tail]
        if full or hidden <= MOST_FOLDED:
            yield _same("fold", middle, old, new, paint, both=False)
        else:
            yield Stretch("fold", (), hidden)
        if tail:
            yield _same("same", stretch[-tail:], old, new, paint, both=True)


def _same(
    sort: Literal["same", "fold"],
    stretch: Sequence[tuple[str, int, int]],
    old: Text,
    new: Text,
    paint: tuple[_Paint, _Paint],
    both: bool,
) -> Stretch:
    rows = []
    for _, i, j in stretch:
        html = paint[0](i, ())
        rows.append(TableRow(Cell(old.start + i, html), Cell(new.start + j, html if both else Markup())))
    return Stretch(sort, tuple(rows), len(rows))


def _change_rows(
    removed: Sequence[int], added: Sequence[int], old: Text, new: Text, paint: tuple[_Paint, _Paint]
) -> Iterator[TableRow]:
    for i, j in _side_by_side([old.lines[i] for i in removed], [new.lines[j] for j in added]):
        before = after = None
        spans: tuple[Sequence[Span], Sequence[Span]] = ((), ())
        if i is not None and j is not None:
            *found, alike = changed_words(old.lines[removed[i]], new.lines[added[j]])
            spans = (found[0], found[1]) if alike >= _ALIKE else spans
        if i is not None:
            before = Cell(old.start + removed[i], paint[0](removed[i], spans[0]))
        if j is not None:
            after = Cell(new.start + added[j], paint[1](added[j], spans[1]))
        yield TableRow(before, after)


def _side_by_side(old: Sequence[str], new: Sequence[str]) -> Iterator[tuple[int | None, int | None]]:
    """Which removed line is shown next to which added one: those most alike, in order; the others fill the gaps."""
    i = j = 0
    for i_next, j_next in [*_most_alike(old, new), (len(old), len(new))]:
        yield from zip_longest(range(i, i_next), range(j, j_next))
        if i_next < len(old):
            yield i_next, j_next
        i, j = i_next + 1, j_next + 1


def _share(old: Counter[str], new: Counter[str]) -> float:
    total = old.total() + new.total()
    return 2 * (old & new).total() / total if total else 1.0


def _most_alike(old: Sequence[str], new: Sequence[str]) -> list[tuple[int, int]]:
    """The pairs of lines, both rising, that are most alike together; none less alike than `_ALIKE`."""
    if len(old) * len(new) > _MOST_PAIRS or not old or not new:
        return []
    words = [[words_of(line) for line in side] for side in (old, new)]
    alike = [[_share(a, b) for b in words[1]] for a in words[0]]
    best = [[0.0] * (len(new) + 1) for _ in range(len(old) + 1)]
    for i in reversed(range(len(old))):
        for j in reversed(range(len(new))):
            take = alike[i][j] + best[i + 1][j + 1] if alike[i][j] >= _ALIKE else 0.0
            best[i][j] = max(take, best[i + 1][j], best[i][j + 1])
    pairs = []
    i = j = 0
    while i < len(old) and j < len(new):
        if alike[i][j] >= _ALIKE and best[i][j] == alike[i][j] + best[i + 1][j + 1]:
            pairs.append((i, j))
            i, j = i + 1, j + 1
        elif best[i][j] == best[i + 1][j]:
            i += 1
        else:
            j += 1
    return pairs
