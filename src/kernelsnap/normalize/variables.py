"""Finds the names of values in code, a line at a time.

Generated code repeats its lines: the same index computation in every kernel, the same kernel in many goldens. A line
whose brackets close in it reads the same in any context, and so do several lines up to where their brackets close. So
each of them is read once.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import lru_cache

from kernelsnap.normalize.lexer import Token, tokens

_BLANK = ("space", "newline", "comment")
# What can carry a token over the end of a line.
_MULTILINE = ("'''", '"""', "\\\n")
#: A bracket that stays open for more lines than this is one that never closes.
_LONGEST = 100
_OPENS, _CLOSES = frozenset("([{"), frozenset(")]}")


@dataclass(frozen=True, eq=False, slots=True)
class SourceLine:
    """One line, or several up to where its brackets close.

    Compared and hashed by identity, which costs nothing: a text has one `SourceLine` for as long as it is remembered.
    """

    text: str
    tokens: tuple[Token, ...]
    variables: tuple[int, ...]  # which of the tokens are names of values
    names: tuple[str, ...]  # these names
    template: str  # the text with `%s` in place of each of them


def lines(text: str) -> list[SourceLine] | None:
    """The lines of a text, one by one; None where they cannot be read by themselves."""
    if any(mark in text for mark in _MULTILINE):
        return None
    split = text.split("\n")
    alone = [one for line in split if (one := _line(line)) is not None]
    if len(alone) == len(split):
        return alone
    found = []
    open_lines: list[str] = []
    for line in split:
        open_lines.append(line)
        read = _line("\n".join(open_lines) if len(open_lines) > 1 else line)
        if read is not None:
            found.append(read)
            open_lines = []
        elif len(open_lines) > _LONGEST:
            return None
    return None if open_lines else found


@lru_cache(maxsize=65_536)
def _line(text: str) -> SourceLine | None:
    """None if the brackets do not close."""
    stream = tokens(text)
    depth = 0
    for token in stream:
        if token.kind == "op":
            depth += (token.text in _OPENS) - (token.text in _CLOSES)
            if depth < 0:
                return None
    if depth or (stream and stream[-1].text == "."):
        return None
    found = tuple(variables(stream))
    positions = set(found)
    parts = ["%s" if index in positions else token.text.replace("%", "%%") for index, token in enumerate(stream)]
    return SourceLine(text, tuple(stream), found, tuple(stream[index].text for index in found), "".join(parts))


def variables(stream: list[Token]) -> Iterator[int]:
    """The positions of names of values: not of attributes, nor of the keywords of a call's arguments."""
    solid = [(i, *token) for i, token in enumerate(stream) if token.kind not in _BLANK]
    parameters = [False]  # per open bracket: is it the parameter list of a def?
    for position, (index, kind, text) in enumerate(solid):
        if kind == "op":
            if text in ("(", "[", "{"):
                parameters.append(position >= 2 and solid[position - 2][2] == "def")
            elif text in (")", "]", "}") and len(parameters) > 1:
                parameters.pop()
        elif kind == "name":
            before = solid[position - 1][2] if position else ""
            if before == ".":
                continue
            if before in ("(", ",") and len(parameters) > 1 and not parameters[-1]:
                after = [token[2] for token in solid[position + 1 : position + 3]]
                if after[:1] == ["="] and after[1:] != ["="]:  # a keyword, no comparison
                    continue
            yield index
