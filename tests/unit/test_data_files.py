"""What JSON holds becomes a dataclass, or an error that names the field."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

import pytest

from kernelsnap.shared.data_files import parsed_json, parsed_toml, typed


@dataclass(frozen=True)
class Inner:
    name: str


@dataclass(frozen=True)
class Outer:
    number: int
    ratio: float = 0.0
    flag: bool = False
    verdict: Literal["yes", "no"] = "no"
    maybe: int | None = None
    names: tuple[str, ...] = ()
    pair: tuple[str, int | None] = ("", None)
    listed: list[str] = field(default_factory=list)
    more: Sequence[int] | None = None
    by_name: Mapping[str, list[str]] = field(default_factory=dict)
    inner: tuple[Inner, ...] = ()
    any: Any = None


def test_every_field_is_read():
    content = {
        "number": 1, "ratio": 2, "flag": True, "verdict": "yes", "maybe": 3, "names": ["a", "b"], "pair": ["a", None],
        "listed": ["a"], "more": [1, 2], "by_name": {"a": ["b"]}, "inner": [{"name": "x"}], "any": {"x": [None]},
    }  # fmt: skip
    found = typed(Outer, content)
    assert found == Outer(
        1, 2, True, "yes", 3, ("a", "b"), ("a", None), ["a"], (1, 2), {"a": ["b"]}, (Inner("x"),), {"x": [None]}
    )
    assert typed(Outer, {"number": -1}) == Outer(-1)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        ([], r"expected an object, found \[\]"),
        ({}, "missing 1 required positional argument: 'number'"),
        ({"number": "1"}, "number is '1'"),
        ({"number": True}, "number is True"),
        ({"number": 1.0}, "number is 1.0"),
        ({"number": 1 << 63}, "number is 9223372036854775808"),
        ({"number": 1, "flag": 1}, "flag is 1"),
        ({"number": 1, "verdict": "maybe"}, "verdict is 'maybe'"),
        ({"number": 1, "verdict": []}, r"verdict is \[\]"),
        ({"number": 1, "maybe": "x"}, "maybe is 'x'"),
        ({"number": 1, "names": "ab"}, "names is 'ab'"),
        ({"number": 1, "names": ["a", 1]}, "names is 1"),
        ({"number": 1, "pair": ["a"]}, "pair has"),
        ({"number": 1, "pair": ["a", 1, 2]}, "pair has"),
        ({"number": 1, "by_name": [["a", "b"]]}, "by_name is"),
        ({"number": 1, "by_name": {"a": "b"}}, "by_name is 'b'"),
        ({"number": 1, "inner": [{"name": 1}]}, "name is 1"),
        ({"number": 1, "other": 1}, "'other' is not known"),
        ({"number": 1, "names": ["x" * 9999, 1]}, "names is 1"),
    ],
)
def test_what_has_another_type_is_named(content, message):
    with pytest.raises(ValueError, match=message) as caught:
        typed(Outer, content)
    assert len(str(caught.value)) < 200


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("[" * 1_000_000, "nested too deeply"),
        ('{"a": NaN}', "NaN is no number"),
        ("[-Infinity]", "-Infinity is no number"),
        (r'["\ud800"]', "surrogates not allowed"),
        (r'{"\uDC80": 1}', "surrogates not allowed"),
        ("9" * 5000, "Exceeds the limit"),
        ("", "Expecting value"),
        ("\0", "Expecting value"),
        (b"\xff", "can't decode"),
        (b"\xff\xfe[", "Expecting value|truncated|decode"),
    ],
)
def test_what_is_no_json_is_a_value_error(text, message):
    with pytest.raises(ValueError, match=re.compile(message)):
        parsed_json(text)


def test_what_is_json_is_read():
    assert parsed_json(r'["\ud83d\ude00"]') == ["\N{GRINNING FACE}"]
    assert parsed_json(b'{"a": [1, 2.5, null]}') == {"a": [1, 2.5, None]}


def test_what_is_nested_too_deeply_is_no_toml():
    with pytest.raises(ValueError, match="nested too deeply"):
        parsed_toml("a = " + "[" * 100_000)


@pytest.mark.parametrize("text", ["a.b.c." * 50_000 + "x = 1", "[" + "a." * 100_000 + "b]", "a = 1\n" * 1_000_000])
def test_toml_that_would_take_minutes_is_refused(text):
    with pytest.raises(ValueError, match=r"line 1 has more than 200 dots|more than 4 MiB"):
        parsed_toml(text)


def test_toml_with_long_lines_is_read():
    assert parsed_toml("a.b = '" + "x. " * 150 + "'") == {"a": {"b": "x. " * 150}}
