"""The virtual device against what a real H100 generated, and the tool that compares them.

The recording was made with torch 2.11, and other releases generate other code. So what CI's release is held against
are cases that no release in between has changed: `same_in_torch_2_13.txt` names them, each with the layers of its
golden that are the recorded ones. A line may only be taken out with a reason.
"""

from __future__ import annotations

import functools
import importlib
import json
import re
import sys
from pathlib import Path

import pytest
import torch

from kernelsnap.golden.build import build_golden
from kernelsnap.golden.format import render_layer

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "tests" / "fidelity"
RECORDING = FOLDER / "recordings" / "h100-torch2.11.json.xz"
LISTED = {
    key: layers
    for key, *layers in (line.split() for line in (FOLDER / "same_in_torch_2_13.txt").read_text().splitlines())
}
CASES = ("pointwise/gelu", "reductions/sum_inner")


@pytest.fixture(scope="module", autouse=True)
def _tools_can_be_imported():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(ROOT / "tools"))
        yield
        for name in [name for name in sys.modules if name.startswith("fidelity")]:
            del sys.modules[name]


def tool(module):
    return importlib.import_module(module)


# The same code as on the GPU.


@pytest.fixture(scope="module")
def generated():
    """What a case generates, captured as the tool's workers do it, but in this process, which has imported torch."""
    threads = torch.get_num_threads()
    yield functools.cache(tool("fidelity_capture").Capturer("h100"))
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def recorded():
    return tool("fidelity_recording").read(RECORDING).cases


def golden(case, key):
    return build_golden(tool("fidelity_recording").to_capture(case), key)


def test_the_list_covers_every_family_and_half_of_it_is_training():
    cases = tool("fidelity_cases").all_cases()
    families = {cases[key].family for key in LISTED}
    assert families >= {case.family for case in cases.values()} - {"models", "extensions"}
    assert len(LISTED) >= 50
    assert sum(cases[key].training for key in LISTED) >= len(LISTED) * 0.4


@pytest.mark.skipif(not torch.__version__.startswith("2.13."), reason="the list is for torch 2.13")
@pytest.mark.parametrize("key", LISTED)
def test_the_golden_is_the_one_of_the_real_gpu(key, generated, recorded):
    here, there = golden(generated(key), key), golden(recorded[key], key)
    for layer in LISTED[key]:
        assert render_layer(here, layer) == render_layer(there, layer)


@pytest.mark.parametrize("recording", sorted(RECORDING.parent.glob("*.json.xz")), ids=lambda path: path.name)
def test_a_recording_is_of_every_case_and_tells_nothing_of_the_machine(recording):
    content = tool("fidelity_recording").read(recording)
    assert set(content.cases) == set(tool("fidelity_cases").all_cases())
    assert not re.search(r"/(?:home|root|tmp|work|opt)/", json.dumps(content.cases))


def test_every_exception_is_of_a_case(recorded):
    selected, exceptions = (getattr(tool("fidelity_cases"), name) for name in ("selected", "exceptions"))
    assert all(selected([glob]) for glob in exceptions())


# The tool.


@pytest.fixture(scope="module")
def recording(tmp_path_factory, generated):
    def run_all(keys, target, workers, seconds, case_seconds, done):
        for key in keys:
            done(key, {"seconds": 0.0, **generated(key)})

    path = tmp_path_factory.mktemp("fidelity") / "virtual.json.xz"
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(tool("fidelity_workers"), "run_all", run_all)
        assert tool("fidelity").main(["record", "--virtual", "h100", "--out", str(path), *CASES]) == 0
    return path


def repeated(monkeypatch, recording, change=lambda cases: None):
    """Let a comparison generate what the recording says, changed."""

    def run_all(keys, target, workers, seconds, case_seconds, done):
        cases = tool("fidelity_recording").read(recording).cases
        change(cases)
        for key in keys:
            done(key, cases.get(key, {}))

    monkeypatch.setattr(tool("fidelity_workers"), "run_all", run_all)


def compare(recording, *cases):
    return tool("fidelity").main(["compare", str(recording), *(cases or CASES)])


