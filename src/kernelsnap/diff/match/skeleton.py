"""A piece of code with its local names taken out: what stands in each line, and which name stood where.

Two pieces with equal shapes, whose names repeat in the same places, are the same code under other names.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

from kernelsnap.normalize.lexer import Token, tokens
from kernelsnap.normalize.names import host_locals, host_stem, numbered_local, value_positions
from kernelsnap.normalize.variables import Line, lines


class Atom(NamedTuple):
    """What is renamed as one: a number of a family (`tmp` 5, worn as `tmp5` and `_tmp5`), or a host variable."""

    family: str
    number: str


@dataclass(frozen=True)
class Row:
    """One line: its tokens with a mark for each atom, the atoms in order, and which of them the line assigns."""

    shape: str
    atoms: tuple[Atom, ...]
    assigns: tuple[bool, ...]

    @cached_property
    def signature(self) -> bool:
        """Whether the line is the head of a function, which names arguments and says nothing about them."""
        return self.shape.lstrip().startswith("def ")


@dataclass(frozen=True)
class Skeleton:
    """The rows of a piece of code."""

    rows: tuple[Row, ...]

    @cached_property
    def atoms(self) -> tuple[Atom, ...]:
        """Its names, by first use."""
        return tuple(dict.fromkeys(atom for row in self.rows for atom in row.atoms))

    @cached_property
    def key(self) -> Hashable:
        """Equal for two pieces if and only if they are the same under a renaming of atoms within their families."""
        ranks: dict[Atom, int] = {}
        return tuple((row.shape, *(ranks.setdefault(atom, len(ranks)) for atom in row.atoms)) for row in self.rows)


#: What a kernel's own name becomes in a shape.
OWN_NAME = "\0self"


@lru_cache(maxsize=1024)
def kernel_skeleton(text: str, name: str, numbered: bool = True) -> Skeleton:
    """The skeleton of a kernel; of one that the user wrote (`numbered=False`) only its own name is taken out."""

    by_line = lines(text) if numbered else None
    if by_line is None:
        return _skeleton(text, _numbered if numbered else _never, name)
    rows: list[Row] = []
    for line in by_line:
        rows += _kernel_rows(line, name if name in line.names else "")
    return Skeleton(tuple(rows if text and not text.endswith("\n") else rows[:-1]))


@lru_cache(maxsize=65_536)
def _kernel_rows(line: Line, own: str) -> tuple[Row, ...]:
    return tuple(_rows(list(line.tokens), line.variables, _numbered, own))


def _numbered(word: str) -> tuple[Atom, str] | None:
    local = numbered_local(word)
    return None if local is None else (Atom(local[0], local[1]), local[2])


def _never(word: str) -> None:
    return None


@lru_cache(maxsize=1024)
def host_skeleton(text: str, parameters: tuple[tuple[str, tuple[str, ...]], ...] = ()) -> Skeleton:
    """The skeleton of the host code of a graph.

    A launch becomes a row for each argument, with the name it has in the kernel (`parameters`); what a graph takes and
    returns, a row for each. So one argument more is one row more.
    """
    local = host_locals(text)

    def place(word: str) -> tuple[Atom, str] | None:
        return (Atom(host_stem(word), word), host_stem(word)) if word in local else None

    rows = _skeleton(text, place, own="").rows
    known = dict(parameters)
    return Skeleton(tuple(part for row in rows for part in _per_argument(row, known)))


# k0.run(\0buf\0, \0primals\0, 64, 1024)
_LAUNCH = re.compile(r"\s*(\w+)\.run\((.*)\)\Z")
# return (\0buf\0, )   |   \0primals\0, \0primals\0 = args
_LIST = re.compile(r"\s*(?:return \(.*\)|(?:\0\w+\0, )*\0\w+\0,? = args)\Z")
_MARK = re.compile(r"\0\w+\0")


def _per_argument(row: Row, parameters: Mapping[str, tuple[str, ...]]) -> Iterator[Row]:
    if (launch := _LAUNCH.match(row.shape)) and launch.group(1) in parameters:
        names = parameters[launch.group(1)]
        atoms = iter(row.atoms)
        for place, value in enumerate(launch.group(2).split(", ")):
            name = names[place] if place < len(names) else str(place)
            inside = tuple(next(atoms) for _ in _MARK.findall(value))
            yield Row(f"{launch.group(1)}.{name} = {value}", inside, (False,) * len(inside))
    elif _LIST.match(row.shape):
        shape = "return" if row.shape.lstrip().startswith("return") else "args"
        for atom, assigned in zip(row.atoms, row.assigns, strict=True):
            yield Row(f"{shape} \0{atom.family}\0", (atom,), (assigned,))
    else:
        yield row


_Place = Callable[[str], tuple[Atom, str] | None]


def _skeleton(text: str, place: _Place, own: str) -> Skeleton:
    by_line = lines(text)
    if by_line is None:
        stream = list(tokens(text))
        rows = _rows(stream, list(value_positions(stream)), place, own)
    else:
        rows = [row for line in by_line for row in _rows(list(line.tokens), line.variables, place, own)]
    return Skeleton(tuple(rows if text and not text.endswith("\n") else rows[:-1]))


def _rows(stream: list[Token], positions: Iterable[int], place: _Place, own: str) -> list[Row]:
    """A row for each line of a stream of tokens; the last may be empty."""
    marked = _marked(stream, positions, place, own)
    rows = []
    start = 0
    for index, token in enumerate(stream):
        if token.kind == "newline":
            rows.append(_row(stream, marked, start, index))
            start = index + 1
    return [*rows, _row(stream, marked, start, len(stream))]


def _marked(stream: list[Token], positions: Iterable[int], place: _Place, own: str) -> dict[int, tuple[Atom, str]]:
    """Where in a stream which atoms stand, and in what form; the piece's own name is replaced in place."""
    marked: dict[int, tuple[Atom, str]] = {}
    for index in positions:
        word = stream[index].text
        if word == own:
            stream[index] = Token("name", OWN_NAME)
        elif (found := place(word)) is not None:
            marked[index] = found
    return marked


def _row(stream: list[Token], marked: dict[int, tuple[Atom, str]], start: int, end: int) -> Row:
    shape: list[str] = []
    atoms: list[Atom] = []
    assigns: list[bool] = []
    depth = 0
    is_argument = end > start and stream[start].text == "arg"
    for index in range(start, end):
        text = stream[index].text
        if index in marked:
            atom, form = marked[index]
            shape.append(f"\0{form}\0")
            atoms.append(atom)
            assigns.append(is_argument or (depth == 0 and _is_assigned(stream, index, end)))
        else:
            shape.append(text)
            depth += (text in ("(", "[", "{")) - (text in (")", "]", "}"))
    return Row("".join(shape), tuple(atoms), tuple(assigns))


def _is_assigned(stream: list[Token], index: int, end: int) -> bool:
    """Whether `=` follows the name, alone (`tmp0 = `) or after other targets (`arg0, arg1 = args`)."""
    for position in range(index + 1, end):
        text = stream[position].text
        if text == "=":
            return position + 1 == end or stream[position + 1].text != "="
        if stream[position].kind not in ("space", "name") and text != ",":
            return False
    return False
