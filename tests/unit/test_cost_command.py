"""`kernelsnap cost`: the slowest kernels of goldens, and what cannot be told."""

from __future__ import annotations

from pathlib import Path

import pytest

from kernelsnap.cli.main import main

GOLDENS = Path(__file__).parents[2] / "goldens"


def test_the_slowest_come_first(capsys):
    assert main(["cost", str(GOLDENS / "test_fusion"), "--most", "5"]) == 0
    heading, *rows = capsys.readouterr().out.splitlines()
    assert heading.split()[:2] == ["time", "limit"]
    times = [float(row.split()[0]) for row in rows if " us " in row]
    assert len(times) == 5
    assert times == sorted(times, reverse=True)


def test_a_target_without_a_table_is_said(capsys):
    (golden,) = (GOLDENS / "test_fusion").glob("FusionTests.test_softmax_inner.mi300x.ksnap")
    assert main(["cost", str(golden)]) == 0
    out = capsys.readouterr().out
    assert "nothing can be said of 1" in out
    assert "there is no table of rates for mi300x" in out


@pytest.mark.parametrize("path", ["missing", "pyproject.toml"])
def test_no_such_golden(path, capsys):
    assert main(["cost", path]) == 2
    assert "there is no such golden or folder" in capsys.readouterr().err
