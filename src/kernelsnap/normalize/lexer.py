"""Splits Python code into tokens, the same way on every version of Python.

`tokenize` changed with Python 3.12 (an f-string is one token before it and many after), so a golden rendered through
it would depend on the Python that rendered it. This lexer knows just what the rules need: comments, strings
(an f-string is one opaque string), names, numbers, white space, and everything else a character at a time.
The tokens joined are the text, always.
"""

from __future__ import annotations

import re
from functools import lru_cache
from typing import Literal, NamedTuple

TokenKind = Literal["comment", "string", "name", "number", "newline", "space", "op"]


class Token(NamedTuple):
    """One token: what it is and its text, unchanged."""

    kind: TokenKind
    text: str


_PREFIX = r"(?i:[rbuf]|br|rb|fr|rf)?"
_TOKEN = re.compile(
    rf"""
      (?P<comment>\#[^\n]*)
    | (?P<string>{_PREFIX}(?:'''(?s:\\.|(?!''')[^\\])*'''|\"\"\"(?s:\\.|(?!\"\"\")[^\\])*\"\"\"
                 |'(?:\\(?s:.)|[^'\\\n])*'|"(?:\\(?s:.)|[^"\\\n])*"))
    | (?P<number>(?:0[xX][0-9a-fA-F_]+|0[bB][01_]+|0[oO][0-7_]+
                 |(?:[0-9][0-9_]*\.?[0-9_]*|\.[0-9][0-9_]*)(?:[eE][+-]?[0-9_]+)?)[jJ]?)
    | (?P<name>[^\W\d]\w*)
    | (?P<newline>\n)
    | (?P<space>[^\S\n]+|\\\n)
    | (?P<op>(?s:.))
    """,
    re.VERBOSE,
)


def tokens(text: str) -> list[Token]:
    """The tokens of `text`; joined they are `text`."""
    return list(_tokens(text))


@lru_cache(maxsize=16)  # the same text is asked for its names, then renamed
def _tokens(text: str) -> tuple[Token, ...]:
    make = tuple.__new__  # half the time of Token(kind, text)
    return tuple([make(Token, (match.lastgroup, match.group())) for match in _TOKEN.finditer(text)])
