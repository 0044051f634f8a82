"""Why two steps are not one kernel, in Inductor's words, and what else it decided: recorded with every golden."""

from __future__ import annotations

import ast
import inspect
import re
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from typing import Any

import pytest

pytest.importorskip("triton")

import torch
import triton
import triton.language as tl
from torch._inductor import choices, scheduler
from torch._inductor.codegen import simd
from torch.nn import functional
from torch.nn.attention.flex_attention import flex_attention

from kernelsnap import capture
from kernelsnap.capture import private
from kernelsnap.capture.why.reasons import kind_of
from kernelsnap.diff.causes.cause_names import CauseName
from kernelsnap.diff.compare import compare
from kernelsnap.golden.build import build_golden
from kernelsnap.golden.format import parse, render
from kernelsnap.model.why import SETTING, Reason
from on_gpu import randn

pytestmark = pytest.mark.usefixtures("on_h100")


def recorded(fn, *args, **options):
    """The golden of a function, which is read back with its reasons."""
    golden = build_golden(capture(fn, *args, allow_no_kernels=True, **options), "tests/test_a.py::test_x")
    found = parse(render(golden))
    assert (found, found.why) == (golden, golden.why)
    return golden


@triton.jit
def double(x_ptr, y_ptr, n, BLOCK: tl.constexpr):  # noqa: N803
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y_ptr + at, 2 * tl.load(x_ptr + at, mask=at < n), mask=at < n)


def user_kernel(x):
    y = torch.empty_like(x)
    double[(4,)](x.relu(), y, 4096, BLOCK=1024)
    return y + 1


def mutation(x, y):
    x.add_(1)
    z = x[1:] * y
    x.mul_(2)
    return z


def graph_break(x):
    y = x.sin()
    torch._dynamo.graph_break()
    return y.softmax(-1), y[:10].cos()


def trained(x, w):
    return functional.layer_norm(x * w, (512,)).sum(0)


@dataclass(frozen=True)
class Program:
    """A function, its inputs, and for pairs of its steps why they are two, by graph."""

    fn: Callable[..., Any]
    inputs: Callable[[], tuple[Any, ...]]
    expected: dict[str, dict[str, Reason]]
    options: dict[str, Any] = field(default_factory=dict)


def one(**pairs: Reason) -> dict[str, dict[str, Reason]]:
    """The pairs of a function with one graph: `k0_k1`."""
    return {"inference": {pair.replace("_", " "): reason for pair, reason in pairs.items()}}


