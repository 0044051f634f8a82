"""Pair rows with columns so that the pairs are worth most together."""

from __future__ import annotations

from collections.abc import Sequence


def best_pairs(worth: Sequence[Sequence[int]]) -> list[tuple[int, int]]:
    """The pairs (row, column), each row and column once at most, with the greatest sum; pairs worth 0 are left out.

    The Hungarian algorithm, O(rows² · columns): exact, and fast enough for the kernels that no simpler rule has paired.
    A greedy choice would take the best pair first and leave the others what is left.
    """
    rows, columns = len(worth), len(worth[0]) if worth else 0
    if rows > columns:
        turned = [[worth[row][column] for row in range(rows)] for column in range(columns)]
        return sorted((row, column) for column, row in best_pairs(turned))
    row_of = [-1] * (columns + 1)  # the last column stands for "none yet"
    row_price = [0] * rows
    column_price = [0] * (columns + 1)
    for row in range(rows):
        _place(row, worth, row_of, row_price, column_price)
    return sorted((row, column) for column, row in enumerate(row_of[:columns]) if row >= 0 and worth[row][column] > 0)


def _place(
    new_row: int, worth: Sequence[Sequence[int]], row_of: list[int], row_price: list[int], column_price: list[int]
) -> None:
    """Give a row a column, moving rows placed before along the cheapest path of exchanges."""
    columns = len(row_of) - 1
    slack: list[float] = [float("inf")] * columns
    came_from = [columns] * columns
    reached = [False] * (columns + 1)
    row_of[columns] = new_row
    column = columns
    while row_of[column] >= 0:
        reached[column] = True
        row = row_of[column]
        nearest = -1
        for other in range(columns):
            if reached[other]:
                continue
            cost = -worth[row][other] - row_price[row] - column_price[other]
            if cost < slack[other]:
                slack[other], came_from[other] = cost, column
            if nearest < 0 or slack[other] < slack[nearest]:
                nearest = other
        step = int(slack[nearest])
        for other in range(columns + 1):
            if reached[other]:
                row_price[row_of[other]] += step
                column_price[other] -= step
            elif other < columns:
                slack[other] -= step
        column = nearest
    while column != columns:
        row_of[column] = row_of[came_from[column]]
        column = came_from[column]
    row_of[columns] = -1
