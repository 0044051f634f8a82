"""Code of every kind is captured for every target, those that a project defines included."""

from __future__ import annotations

import pytest
import torch
from torch.nn.attention.flex_attention import flex_attention

from kernelsnap import capture, virtual_device
from kernelsnap.golden.build import build_golden
from kernelsnap.model.why import Reason
from kernelsnap.targets.lookup import TARGETS, UnknownTargetError

GPUS = [name for name, entry in TARGETS.items() if entry.is_gpu]


def pointwise(device):
    return capture(lambda x: x.sin() + 1, torch.randn(1000, 128, device=device))


def reduction(device):
    return capture(torch.softmax, torch.randn(64, 4096, device=device), -1)


def matmul(device):
    x = torch.randn(256, 256, device=device, dtype=torch.bfloat16)
    return capture(lambda a, b: (a @ b).relu(), x, x)


def flex(device):
    shape = (1, 2, 256, 64)
    q, k, v = (torch.randn(shape, device=device, dtype=torch.bfloat16) for _ in range(3))
    return capture(lambda *qkv: flex_attention(*qkv, score_mod=lambda score, *_: score * 2), q, k, v)


KINDS = {
    pointwise: ["pointwise"],
    reduction: ["reduction"],
    matmul: ["pointwise"],
    flex: ["pointwise", "pointwise", "flex attention forward, Triton"],
}


def kernels(captured):
    return [kernel for graph in captured.graphs for kernel in graph.kernels]


def externs(captured):
    return [call.name for graph in captured.graphs for call in graph.calls if call.kind == "extern"]


def assert_made_for(entry, captured):
    """The generated code names the GPU that it is for, in the words of `torch._inductor`'s `DeviceProperties`."""
    architecture = f"cc={entry.arch!r}" if entry.backend == "cuda" else f"cc='{entry.arch}'"
    for kernel in kernels(captured):
        assert f"DeviceProperties(type='{entry.backend}', index=0, " in kernel.source
        assert f"multi_processor_count={entry.multi_processor_count}, {architecture}, " in kernel.source
        assert f"warp_size={entry.warp_size})" in kernel.source
        assert kernel.configs


@pytest.mark.parametrize("function", KINDS, ids=lambda function: function.__name__)
@pytest.mark.parametrize("name", GPUS)
def test_a_gpu(name, function):
    with virtual_device(name):
        captured = function("cuda")
    assert captured.target == name
    assert [kernel.kind for kernel in kernels(captured)] == KINDS[function]
    assert externs(captured) == (["extern_kernels.mm"] if function is matmul else [])
    assert_made_for(TARGETS[name], captured)


@pytest.mark.parametrize("function", KINDS, ids=lambda function: function.__name__)
def test_the_cpu(function):
    with virtual_device("cpu"):
        captured = function("cpu")
    assert captured.target == "cpu"
    assert {kernel.kind for kernel in kernels(captured)} == {"C++"}
    assert externs(captured) == (["extern_kernels.mm"] if function is matmul else [])


def test_a_gpu_that_the_project_defines(tmp_path, monkeypatch):
    (tmp_path / "pyproject.toml").write_text(
        '[tool.kernelsnap.targets.h100-pcie]\nbase = "h100"\nmulti_processor_count = 114\n'
    )
    monkeypatch.chdir(tmp_path)
    with virtual_device("h100-pcie") as entry:
        captured = pointwise("cuda")
    assert captured.target == "h100-pcie"
    assert entry.multi_processor_count == 114
    assert_made_for(entry, captured)


def test_a_gpu_that_another_project_defines(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(UnknownTargetError, match="h100-pcie"), virtual_device("h100-pcie"):
        pass


def test_kernels_of_the_cpu_have_reasons():
    x, w = torch.randn(64, 64), torch.randn(64, 64)
    with virtual_device("cpu"):
        golden = build_golden(capture(lambda x, w: (h := x.sin()) + (h @ w).exp(), x, w), "t.py::t")
    assert [(apart.pairs, apart.reason) for apart in golden.why[0].apart] == [((("k0", "k1"),), Reason.BETWEEN)]


def test_a_gpu_of_few_multiprocessors_tells_that_it_has_no_template_of_products():
    with virtual_device("l4"):
        x = torch.randn(512, 512, device="cuda")
        captured = capture(lambda a, b: (a @ b).relu(), x, x, mode="max-autotune-no-cudagraphs")
    said = [
        it.text for why in build_golden(captured, "t.py::test_x").why for it in why.decided if it.what == "products"
    ]
    assert said == [
        "calls into libraries: a GPU of 58 multiprocessors is too small or too old for Inductor's templates"
    ]
