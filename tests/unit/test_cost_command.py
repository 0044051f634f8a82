"""`kernelsnap cost`: the slowest kernels of goldens, and what cannot be told."""

from __future__ import annotations

import json
import lzma
from pathlib import Path

import pytest

from kernelsnap.cli.main import main

GOLDENS = Path(__file__).parents[2] / "goldens"
RECORDED = Path(__file__).parents[1] / "data" / "cost_pairs" / "h200.jsonl.xz"


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


@pytest.fixture
def trees(tmp_path):
    """Two folders of goldens: one that is slower, one of which nothing can be told, one that is new."""
    recorded = {
        line["side"]: line["golden"]
        for line in map(json.loads, lzma.decompress(RECORDED.read_bytes()).decode().splitlines())
        if "side" in line
    }
    sides = {
        "old": {"rows": "broadcast_row", "mask": "flex_documents"},
        "new": {"rows": "broadcast_full", "mask": "flex_causal", "more": "softmax"},
    }
    for side, goldens in sides.items():
        for name, program in goldens.items():
            path = tmp_path / side / f"{name}.h200.ksnap"
            path.parent.mkdir(exist_ok=True)
            path.write_text(recorded[program])
    return [str(tmp_path / side) for side in sides]


def test_what_changes_cost(trees, capsys):
    assert main(["diff", *trees, "--cost"]) == 1
    rows, mask, together = capsys.readouterr().out.splitlines()
    assert rows.startswith("rows.h200.ksnap: est. ")
    assert rows.endswith("slower (memory: 1.5 x the bytes)")
    assert mask.startswith("mask.h200.ksnap: est. cannot tell: ")
    assert together.startswith("together: est. ")
    assert together.endswith("of 1 of 2 goldens")


def test_it_prints_its_own_report(trees, capsys, tmp_path):
    assert main(["diff", *trees, "--cost", "--output", str(tmp_path / "out")]) == 2
    assert "--cost prints its own report" in capsys.readouterr().err
