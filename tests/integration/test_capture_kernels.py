"""Every kind of kernel that Inductor generates can be read, is counted right, and has a golden."""

from __future__ import annotations

import pytest
import torch
from packaging.version import Version
from torch import nn
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

from kernelsnap import capture
from kernelsnap.capture.launch_configs import launch_configs
from kernelsnap.golden.build import build_golden
from kernelsnap.golden.canonical import canonical
from kernelsnap.golden.format import parse, render
from on_gpu import randn

NO_HINTS = "'autotune_hints': " + ("()" if Version(torch.__version__) >= Version("2.15") else "set()")


pytestmark = pytest.mark.usefixtures("on_h100")


def indices(below, *shape):
    return torch.randint(0, below, shape, device="cuda")


def golden_of(captured):
    """The golden of a capture, after it was found to be complete, free of paths, and equal to its own text."""
    golden = build_golden(captured, "case")
    text = render(golden)
    assert parse(text) == golden
    assert canonical(golden) == golden
    assert golden.unjudged == ()
    for trace in ("/tmp", "torchinductor_", "kernel path", "Original path", ".py"):
        assert trace not in text
    written = sum(
        graph.text.count("stream=raw_stream0)") - graph.text.count("benchmark_gpu(") for graph in captured.graphs
    )
    launched = sum(
        call.kind == "launch" and languages[call.name] == "triton"
        for graph in captured.graphs
        for languages in [{kernel.name: kernel.language for kernel in graph.kernels}]
        for call in graph.calls
    )
    assert launched == written
    assert {kernel.name for graph in captured.graphs for kernel in graph.kernels} <= {
        call.name for graph in captured.graphs for call in graph.calls
    }
    return golden


def kinds(captured):
    return {kernel.kind for graph in captured.graphs for kernel in graph.kernels}


@pytest.mark.parametrize(
    ("fn", "inputs", "kernels", "kind"),
    [
        (lambda x: x.sin(), lambda: [randn(10)], 1, "pointwise"),
        (lambda x: x.sum(-1), lambda: [randn(8, 100000)], 2, "reduction"),
        (lambda x: torch.softmax(x, -1), lambda: [randn(64, 512)], 1, "persistent reduction"),
        (lambda x: torch.var_mean(x, -1), lambda: [randn(64, 100000)], 2, "reduction"),
        (lambda x: torch.cumsum(x, -1), lambda: [randn(64, 128)], 1, "persistent reduction"),
        (lambda x: torch.cumsum(x, 0), lambda: [randn(2_000_000)], 1, "split scan"),
        (lambda x: torch.logcumsumexp(x, -1), lambda: [randn(64, 128)], 1, "persistent reduction"),
        (lambda x: torch.sort(x, -1), lambda: [randn(64, 128)], 1, "persistent reduction"),
        (lambda a, b: torch._foreach_add(a, b), lambda: [[randn(10), randn(20)], [randn(10), randn(20)]], 1, "foreach"),
        (lambda x, i, v: x.index_put((i,), v, True), lambda: [randn(9), indices(9, 5), randn(5)], 2, "pointwise"),
        (lambda w, i: nn.functional.embedding(i, w).relu(), lambda: [randn(99, 8), indices(99, 4)], 1, "pointwise"),
        (lambda c, a, b: torch.addmm(c, a, b).relu(), lambda: [randn(8), randn(8, 8), randn(8, 8)], 1, "pointwise"),
        (lambda x: torch.fft.fft(x + 1).abs(), lambda: [randn(10)], 1, "pointwise"),
        (lambda x: x.to(torch.float8_e4m3fn), lambda: [randn(16, dtype=torch.bfloat16)], 1, "pointwise"),
        (lambda x: (x.sin() + 1).cpu().cos().cuda() * 2, lambda: [randn(10)], 3, "C++"),
    ],
)  # fmt: skip
def test_each_kind_of_kernel(fn, inputs, kernels, kind):
    captured = capture(fn, *inputs())
    golden_of(captured)
    assert captured.kernels == kernels
    assert kind in kinds(captured)


@pytest.mark.parametrize(
    ("config", "kind"),
    [
        ({"triton.force_cooperative_reductions": True}, "cooperative reduction"),
        ({"triton.multi_kernel": 2}, None),
        ({"triton.mix_order_reduction": True}, None),
        ({"triton.unique_kernel_names": False}, None),
        ({"triton.use_block_ptr": True}, None),
        ({"triton.use_tensor_descriptor": True}, None),
        ({"triton.descriptive_names": "inductor_node"}, None),
        ({"combo_kernels": True}, None),
        ({"memory_planning": True}, None),
        ({"nan_asserts": True}, None),
        ({"profiler_mark_wrapper_call": True}, None),
        ({"benchmark_harness": False}, None),
        ({"benchmark_kernel": True}, None),
        ({"comment_origin": True}, None),
        ({"coordinate_descent_tuning": True}, None),
    ],
    ids=str,
)
def test_settings_that_change_the_form_of_the_code(config, kind):
    def fn(x, w):
        return nn.functional.rms_norm(x, (x.shape[-1],), w)

    captured = capture(
        fn, randn(64, 4096, requires_grad=True), randn(4096, requires_grad=True), backward=True, config=config
    )
    golden = build_golden(captured, "case")
    assert parse(render(golden)) == golden
    assert captured.kernels >= 2
    assert kind is None or kind in kinds(captured)


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ("size_hints={'x': 65536}", "size_hints={'x': 64}"),
        ("min_elem_per_thread=0", "min_elem_per_thread=16"),
        (NO_HINTS, "'autotune_hints': {AutotuneHint.ONE_ELEMENT_PER_THREAD}"),
    ],
)
def test_a_hint_that_changes_the_launches_is_seen_there(old, new):
    (kernel,) = capture(torch.sin, randn(65536)).graphs[0].kernels
    assert old in kernel.source
    changed = kernel.source.replace(old, new)
    assert launch_configs(kernel.name, changed) != kernel.configs


