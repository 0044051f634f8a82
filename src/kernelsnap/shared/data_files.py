"""Reads JSON and TOML that anybody may have written: whatever is wrong with a text is a `ValueError`.

`typed` makes a dataclass of what was read, so that no field of it has another type than it is declared with.

The parsers of the standard library call themselves for each level of nesting, and end in a `RecursionError` where a
text has thousands of them.
"""

from __future__ import annotations

import json
import reprlib
import tomllib
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from dataclasses import fields, is_dataclass
from functools import cache, partial
from itertools import cycle
from types import UnionType
from typing import Any, Literal, TypeVar, Union, cast, get_args, get_origin, get_type_hints

_Kind = TypeVar("_Kind")
#: What no number of ours exceeds, and what an operating system takes.
_LARGEST = (1 << 63) - 1

#: Limits of a text of TOML. The time for one key grows with the square of its parts: `a.b.c = 1` has three.
_LARGEST_TOML = 4 << 20
_PARTS = 200


def parsed_json(text: str | bytes) -> Any:
    """What a text of JSON holds. Raises `ValueError`, also for `NaN` and for half of a character that takes two."""
    try:
        text = text if isinstance(text, str) else text.decode("utf-8")
        found = _DECODER.decode(text)
        if "\\u" in text and "\\ud" in text.lower():
            json.dumps(found, ensure_ascii=False).encode()
    except RecursionError:
        raise ValueError("nested too deeply") from None
    return found


def _refused(name: str) -> None:
    raise ValueError(f"{name} is no number of JSON")


#: One for all: `json.loads` makes another one for each of ten thousand texts.
_DECODER = json.JSONDecoder(parse_constant=_refused)


def parsed_toml(text: str) -> dict[str, Any]:
    """What a text of TOML holds. Raises `ValueError`."""
    if len(text) > _LARGEST_TOML:
        raise ValueError(f"it has more than {_LARGEST_TOML >> 20} MiB, the most that a file of TOML may have")
    for number, line in enumerate(text.split("\n"), 1):
        if line.count(".") > _PARTS:
            raise ValueError(f"line {number} has more than {_PARTS} dots, the most that one may have")
    try:
        return tomllib.loads(text)
    except RecursionError:
        raise ValueError("nested too deeply") from None


def typed(kind: type[_Kind], content: object) -> _Kind:
    """A dataclass from what JSON holds: every field has the type that it is declared with; lists become tuples.

    Raises `ValueError`, which names what has another type, what is missing, and what nobody knows.
    """
    if not isinstance(content, dict):
        raise ValueError(f"expected an object, found {reprlib.repr(content)}")
    readers = _fields_of(cast(Any, kind))
    if unknown := [name for name in content if name not in readers]:
        raise ValueError(f"{reprlib.repr(unknown[0])} is not known")
    try:
        return kind(**{name: readers[name](value, name) for name, value in content.items()})
    except TypeError as error:
        raise ValueError(str(error)) from None


#: Reads a value of one type: with the name of its field, for errors.
_Reader = Callable[[Any, str], Any]


@cache
def _fields_of(kind: Any) -> dict[str, _Reader]:
    hints = get_type_hints(kind)
    return {one.name: _reader(hints[one.name]) for one in fields(kind)}


def _reader(hint: Any) -> _Reader:
    """What reads a value of a type: made once, because thousands of values are read."""
    origin, inner = get_origin(hint), get_args(hint)
    if hint is Any:
        return lambda value, name: value
    if origin in (Union, UnionType):
        return _either([_reader(one) for one in inner])
    if origin is Literal:
        return partial(_checked, lambda value: isinstance(value, str) and value in inner)
    if isinstance(hint, type) and is_dataclass(hint):
        return lambda value, name: typed(hint, value)
    if origin in (dict, Mapping):
        return partial(_mapping, _reader(inner[1]))
    if origin in (tuple, list, Sequence):
        readers = [_reader(one) for one in inner if one is not ...]
        return partial(_sequence, readers, origin is tuple and ... not in inner, list if origin is list else tuple)
    # A Boolean is an int in Python, and no number here.
    allowed = (int, float) if hint is float else hint
    return partial(
        _checked,
        lambda value: (
            isinstance(value, allowed)
            and (hint is bool or not isinstance(value, bool))
            and (not isinstance(value, int) or abs(value) <= _LARGEST)
        ),
    )


def _checked(is_right: Callable[[Any], bool], value: Any, name: str) -> Any:
    if not is_right(value):
        raise ValueError(f"{name} is {reprlib.repr(value)}")
    return value


def _either(readers: list[_Reader]) -> _Reader:
    def read(value: Any, name: str) -> Any:
        for reader in readers:
            with suppress(ValueError):
                return reader(value, name)
        raise ValueError(f"{name} is {reprlib.repr(value)}")

    return read


def _mapping(reader: _Reader, value: Any, name: str) -> dict[str, Any]:
    _checked(lambda value: isinstance(value, dict), value, name)
    return {key: reader(one, name) for key, one in value.items()}


def _sequence(readers: list[_Reader], is_fixed: bool, made: type, value: Any, name: str) -> Any:
    _checked(lambda value: isinstance(value, list | tuple), value, name)
    if is_fixed and len(value) != len(readers):
        raise ValueError(f"{name} has {reprlib.repr(value)}")
    return made(reader(one, name) for reader, one in zip(readers if is_fixed else cycle(readers), value, strict=False))