MAX_AUTOTUNE = {"mode": "max-autotune-no-cudagraphs", "config": {"max_autotune_gemm_backends": "TRITON"}}
PROGRAMS = {
    "sizes": Program(
        lambda x: (x + 1, x[:100].sin()), lambda: (randn(1000),), one(k0_k1=Reason.NO_SHARED_DATA)
    ),
    "reductions of other axes": Program(
        lambda x: (x.sum(0), x.sum(1)),
        lambda: (randn(512, 256),),
        one(k0_k1=Reason.NO_SHARED_DATA, k0_k2=Reason.NO_SHARED_DATA),
    ),
    "split reduction": Program(lambda x: x.sum(), lambda: (randn(1024, 2048),), one(k0_k1=Reason.SIZE)),
    "dynamic sizes": Program(
        lambda x, y: (x + 1).sum(-1) + y.sin().sum(0),
        lambda: (randn(64, 32), randn(100, 64)),
        one(k0_k1=Reason.SIZE),
        {"dynamic": True},
    ),
    "mutation": Program(mutation, lambda: (randn(64), randn(63)), one(k0_k1=Reason.NO_SHARED_DATA)),
    "template": Program(
        lambda x, w: (x @ w).softmax(-1), lambda: (randn(256, 256), randn(256, 256)), one(k0_k1=Reason.TEMPLATE),
        MAX_AUTOTUNE,
    ),
    "max_fusion_size": Program(
        lambda x: x.softmax(-1),
        lambda: (randn(64, 64),),
        one(k0_k1=Reason.MAX_SIZE, k0_k2=Reason.MAX_SIZE, k1_k2=Reason.MAX_SIZE),
        {"config": {"max_fusion_size": 1}},
    ),
    "library call": Program(
        lambda x, w: (h := x.sin()) + (h @ w).exp(), lambda: (randn(64, 64), randn(64, 64)), one(k0_k1=Reason.BETWEEN)
    ),
    "other dtypes and strides": Program(  # are no reason
        lambda x: (x.to(torch.float16) + 1, x.t().softmax(-1)), lambda: (randn(64, 64),), one()
    ),
    "no shared data": Program(lambda x, y: (x + 1, y.sum()), lambda: (randn(64), randn(70)), one()),
    "user Triton kernel": Program(
        user_kernel, lambda: (randn(4096),), one(k0_k1=Reason.USER_KERNEL, k1_k2=Reason.USER_KERNEL)
    ),
    "cat": Program(
        lambda x, y: torch.cat([x.softmax(-1), y.softmax(0)], 0) * 2,
        lambda: (randn(64, 64), randn(64, 64)),
        one(k0_k2=Reason.NO_SHARED_DATA, k1_k2=Reason.NO_SHARED_DATA),
    ),
    "foreach": Program(
        lambda a, b: torch._foreach_add([a, b], 1.0)[0].sum(),
        lambda: (randn(64), randn(100)),
        one(k0_k1=Reason.FOREACH),
    ),
    "scan": Program(
        lambda x: (x.cumsum(-1), x.sum(-1)),
        lambda: (randn(4, 200000),),
        one(k0_k1=Reason.SIZE, k0_k2=Reason.SCAN),
    ),
    "graph break": Program(
        graph_break, lambda: (randn(64, 64),), {"inference.0": {}, "inference.1": {"k0 k1": Reason.NO_SHARED_DATA}}
    ),
    "training step": Program(
        trained,
        lambda: (randn(4096, 512, requires_grad=True), randn(512, requires_grad=True)),
        {graph: {"k0 k1": Reason.NO_SHARED_DATA, "k1 k2": Reason.NO_SHARED_DATA} for graph in ("forward", "backward")},
        {"backward": True},
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_each_boundary_has_the_reason_that_inductor_gives(name):
    program = PROGRAMS[name]
    golden = recorded(program.fn, *program.inputs(), **program.options)
    found = {plan.graph: {} for plan in golden.plan}
    for why in golden.why:
        for apart in why.apart:
            found[why.graph] |= {" ".join(pair): apart.reason for pair in apart.pairs}
    assert found == program.expected
    # None is left to the prose.
    assert Reason.OTHER not in {reason for pairs in found.values() for reason in pairs.values()}


def sentences(module):
    """The reasons that a module of Inductor's gives, without the values in them."""
    for node in ast.walk(ast.parse(inspect.getsource(module))):
        if isinstance(node, ast.Call) and node.args and isinstance(node.args[0], ast.Constant):
            callee = node.func.func if isinstance(node.func, ast.Call) else node.func
            if isinstance(callee, ast.Name) and callee.id in ("why", "WhyNoFuse"):
                yield node.args[0].value


def test_every_sentence_of_this_torch_has_a_kind():
    found = [text for module in (scheduler, simd, choices) for text in sentences(module)]
    assert len(found) > 40
    assert not [text for text in found if kind_of(text) is Reason.OTHER]


def test_a_reason_names_the_setting_that_it_compares_with():
    golden = recorded(lambda x: x.softmax(-1), randn(64, 64), config={"max_fusion_size": 1})
    (apart,) = golden.why[0].apart
    assert apart.text == "exceeds max fusion (max_fusion_size 1)"


def test_sizes_in_a_reason_are_called_as_in_the_plan():
    golden = recorded(lambda x, y: (x + 1).sum(-1) + y.sin().sum(0), randn(64, 32), randn(100, 64), dynamic=True)
    sizes = {size for buffer in golden.plan[0].inputs for size in buffer.shape or ()}
    (apart,) = golden.why[0].apart
    words = apart.text.replace("(", " ").replace(")", " ").replace(",", " ").split()
    assert {word for word in words if word[0] == "s" and word[1:].isdecimal()} == sizes


def test_each_reduction_has_its_kind_and_its_split():
    golden = recorded(lambda x: x.sum(), randn(1024, 2048))
    said = [(it.kernel, it.what, it.text) for it in golden.why[0].decided if it.what != "tiling"]
    assert said == [
        ("k0", "reduction", "in a loop, hint inner: persistent up to 1024 elements"),
        ("k0", "split", "in 256 parts, hint inner: 1 output, each of 2097152 elements, would not fill the GPU"),
        ("k1", "reduction", "persistent, hint inner"),
    ]


def decided(what, fn, *args, **options):
    """The texts about kernels or the graph that are of one sort."""
    graphs = recorded(fn, *args, **options).why
    return [(it.kernel, it.text) for why in graphs for it in why.decided if it.what == what]


@pytest.mark.parametrize(
    ("options", "hint"),
    [
        ({}, "hint outer: persistent up to 64 elements"),
        ({"config": {"triton.persistent_reductions": False}}, "hint outer: triton.persistent_reductions is off"),
        ({"config": {"triton.multi_kernel": 1}}, "hint outer: persistent up to 1024 elements"),
        ({"dynamic": True}, "hint outer: its size is dynamic"),
    ],
)
def test_a_reduction_in_a_loop_has_the_size_up_to_which_it_would_be_persistent(options, hint):
    config = {"split_reductions": False, **options.pop("config", {})}
    said = decided("reduction", lambda x: x.sum(0), randn(3000, 512), config=config, **options)
    assert said == [("k0", f"in a loop, {hint}")]


def test_of_a_split_with_dynamic_sizes_the_first_stage_tells():
    said = decided("split", lambda x: x.sum(0), randn(2048, 4097), dynamic=True)
    assert said == [("k0", "in 16 parts, hint outer: s1 outputs, each of s0 elements, would not fill the GPU")]


CONV = (functional.conv2d, lambda: (randn(8, 64, 56, 56), randn(64, 64, 3, 3)))
COPIED = "channels last, for aten.convolution.default; copied, what it reads is contiguous"
BACK = "contiguous, for an output of the graph; copied, what it reads is channels last"
LAYOUTS = {
    "channels last": (*CONV, {}, [("k0", COPIED), ("k1", COPIED), ("k2", BACK)]),
    "setting off": (*CONV, {"config": {"layout_optimization": False}}, []),
    "computed in this order": (
        lambda x, w: functional.conv2d(x.relu(), w, groups=64).relu(),
        lambda: (randn(8, 64, 56, 56), randn(64, 1, 3, 3)),
        {},
        [("k0", "channels last, for aten.convolution.default")],
    ),
    "one dimension": (
        lambda x, w: functional.conv1d(x.relu().transpose(1, 2), w),
        lambda: (randn(2, 64, 8), randn(8, 8, 3)),
        {},
        [("k0", "contiguous, for aten.convolution.default; copied, what it reads is dimensions in the order 0 2 1")],
    ),
    "as_strided": (
        lambda x: torch.as_strided(x.t() + 1, (32, 64), (1, 32)),
        lambda: (randn(64, 32),),
        {},
        [("k0", "dimensions in the order 1 0, for aten.as_strided.default")],
    ),
    "user kernel": (
        lambda x: user_kernel((x + 1).t()).relu(),
        lambda: (randn(64, 64),),
        {},
        [
            ("k0", "dimensions in the order 1 0, for triton_kernel_wrapper_mutation"),
            ("k2", "dimensions in the order 1 0, for an output of the graph"),
        ],
    ),
    "nothing to tell": (lambda x, w: (x.relu() @ w).exp(), lambda: (randn(64, 64), randn(64, 64)), {}, []),
}


@pytest.mark.parametrize(("fn", "inputs", "options", "said"), LAYOUTS.values(), ids=LAYOUTS)
def test_a_kernel_that_stores_for_another_has_what_asked_for_the_layout(fn, inputs, options, said):
    assert decided("layout", fn, *inputs(), **options) == said


@pytest.mark.parametrize(
    ("options", "channels", "said"),
    [
        ({}, 64, ["channels last (layout_optimization is on)"]),
        ({"config": {"layout_optimization": False}}, 64, ["as their inputs are (layout_optimization is off)"]),
        (
            {"backward": True},
            64,
            ["as their inputs are: Skip layout opt because all convolution channels are too small"],
        ),
        ({"backward": True}, 128, ["channels last (layout_optimization is on)"]),
    ],
)
def test_a_graph_tells_how_its_convolutions_are_laid_out(options, channels, said):
    x, w = randn(2, channels, 16, 16), randn(channels, channels, 3, 3, requires_grad="backward" in options)
    found = decided("convolutions", lambda x, w: functional.conv2d(x.relu(), w), x, w, **options)
    assert found == [("", text) for text in said]


def test_rows_that_are_padded_have_their_length():
    said = decided("padding", lambda x: x.softmax(-1).exp().sum(0) @ x.t(), randn(2048, 4097))
    assert said == [("k1", "rows of 4097 elements are stored 4128 apart")]


PRODUCT = "max-autotune-no-cudagraphs"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "calls into libraries: neither max_autotune nor max_autotune_gemm is on"),
        (
            {"mode": PRODUCT, "config": {"max_autotune_gemm_backends": "ATEN"}},
            "calls into libraries: max_autotune_gemm_backends is ATEN",
        ),
        (
            {"mode": PRODUCT, "dtype": torch.float64},
            "calls into libraries: Inductor has no template for f64",
        ),
        (
            {"mode": PRODUCT, "config": {"max_autotune_gemm_backends": "TRITON"}},
            "mm: triton_mm of 21 candidates by a rule in place of timing: the first of them, there is no library's",
        ),
        ({"mode": PRODUCT}, "mm: library mm of 22 candidates by a rule in place of timing: the library's comes first"),
    ],
)
def test_a_matrix_product_tells_why_it_is_a_library_call_or_a_template(options, said):
    dtype = options.pop("dtype", torch.float32)
    inputs = randn(512, 512, dtype=dtype), randn(512, 512, dtype=dtype)
    ((_, found),) = decided("products", lambda x, w: (x @ w).relu(), *inputs, **options)
    assert re.sub(r"of \d+ candidates", "of N", found) == re.sub(r"of \d+ candidates", "of N", said)


