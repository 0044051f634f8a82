"""Which pending goldens a command is about."""

from __future__ import annotations

import pytest

from kernelsnap.golden.store import Case, file_name
from kernelsnap.pending.entry import Pending, PendingError, check, from_json
from kernelsnap.pending.filters import Filter


def entry(test, target="h100", causes=("tiling",), layers=("code",), group="aa11", module="tests/test_a.py"):
    folder = module.removesuffix(".py").removeprefix("tests/")
    path = f"{folder}/{file_name(Case(module, test), target)}"
    return Pending(module, test, "", target, "goldens", path, "0", causes=causes, layers=layers, group=group)


ENTRIES = [
    entry("test_x[1]"),
    entry("test_x[11]", causes=("tiling", "fusion-split"), layers=("plan", "code"), group="aa22"),
    entry("test_x", target="a100"),
    entry("TestNorms::test_soft"),
    entry("TestNorms::test_soft_max", causes=("host",), group="bb11"),
    entry("test_x", module="tests/below/test_b.py", causes=("new",), layers=(), group="cc"),
]


def names(**conditions):
    found = Filter(**{name: tuple(values) for name, values in conditions.items()}).select(ENTRIES)
    return [str(one.case).removeprefix("tests/") for one in found]


ALL = [str(one.case).removeprefix("tests/") for one in ENTRIES]


@pytest.mark.parametrize(
    ("wanted", "found"),
    [
        ("tests/test_a.py::test_x", ["test_a.py::test_x"]),  # in full: not its parameters
        ("test_a.py::test_x", ["test_a.py::test_x[1]", "test_a.py::test_x[11]", "test_a.py::test_x"]),
        ("test_x[1]", ["test_a.py::test_x[1]"]),
        ("test_x[1*]", ["test_a.py::test_x[1]", "test_a.py::test_x[11]"]),
        ("test_x[?]", ["test_a.py::test_x[1]"]),
        ("TestNorms", ["test_a.py::TestNorms::test_soft", "test_a.py::TestNorms::test_soft_max"]),
        ("test_soft", ["test_a.py::TestNorms::test_soft"]),
        ("test_soft*", ["test_a.py::TestNorms::test_soft", "test_a.py::TestNorms::test_soft_max"]),
        ("tests/below", ["below/test_b.py::test_x"]),
        ("tests/below/", ["below/test_b.py::test_x"]),
        ("goldens/below/test_b", ["below/test_b.py::test_x"]),
        ("goldens/test_a/test_x.a100.ksnap", ["test_a.py::test_x"]),
        ("*", ALL),
    ],
)
def test_by_case(wanted, found):
    assert names(cases=[wanted]) == found
    assert names(without=["none", wanted][1:]) == [name for name in ALL if name not in found] if found != ALL else True


@pytest.mark.parametrize("wanted", ["est_x", "test_so", "oft", "", "test_x[", "tests/belo", "1]"])
def test_a_part_of_a_word_is_no_name(wanted):
    with pytest.raises(PendingError, match="nothing that is pending matches"):
        names(cases=[wanted])


def test_a_cause_or_a_layer_selects_what_has_no_other():
    assert len(names(causes=["tiling"])) == 3
    assert len(names(causes=["tiling", "fusion-split"])) == 4
    with pytest.raises(PendingError, match="with the causes tiling \\(3\\), tiling, fusion-split \\(1\\)"):
        names(causes=["fusion-split"])
    assert "test_a.py::test_x[11]" not in names(layers=["code"])
    assert names(layers=["plan", "code"], causes=["tiling", "fusion-split"], groups=["aa22"]) == [
        "test_a.py::test_x[11]"
    ]


def test_conditions_are_met_together():
    assert names(cases=["test_x", "test_soft"], targets=["a100"]) == ["test_a.py::test_x"]
    assert names(groups=["aa"], without=["test_x"]) == ["test_a.py::TestNorms::test_soft"]


def test_a_head_is_read_as_it_was_written():
    for one in ENTRIES:
        assert from_json(one.to_json(), "x") == one


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('"test_a/', '"../test_a/'),
        ('"test_a/', '"/test_a/'),
        ("test_x[1].h100.ksnap", "test_x[2].h100.ksnap"),
        ('"format": 1', '"format": 2'),
        ('"format": 1', '"form": 1'),
        ('"group": "aa11"', '"group": 1'),
        ('"format": 1', '"format": 1, "versions": {"torch": 1}'),
        ('"format": 1', '"format": 1, "versions": null'),
        ('"target": "h100"', '"target": "H100"'),
        ("}", ""),
        ('"group"', '"grope"'),
    ],
)
def test_a_head_that_is_no_head_is_an_error(old, new):
    text = ENTRIES[0].to_json()
    assert old in text
    with pytest.raises(PendingError):
        check(from_json(text.replace(old, new), "x"), "x")
