"""The state of a bisection: kept at once, and refused where it is another's or damaged."""

from __future__ import annotations

import json

import pytest

from kernelsnap.bisect.errors import BisectError
from kernelsnap.bisect.observe.observe import Observation, skipped
from kernelsnap.bisect.observe.state import StateFile, digest, locked, state_path

IDENTITY = {"case": "a", "axis": "git"}
SEEN = Observation({"a h100": "text"}, True, 1, "", {"torch": "2.13.0"}, "/root")


def never():
    raise AssertionError("asked again")


def test_what_was_seen_is_there_after_a_kill(tmp_path):
    path = tmp_path / "deep" / "state.json"
    state = StateFile(path, IDENTITY)
    assert state.observation("k", 0, lambda: SEEN) == SEEN
    assert state.observation("k", 1, lambda: skipped("a\nreason")).skipped == "a reason"
    again = StateFile(path, IDENTITY)
    assert again.observation("k", 0, never) == SEEN
    assert again.observation("k", 1, never).skipped == "a reason"
    assert again.has("k")
    assert not again.has("other")


def test_equal_goldens_are_kept_once(tmp_path):
    state = StateFile(tmp_path / "state.json", IDENTITY)
    for key in "abc":
        state.observation(key, 0, lambda: SEEN)
    assert len(json.loads((tmp_path / "state.json").read_text())["goldens"]) == 1


def test_a_step_that_raises_leaves_the_state_as_it_was(tmp_path):
    path = tmp_path / "state.json"
    state = StateFile(path, IDENTITY)
    state.observation("a", 0, lambda: SEEN)
    before = path.read_bytes()
    with pytest.raises(AssertionError):
        state.observation("b", 0, never)
    assert path.read_bytes() == before
    assert not StateFile(path, IDENTITY).has("b")


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("", "is no state of a bisection"),
        ("[]", "is no state of a bisection"),
        ('{"format": 1}', "is no state of a bisection"),
        ('{"format": 2}', "written by another kernelsnap"),
        ('{"format": 1, "identity": {"case": "b"}, "goldens": {}, "seen": {}}', "it differs in axis, case"),
    ],
)
def test_a_state_that_is_not_ours_is_refused_and_kept(tmp_path, text, says):
    path = tmp_path / "state.json"
    path.write_text(text)
    with pytest.raises(BisectError, match=says):
        StateFile(path, IDENTITY)
    assert path.read_text() == text


def test_two_bisections_do_not_share_a_state(tmp_path):
    path = tmp_path / "state.json"
    with locked(path), pytest.raises(BisectError, match="another bisection is at work"), locked(path):
        pass
    with locked(path):
        pass


def test_a_state_s_name_depends_on_all_that_decides_what_is_seen(monkeypatch, tmp_path):
    monkeypatch.setenv("KERNELSNAP_CACHE", str(tmp_path))
    assert state_path({"a": "1", "b": "2"}) == state_path({"b": "2", "a": "1"}) != state_path({"a": "1"})
    assert state_path({}).is_relative_to(tmp_path)
    assert digest(tmp_path / "missing") == ""
