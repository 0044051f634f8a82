"""The command line as a typed request: every option arrives, and the axes that it can name have the form of an axis."""

from __future__ import annotations

import argparse
from pathlib import Path

import pytest

from kernelsnap.bisect.errors import BisectError
from kernelsnap.bisect.line import LineAxis
from kernelsnap.bisect.request import AttributeRequest, BisectRequest
from kernelsnap.bisect.run import AXES, run_bisect
from kernelsnap.cli.bisect import add_attribute, add_bisect, request_of


def request(*words):
    parser = argparse.ArgumentParser()
    add_bisect(parser.add_subparsers())
    words = ("bisect", *words)
    return request_of(BisectRequest, parser.parse_args(words, argparse.Namespace(words=list(words))))


def test_every_option_arrives_in_the_request():
    asked = request(
        "test_a.py::test_a", "--axis", "git", "--range", "v1..v2", "--overlay", "a", "--overlay", "b", "--limit", "3"
    )
    assert asked.cases == ("test_a.py::test_a",)
    assert (asked.axis, asked.range, asked.overlay, asked.limit) == ("git", "v1..v2", ("a", "b"), 3)
    assert (asked.repeats, asked.sweep, asked.predicate, asked.state) == (1, 0, "differs", None)
    assert asked.command.startswith("kernelsnap bisect test_a.py::test_a --axis git")


def test_attribute_asks_with_the_same_options():
    parser = argparse.ArgumentParser()
    add_attribute(parser.add_subparsers())
    options = parser.parse_args(
        ["attribute", "test_a.py", "torch=1,2", "--env", "torch=1=p"], argparse.Namespace(words=[])
    )
    asked = request_of(AttributeRequest, options, cases=("test_a.py",), factors=("torch=1,2",))
    assert (asked.cases, asked.factors, asked.env) == (("test_a.py",), ("torch=1,2",), ("torch=1=p",))


def test_state_is_a_file_for_one_case_and_a_folder_for_many():
    identity = {"case": "a"}
    asked = request("a", "--state", "kept")
    assert asked.state_file(identity, many=False) == Path("kept")
    assert asked.state_file(identity, many=True).parent == Path("kept")
    assert asked.state_file(identity, many=True).name == request("a").state_file(identity, many=False).name


def test_states_of_axes_are_kept_apart(tmp_path):
    test = tmp_path / "test_a.py"
    test.write_text("")
    names = {"git": "git", "config": "config", "passes": "passes", "PACKAGE=FIRST..LAST": "torch=1..2"}
    assert set(names) == set(AXES)
    found = [axis.identity(request("a", "--axis", names[name]), test)["axis"] for name, axis in AXES.items()]
    assert found == ["git", "config", "passes", "torch"]
    assert [issubclass(axis, LineAxis) for axis in AXES.values()] == [True, False, False, True]


def test_an_axis_that_does_not_exist_is_told_those_that_do():
    with pytest.raises(BisectError, match=r"there are git, config, passes, and PACKAGE=FIRST\.\.LAST"):
        run_bisect(request("test_a.py::test_a", "--axis", "gti"))