FLEX = {
    "long": (((2, 8, 512, 64), (2, 8, 512, 64)), {}, "no decoding: 512 queries, it takes 1 to 127"),
    "short": (((2, 8, 1, 64), (2, 8, 512, 64)), {}, "short enough for decoding"),
    "groups of 3": (
        ((2, 6, 1, 64), (2, 2, 512, 64)),
        {"enable_gqa": True},
        "no decoding: 6 query heads for 2 of keys, it takes a power of two for each",
    ),
    "option": (
        ((2, 8, 1, 64), (2, 8, 512, 64)),
        {"kernel_options": {"FORCE_USE_FLEX_ATTENTION": True}},
        "no decoding: FORCE_USE_FLEX_ATTENTION is set",
    ),
    "backend": (
        ((2, 8, 1, 64), (2, 8, 512, 64)),
        {"kernel_options": {"BACKEND": "TRITON"}},
        "short enough for decoding, but kernel_options ask for another template",
    ),
}


@pytest.mark.parametrize(("shapes", "options", "said"), FLEX.values(), ids=FLEX)
def test_flex_attention_tells_why_it_does_not_decode(shapes, options, said):
    q, k = (randn(*shape, dtype=torch.bfloat16) for shape in shapes)
    assert decided("flex", lambda q, k: flex_attention(q, k, k, **options), q, k) == [("", said)]


