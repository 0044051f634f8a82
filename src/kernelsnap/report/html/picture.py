"""Where each step of a plan is drawn, and the lines between them: layers by igraph's Sugiyama layout.

igraph decides the layer and the order of the boxes and how long lines are routed; here only its units become pixels.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import accumulate, pairwise
from statistics import fmean

import igraph

from kernelsnap.model.capture import Buffer
from kernelsnap.report.html.plan_graph import Box, Flow, PlanGraph, total_bytes

#: All in pixels. A character of the monospaced font is at most `_CHAR` wide at the size that boxes use.
WIDTH, LINE, HEAD = 264, 17, 28
_GAP, _BELOW, _MARGIN, _LABEL, _CHAR = 24, 26, 14, 15, 7.0
_COLUMN = WIDTH + _GAP
#: In columns, to either side of a line that goes through a layer; a box takes half a column to either side.
_ROOM_OF_LINE = 0.05
_COLUMNS = int((WIDTH - 24) / _CHAR)
#: Characters of the names of steps of the other side.
_OTHERS = 16
#: Expressions in a box; its tooltip names them all.
_OPS = 7

#: What a reader sees of what became of a step: a sign and a word, so that nothing rests on colour.
SIGNS = {
    "changed": "~ changed",
    "new": "+ new",
    "gone": "- gone",
    "split": "÷ split",
    "merged": "& merged",
    "reordered": "↕ moved",
}


@dataclass(frozen=True)
class TextLine:
    """One line in a box; `sort` is its class in the style sheet."""

    sort: str
    text: str
    y: int


@dataclass(frozen=True)
class DrawnBox:
    """One step."""

    x: int
    y: int
    height: int
    title: str
    sign: str
    status: str
    says: str  # all of it, for the tooltip and for those who hear it
    lines: tuple[TextLine, ...]
    part: str  # "k0"; "" for a call into a library
    pair: int  # equal for the boxes of both sides that are the same, or parts of the same


@dataclass(frozen=True)
class DrawnLine:
    """Buffers between two steps: a path, and what it is called."""

    path: str
    x: int
    y: int
    label: str
    says: str


@dataclass(frozen=True)
class Picture:
    """One side of a plan."""

    width: int
    height: int
    boxes: tuple[DrawnBox, ...]
    lines: tuple[DrawnLine, ...]


def picture(graph: PlanGraph) -> Picture:
    """The drawing of one side of a plan.

    Parts of a plan that exchange no buffers are laid out on their own, and set in rows like words.
    """
    place = {box.index: number for number, box in enumerate(graph.boxes)}
    whole = igraph.Graph(len(place), [(place[f.source], place[f.target]) for f in graph.flows], directed=True)
    pieces = [_Piece(graph, members) for members in sorted(map(sorted, whole.connected_components(mode="weak")))]
    width = max([_COLUMN * 2, *(piece.width for piece in pieces)])
    boxes: list[DrawnBox] = []
    lines: list[DrawnLine] = []
    x = y = _MARGIN
    right = bottom = 0
    for piece in pieces:
        if x > _MARGIN and x + piece.width > width + _MARGIN:
            x, y = _MARGIN, bottom + _GAP
        drawn = piece.drawn(x, y)
        boxes += drawn[0]
        lines += drawn[1]
        right, bottom = max(right, x + piece.width), max(bottom, y + piece.height)
        x += piece.width + _GAP
    return Picture(right + _MARGIN, bottom + _MARGIN, tuple(boxes), tuple(lines))


class _Piece:
    """Steps that are connected, where the layout puts them: columns and layers, and the heights of the layers."""

    def __init__(self, graph: PlanGraph, members: Sequence[int]) -> None:
        self._boxes = [graph.boxes[number] for number in members]
        place = {box.index: number for number, box in enumerate(self._boxes)}
        self._flows = [flow for flow in graph.flows if flow.source in place]
        self._ends = [(place[flow.source], place[flow.target]) for flow in self._flows]
        layout = igraph.Graph(len(place), self._ends, directed=True).layout_sugiyama(hgap=1, vgap=1)
        self._coords, *self._routes = _apart([layout.coords, *layout.edge_routing])
        columns = [x for points in (self._coords, *self._routes) for x, _ in points]
        self._left = min(columns)
        self._texts = [_texts(box) for box in self._boxes]
        self._heights = [HEAD + LINE * len(lines) + 8 for lines in self._texts]
        fan = max(sum(source == number for source, _ in self._ends) for number in range(len(place)))
        layers = [layer for _, layer in self._coords]
        self._tops, self._bottoms = _bands(layers, self._heights, _BELOW + _LABEL * max(fan, 1))
        self.width = self._pixel(max(columns)) + WIDTH
        self.height = max(self._bottoms.values())

    def _pixel(self, column: float) -> int:
        return round((column - self._left) * _COLUMN)

    def drawn(self, x: int, y: int) -> tuple[list[DrawnBox], list[DrawnLine]]:
        """Its boxes and lines, with its upper left corner at a position."""
        boxes = [
            _box(box, x + self._pixel(column), y + self._tops[layer], height, texts)
            for box, (column, layer), height, texts in zip(
                self._boxes, self._coords, self._heights, self._texts, strict=True
            )
        ]
        bands = {layer: (y + self._tops[layer], y + self._bottoms[layer]) for layer in self._tops}
        routes = [
            [(x + self._pixel(column) + WIDTH // 2, *bands[layer]) for column, layer in route] for route in self._routes
        ]
        names = [y + self._bottoms[self._coords[source][1]] for source, _ in self._ends]
        return boxes, _lines(self._flows, self._ends, boxes, routes, names)


def _apart(points: Sequence[Sequence[tuple[float, float]]]) -> list[list[tuple[float, int]]]:
    """Column and layer of all points, those of boxes first, then those of each line; boxes and lines have room.

    igraph (seen with 1.0.0) sets two boxes of one layer into one column in plans with long lines. In each layer the
    order is kept, and the squares of all moves are the least that give room: pool adjacent violators, as in isotonic
    regression (Barlow et al., 1972).
    """
    found = [[(x, round(y)) for x, y in each] for each in points]
    layers: defaultdict[int, list[tuple[float, int, int]]] = defaultdict(list)
    for sort, each in enumerate(found):
        for place, (column, layer) in enumerate(each):
            layers[layer].append((column, sort, place))
    for layer, members in layers.items():
        members.sort()
        rooms = [_ROOM_OF_LINE if sort else 0.5 for _, sort, _ in members]
        starts = [0.0, *accumulate(left + right for left, right in pairwise(rooms))]
        pools: list[list[float]] = []  # of neighbours that touch: where each would have the first one of the layer
        for (column, _, _), start in zip(members, starts, strict=True):
            pools.append([column - start])
            while len(pools) > 1 and fmean(pools[-2]) > fmean(pools[-1]):
                pools[-2:] = [pools[-2] + pools[-1]]
        firsts = (fmean(pool) for pool in pools for _ in pool)
        for (_, sort, place), start, first in zip(members, starts, firsts, strict=True):
            found[sort][place] = (first + start, layer)
    return found


def size(amount: int | None) -> str:
    """`400 B`, `16 KiB`; "" where it is not known."""
    if amount is None:
        return ""
    value, unit = float(amount), "B"
    for larger in ("KiB", "MiB", "GiB", "TiB"):
        if value < 1024:
            break
        value, unit = value / 1024, larger
    return f"{value:.1f} {unit}".replace(".0 ", " ")


def _bands(layers: Sequence[int], heights: Sequence[int], below: int) -> tuple[dict[int, int], dict[int, int]]:
    """Where each layer starts and ends."""
    tallest: defaultdict[int, int] = defaultdict(int)
    for layer, height in zip(layers, heights, strict=True):
        tallest[layer] = max(tallest[layer], height)
    tops, bottoms = {}, {}
    at = 0
    for layer in range(max(layers, default=-1) + 1):
        tops[layer], bottoms[layer] = at, at + tallest[layer]
        at = bottoms[layer] + below
    return tops, bottoms


def _texts(box: Box) -> list[tuple[str, str]]:
    """The lines of a box, each with its class."""
    lines = [("kind", text) for text in _wrapped([box.step.kind, *(f"{name} {size}" for name, size in box.step.sizes)])]
    # What only this side has is shown first where not all can be.
    by_interest = sorted(box.ops, key=lambda op: not op.only_here)
    shown = box.ops if len(box.ops) <= _OPS else by_interest[: _OPS - 1]
    lines += [("op odd" if op.only_here else "op", f"{'* ' if op.only_here else '  '}{op.text}") for op in shown]
    if len(shown) < len(box.ops):
        lines.append(("more", f"  and {len(box.ops) - len(shown)} more"))
    for word, buffers in (
        ("in ", box.takes),
        ("← ", box.from_hidden),
        ("out", box.returns),
        ("→ ", box.to_hidden),
    ):
        if buffers:
            lines.append(("edge", f"{word} {_names(buffers, _COLUMNS - 4)}"))
    return lines


def _wrapped(words: Iterable[str]) -> list[str]:
    """The words in as few lines as they take."""
    lines: list[str] = []
    for word in words:
        if lines and len(lines[-1]) + len(word) + 3 <= _COLUMNS:
            lines[-1] += f" · {word}"
        else:
            lines.append(word)
    return lines


def _box(box: Box, x: int, y: int, height: int, texts: Iterable[tuple[str, str]]) -> DrawnBox:
    sign = _sign(box)
    rows = (TextLine(sort, _short(text, _COLUMNS), HEAD + LINE * n + 14) for n, (sort, text) in enumerate(texts))
    title = box.step.name.removeprefix("torch.ops.").removeprefix("extern_kernels.")
    return DrawnBox(
        x,
        y,
        height,
        _short(title, _COLUMNS - len(sign) - 2),
        sign,
        box.status,
        _says(box),
        tuple(rows),
        "" if box.step.kind == "extern" else box.step.name,
        box.pair,
    )


def _sign(box: Box) -> str:
    """What became of a step; of one that was split or merged, also the steps of the other side: `÷ split ↔ k0 k1`."""
    sign = SIGNS.get(box.status, "")
    if box.status not in ("split", "merged"):
        return sign
    named = " ".join(box.others)
    return f"{sign} ↔ {named if len(named) <= _OTHERS else f'{len(box.others)} steps'}"


def _says(box: Box) -> str:
    """All that is known of a step."""
    parts = [f"{box.step.name}, {box.step.kind}, {box.status}"]
    parts += [f"on the other side: {' '.join(box.others)}"] if box.status in ("split", "merged") else []
    parts += [f"{name} {amount}" for name, amount in box.step.sizes]
    parts += [f"{'only here: ' if op.only_here else ''}{op.text}" for op in box.ops]
    parts += [f"takes {buffer}" for buffer in box.takes]
    parts += [f"reads {buffer} from a step not drawn" for buffer in box.from_hidden]
    parts += [f"returns {buffer}" for buffer in box.returns]
    parts += [f"writes {buffer} for a step not drawn" for buffer in box.to_hidden]
    return "\n".join(parts)


#: Where a line goes through a layer: its place from the left, and where the layer starts and ends.
_Route = Sequence[tuple[int, int, int]]


def _lines(
    flows: Sequence[Flow],
    ends: Sequence[tuple[int, int]],
    boxes: Sequence[DrawnBox],
    routes: Sequence[_Route],
    below: Sequence[int],
) -> list[DrawnLine]:
    """The lines between boxes; those that leave or reach one box are set apart, and so are their names.

    `below` gives for each line where the layer that it leaves ends: its name is drawn under that.
    """
    out, into = (_ports(ends, boxes, routes, side) for side in (0, 1))
    drawn = []
    for number, (flow, (source, target)) in enumerate(zip(flows, ends, strict=True)):
        port, rank = out[number]
        points = [(port, boxes[source].y + boxes[source].height)]
        for x, top, bottom in routes[number]:
            points += [(x, top), (x, bottom)]
        points.append((into[number][0], boxes[target].y))
        label = _names(flow.buffers, 30)
        half = round(len(label) * _CHAR / 2)
        x = min(max(port, boxes[source].x + half), boxes[source].x + WIDTH - half)
        says = "; ".join(f"{buffer} {size(total_bytes([buffer]))}".rstrip() for buffer in flow.buffers)
        drawn.append(DrawnLine(_path(points), x, below[number] + _LABEL * (rank + 1), label, says))
    return drawn


def _ports(
    ends: Sequence[tuple[int, int]], boxes: Sequence[DrawnBox], routes: Sequence[_Route], side: int
) -> dict[int, tuple[int, int]]:
    """For each line where it meets its box on one side, and its rank there from left to right."""
    at_box: defaultdict[int, list[tuple[int, int]]] = defaultdict(list)
    for number, both in enumerate(ends):
        route = routes[number]
        towards = route[-side][0] if route else boxes[both[1 - side]].x + WIDTH // 2
        at_box[both[side]].append((towards, number))
    found = {}
    for box, lines in at_box.items():
        for rank, (_, number) in enumerate(sorted(lines)):
            found[number] = (boxes[box].x + WIDTH * (rank + 1) // (len(lines) + 1), rank)
    return found


def _path(points: Sequence[tuple[int, int]]) -> str:
    """A smooth line, upright at each point."""
    (x, y), *rest = points
    parts = [f"M{x} {y}"]
    for x_next, y_next in rest:
        middle = (y + y_next) // 2
        parts.append(f"C{x} {middle} {x_next} {middle} {x_next} {y_next}")
        x, y = x_next, y_next
    return "".join(parts)


def _names(buffers: Sequence[Buffer], most: int) -> str:
    """`buf0 · 400 B`; of several, as many as fit, and the bytes of all."""
    amount = size(total_bytes(buffers))
    shapes = str(buffers[0]).partition(" ")[2] if len(buffers) == 1 and not amount else ""
    end = f" · {amount or shapes}" if amount or shapes else ""
    names = [buffer.name for buffer in buffers]
    for shown in range(len(names), 0, -1):
        text = " ".join(names[:shown]) + (f" +{len(names) - shown}" if shown < len(names) else "") + end
        if len(text) <= most:
            return text
    return _short(names[0], most - len(end)) + end


def _short(text: str, most: int) -> str:
    return text if len(text) <= most else f"{text[: most - 1]}…"
