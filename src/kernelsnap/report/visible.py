"""Text of goldens as a terminal and a browser may have it: what is not seen, or steers them, is written out.

A golden may come from anyone's pull request. Escape sequences in it would write on the reader's terminal, and marks of
writing direction would show code in another order than it has.
"""

from __future__ import annotations

import re
from io import TextIOWrapper
from typing import TextIO

# Control characters but the tab; marks of direction and characters without width (Unicode categories Cc and Cf that
# source code has no use for); halves of surrogate pairs, which stand for bytes that are not UTF-8.
_UNSEEN = re.compile(
    "[\x00-\x08\x0a-\x1f\x7f-\x9f\u00ad\u061c\u180e\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff\ufff9-\ufffb\ud800-\udfff]"
)


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


def _written(match: re.Match[str]) -> str:
    code = ord(match.group())
    return f"\\x{code:02x}" if code < 0x100 else f"\\u{code:04x}"
