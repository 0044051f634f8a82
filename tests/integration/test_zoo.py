"""The tool that captures modules of other projects: what it makes of one, and the page that it writes."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path

import pytest

TOOLS = Path(__file__).parents[2] / "tools"
PROBLEM = """
import torch

class Model(torch.nn.Module):
    def __init__(self, size):
        super().__init__()
        self.linear = torch.nn.Linear(size, size)

    def forward(self, x):
        return self.linear(x).relu()

def get_inputs():
    return [torch.rand(4, 8)]

def get_init_inputs():
    return [8]
"""


@pytest.fixture(autouse=True)
def _tools_can_be_imported(monkeypatch):
    monkeypatch.syspath_prepend(str(TOOLS))
    yield
    for name in [name for name in sys.modules if name.startswith("zoo")]:
        del sys.modules[name]


def results_of(checkout):
    modules, check = (importlib.import_module(name) for name in ("zoo_modules", "zoo_check"))
    return [
        {"name": name, "phase": phase, **check.check(build, phase, "h100", twice=False)}
        for name, build in modules.kernelbench(checkout).items()
        for phase in (check.INFERENCE, check.TRAINING)
    ]


def test_a_problem_is_captured_in_both_phases_and_what_fails_is_in_the_page(tmp_path):
    folder = tmp_path / "level1"
    folder.mkdir()
    (folder / "1_linear.py").write_text(PROBLEM)
    (folder / "2_argmax.py").write_text(PROBLEM.replace("self.linear(x).relu()", "x.argmax(-1)"))
    (folder / "3_wrong.py").write_text(PROBLEM.replace("self.linear(x).relu()", "self.linear(x[:, :2])"))
    (folder / "4_overwritten.py").write_text(PROBLEM.replace("self.linear(x).relu()", "self.linear(x).relu().add_(1)"))
    only_compiled = "x @ x if torch.compiler.is_compiling() else x"
    (folder / "5_only_compiled.py").write_text(PROBLEM.replace("self.linear(x).relu()", only_compiled))
    results = results_of(tmp_path)
    assert [result["outcome"] for result in results] == [
        "captured", "captured", "captured", "refused", "refused", "refused", "captured", "refused", "failed", "failed",
    ]  # fmt: skip
    assert results[1]["graphs"] == ["forward", "backward"]
    page = importlib.import_module("zoo_page").page(results)
    assert f"| KernelBench level 1 | training | {results[0]['torch']} | 5 | 1 | 3 | 1 | 0 | 0 |" in page
    assert "| the same: there is no gradient to follow | kernelbench/level1/2_argmax (training) |" in page
    assert "| the same: the module itself is wrong | kernelbench/level1/4_overwritten (training) |" in page
    assert "| kernelbench/level1/5_only_compiled | inference |" in page


def test_a_folder_that_is_no_checkout_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match="give the path of a checkout of KernelBench"):
        importlib.import_module("zoo_modules").kernelbench(tmp_path)
