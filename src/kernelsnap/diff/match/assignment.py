"""Solves the assignment problem: pairs rows with columns so that the sum of the pairs' values is greatest."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from heapq import heappop, heappush

_NONE = -1


def best_pairs(values: Sequence[Mapping[int, int]]) -> list[tuple[int, int]]:
    """The pairs (row, column), each row and column once at most, with the greatest sum.

    `values` has for each row the value of its pair with each column, above 0; a column that it lacks is never the row's
    partner.

    The Hungarian algorithm by shortest augmenting paths (Jonker and Volgenant 1987), on the pairs that there are:
    exact, and fast where most rows find their best column free. A greedy choice would take the best pair first and
    leave the others what is left.
    """
    assignment = _Assignment(values)
    for row in range(len(values)):
        assignment.place(row)
    return sorted((row, column) for column, row in assignment.row_of.items())


class _Assignment:
    """The best assignment of the rows placed so far.

    Columns have prices, 0 until they are taken. A row's gain is the value of its pair less the price of the column, 0
    for a row without a pair, and no column would give it more: therefore no other assignment has a greater sum.
    """

    def __init__(self, values: Sequence[Mapping[int, int]]) -> None:
        self.values = values
        self.row_of: dict[int, int] = {}
        self.price: dict[int, int] = {}
        self.gain: dict[int, int] = {}

    def place(self, row: int) -> None:
        """Place one more row; rows placed before may have to change their columns, and one of them lose its own."""
        self.gain[row] = max([0, *(value - self.price.get(column, 0) for column, value in self.values[row].items())])
        path = _Path(self, row)
        for reached, cost in path.rows.items():
            self.gain[reached] -= path.cost - cost
            if reached != row:
                column = path.column_of[reached]
                self.price[column] = self.price.get(column, 0) + path.cost - cost
        last, column = path.last, path.free
        while True:
            if column != _NONE:
                self.row_of[column] = last
            if last == row:
                return
            column = path.column_of[last]
            last = path.wanted_by[column]


class _Path:
    """The cheapest exchange by which a row is placed: it takes the column of another row, that one takes the next.

    It ends with a row that takes a free column, or goes without. Its cost is what the rows lose by it together, at the
    prices of the moment; found by Dijkstra's algorithm.
    """

    def __init__(self, placed: _Assignment, row: int) -> None:
        self.rows = {row: 0}  # reached: what it costs to take from each what it has
        self.column_of: dict[int, int] = {}  # what the others had
        self.wanted_by: dict[int, int] = {}  # for columns the row that would take them
        self.cost, self.last, self.free = placed.gain[row], row, _NONE
        least: dict[int, int] = {}
        queue: list[tuple[int, int]] = []
        so_far = 0
        while True:
            gain = so_far + placed.gain[row]
            for column, value in placed.values[row].items():
                cost = gain - value + placed.price.get(column, 0)
                if cost < self.cost and cost < least.get(column, self.cost):
                    least[column], self.wanted_by[column] = cost, row
                    if column in placed.row_of:
                        heappush(queue, (cost, column))
                    else:
                        self.cost, self.last, self.free = cost, row, column
            while queue and placed.row_of[queue[0][1]] in self.rows:
                heappop(queue)
            if not queue or queue[0][0] >= self.cost:
                return
            so_far, column = heappop(queue)
            row = placed.row_of[column]
            self.rows[row], self.column_of[row] = so_far, column
            if so_far + placed.gain[row] < self.cost:
                self.cost, self.last, self.free = so_far + placed.gain[row], row, _NONE
