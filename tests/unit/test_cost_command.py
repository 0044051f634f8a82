"""`kernelsnap cost`: the slowest kernels of goldens, and what cannot be told."""

from __future__ import annotations

import json
import lzma
import re
import subprocess
import sys
from pathlib import Path

import pytest

from kernelsnap.cli.main import main
from kernelsnap.golden.format import parse
from kernelsnap.golden.resources import render_resources
from kernelsnap.model.resources import InstructionMix, KernelResources, Resources

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
    assert main(["diff", *trees]) == 1
    out = " ".join(capsys.readouterr().out.split())
    first = re.match(r"1 worse: est\. (\d+) us -> (\d+) us x1\.\d\d slower \(x\d\.\d\d to x\d\.\d\d; ", out)
    assert first
    assert out[first.end() :].startswith("memory: 1.5 x the sectors)")
    assert "; 1 cannot be told; 3 goldens: 2 changed, 1 new" in out
    reason = "est. cannot tell: inference k0: which blocks its mask leaves out depends on data"
    assert f"rows.h200.ksnap est. {first[1]} us -> {first[2]} us x1." in out
    assert f"mask.h200.ksnap {reason}, bytes accessed " in out
    # A reviewer has to look at what cannot be told; what is worse comes first all the same.
    assert out.index(f"rows.h200.ksnap est. {first[1]}") < out.index(f"mask.h200.ksnap {reason}")


def test_nothing_is_estimated_where_many_changed_or_where_that_is_not_wanted(trees, capsys, monkeypatch):
    assert main(["diff", *trees, "--no-cost"]) == 1
    assert capsys.readouterr().out.startswith("2 not estimated, +268 386 304 B (+39.9 %); 3 goldens: 2 changed, 1 new")
    monkeypatch.setattr("kernelsnap.cli.diff.MOST", 1)
    assert main(["diff", *trees]) == 1
    assert capsys.readouterr().out.startswith("2 not estimated, ")
    assert main(["diff", *trees, "--cost"]) == 1
    assert capsys.readouterr().out.startswith("1 worse: est. ")


def test_a_diff_without_estimates_does_not_load_what_estimates(trees):
    code = "import sys; from kernelsnap.cli.main import main; main(sys.argv[1:]); print('numpy' in sys.modules)"
    command = [sys.executable, "-c", code, "diff", *trees, "--no-cost"]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.endswith("\nFalse\n")


def test_what_was_measured_decides_and_stands_with_the_estimate(trees, capsys, tmp_path):
    both = {side: {"total": total, "low": total, "high": total, "kernels": []} for side, total in
            (("old", 100.0), ("new", 50.0))}  # fmt: skip
    file = tmp_path / "times.json"
    file.write_text(json.dumps({"format": 1, "where": "a GPU", "goldens": {"mask.h200.ksnap": both}}))
    assert main(["diff", *trees, "--measured", str(file)]) == 1
    out = " ".join(capsys.readouterr().out.split())
    assert "1 better: measured 100 us -> 50 us x0.50 faster; est. cannot tell: " in out
    for damaged in ("{", "[]", '{"format": 1, "goldens": {"a": {"old": {"total": -1}, "new": {"total": 1}}}}'):
        file.write_text(damaged)
        assert main(["diff", *trees, "--measured", str(file)]) == 2
        assert "times.json: not what `kernelsnap time --output` writes" in capsys.readouterr().err


def test_recorded_registers_decide_how_many_programs_run_at_a_time(tmp_path, capsys):
    name = "sum_tall_last triton.persistent_reductions=False"
    text = next(
        line["golden"]
        for line in map(json.loads, lzma.decompress(RECORDED.read_bytes()).decode().splitlines())
        if line.get("side") == name
    )
    golden = parse(text)
    path = tmp_path / "rows.h200.ksnap"
    path.write_text(text)

    def time(registers=0, shared=0):
        if registers:
            mix = InstructionMix(total=100, fp32=10)
            entry = KernelResources("inference", "k0", golden.config[0].configs[0], registers=registers, stack=0,
                                    spill_stores=0, spill_loads=0, static_shared=0, shared=shared,
                                    instructions=mix)  # fmt: skip
            path.with_suffix(".kres").write_text(render_resources(Resources("h200", (entry,), golden.case)))
        assert main(["cost", str(path)]) == 0
        return float(capsys.readouterr().out.splitlines()[1].split()[0])

    assumed = time()
    # A multiprocessor takes 32 programs of two warps with 32 registers, 4 with 255 registers and 50 KB.
    assert time(32) == assumed
    # With 32 registers, how fast programs are launched decides.
    assert time(255, 50_000) > 2.5 * assumed


def test_the_page_has_a_roof_that_no_kernel_is_above(tmp_path):
    page = tmp_path / "costs.html"
    assert main(["cost", str(GOLDENS / "test_fusion"), "--html", str(page), "--most", "7"]) == 0
    text = page.read_text()
    assert text.count("<tr><td>") == 7
    assert "Estimate and measurement" not in text
    points = [tuple(map(float, at)) for at in re.findall(r'<circle [^>]*cx="([\d.]+)" cy="([\d.]+)"', text)]
    (corners,) = re.findall(r'<path class="roof" d="M([^"]+)"', text)
    _, top, end = [tuple(map(float, corner.split())) for corner in corners.split("L")]
    assert len(points) > 50
    for x, y in points:
        roof = top[1] + max(0.0, x - top[0]) * (end[1] - top[1]) / (end[0] - top[0])
        assert y >= roof - 0.2  # pixels are counted from above


def test_the_page_draws_estimates_against_what_was_measured(trees, tmp_path, capsys):
    times, page = tmp_path / "times.json", tmp_path / "costs.html"
    both = {side: {"total": 50.0, "low": 50.0, "high": 50.0, "kernels": []} for side in ("old", "new")}
    times.write_text(json.dumps({"format": 1, "where": "a GPU", "goldens": {"rows.h200.ksnap": both}}))
    assert main(["cost", trees[1], "--html", str(page), "--measured", str(times)]) == 0
    assert re.search(r"rows.h200.ksnap: estimated [\d.]+ us, measured 50.0 us", page.read_text())
    assert main(["cost", str(GOLDENS / "test_fusion"), "--html", str(page), "--measured", str(times)]) == 2
    assert "of none of these goldens" in capsys.readouterr().err
