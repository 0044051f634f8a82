"""Processes that record over one tree, or are killed: every golden is one that somebody generated, and none is lost."""

from __future__ import annotations

import importlib.util
from pathlib import Path

import pytest

from kernelsnap.golden.templates.template_store import stored_templates

ATTACKS = Path(__file__).parents[2] / "tools" / "attack" / "writers.py"


@pytest.fixture(scope="module")
def writers():
    spec = importlib.util.spec_from_file_location("writers", ATTACKS)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_no_golden_is_mixed_of_two_recordings(writers, tmp_path):
    seen = writers.together(tmp_path, 1)
    assert dict(seen) == {"rounds of 8 processes": 1, "processes that failed": 0}
    assert len(stored_templates(tmp_path)) == 1
    assert {path.suffix for path in tmp_path.rglob("*") if path.is_file()} == {".ksnap", ".ktemplate"}


def test_no_golden_is_lost_or_torn_when_its_writer_is_killed(writers, tmp_path):
    seen = writers.killed(tmp_path, 8)
    assert seen.pop("kills") == 8
    seen.pop("kills after which an unfinished file was there")
    assert dict(seen) == {"unfinished files after the next recording": 0}


def test_what_is_wrong_is_seen(writers, tmp_path):
    writers.record(tmp_path, 0, 3)
    expected = set()
    assert writers.damage(tmp_path, expected) == []
    path = next(tmp_path.rglob("*.ksnap"))
    text = path.read_text()
    path.write_text(text.replace("M = ", "M = 9") if "M = " in text else text.replace("= ", "= 9"))
    assert any("nobody generated" in problem for problem in writers.damage(tmp_path, expected))
    path.write_text(text[:-5])
    assert any("cut off" in problem for problem in writers.damage(tmp_path, expected))
    path.unlink()
    assert any("is lost" in problem for problem in writers.damage(tmp_path, expected))