def test_memory_planning_keeps_types_and_shapes():
    captured = capture(lambda x: ((x @ x).sin() @ x).cos() @ x, randn(64, 64), config={"memory_planning": True})
    golden_of(captured)
    written = [buffer for call in captured.graphs[0].calls for buffer in call.writes]
    assert {(buffer.dtype, buffer.shape) for buffer in written} == {("f32", ("64", "64"))}


def test_a_kernel_defined_once_and_launched_often():
    captured = capture(lambda *xs: torch.cat([nn.functional.gelu(x) for x in xs]), *[randn(10, 10) for _ in range(16)])
    golden_of(captured)
    assert len(captured.graphs[0].kernels) == 2  # one per alignment of where it writes
    assert captured.kernels == 16


def test_a_block_mask_launches_what_its_code_says():
    def fn():
        mask = create_block_mask(lambda b, h, q, k: q >= k, 1, 1, 1024, 1024, device="cuda")
        return mask.kv_num_blocks, mask.kv_indices, mask.full_kv_num_blocks, mask.full_kv_indices

    captured = capture(fn)
    golden_of(captured)
    assert captured.kernels == captured.text.count("stream=raw_stream0)")


def test_a_template_shows_its_tiles():
    q, k, v = (randn(2, 4, 256, 64, requires_grad=True) for _ in range(3))
    captured = capture(
        lambda q, k, v: flex_attention(q, k, v, score_mod=lambda s, b, h, i, j: s + (i - j)), q, k, v, backward=True
    )
    golden = golden_of(captured)
    (config,) = [c for c in golden.config if c.graph == "forward" and any("BLOCK_M" in f"{k}{v}" for k, v in c.meta)]
    assert config.configs
    (config,) = [c for c in golden.config if c.graph == "backward" and any("BLOCK_M1" in f"{k}{v}" for k, v in c.meta)]
    assert config.configs


def test_scaled_dot_product_attention():
    q, k, v = (randn(2, 4, 128, 64, dtype=torch.bfloat16, requires_grad=True) for _ in range(3))
    golden_of(capture(lambda q, k, v: nn.functional.scaled_dot_product_attention(q, k, v) * 2, q, k, v, backward=True))


def test_a_convolution_with_batch_norm():
    module = nn.Sequential(nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16), nn.ReLU()).cuda()
    captured = capture(module, randn(2, 3, 32, 32), backward=True)
    golden_of(captured)
    externs = [call.name for graph in captured.graphs for call in graph.calls if call.kind == "extern"]
    assert "extern_kernels.convolution" in externs


def test_both_branches_of_a_condition_are_shown():
    pred = torch.ones((), device="cuda", dtype=torch.bool)
    captured = capture(
        lambda p, x: torch.cond(p, lambda x: x.sin() + 1, lambda x: x.cos() * 2, (x,)), pred, randn(10, 10)
    )
    golden = golden_of(captured)
    assert captured.kernels == 2
    # if arg0.item():    buf0_selector = int(arg0.item())
    assert "arg0.item()" in golden.code[-1].text


def test_the_body_of_a_loop_counts_once():
    from torch._higher_order_ops import while_loop

    zero = torch.zeros((), device="cuda", dtype=torch.int64)
    captured = capture(
        lambda i, x: while_loop(lambda i, x: i < 5, lambda i, x: (i + 1, x.sin()), (i, x)), zero, randn(10, 10)
    )
    golden_of(captured)
    assert captured.kernels == 3


def test_a_region_compiled_once_runs_as_often_as_it_is_called():
    @torch.compiler.nested_compile_region
    def region(x):
        return torch.softmax(x.sin(), -1)

    captured = capture(lambda x: region(region(x)), randn(64, 64))
    assert captured.kernels == 2
    assert len(captured.graphs[0].kernels) == 1


def test_the_partitions_of_a_cuda_graph_run_in_order():
    captured = capture(lambda x: ((x.sin() + 1).cpu().cos().cuda() * 2).exp(), randn(10), mode="reduce-overhead")
    golden = golden_of(captured)
    assert "def partition_0(args):" in golden.code[-1].text
    assert [step.kind for step in golden.plan[0].steps] == ["pointwise", "extern", "C++", "extern", "pointwise"]


def test_the_optimizer_of_a_training_step():
    parameters = [randn(100, requires_grad=True) for _ in range(3)]
    for parameter in parameters:
        parameter.grad = torch.randn_like(parameter)
    optimizer = torch.optim.Adam(parameters, foreach=True, capturable=True)
    captured = capture(optimizer.step)
    golden_of(captured)
    assert "foreach" in kinds(captured)


@pytest.mark.parametrize("first", [lambda x: x.cos().sum(), lambda x: torch.softmax(x @ x, -1)])
def test_a_golden_does_not_depend_on_what_was_captured_before(first):
    def fn(x, w):
        return torch.softmax(nn.functional.layer_norm(x, (64,), w) @ x, -1)

    inputs = randn(64, 64, requires_grad=True), randn(64, requires_grad=True)
    alone = render(build_golden(capture(fn, *inputs, backward=True), "case"))
    capture(first, randn(64, 64))
    assert render(build_golden(capture(fn, *inputs, backward=True), "case")) == alone