@pytest.mark.parametrize(
    ("config", "text"),
    [
        ({}, "bytes that are coalesced along each: x 3145728, y 1048576"),
        (
            {"triton.prefer_nd_tiling": True},
            "candidates and scores: y 512, x 512, r0 1: 1048576; x 262144, r0 1: 0",
        ),
    ],
)
def test_a_tiling_has_what_it_was_chosen_by(config, text):
    golden = recorded(lambda x, y: x + y.t(), randn(512, 512), randn(512, 512), config=config)
    assert [(it.kernel, it.text) for it in golden.why[0].decided if it.what == "tiling"] == [("k0", text)]


def test_passes_patterns_and_decompositions_are_counted():
    golden = recorded(lambda x: functional.gelu(x.softmax(-1)).softmax(-1), randn(64, 64))
    fired = {it.kind: dict(it.times) for it in golden.why[0].fired}
    assert fired["patterns"] == {"prepare_softmax_pattern": 2}
    assert fired["decompositions"]["aten._softmax.default"] == 2
    assert fired["decompositions"]["aten.gelu.default"] == 1
    assert fired["passes"]


def test_what_was_compiled_before_changes_no_reason():
    def fn(x):
        return functional.gelu(x.softmax(-1)).sum(0)

    first = recorded(fn, randn(64, 64))
    recorded(lambda x, w: functional.dropout(x @ w, 0.5).softmax(-1), randn(64, 64), randn(64, 64))
    assert recorded(fn, randn(64, 64)).why == first.why