@pytest.mark.starts_processes
def test_a_recording_equals_what_is_generated_again_in_another_process(recording, capsys):
    assert compare(recording, *CASES, "--workers", "1") == 0
    total = next(line for line in capsys.readouterr().out.splitlines() if line.startswith("total"))
    assert total.split() == ["total", "2", "0", "2", "2", "0", "0"]


@pytest.mark.parametrize(
    ("old", "new", "cause"),
    [
        ("multi_processor_count=132", "multi_processor_count=131", "device properties"),
        ("XBLOCK : tl.constexpr", "XBLOCK: tl.constexpr, YBLOCK : tl.constexpr", "launch configuration"),
    ],
)
def test_a_difference_is_shown_with_its_first_line_and_a_likely_cause(recording, capsys, monkeypatch, old, new, cause):
    def change(cases):
        graph = cases[CASES[0]]["graphs"][0]
        graph["text"] = graph["text"].replace(old, new)

    repeated(monkeypatch, recording, change)
    compare(recording)
    shown = capsys.readouterr().out
    assert f"{CASES[0]}: " in shown
    assert cause in shown
    assert any(line.startswith("  - ") and old in line for line in shown.splitlines())
    assert any(line.startswith("  + ") and new in line for line in shown.splitlines())


def test_another_golden_ends_with_status_1(recording, capsys, monkeypatch):
    def change(cases):
        graph = cases[CASES[0]]["graphs"][0]
        graph["text"] = graph["text"].replace("tl.store(", "tl.debug_barrier(); tl.store(")

    repeated(monkeypatch, recording, change)
    assert compare(recording) == 1
    assert f"{CASES[0]}: differs" in capsys.readouterr().out


def test_an_error_on_one_side_ends_with_status_1(recording, capsys, monkeypatch):
    repeated(monkeypatch, recording, lambda cases: cases.update({CASES[0]: {"error": "ValueError: no"}}))
    assert compare(recording) == 1
    assert "an error on one side" in capsys.readouterr().out


def test_a_known_exception_ends_with_status_0_and_says_why(recording, capsys, monkeypatch):
    repeated(monkeypatch, recording, lambda cases: cases.update({CASES[0]: {"error": "CaptureError: refused"}}))
    monkeypatch.setattr(tool("fidelity_cases"), "exceptions", lambda: {CASES[0]: "refused: for a reason"})
    assert compare(recording) == 0
    assert "refused: for a reason" in capsys.readouterr().out


def test_the_table_is_markdown(recording, capsys, monkeypatch):
    repeated(monkeypatch, recording)
    assert tool("fidelity").main(["table", str(recording), *CASES]) == 0
    assert "| total | 2 | 0 | 2 | 2 | 0 | 0 |" in capsys.readouterr().out


def test_what_an_old_recording_does_not_say_of_a_combo_kernel_is_not_compared():
    def text(said):
        return f"# before\n\n{said}triton_for_fused_0 = async_compile.triton('triton_for_fused_0', '''''')\n"

    silent = "# Unsorted Source Nodes: [], Original ATen: []\n# Source node to ATen node mapping:\n"
    says = "# Topologically Sorted Source Nodes: [add], Original ATen: [aten.add]\n#   add => add\n"
    for old, new in ((silent, silent), (says, says), ("", says)):
        sides = [{"graphs": [{"text": text(comment)}]} for comment in (old, says)]
        described = tool("fidelity_compare")._described_as(*sides)
        assert described == {"graphs": [{"text": text(new)}]}


def test_a_recording_of_another_torch_ends_with_status_2(recording, tmp_path, capsys):
    files = tool("fidelity_recording")
    other = files.read(recording)
    other.facts["device"]["torch"] = "2.10.0+cu130"
    files.write(other, tmp_path / "other.json.xz")
    assert compare(tmp_path / "other.json.xz") == 2
    assert "recorded with torch 2.10.0" in capsys.readouterr().err


def test_cases_that_are_not_recorded_end_with_status_2(recording, capsys):
    assert compare(recording, "sdpa") == 2
    assert "none of these cases" in capsys.readouterr().err


@pytest.mark.skipif(torch.cuda.is_available(), reason="there is a GPU to record")
def test_without_a_gpu_there_is_nothing_to_record(tmp_path, capsys):
    assert tool("fidelity").main(["record", "--out", str(tmp_path / "native.json.xz")]) == 2
    assert "no GPU" in capsys.readouterr().err
