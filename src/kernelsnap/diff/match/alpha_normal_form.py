"""The alpha-normal form of code: equal for two pieces of code that differ in the names of their local variables only.

Each line is split into a shape, in which a mark stands for each local name, and the names themselves. Two pieces with
equal shapes, whose names repeat in the same positions, are the same code under other names.
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Collection, Hashable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

from kernelsnap.normalize.lexer import Token, tokens
from kernelsnap.normalize.names import host_locals, host_stem, numbered_local
from kernelsnap.normalize.variables import SourceLine, lines, variables


class Atom(NamedTuple):
    """A local name: a number of a family (5 of `tmp`, which `tmp5` and `_tmp5` share), or a variable of host code."""

    family: str
    number: str


@dataclass(frozen=True)
class NormalLine:
    """One line of code in alpha-normal form."""

    shape: str  # its text with a mark for each atom
    atoms: tuple[Atom, ...]  # in the order of the marks
    assigns: tuple[bool, ...]  # for each atom whether the line assigns it

    @cached_property
    def signature(self) -> bool:
        """Whether the line is the head of a function, which names arguments and computes nothing from them."""
        return self.shape.lstrip().startswith("def ")


@dataclass(frozen=True)
class AlphaNormalForm:
    """A piece of code in alpha-normal form."""

    lines: tuple[NormalLine, ...]

    @cached_property
    def shapes(self) -> Counter[str]:
        """How often it has each line, names taken out; without the heads of functions."""
        return Counter([line.shape for line in self.lines if not line.signature])

    @cached_property
    def atoms(self) -> tuple[Atom, ...]:
        """Its local names, by first use."""
        return tuple(dict.fromkeys(atom for line in self.lines for atom in line.atoms))

    @cached_property
    def key(self) -> Hashable:
        """Equal for two pieces if and only if they are the same under a renaming of atoms within their families."""
        ranks: dict[Atom, int] = {}
        return tuple((line.shape, *(ranks.setdefault(atom, len(ranks)) for atom in line.atoms)) for line in self.lines)


#: What a kernel's own name becomes in a shape.
OWN_NAME = "\0self"


@lru_cache(maxsize=1024)
def kernel_normal_form(text: str, name: str, numbered: bool = True) -> AlphaNormalForm:
    """The normal form of a kernel's code.

    Args:
        text: the code.
        name: the kernel's name, which is taken out as well.
        numbered: whether the local names are Inductor's. Those of a kernel that the user wrote are part of its text.
    """
    by_line = lines(text) if numbered else None
    if by_line is None:
        return _normal_form(text, _numbered if numbered else _never, name)
    found: list[NormalLine] = []
    for line in by_line:
        found += _kernel_lines(line, name if name in line.names else "")
    return _whole(text, found)


@lru_cache(maxsize=65_536)
def _kernel_lines(line: SourceLine, own: str) -> tuple[NormalLine, ...]:
    return tuple(_normal_lines(list(line.tokens), line.variables, _numbered, own))


def _numbered(word: str) -> tuple[Atom, str] | None:
    local = numbered_local(word)
    return None if local is None else (Atom(local[0], local[1]), local[2])


def _never(word: str) -> None:
    return None


@lru_cache(maxsize=1024)
def host_normal_form(text: str, parameters: tuple[tuple[str, tuple[str, ...]], ...] = ()) -> AlphaNormalForm:
    """The normal form of the host code of a graph.

    A launch becomes a line for each argument, with the name that the kernel gives it (`parameters`: for each kernel its
    parameters); what a graph takes and returns becomes a line for each tensor. So one argument more is one line more.
    """
    local = host_locals(text)
    by_line = lines(text)
    if by_line is None:
        by_statement = _normal_form(text, _variable_among(local), own="").lines
    else:
        found = [one for line in by_line for one in _host_lines(line, local.intersection(line.names))]
        by_statement = _whole(text, found).lines
    known = dict(parameters)
    return AlphaNormalForm(tuple(one for line in by_statement for one in _per_argument(line, known)))


@lru_cache(maxsize=65_536)
def _host_lines(line: SourceLine, local: frozenset[str]) -> tuple[NormalLine, ...]:
    return tuple(_normal_lines(list(line.tokens), line.variables, _variable_among(local), own=""))


def _variable_among(local: Collection[str]) -> _AtomOf:
    return lambda word: (Atom(stem := host_stem(word), word), stem) if word in local else None


# k0.run(\0buf\0, \0primals\0, 64, 1024)
_LAUNCH = re.compile(r"\s*(\w+)\.run\((.*)\)\Z")
# return (\0buf\0, reinterpret_tensor(\0buf\0, (30, 5), (64, 1), 0), )   |   \0primals\0, \0primals\0 = args
_RETURNED = re.compile(r"\s*return \((.*)\)\Z")
_TAKEN = re.compile(r"\s*(?:\0\w+\0, )*\0\w+\0,? = args\Z")
_MARK = re.compile(r"\0\w+\0")


def _per_argument(line: NormalLine, parameters: Mapping[str, tuple[str, ...]]) -> Iterator[NormalLine]:
    if (launch := _LAUNCH.match(line.shape)) and launch.group(1) in parameters:
        names = parameters[launch.group(1)]
        atoms = iter(line.atoms)
        for position, value in enumerate(launch.group(2).split(", ")):
            name = names[position] if position < len(names) else str(position)
            inside = tuple(next(atoms) for _ in _MARK.findall(value))
            yield NormalLine(f"{launch.group(1)}.{name} = {value}", inside, (False,) * len(inside))
    elif returned := _RETURNED.match(line.shape):
        atoms = iter(line.atoms)
        for value in _values(returned.group(1)):
            if inside := tuple(next(atoms) for _ in _MARK.findall(value)):
                yield NormalLine(f"return {value}", inside, (False,) * len(inside))
    elif _TAKEN.match(line.shape):
        for atom, assigned in zip(line.atoms, line.assigns, strict=True):
            yield NormalLine(f"args \0{atom.family}\0", (atom,), (assigned,))
    else:
        yield line


def _values(listed: str) -> Iterator[str]:
    """The values of a list, each with what is in its brackets: a view that is returned is one value."""
    depth = start = 0
    for index, char in enumerate(listed):
        depth += (char in "([{") - (char in ")]}")
        if char == "," and depth == 0:
            yield listed[start:index].strip()
            start = index + 1
    if rest := listed[start:].strip():
        yield rest


#: For a word the atom that it is a form of, and which form (`_tmp{}`); None for a word that is no local name.
_AtomOf = Callable[[str], tuple[Atom, str] | None]


def _normal_form(text: str, atom_of: _AtomOf, own: str) -> AlphaNormalForm:
    by_line = lines(text)
    if by_line is None:
        stream = list(tokens(text))
        found = _normal_lines(stream, list(variables(stream)), atom_of, own)
    else:
        found = [one for line in by_line for one in _normal_lines(list(line.tokens), line.variables, atom_of, own)]
    return _whole(text, found)


def _whole(text: str, found: list[NormalLine]) -> AlphaNormalForm:
    """The lines of a text; what follows its last line end is no line."""
    return AlphaNormalForm(tuple(found if text and not text.endswith("\n") else found[:-1]))


def _normal_lines(stream: list[Token], positions: Iterable[int], atom_of: _AtomOf, own: str) -> list[NormalLine]:
    """The lines of a stream of tokens; the last may be empty."""
    marked = _marked(stream, positions, atom_of, own)
    found = []
    start = 0
    for index, token in enumerate(stream):
        if token.kind == "newline":
            found.append(_normal_line(stream, marked, start, index))
            start = index + 1
    return [*found, _normal_line(stream, marked, start, len(stream))]


def _marked(stream: list[Token], positions: Iterable[int], atom_of: _AtomOf, own: str) -> dict[int, tuple[Atom, str]]:
    """By position in a stream the atoms and their forms; the piece's own name is replaced in the stream."""
    marked: dict[int, tuple[Atom, str]] = {}
    for index in positions:
        word = stream[index].text
        if word == own:
            stream[index] = Token("name", OWN_NAME)
        elif (found := atom_of(word)) is not None:
            marked[index] = found
    return marked


def _normal_line(stream: list[Token], marked: dict[int, tuple[Atom, str]], start: int, end: int) -> NormalLine:
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
    return NormalLine("".join(shape), tuple(atoms), tuple(assigns))


def _is_assigned(stream: list[Token], index: int, end: int) -> bool:
    """Whether `=` follows the name, alone (`tmp0 = `) or after other targets (`arg0, arg1 = args`)."""
    for position in range(index + 1, end):
        text = stream[position].text
        if text == "=":
            return position + 1 == end or stream[position + 1].text != "="
        if stream[position].kind not in ("space", "name") and text != ",":
            return False
    return False
