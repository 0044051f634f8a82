"""The same golden in every process: whatever its hash seed, folder, caches, and what is in its environment."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest
import torch

from kernelsnap import capture, virtual_device
from kernelsnap.golden.build import build_golden
from kernelsnap.golden.format import render

SOURCE = Path(__file__).parents[2] / "src"

SCRIPT = """
import sys, torch
from kernelsnap import capture, virtual_device
from kernelsnap.golden.build import build_golden
from kernelsnap.golden.format import render

def fn(x, w):
    y = torch.softmax(torch.nn.functional.layer_norm(x, (64,), w) @ x, -1)
    return y, {"cumsum": torch.cumsum(y, 0), "other": y.var(0)}

for target, device in (("h100", "cuda"), ("cpu", "cpu")):
    with virtual_device(target):
        x = torch.randn(64, 64, device=device, requires_grad=True)
        w = torch.randn(64, device=device, requires_grad=True)
        print(render(build_golden(capture(fn, x, w, backward=True), "case")))
"""


def run(folder, **environment):
    return subprocess.Popen(
        [sys.executable, "-W", "ignore", "-c", SCRIPT],
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(SOURCE), **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.starts_processes
def test_two_processes_with_nothing_in_common(tmp_path):
    (tmp_path / "other").mkdir()
    first = run(tmp_path, PYTHONHASHSEED="1", TORCHINDUCTOR_CACHE_DIR=str(tmp_path / "cache"))
    second = run(
        tmp_path / "other",
        PYTHONHASHSEED="2",
        TORCHINDUCTOR_CACHE_DIR=str(tmp_path / "other" / "cache"),
        # What would show, were the processor asked: without vector instructions, with other numbers of threads.
        ATEN_CPU_CAPABILITY="default",
        OMP_NUM_THREADS="1",
        TORCHINDUCTOR_MAX_AUTOTUNE_POINTWISE="0",
    )
    texts = []
    for process in (first, second):
        out, error = process.communicate()
        assert process.returncode == 0, error
        texts.append(out)
    assert texts[0] == texts[1]
    assert texts[0].count("kernelsnap 1\n") == 2
    for trace in (str(tmp_path), "/tmp", "torchinductor", "backend_hash"):
        assert trace not in texts[0]


def test_the_cpu_target_is_avx2_on_every_machine(monkeypatch):
    from torch._inductor import cpu_vec_isa

    def fn(x):
        return torch.softmax(x, -1)

    def golden():
        with virtual_device("cpu"):
            return render(build_golden(capture(fn, torch.randn(64, 64)), "case"))

    here = golden()
    monkeypatch.setattr(cpu_vec_isa, "valid_vec_isa_list", list)
    monkeypatch.setattr(torch, "get_num_threads", lambda: 3)
    assert golden() == here
    assert "at::vec::Vectorized<float>" in here
    assert "k0  C++" in here


@pytest.mark.skipif(torch.cuda.is_available(), reason="this machine's own target is its GPU")
def test_outside_a_virtual_device_the_code_of_this_machine_runs():
    x = torch.randn(64, requires_grad=True)
    captured = capture(torch.sin, x, backward=True)
    assert captured.target == "cpu"
    assert [graph.phase for graph in captured.graphs] == ["forward", "backward"]
    assert captured.kernels == 2
    torch.testing.assert_close(x.grad, x.cos())
