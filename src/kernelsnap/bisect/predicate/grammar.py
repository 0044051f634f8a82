"""Reads the text of a predicate, such as `kernels > 1 and differs(plan)`, into conditions; none of it runs as Python.

    predicate   =  all { "or" all }
    all         =  one { "and" one }
    one         =  "not" one  |  "(" predicate ")"  |  word  |  call  |  value comparison value  |  cause
    word        =  "differs"  |  "fails"
    call        =  "differs" "(" layer ")"  |  "contains" "(" string [ "," layer ] ")"
    value       =  number  |  [ number "*" ] metric  |  [ number "*" ] "golden"
    cause       =  "cause" ( "==" | "!=" ) string

`golden` is the metric on the other side, of the reference. A metric is written with underscores: `bytes_accessed`.
All of this is also the syntax of a Python expression, so Python's own parser reads it, and whatever else it knows is
refused here.
"""

from __future__ import annotations

import ast
import difflib
import operator
import re
import warnings
from collections.abc import Callable, Iterable, Mapping
from functools import reduce
from typing import NoReturn

from kernelsnap.bisect.errors import PredicateError
from kernelsnap.bisect.predicate import conditions
from kernelsnap.bisect.predicate.conditions import Condition, Number, joined, negated
from kernelsnap.diff.causes.cause_names import CauseName
from kernelsnap.model.golden import LAYERS
from kernelsnap.model.metrics import METRICS

_METRICS = {metric.name.replace(" ", "_"): metric.name for metric in METRICS}
_GOLDEN = "golden"
_NUMBER = re.compile(r"\d+(?:\.\d+)?")
_CONDITIONS = ("differs", "contains", "fails", "cause", "not", *_METRICS, _GOLDEN)
_SIGNS = "== != <= >= < >"
_COMPARISONS: Mapping[type[ast.cmpop], Callable[[float, float], bool]] = {
    ast.Eq: operator.eq,
    ast.NotEq: operator.ne,
    ast.LtE: operator.le,
    ast.GtE: operator.ge,
    ast.Lt: operator.lt,
    ast.Gt: operator.gt,
}

#: Conditions that are a single word.
WORDS: Mapping[str, Callable[[], Condition]] = {"differs": conditions.differs, "fails": conditions.fails}


def parse_predicate(text: str) -> Condition:
    """The condition that a text describes.

    Raises:
        PredicateError: it is no predicate; the message points at the character and lists what may be written there.
    """
    text = text.strip()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)  # a backslash in a string is one
            tree = ast.parse(text, mode="eval")
        return _Reader(text).condition(tree.body)
    except SyntaxError as error:
        message = f"{error.msg}; expected a condition: {', '.join(_CONDITIONS)}; or a comparison: {_SIGNS}"
        raise _error(text, message, max((error.offset or 1) - 1, 0)) from None
    except (ValueError, RecursionError, MemoryError) as error:
        raise _error(text, f"it cannot be read: {error or 'it is nested too deeply'}", 0) from None


def _error(text: str, message: str, start: int) -> PredicateError:
    return PredicateError(f"predicate: {message}\n  {text}\n  {' ' * start}^")


class _Reader:
    """Turns the parts of a Python expression into conditions, and refuses all others."""

    def __init__(self, text: str) -> None:
        self._text = text

    def condition(self, node: ast.expr) -> Condition:
        """The condition that an expression describes."""
        match node:
            case ast.BoolOp(op=word, values=parts):
                both = isinstance(word, ast.And)
                return reduce(lambda left, right: joined(left, right, both=both), map(self.condition, parts))
            case ast.UnaryOp(op=ast.Not(), operand=inner):
                return negated(self.condition(inner))
            case ast.Name(id=word) if word in WORDS:
                return WORDS[word]()
            case ast.Call(func=ast.Name(id="differs"), args=[layer], keywords=[]):
                return conditions.differs(self._layer(layer))
            case ast.Call(func=ast.Name(id="contains"), args=[wanted, *layers], keywords=[]) if len(layers) < 2:
                return conditions.contains(self._string(wanted, "the text to look for"), *map(self._layer, layers))
            case ast.Compare(left=ast.Name(id="cause"), ops=[ast.Eq() | ast.NotEq() as sign], comparators=[name]):
                found = conditions.has_cause(self._cause(name))
                return found if isinstance(sign, ast.Eq) else negated(found)
            case ast.Compare(left=left, ops=[sign], comparators=[right]) if type(sign) in _COMPARISONS:
                return self._comparison(node, self._value(left), _COMPARISONS[type(sign)], self._value(right))
            case ast.Name(id=word) if word in (*_METRICS, _GOLDEN):
                self._fail(node, f"expected a comparison: {_SIGNS}")
        return self._fail_among(node.func if isinstance(node, ast.Call) else node, "condition", _CONDITIONS)

    def _layer(self, node: ast.expr) -> str:
        name = self._source(node).strip("\"'")
        return name if name in LAYERS else self._fail_among(node, "layer", LAYERS)

    def _string(self, node: ast.expr, what: str) -> str:
        source = self._source(node)
        if not isinstance(node, ast.Constant) or source[:1] not in ("'", '"'):
            self._fail(node, f'expected {what} in quotes, such as "online_softmax"')
        return source[1:-1] or self._fail(node, f"{what} is empty")

    def _cause(self, node: ast.expr) -> CauseName:
        known = conditions.cause_names()
        return known.get(self._string(node, "the name of a cause")) or self._fail_among(node, "cause", known)

    def _comparison(
        self, node: ast.expr, left: Number, compare: Callable[[float, float], bool], right: Number
    ) -> Condition:
        # `golden` is the other side's metric, of the reference.
        if right.of_reference:
            right = Number(right.factor, left.metric, True)
        elif left.of_reference:
            left = Number(left.factor, right.metric, True)
        if not (left.metric or right.metric):
            self._fail(node, "a comparison needs a metric on one side")
        return conditions.compared(left, compare, right)

    def _value(self, node: ast.expr) -> Number:
        factor = 1.0
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult) and self._is_number(node.left):
            factor, node = float(self._source(node.left)), node.right
        elif self._is_number(node):
            return Number(float(self._source(node)))
        if not isinstance(node, ast.Name) or node.id not in (*_METRICS, _GOLDEN):
            self._fail_among(node, "condition", _CONDITIONS)
        return Number(factor, _METRICS.get(node.id, ""), node.id == _GOLDEN)

    def _is_number(self, node: ast.expr) -> bool:
        return _NUMBER.fullmatch(self._source(node)) is not None

    def _source(self, node: ast.expr) -> str:
        return ast.get_source_segment(self._text, node) or ""

    def _fail_among(self, node: ast.expr, what: str, known: Iterable[str]) -> NoReturn:
        names, text = list(known), self._source(node).strip("\"'")
        close = difflib.get_close_matches(text, names, n=1)
        hint = f"; did you mean {close[0]!r}? There are" if close else ""
        self._fail(node, f"no {what} is called {text!r}{hint}: {', '.join(names)}")

    def _fail(self, node: ast.expr, message: str) -> NoReturn:
        # Python counts bytes.
        raise _error(self._text, message, len(self._text.encode()[: node.col_offset].decode()))
