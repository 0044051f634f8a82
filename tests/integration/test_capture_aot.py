"""`capture_aot`: what AOTInductor generates, with no C++ compiled and no GPU."""

from __future__ import annotations

import subprocess

import pytest

pytest.importorskip("triton")

import torch
from torch.nn import functional

from kernelsnap import capture, capture_aot
from kernelsnap.capture.read.cpp_wrapper import with_cpp_wrapper
from kernelsnap.diff.compare import compare
from kernelsnap.errors import CaptureError, DataDependentError, NoKernelsError, NotOnDeviceError, UnreadableCodeError
from kernelsnap.golden.build import build_golden
from kernelsnap.golden.canonical import canonical
from kernelsnap.golden.format import parse, render
from kernelsnap.report.diff_text import failure_lines

pytestmark = pytest.mark.usefixtures("on_h100")


@pytest.fixture(autouse=True)
def _runs_no_compiler(monkeypatch):
    """Fail a test in which a compiler runs. torch asks `nvcc` for its version, and does without one."""

    class Popen(subprocess.Popen):
        def __init__(self, command, *args, **kwargs):
            assert list(command[1:]) == ["--version"], f"started {command}"
            super().__init__(command, *args, **kwargs)

    monkeypatch.setattr(subprocess, "Popen", Popen)


def randn(*shape):
    return torch.randn(*shape, device="cuda")


