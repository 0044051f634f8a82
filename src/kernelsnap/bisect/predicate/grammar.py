"""Reads the text of a predicate, such as `kernels > 1 and differs(plan)`, into conditions; none of it runs as Python.

    predicate   =  all { "or" all }
    all         =  one { "and" one }
    one         =  "not" one  |  "(" predicate ")"  |  word  |  call  |  value comparison value  |  cause
    word        =  "differs"  |  "fails"
    call        =  "differs" "(" layer ")"  |  "contains" "(" string [ "," layer ] ")"
    value       =  number  |  [ number "*" ] metric  |  [ number "*" ] "golden"
    cause       =  "cause" ( "==" | "!=" ) string

`golden` is the metric on the other side, of the reference. A metric is written with underscores: `bytes_accessed`.
"""

from __future__ import annotations

import difflib
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import NoReturn

from kernelsnap.bisect.errors import PredicateError
from kernelsnap.bisect.predicate.conditions import (
    COMPARISONS,
    Condition,
    Number,
    cause_names,
    compared,
    contains,
    differs,
    fails,
    has_cause,
    joined,
    negated,
)
from kernelsnap.model.golden import LAYERS
from kernelsnap.model.metrics import METRICS

_TOKEN = re.compile(
    r"""\s*(?:
        (?P<number>\d+(?:\.\d+)?)                  # 1.1
      | (?P<string>"[^"]*"|'[^']*')                # "online_softmax"
      | (?P<name>[A-Za-z_]\w*)                     # bytes_accessed
      | (?P<sign>==|!=|<=|>=|[<>*(),])             # >=
      | (?P<end>\Z)
    )""",
    re.VERBOSE,
)
_METRICS = {metric.name.replace(" ", "_"): metric.name for metric in METRICS}
_GOLDEN = "golden"

#: Conditions that are a single word.
WORDS: Mapping[str, Callable[[], Condition]] = {"differs": differs, "fails": fails}


@dataclass(frozen=True)
class _Lexeme:
    kind: str
    text: str
    start: int


def parse_predicate(text: str) -> Condition:
    """The condition that a text describes.

    Raises:
        PredicateError: it is no predicate; the message points at the character and lists what may be written there.
    """
    return _Parser(text).predicate()


class _Parser:
    """Reads a predicate from left to right, one method per line of the grammar."""

    def __init__(self, text: str) -> None:
        self._text = text
        self._tokens = self._split()
        self._at = 0

    def predicate(self) -> Condition:
        """The whole text."""
        found = self._any()
        if self._token.kind != "end":
            self._fail("expected the end, `and` or `or`")
        return found

    def _split(self) -> list[_Lexeme]:
        tokens: list[_Lexeme] = []
        offset = 0
        while not tokens or tokens[-1].kind != "end":
            match = _TOKEN.match(self._text, offset)
            if match is None or match.lastgroup is None:
                start = len(self._text) - len(self._text[offset:].lstrip())
                raise self._error("no part of a predicate starts so", start)
            tokens.append(_Lexeme(match.lastgroup, match[match.lastgroup], match.start(match.lastgroup)))
            offset = match.end()
        return tokens

    @property
    def _token(self) -> _Lexeme:
        return self._tokens[self._at]

    def _take(self) -> str:
        text = self._token.text
        self._at += 1
        return text

    def _took(self, text: str) -> bool:
        if self._token.kind in ("name", "sign") and self._token.text == text:
            self._at += 1
            return True
        return False

    def _expect(self, text: str) -> None:
        if not self._took(text):
            self._fail(f"expected `{text}`")

    def _any(self) -> Condition:
        found = self._all()
        while self._took("or"):
            found = joined(found, self._all(), both=False)
        return found

    def _all(self) -> Condition:
        found = self._one()
        while self._took("and"):
            found = joined(found, self._one(), both=True)
        return found

    def _one(self) -> Condition:
        if self._took("not"):
            return negated(self._one())
        if self._took("("):
            found = self._any()
            self._expect(")")
            return found
        name = self._token.text if self._token.kind == "name" else ""
        followed = self._tokens[self._at + 1].text if name else ""
        if name == "cause":
            return self._cause()
        if name == "contains" or (name == "differs" and followed == "("):
            return self._call(self._take())
        if name in WORDS:
            self._at += 1
            return WORDS[name]()
        return self._comparison()

    def _call(self, name: str) -> Condition:
        self._expect("(")
        if name == "differs":
            found = differs(self._layer())
        else:
            text = self._string("the text to look for")
            found = contains(text, self._layer() if self._took(",") else "")
        self._expect(")")
        return found

    def _layer(self) -> str:
        if self._token.text.strip("\"'") not in LAYERS:
            self._fail_among("layer", LAYERS)
        return self._take().strip("\"'")

    def _string(self, what: str) -> str:
        if self._token.kind != "string":
            self._fail(f'expected {what} in quotes, such as "online_softmax"')
        text = self._take()[1:-1]
        if not text:
            self._at -= 1
            self._fail(f"{what} is empty")
        return text

    def _cause(self) -> Condition:
        self._at += 1
        same = self._took("==")
        if not same and not self._took("!="):
            self._fail("expected `==` or `!=`")
        name = self._string("the name of a cause")
        if name not in cause_names():
            self._at -= 1
            self._fail_among("cause", cause_names())
        found = has_cause(cause_names()[name])
        return found if same else negated(found)

    def _comparison(self) -> Condition:
        left = self._value()
        if self._token.text not in COMPARISONS:
            self._fail(f"expected a comparison: {' '.join(COMPARISONS)}")
        comparison = self._take()
        right = self._value()
        # `golden` is the other side's metric, of the reference.
        if right.of_reference:
            right = Number(right.factor, left.metric, True)
        elif left.of_reference:
            left = Number(left.factor, right.metric, True)
        if not (left.metric or right.metric):
            raise self._error("a comparison needs a metric on one side", 0)
        return compared(left, comparison, right)

    def _value(self) -> Number:
        factor = 1.0
        if self._token.kind == "number":
            factor = float(self._take())
            if not self._took("*"):
                return Number(factor)
        if self._token.kind != "name" or self._token.text not in (*_METRICS, _GOLDEN):
            self._fail_among("condition", ("differs", "contains", "fails", "cause", "not", *_METRICS, _GOLDEN))
        name = self._take()
        return Number(factor, _METRICS.get(name, ""), name == _GOLDEN)

    def _fail_among(self, what: str, known: Iterable[str]) -> NoReturn:
        names = list(known)
        text = self._token.text.strip("\"'")
        close = difflib.get_close_matches(text, names, n=1)
        got = f"no {what} is called {text!r}" if text else f"expected a {what}"
        hint = f"; did you mean {close[0]!r}? There are" if close else ""
        self._fail(f"{got}{hint}: {', '.join(names)}")

    def _fail(self, message: str) -> NoReturn:
        raise self._error(message, self._token.start)

    def _error(self, message: str, start: int) -> PredicateError:
        return PredicateError(f"predicate: {message}\n  {self._text}\n  {' ' * start}^")
