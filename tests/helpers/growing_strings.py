"""How the time of a regular expression grows over the strings that are hardest for it."""

from __future__ import annotations

import re
import signal
import time
from collections.abc import Callable, Iterator
from re import _constants as sre
from re import _parser as sre_parse
from typing import Any

#: What no pattern of the package ends a match with.
_ENDS = ("", "\x01", "\n\x01")
_PLAIN = ("a", "0", " ", "_", "a_0", "a0", "a.", "a, ", "(", "(a", "[", '"', "\\", "\n", "\0a\0", "a = ", "a\n", "  ")
#: Sizes in characters, and the seconds from which on a string of this size is suspected. Linear patterns take a tenth.
_SIZES = ((40, 0.002), (400, 0.002), (4000, 0.004))
#: How much longer a string of four times the size takes: linear is 4, quadratic 16.
_FACTOR, _TOO_MUCH = 4, 9.0
_TRIES = 5
_AT_MOST = 1.0


def attacks(pattern: re.Pattern[Any]) -> Iterator[tuple[str, str, str]]:
    """Strings to be hard for a pattern: a beginning, a part to repeat, and an end."""
    text = pattern.pattern if isinstance(pattern.pattern, str) else pattern.pattern.decode("latin-1")
    flags = pattern.flags & ~re.UNICODE if isinstance(pattern.pattern, bytes) else pattern.flags
    tree = sre_parse.parse(text, flags & ~re.DEBUG)
    found: dict[tuple[str, str], None] = {}
    for before, bodies in _repeats(list(tree), ""):
        for body in bodies:
            found[before, body] = None
            if before:
                found["", before + body] = None
                found["", before] = None
    for part in _PLAIN:
        found["", part] = None
    whole = _sample(list(tree), {})
    found["", whole] = None
    found["", whole[:-1]] = None
    for before, body in found:
        if body:
            for end in _ENDS:
                yield before, body, end


def _repeats(nodes: list[Any], before: str) -> Iterator[tuple[str, list[str]]]:
    """Each repetition in a pattern: what comes before it, and texts of what it repeats."""
    for position, (kind, value) in enumerate(nodes):
        here = before + _sample(nodes[:position], {})
        if kind in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            _, most, inner = value
            if most > 1:
                yield here, _bodies(list(inner))
            yield from _repeats(list(inner), here)
        else:
            for inner in _inner(kind, value):
                yield from _repeats(list(inner), here)


def _inner(kind: Any, value: Any) -> list[Any]:
    if kind is sre.SUBPATTERN:
        return [value[3]]
    if kind is sre.BRANCH:
        return list(value[1])
    if kind in (sre.ASSERT, sre.ASSERT_NOT):
        return [value[1]]
    if kind is sre.ATOMIC_GROUP:
        return [value]
    return []


def _bodies(nodes: list[Any]) -> list[str]:
    if len(nodes) == 1 and nodes[0][0] in (sre.IN, sre.ANY, sre.NOT_LITERAL):
        return [char for char in 'a0_ .,=(\n"A-' if _takes(nodes[0], char)][:6] or [_sample(nodes, {})]
    if len(nodes) == 1 and nodes[0][0] is sre.BRANCH:
        return [_sample(list(branch), {}) for branch in nodes[0][1][1]]
    return [_sample(nodes, {})]


def _takes(node: tuple[Any, Any], char: str) -> bool:
    kind, value = node
    if kind is sre.ANY:
        return char != "\n"
    if kind is sre.NOT_LITERAL:
        return ord(char) != value
    if kind is sre.LITERAL:
        return ord(char) == value
    if kind is sre.RANGE:
        return value[0] <= ord(char) <= value[1]
    if kind is sre.CATEGORY:
        return _in_category(value, char)
    negated = value[0][0] is sre.NEGATE
    return any(_takes(item, char) for item in value[negated:]) != negated


def _in_category(category: Any, char: str) -> bool:
    tests: dict[str, Callable[[str], bool]] = {
        "DIGIT": str.isdigit, "SPACE": str.isspace, "WORD": lambda c: c.isalnum() or c == "_",
    }  # fmt: skip
    name = str(category).removeprefix("CATEGORY_")
    return tests[name.removeprefix("NOT_")](char) != name.startswith("NOT_")


def _sample(nodes: list[Any], groups: dict[int, str]) -> str:
    """A text that a pattern, or a part of one, matches, as far as it can be seen from each part alone."""
    text = ""
    for kind, value in nodes:
        if kind is sre.LITERAL:
            text += chr(value)
        elif kind in (sre.IN, sre.ANY, sre.NOT_LITERAL):
            text += next((c for c in 'a0_ .xXYZR(,=\n"-+/@[]{}\0' if _takes((kind, value), c)), "a")
        elif kind in (sre.MAX_REPEAT, sre.MIN_REPEAT, sre.POSSESSIVE_REPEAT):
            text += _sample(list(value[2]), groups) * max(value[0], 1)
        elif kind is sre.SUBPATTERN:
            inner = _sample(list(value[3]), groups)
            groups[value[0]] = inner
            text += inner
        elif kind is sre.BRANCH:
            text += _sample(list(value[1][0]), groups)
        elif kind is sre.GROUPREF:
            text += groups.get(value, "")
        elif kind is sre.ATOMIC_GROUP:
            text += _sample(list(value), groups)
    return text


def grows_too_fast(run: Callable[[str], object], before: str, body: str, end: str) -> bool:
    """Whether the time grows faster than the string: measured where a string takes long, and measured again."""
    for size, suspected in _SIZES:
        if not _ends(run, _string(before, body, end, size)):
            return True
        if _time(run, _string(before, body, end, size)) > suspected:
            return all(_grown(run, before, body, end, size) > _TOO_MUCH for _ in range(_TRIES))
    return False


def _grown(run: Callable[[str], object], before: str, body: str, end: str, size: int) -> float:
    short, long = (_time(run, _string(before, body, end, it)) for it in (size // _FACTOR, size))
    return long / max(short, 1e-9)


def _ends(run: Callable[[str], object], text: str) -> bool:
    """Whether this ends within the seconds that no pattern needs."""

    def stop(*_: object) -> None:
        raise TimeoutError

    before = signal.signal(signal.SIGALRM, stop)
    signal.setitimer(signal.ITIMER_REAL, _AT_MOST)
    try:
        run(text)
    except TimeoutError:
        return False
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
        signal.signal(signal.SIGALRM, before)
    return True


def _string(before: str, body: str, end: str, size: int) -> str:
    return before + body * max(size // len(body), 1) + end


def _time(run: Callable[[str], object], text: str) -> float:
    # Of this thread alone: other processes do not count.
    start = time.thread_time()
    run(text)
    return time.thread_time() - start