@pytest.mark.parametrize(
    ("dtype", "masked", "said"),
    [
        (torch.bfloat16, False, "cuDNN is taken, before flash, efficient, math is asked"),
        (
            torch.float32,
            True,
            "efficient is taken; cuDNN wants one dtype, float16 or bfloat16 (it is float32); flash wants no mask",
        ),
    ],
)
def test_an_attention_backend_has_the_conditions_that_failed_for_those_before_it(dtype, masked, said):
    q, k, v = (randn(2, 4, 64, 64, dtype=dtype) for _ in range(3))
    mask = randn(64, 64, dtype=dtype) if masked else None
    golden = recorded(lambda *inputs: functional.scaled_dot_product_attention(*inputs, attn_mask=mask), q, k, v)
    assert [it.text for it in golden.why[0].decided if it.what == "attention"] == [said]


def test_a_torch_without_these_names_gives_a_golden_without_that_part(monkeypatch):
    gone = replace(private.REFUSED_FUSION, name="not_there")
    monkeypatch.setattr(private, "REFUSED_FUSION", gone)
    golden = recorded(lambda x: x.sum(), randn(1024, 2048))
    assert [why.apart for why in golden.why] == [()]
    assert golden.why[0].decided


def test_a_capture_answers_as_its_golden_does():
    captured = capture(lambda x: x.sum(), randn(1024, 2048))
    assert captured.why("k0", "k1").splitlines()[:3] == [
        "inference: k0 (reduction, x 256  r0 8192) and k1 (persistent reduction, x 1  r0 256)",
        "  k0 writes buf0, and k1 reads it",
        '  size: Inductor says "numel/rnumel mismatch (reduce) (256, 1), (8192, 256)"',
    ]
    assert captured.why("k1", "k0").splitlines()[3:] == captured.why("k0", "k1").splitlines()[3:]
    assert "    k0: reduction: in a loop, hint inner: persistent up to 1024 elements\n" in captured.why()
    assert "  split: in 256 parts" in captured.why("k0")
    with pytest.raises(ValueError, match="no graph has k0 and k7"):
        captured.why("k0", "k7")
    with pytest.raises(ValueError, match="name two different steps"):
        captured.why("k0", "k0")