class Block(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(64, 64)

    def forward(self, x):
        return torch.softmax(self.linear(x).relu(), -1), x.sort(-1)[0]


def block():
    return Block().cuda()


def golden_of(*args, **options):
    golden = build_golden(capture_aot(*args, **options), "case")
    assert canonical(golden) == golden
    assert parse(render(golden)) == golden
    return golden


def steps(golden):
    return [(step.name, step.reads, tuple(buffer.name for buffer in step.writes)) for step in golden.plan[0].steps]


def host(golden):
    (text,) = (code.text for code in golden.code if code.name == "host")
    return text


def test_the_plan_and_the_cpp_of_a_block():
    golden = golden_of(block(), randn(8, 64))
    assert steps(golden) == [
        ("k0", ("arg0",), ("buf0",)),
        ("extern_kernels.mm", ("arg0", "linear_weight"), ("buf1",)),
        ("k1", ("buf1", "linear_bias"), ("buf2",)),
    ]
    assert golden.plan[0].outputs == ("buf2", "buf0")
    text = host(golden)
    assert 'constants_info_[0].original_fqn = "linear.weight";' in text
    # In this order, and with the names of the plan.
    lines = [line.strip() for line in text.splitlines()]
    wanted = ["k0(arg0, buf0, 8L, 64L);", "k1(buf2, linear_bias, 8L, 64L);", "output_handles[0] = buf2.release();"]
    assert [line for line in lines if line in wanted] == wanted
    (multiplied,) = [line for line in lines if "aoti_torch_cuda_mm_out(buf1, arg0, " in line]
    assert lines.index(wanted[0]) < lines.index(multiplied) < lines.index(wanted[1])
    # Nothing of this machine, and nothing that is the same in every module.
    assert not [word for word in ("/tmp", ".cubin", "#include", "AOTInductorModelContainer") if word in text]


def test_the_same_golden_again_and_another_one_for_another_setting():
    first, second = (golden_of(block(), randn(8, 64)) for _ in range(2))
    assert render(first) == render(second)
    split = golden_of(block(), randn(8, 64), config={"max_fusion_size": 1})
    text = "\n".join(failure_lines(compare(first, split), color=False))
    assert "fusion split" in text
    assert "1 kernel became 3" in text


def test_a_program_that_was_exported_before():
    program = torch.export.export(block(), (randn(8, 64),))
    assert render(golden_of(program)) == render(golden_of(block(), randn(8, 64)))
    with pytest.raises(CaptureError, match="is exported already"):
        capture_aot(program, randn(8, 64))


def test_dynamic_shapes():
    golden = golden_of(block(), randn(8, 64), dynamic_shapes={"x": {0: torch.export.Dim("batch")}})
    (batch,) = [size for buffer in golden.plan[0].inputs for size in buffer.shape or () if size != "64"]
    assert f"int64_t {batch} = " in host(golden)


def test_keyword_arguments_and_functions():
    golden = golden_of(lambda x, *, scale: (x * scale).sum(-1), randn(8, 64), scale=randn(64))
    assert steps(golden) == [("k0", ("arg0", "arg1"), ("buf0",))]


def attention(q):
    return functional.scaled_dot_product_attention(q, q, q).relu()


def constant(x):
    return x + torch.tensor([1.0, 2.0, 3.0], device="cuda")


TEMPLATES = {"max_autotune": True, "max_autotune_gemm_backends": "TRITON"}

# Functions whose host code has something of its own, and the calls of each.
CASES = {
    "attention": (
        lambda: capture_aot(attention, randn(2, 4, 64, 64).half()),
        ["torch.ops.aten._scaled_dot_product_cudnn_attention.default", "launch"],
    ),
    "convolution": (
        lambda: capture_aot(torch.nn.Sequential(torch.nn.Conv2d(3, 16, 3), torch.nn.ReLU()).cuda(), randn(2, 3, 9, 9)),
        ["launch", "launch", "extern_kernels.convolution", "launch"],
    ),
    "dropout": (
        lambda: capture_aot(lambda x: functional.dropout(x, 0.5), randn(64, 64)),
        ["aten.randint.low_out", "launch"],
    ),
    "workspace": (lambda: capture_aot(lambda x: x.cumsum(0).cos(), randn(640, 64)), ["launch"]),
    "two kernels": (lambda: capture_aot(lambda x: x.sum(), randn(4096, 4096)), ["launch", "launch"]),
    "mutation": (lambda: capture_aot(lambda x: x.add_(1), randn(64)), ["launch"]),
    "constant": (lambda: capture_aot(constant, randn(8, 3)), ["launch"]),
    "template": (lambda: capture_aot(lambda x: (x @ x).relu(), randn(256, 256), config=TEMPLATES), ["launch"]),
    "embedding": (
        lambda: capture_aot(torch.nn.Embedding(100, 64).cuda(), torch.ones(8, dtype=torch.int64, device="cuda")),
        ["launch"],
    ),
    "norm": (
        lambda: capture_aot(lambda x, w: functional.rms_norm(x, (512,), w), randn(64, 512), randn(512)),
        ["launch"],
    ),
}


@pytest.mark.parametrize("name", CASES)
def test_what_the_plan_holds(name):
    make, calls = CASES[name]
    captured = make()
    found = [call.kind if call.kind == "launch" else call.name for call in captured.graphs[0].calls]
    assert [call for call in found if not call.endswith("zero_")] == calls
    golden = build_golden(captured, "case")
    assert parse(render(golden)) == golden == canonical(golden)


def test_its_kernels_are_those_of_a_capture():
    x = randn(640, 64)
    ahead, just_in_time = (build_golden(make(lambda x: x.sin().sum(-1), x), "case") for make in (capture_aot, capture))
    assert ahead.config == just_in_time.config
    assert [code for code in ahead.code if code.name != "host"] == [c for c in just_in_time.code if c.name != "host"]
    assert [step.reads for step in ahead.plan[0].steps] == [step.reads for step in just_in_time.plan[0].steps]
    assert ahead.metrics == just_in_time.metrics
    assert "AOTInductorModel::run_impl" in host(ahead)


def test_what_is_refused():
    with pytest.raises(DataDependentError, match="writes the values of the parameter"):
        capture_aot(torch.nn.Linear(2, 2).cuda(), randn(8, 2))
    kept = {"always_keep_tensor_constants": True}
    capture_aot(torch.nn.Linear(2, 2).cuda(), randn(8, 2), config=kept, allow_no_kernels=True)
    with pytest.raises(NoKernelsError, match="allow_no_kernels=True"):
        capture_aot(torch.mm, randn(64, 64), randn(64, 64))
    with pytest.raises(NotOnDeviceError):
        capture_aot(lambda x: x + 1, torch.randn(8))
    with pytest.raises(CaptureError, match="use_runtime_constant_folding` is on"):
        capture_aot(block(), randn(8, 64), config={"aot_inductor.use_runtime_constant_folding": True})
    with pytest.raises(CaptureError, match="has no setting"):
        capture_aot(block(), randn(8, 64), config={"aot_inductor.no_such_setting": True})
    with pytest.raises(CaptureError, match="at least one among the arguments"):
        capture_aot(lambda: torch.ones(8, device="cuda").sin())


def test_cpp_that_does_something_else_is_an_error():
    captured = capture_aot(block(), randn(8, 64))
    (graph,) = captured.graphs
    for old, new in (
        ("aoti_torch_cuda_mm_out(", "aoti_torch_cuda_bmm_out("),
        ("    call_triton_per_fused_sort_0(", "    // call_triton_per_fused_sort_0("),
        ("    arg2_1.reset();\n", "    aoti_torch_cuda_sort(arg2_1);\n"),
    ):
        assert old in captured.text
        with pytest.raises(UnreadableCodeError, match="does something else than the plan"):
            with_cpp_wrapper(graph, captured.text.replace(old, new))
    with pytest.raises(UnreadableCodeError, match="0 functions AOTInductorModel::run_impl"):
        with_cpp_wrapper(graph, "")
