"""Text as a terminal or a browser may have it: without invisible or steering characters, and no wider than fits.

A golden may come from anyone's pull request. Escape sequences in it would write on the reader's terminal, and marks of
writing direction would show code in another order than it has.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from io import TextIOWrapper
from typing import TextIO

# Control characters but the tab; marks of direction and characters without width (Unicode categories Cc and Cf that
# source code has no use for); halves of surrogate pairs, which stand for bytes that are not UTF-8.
_UNSEEN = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)

#: A word that is wider than a line is broken after one of these, the first that there is.
_BREAKS = ("/", "[", ".", "_", ",", "-")
#: No part of a word is shorter than this share of what would fit.
_LEAST = 0.5


def visible(text: str) -> str:
    """One line of text in which such characters are written as Python writes them: `\\x1b`, `\\u202e`."""
    return _UNSEEN.sub(_written, text)


def visible_lines(text: str) -> str:
    """The same of a text whose line ends are its own."""
    return "\n".join(map(visible, text.split("\n")))


def reconfigure(stream: TextIO) -> TextIO:
    """The stream, made to write out what its encoding does not have."""
    if isinstance(stream, TextIOWrapper):
        stream.reconfigure(errors="backslashreplace")
    return stream


def shows_color(stream: TextIO) -> bool:
    """Whether colours are for this stream: a terminal that has them, or FORCE_COLOR is set; never with NO_COLOR."""
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (
        stream.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")
    )


def _written(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"


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


def command_lines(quoted: Iterable[str], width: int, first: str) -> list[str]:
    """A command whose words are quoted already, in lines that a shell takes as one; no word is broken."""
    lines = [first]
    for word in quoted:
        if len(lines[-1]) + len(word) + 2 > width and lines[-1].strip():
            lines[-1] = f"{lines[-1].rstrip()} \\"
            lines.append("    ")
        lines[-1] += f"{word} "
    return [line.rstrip() for line in lines]
