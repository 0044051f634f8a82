"""Lines as wide as a terminal: folded between words, and where a word is too long at a place that suits it."""

from __future__ import annotations

from collections.abc import Iterable

#: A word that is wider than a line is broken after one of these, the first that there is.
_BREAKS = ("/", "[", ".", "_", ",", "-")
#: No part of a word is shorter than this share of what would fit.
_LEAST = 0.5


def folded(text: str, width: int, first: str = "", rest: str = "") -> list[str]:
    """The text in lines of at most `width` characters: after `first` the first one, after `rest` the others.

    All its spaces are kept but those at which it was folded.
    """
    width = max(width, len(rest) + 8, len(first) + 8)
    lines: list[str] = []
    line = first
    for number, word in enumerate(text.split(" ")):
        piece = f" {word}" if number else word
        if number and len(line) + len(piece) > width:
            lines.append(line)
            line, piece = rest, word
        while len(line) + len(piece) > width:
            at = _break(piece, width - len(line))
            lines.append(line + piece[:at])
            line, piece = rest, piece[at:]
        line += piece
    return [*lines, line]


def _break(word: str, most: int) -> int:
    for mark in _BREAKS:
        at = word.rfind(mark, 0, most) + 1
        if at >= most * _LEAST:
            return at
    return most


def command_lines(words: Iterable[str], width: int, first: str) -> list[str]:
    """A command whose words are quoted already, in lines that a shell takes as one; no word is broken."""
    lines = [first]
    for word in words:
        if len(lines[-1]) + len(word) + 2 > width and lines[-1].strip():
            lines[-1] = f"{lines[-1].rstrip()} \\"
            lines.append("    ")
        lines[-1] += f"{word} "
    return [line.rstrip() for line in lines]