ADVICE = {
    "split": (lambda x: x.sum(), lambda: (randn(1024, 2048),), ("k0",), {"split_reductions": False}),
    "loop": (lambda x: x.softmax(-1), lambda: (randn(64, 4096),), ("k0",), {"triton.multi_kernel": 1}),
    "both axes": (
        lambda x: (x.sum(0), x.sum(1)),
        lambda: (randn(2048, 512),),
        ("k0", "k2"),
        {"triton.mix_order_reduction_non_strict_mode": True},
    ),
    "convolution": (*CONV, ("k0",), {"layout_optimization": False}),
    "padding": (
        lambda x: x.softmax(-1).exp().sum(0) @ x.t(), lambda: (randn(2048, 4097),), ("k1",),
        {"comprehensive_padding": False},
    ),
    "library": (
        lambda x, w: (x @ w).relu(),
        lambda: (randn(512, 512), randn(512, 512)),
        ("k0", "extern_kernels.mm"),
        {"max_autotune_gemm": True, "max_autotune_gemm_backends": "TRITON"},
    ),
    "nothing shared": (
        lambda x, y: (x.sin(), y.cos()), lambda: (randn(64), randn(100)), ("k0", "k1"), {"combo_kernels": True}
    ),
    "size": (
        lambda x: x.softmax(-1), lambda: (randn(64, 64),), ("k0", "k1"), {"max_fusion_size": 64}, {"max_fusion_size": 1}
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", ADVICE)
def test_what_it_advises_changes_the_code(name):
    fn, inputs, steps, advised, *config = ADVICE[name]
    config = config[0] if config else {}
    answer = capture(fn, *inputs(), config=config).why(*steps)
    assert all(setting in answer for setting in advised)
    before, after = (recorded(fn, *inputs(), config=settings) for settings in (config, config | advised))
    assert replace(after, why=()) != replace(before, why=())


def pointwise_after_a_sum(x):
    return x.sum(-1), x.cos()


def causes(old, new):
    return [(cause.name, finding) for cause in compare(old, new).causes for finding in cause.findings]


def test_a_cause_leads_with_the_reason_of_the_side_that_is_not_fused():
    fused = recorded(pointwise_after_a_sum, randn(10, 10))
    split = recorded(pointwise_after_a_sum, randn(10, 10), config={"max_fusion_size": 1})
    ((name, finding),) = causes(fused, split)
    assert name is CauseName.FUSION_SPLIT
    assert finding.evidence == (
        'k0, k1 no longer fused: Inductor says "exceeds max fusion (max_fusion_size 1)": '
        "k0 (persistent reduction) -> k0 (persistent reduction), k1 (pointwise)"
    )
    ((name, finding),) = causes(split, fused)
    assert name is CauseName.FUSION_MERGE
    assert finding.evidence.startswith(
        'k0, k1 now fused: before, Inductor said "exceeds max fusion (max_fusion_size 1)": '
    )
    # What is alike is decided by the kind of the reason, and not by its words.
    other = replace(split.why[0].apart[0], text="in other words")
    reworded = replace(split, why=(replace(split.why[0], apart=(other,)),))
    assert causes(fused, reworded)[0][1].pattern == causes(fused, split)[0][1].pattern
    sized = replace(split, why=(replace(split.why[0], apart=(replace(other, reason=Reason.SIZE),)),))
    assert causes(fused, sized)[0][1].pattern != causes(fused, split)[0][1].pattern


def test_a_cause_of_goldens_without_reasons_is_as_before():
    fused, split = (
        replace(recorded(pointwise_after_a_sum, randn(10, 10), config=config), why=())
        for config in ({}, {"max_fusion_size": 1})
    )
    ((_, finding),) = causes(fused, split)
    assert finding.evidence == "k0 (persistent reduction) -> k0 (persistent reduction), k1 (pointwise)"


def test_kernels_that_were_two_before_are_no_reason_for_a_split():
    def before(x, y):
        return x.sum(-1), x.cos(), y.sum()

    old = recorded(before, randn(10, 10), randn(4096, 4096))
    new = recorded(before, randn(10, 10), randn(4096, 4096), config={"max_fusion_size": 1})
    assert len(old.why[0].apart) == 1
    (text,) = [finding.evidence for _, finding in causes(old, new)]
    assert text.count("Inductor says") == 1
    assert "max_fusion_size" in text


def operations(golden, graph="inference"):
    (why,) = (why for why in golden.why if why.graph == graph)
    return {operation.name: operation for operation in why.operations}


def test_the_operations_that_kernels_are_made_of_are_recorded_with_those_kernels():
    def block(x, weight, bias):
        return functional.gelu(functional.layer_norm(x @ weight, (32,)) + bias)

    found = operations(recorded(block, randn(8, 16), randn(16, 32), randn(32)))
    assert [op.expression for op in found.values() if op.target == "input"] == ["input()"] * 3
    assert (found["mm"].expression, found["mm"].result, found["mm"].steps) == ("mm(%arg0_1, %arg1_1)", "f32[8, 32]", ())
    assert (found["erf"].origin, found["erf"].steps) == ("gelu", ("k0",))
    assert found["rsqrt"].origin == "native_layer_norm"
    assert found["output"].expression.startswith("output(%")


def test_backward_names_what_it_takes_of_forward_as_forward_does():
    golden = recorded(lambda x, y: (x * y).exp().sum(), *(randn(8, requires_grad=True) for _ in "xy"), backward=True)
    forward, backward = (operations(golden, graph) for graph in ("forward", "backward"))
    taken = [name for name, op in backward.items() if op.target == "input" and not name.startswith("tangents")]
    assert taken
    assert set(taken) <= set(forward)


def test_functions_of_attention_and_kernels_of_the_user_are_operations():
    query = randn(1, 2, 128, 64)
    attention = operations(recorded(lambda q: flex_attention(q, q, q, score_mod=lambda s, b, h, i, j: s + i), query))
    assert attention["sdpa_score0/add"].expression == "add.Tensor(%sdpa_score0/arg0_1, %sdpa_score0/arg3_1)"
    assert "%sdpa_score0" in attention["flex_attention"].expression
    written = operations(recorded(user_kernel, randn(4096)))
    (call,) = (op for op in written.values() if op.target.startswith("triton_kernel_wrapper"))
    assert "kernel_idx='double'" in call.expression
    assert "BLOCK: 1024" in call.expression


def test_strides_of_inputs_and_symbolic_sizes_are_recorded():
    found = operations(recorded(lambda x: x + 1, randn(8, 16).t()))
    assert found["arg0_1"].result == "f32[16, 8] strides [1, 16]"
    dynamic = operations(recorded(lambda x: x.sum(1), randn(8, 16), dynamic=True))
    assert {dynamic["arg0_1"].result, dynamic["arg1_1"].result} == {"int"}
    assert re.fullmatch(r"f32\[s\d+, s\d+\]", dynamic["arg2_1"].result)


@pytest.mark.parametrize(
    ("new", "causes"),
    [
        (lambda x, w: (x @ w).relu().mean(1), {CauseName.OPERATIONS}),
        (lambda x, w: ((x @ w) * 3).sigmoid().mean(1), {CauseName.CONSTANTS}),
        (lambda x, w: ((x @ w) * 2).sigmoid().mean(0), {CauseName.SHAPES}),
        (lambda x, w: ((x.double() @ w.double()) * 2).sigmoid().mean(1).float(), {CauseName.DTYPE}),
        (lambda x, w: ((x.cos() @ w) * 3).sigmoid().mean(1), {CauseName.OPERATIONS, CauseName.CONSTANTS}),
    ],
)
def test_causes_of_another_program_are_those_of_its_operations(new, causes):
    inputs = randn(64, 80), randn(80, 96)
    old = recorded(lambda x, w: ((x @ w) * 2).sigmoid().mean(1), *inputs)
    assert {cause.name for cause in compare(old, recorded(new, *inputs)).causes} == causes


def settings(golden):
    return [[decided.text for decided in why.decided if decided.what == SETTING] for why in golden.why]


def test_the_settings_that_somebody_asked_for_are_recorded_of_each_graph():
    asked = {"max_fusion_size": 3, "external_matmul": [double.fn], "deterministic": True}
    x = randn(64, 64, requires_grad=True)
    with torch._functorch.config.patch(activation_memory_budget=0.5), torch._inductor.config.patch(size_asserts=False):
        golden = recorded(lambda x: (x.sin() @ x).sum(), x, backward=True, config=asked)
    forward, backward = settings(golden)
    assert [text for text in forward if not text.startswith("external_matmul")] == [
        "deterministic = True", "max_fusion_size = 3", "size_asserts = False",
        "functorch.activation_memory_budget = 0.5",
    ]  # fmt: skip
    assert set(backward) == set(forward) - {"deterministic = True"}  # torch sets it back before it compiles backward
    (function,) = set(forward) & set(backward) - {text for text in forward if " = [<" not in text}
    assert re.fullmatch(r"external_matmul = \[<function double>\]", function)


def test_a_torch_that_does_not_tell_its_defaults_gives_no_settings(monkeypatch):
    monkeypatch.setattr(private, "OF_SETTINGS", (private.Name("torch._inductor.config", "no_such_name"),))
    assert settings(recorded(lambda x: x.sin(), randn(64), config={"max_fusion_size": 3})) == [[]]
