"""The command line: what it prints, its exit status, and that bad input is one line."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from kernelsnap.cli.main import main
from kernelsnap.golden.format import parse
from kernelsnap.targets.lookup import TARGETS

GOLDENS = Path(__file__).parents[2] / "goldens"


@pytest.fixture
def golden() -> Path:
    return next(GOLDENS.rglob("FusionTests.test_softmax_inner.h100.ksnap"))


def test_show_prints_the_file(golden, capsys):
    assert main(["show", str(golden)]) == 0
    assert capsys.readouterr().out == golden.read_text()


def test_show_prints_the_layers_asked_for(golden, capsys):
    assert main(["show", str(golden), "--layer", "metrics", "--layer", "plan"]) == 0
    text = capsys.readouterr().out
    assert re.findall(r"^\w+$", text, re.MULTILINE) == ["metrics", "plan"]
    assert f"kernels  {sum(m.value for m in parse(golden.read_text()).metrics if m.name == 'kernels')}" in text


def test_targets_lists_every_target(capsys):
    assert main(["targets", "--sources"]) == 0
    text = capsys.readouterr().out
    for target in TARGETS.values():
        assert f"\n{target.name} " in f"\n{text}"
        assert all(source.citation in text for source in target.sources)


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (None, "No such file or directory"),
        ("kernelsnap 99\n", "written in format 99 by a newer kernelsnap"),
        ("import torch\n", "not a golden"),
        ("kernelsnap 1\ncase a\n", "cut off"),
    ],
)
def test_bad_input_is_one_line_and_status_2(tmp_path, capsys, content, says):
    path = tmp_path / "x.ksnap"
    if content is not None:
        path.write_text(content)
    assert main(["show", str(path)]) == 2
    captured = capsys.readouterr()
    assert captured.out == ""
    assert captured.err.startswith("kernelsnap: ")
    assert captured.err.count("\n") == 1
    assert str(path) in captured.err
    assert says in captured.err
