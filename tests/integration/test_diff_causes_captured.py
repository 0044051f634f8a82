"""Causes of changes that were captured on the virtual device: each pair of settings or programs names what differs."""

from __future__ import annotations

import pytest
import torch
from torch.nn import functional
from torch.nn.attention.flex_attention import flex_attention
from torch.utils.checkpoint import checkpoint

from kernelsnap import capture, virtual_device
from kernelsnap.diff.compare import compare
from kernelsnap.golden.build import build_golden

LAST = torch.channels_last


def tensor(*shape, dtype=torch.float32, grad=False, layout=torch.contiguous_format):
    made = torch.randn(*shape, device="cuda", dtype=dtype).to(memory_format=layout)
    return made.requires_grad_(grad)


def golden(function, arguments, config=None, backward=False, target="h100"):
    torch._dynamo.reset()
    with virtual_device(target):
        captured = capture(function, *arguments(), config=config or {}, backward=backward, allow_no_kernels=True)
    return build_golden(captured, "case")


def causes(old, new):
    return {str(cause.name): [finding.evidence for finding in cause.findings] for cause in compare(old, new).causes}


def rows():
    return (tensor(256, 256),)


def two():
    return tensor(256, 256), tensor(256, 256)


def far_apart(first, last):
    """Two changes with kernels and a matrix multiplication between them that stay as they are."""

    def function(x, w):
        h = torch.softmax(x * first(x).sum(-1, keepdim=True), -1).sum(0, keepdim=True)
        return last((x - h) @ w).sum(-1)

    return function


@pytest.mark.parametrize(
    ("arguments", "old", "new"),
    [
        (rows, lambda x: x.sum(-1), lambda x: x.double().sum(-1).float() * 0.5),
        (rows, lambda x: x.sin(), lambda x: x.double().sin().float() + 1),
        (rows, lambda x: x.amax(0), lambda x: (x.double() * 2).amax(0).float()),
        (rows, lambda x: torch.softmax(x, -1), lambda x: torch.softmax(x.double(), -1).float().relu()),
        (two, far_apart(functional.relu, torch.cos),
         far_apart(lambda x: functional.relu(x) * 0.5, lambda h: torch.cos(h.double()).float())),
    ],
)  # fmt: skip
def test_precision_is_named_whatever_else_changed(arguments, old, new):
    assert set(causes(golden(old, arguments), golden(new, arguments))) == {"operations", "dtype"}


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (lambda x, w: (x @ w) * x, lambda x, w: (x @ w) * w),
        (lambda x, w: (x @ w) @ x, lambda x, w: (x @ w) @ w),
        (lambda x, w: (x * w).softmax(-1) @ w, lambda x, w: (x * w).softmax(-1) @ x),
        (lambda x, w: torch.relu(x @ w) - x, lambda x, w: torch.relu(x @ w) - w),
    ],
)
def test_another_operand_of_the_same_kernel_is_another_operation(old, new):
    assert set(causes(golden(old, two), golden(new, two))) == {"operations"}


def test_inputs_in_another_order_are_no_other_operands():
    old = golden(lambda x, w: torch.relu(x @ w) - x, two)
    new = golden(lambda w, x: torch.relu(x @ w) - x, two)
    assert set(causes(old, new)) <= {"host"}


def products(x, w):
    return torch.sigmoid((torch.relu(x @ w) + 1) @ w) * 2


@pytest.mark.parametrize(
    ("function", "arguments", "config"),
    [
        (products, two, {"inplace_buffers": False}),
        (lambda x, w: torch.softmax(x @ w, -1), two, {"inplace_buffers": False}),
        (lambda x: torch.softmax(x.exp().sin(), -1), rows, {"realize_opcount_threshold": 2}),
    ],
)
def test_where_a_result_is_written_is_in_placing(function, arguments, config):
    assert set(causes(golden(function, arguments), golden(function, arguments, config))) == {"in-placing"}


def attention_heads(q, k, a, b, cos, sin):
    def turned(x):
        first, second = x.chunk(2, -1)
        return torch.cat((first * cos - second * sin, second * cos + first * sin), -1)

    return torch.cat((turned(functional.rms_norm(q, (64,), a)), turned(functional.rms_norm(k, (64,), b))), 1)


def heads():
    return (
        tensor(2, 8, 128, 64), tensor(2, 4, 128, 64), tensor(64), tensor(64), tensor(128, 32), tensor(128, 32)
    )  # fmt: skip


def test_a_cat_that_is_no_longer_inlined_splits_kernels():
    old, new = golden(attention_heads, heads), golden(attention_heads, heads, {"max_complex_pointwise_cat_inputs": 1})
    assert set(causes(old, new)) == {"fusion-split"}
    assert set(causes(new, old)) == {"fusion-merge"}


@pytest.mark.parametrize("after", [functional.relu, functional.gelu, torch.sigmoid])
def test_a_layout_copy_is_indexing_in_training_as_in_inference(after):
    def function(x, w):
        return after(functional.conv2d(x, w, padding=1))

    def sides(grad):
        for layout in (torch.contiguous_format, LAST):
            yield golden(
                function,
                lambda layout=layout: (
                    tensor(2, 16, 32, 32, grad=grad),
                    tensor(16, 16, 3, 3, grad=grad, layout=layout),
                ),
                backward=grad,
            )

    assert "indexing" in causes(*sides(False))
    trained = set(causes(*sides(True)))
    assert "indexing" in trained
    assert trained <= {"indexing", "tiling"}


@pytest.mark.parametrize(
    "function",
    [
        lambda x: torch.softmax(x, -1),
        lambda x: torch.log_softmax(x.sin(), -1),
        lambda x: torch.softmax(x, -1) * x,
    ],
)
def test_softmax_in_two_passes_is_one_finding(function):
    found = causes(golden(function, rows), golden(function, rows, {"online_softmax": False}))
    assert found == {"operations": ["setting online_softmax default -> False: softmax in two passes over its input"]}


def test_the_evidence_about_an_input_of_a_changed_kernel_has_the_users_name():
    def scaled(weight):
        return weight.sin()

    old = golden(scaled, rows)
    new = golden(scaled, lambda: (tensor(256, 256, dtype=torch.float16),))
    assert "input weight f32[256, 256] -> f16[256, 256]" in causes(old, new)["dtype"]


def three_branches(x, y, z, w):
    a, b, c = (x @ w).cos(), (y @ w).sin(), (z @ w).tanh()
    return (b + 1).sum(0), (a * 2).sum(1), c.cumsum(0)


def test_launches_that_run_in_another_order():
    def arguments():
        return tuple(tensor(512, 512) for _ in range(4))

    old, new = (golden(three_branches, arguments, {"reorder_for_locality": on}) for on in (True, False))
    assert causes(old, new) == {"host": ["the same launches in another order"]}


def test_a_cast_of_another_result_is_named_next_to_in_placing():
    def masked(upcast):
        def attention(q, k, mask):
            scores = q @ k.mT
            scores = (scores.float() if upcast else scores) * 0.125
            scores = scores.masked_fill(mask, torch.finfo(torch.bfloat16).min)
            return scores.softmax(-1).to(torch.bfloat16)

        return attention

    def arguments():
        mask = torch.zeros(2, 1, 1, 140, device="cuda", dtype=torch.bool)
        return tensor(2, 4, 140, 64, dtype=torch.bfloat16), tensor(2, 4, 140, 64, dtype=torch.bfloat16), mask

    both = causes(golden(masked(True), arguments), golden(masked(False), arguments, {"inplace_buffers": False}))
    assert {"dtype", "in-placing"} <= both.keys()
    assert "dtype" in causes(golden(masked(True), arguments), golden(masked(False), arguments))


def broken(first, last, breaks):
    """Two changes with a matrix multiplication between them, and graph breaks before (0) and after (1) it."""

    def function(x, w):
        h = first(x)
        if 0 in breaks:
            torch._dynamo.graph_break()
        h = h @ w
        if 1 in breaks:
            torch._dynamo.graph_break()
        return last(h)

    return function


def activated(x):
    return functional.relu(x) * x.sum(-1, keepdim=True)


def normalized(h):
    return torch.softmax(h, -1).cos()


@pytest.mark.parametrize(
    ("first", "last", "dtype"),
    [
        (lambda x: activated(x.double()).float(), normalized, torch.float32),
        (activated, lambda h: normalized(h.half()).float(), torch.float32),
        (activated, lambda h: normalized(h.float()).bfloat16(), torch.bfloat16),
        (activated, lambda h: torch.softmax(h, -1, dtype=torch.float32).cos(), torch.bfloat16),
    ],
)
def test_another_precision_is_named_next_to_a_graph_break(first, last, dtype):
    def given():
        return tensor(64, 64, dtype=dtype, grad=True), tensor(64, 64, dtype=dtype, grad=True)

    old, cut = (golden(broken(activated, normalized, at), given, backward=True) for at in ((), (0,)))
    changed = golden(broken(first, last, (0,)), given, backward=True)
    assert set(causes(old, cut)) == {"graph-breaks"}
    assert set(causes(old, changed)) == {"graph-breaks", "dtype"}
    assert set(causes(changed, old)) == {"graph-breaks", "dtype"}


@pytest.mark.parametrize("backward", [False, True])
def test_a_graph_break_in_another_place_is_no_other_operation(backward):
    def given():
        return tensor(64, 64, grad=backward), tensor(64, 64, grad=backward)

    old, new = (golden(broken(activated, normalized, at), given, backward=backward) for at in ((0,), (1,)))
    evidence = "operations moved to another graph: a graph break is in another place"
    assert causes(old, new) == causes(new, old) == {"graph-breaks": [evidence]}


def test_another_precision_is_named_next_to_what_forward_saves():
    def given():
        return tensor(64, 64, grad=True), tensor(64, 64, grad=True)

    def body(x, w):
        return torch.softmax((torch.relu(x) @ w).sin().cos(), -1)

    def upcast(x, w):
        return torch.softmax((torch.relu(x) @ w).sin().double().cos().float(), -1)

    def recomputed(function, dtype=None):
        return lambda x, w: checkpoint(function, x, w, use_reentrant=False).sum(-1, dtype=dtype)

    old = golden(lambda x, w: body(x, w).sum(-1), given, backward=True)
    assert set(causes(old, golden(recomputed(body), given, backward=True))) == {"partitioning"}
    for new in (recomputed(upcast), recomputed(body, torch.float64)):
        assert set(causes(old, golden(new, given, backward=True))) >= {"partitioning", "dtype"}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_another_precision_is_named_next_to_a_template(dtype):
    def given():
        return tensor(256, 256, dtype=torch.bfloat16), tensor(256, 256, dtype=torch.bfloat16)

    template = {"max_autotune_gemm": True, "max_autotune_gemm_backends": "TRITON"}
    old = golden(lambda x, w: torch.relu(x @ w) * 0.5, given)
    same = golden(lambda x, w: torch.relu(x @ w) * 0.5, given, config=template)
    new = golden(lambda x, w: (torch.relu((x @ w).to(dtype)) * 0.5).bfloat16(), given, config=template)
    assert "dtype" not in causes(old, same)
    assert set(causes(old, new)) >= {"template", "dtype"}


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_another_precision_is_named_next_to_another_attention(dtype):
    """The kernel that scales queries is gone on one side and new on the other: it feeds another operation."""

    def given():
        return tuple(tensor(1, 2, 256, 64, dtype=torch.bfloat16) for _ in range(3))

    def scaled(q, dtype):
        return (q.to(dtype) * 0.5).to(q.dtype)

    old = golden(lambda q, k, v: functional.scaled_dot_product_attention(q * 0.5, k, v), given)
    same = golden(lambda q, k, v: flex_attention(q * 0.5, k, v), given)
    new = golden(lambda q, k, v: flex_attention(scaled(q, dtype), k, v), given)
    assert "dtype" not in causes(old, same)
    assert set(causes(old, new)) >= {"operations", "dtype"}


def averaged(mean):
    def function(x):
        y = mean(x, x.sin())
        return y, (x - y).abs().amax(-1)

    return function


def sorted_first(count):
    return lambda x: torch.sort(x, -1).values[:, :count]


def turned_halves(x):
    a, b = x[..., :32], x[..., 32:]
    return torch.cat([a.sin() - b, b.sin() + a], -1)


def turned_neighbours(x):
    a, b = x[..., 0::2], x[..., 1::2]
    return torch.stack([a.sin() - b, b.sin() + a], -1).flatten(-2)


def picked(at, other):
    return lambda x, i: x[i[at]] * x[i[other]].sin()


def picks():
    return tensor(50, 16), torch.randint(0, 50, (2, 200), device="cuda")


def misaligned():
    return (torch.randn(257, device="cuda")[1:],)


def odd():
    return (tensor(37, 41),)


def epilogue(act):
    return lambda x, w: act(x @ w)


def residuals(act):
    def function(x, w):
        for _ in range(3):
            x = x + act(functional.layer_norm(x @ w, (256,)))
        return x

    return function


def normed(x, w):
    return functional.rms_norm(x, (512,), w).sin()


def weighted():
    return tensor(2048, 512, grad=True), tensor(512, grad=True)


TEMPLATES = {"max_autotune_gemm": True, "max_autotune_gemm_backends": "TRITON"}
NO_CHECKS, DESCRIPTORS = (
    {"assert_indirect_indexing": False},
    {"triton.use_tensor_descriptor": True, "assume_aligned_inputs": True},
)
NOT_TRANSPOSED = {"triton.transpose_discontiguous_tensor_descriptor": False}
THIN = {"post_grad_fusion_options": {"decompose_mm_pass": {}}}


@pytest.mark.parametrize(
    ("old", "new", "named"),
    [
        # Only the view that is returned is another.
        ((sorted_first(5), rows), (sorted_first(7), rows), {"shapes"}),
        ((turned_halves, lambda: (tensor(8, 64),)), (turned_neighbours, lambda: (tensor(8, 64),)), {"indexing"}),
        # A limit keeps kernels apart, whatever they compute.
        ((averaged(lambda x, y: torch.lerp(x, y, 0.1)), rows),
         (averaged(lambda x, y: x * 0.9 + y * 0.1), rows, {"max_fusion_size": 1}), {"operations", "fusion-split"}),
        # Torch rewrites a product.
        ((lambda x, w: (x @ w).sin(), lambda: (tensor(20480, 8), tensor(8, 8))),
         (lambda x, w: (x @ w).sin(), lambda: (tensor(20480, 8), tensor(8, 8)), THIN), {"operations"}),
        ((epilogue(torch.relu), two, TEMPLATES),
         (epilogue(functional.gelu), two, {**TEMPLATES, "epilogue_fusion": False}), {"operations", "fusion-split"}),
        ((residuals(torch.relu), two), (residuals(functional.gelu), two, TEMPLATES), {"operations", "template"}),
        # The compiler says that a reduction goes over another dimension, in two stages.
        ((lambda x: (x * x).sum(1), rows), (lambda x: (x * x).sum(0), rows), {"operations", "reduction-strategy"}),
        ((lambda x, y: x.t().sin() + y, two, DESCRIPTORS),
         (lambda x, y: x.t().sin() + y, two, {**DESCRIPTORS, **NOT_TRANSPOSED}),
         {"indexing", "mask"}),
        # Next to lines that are gone, those that are left read something else.
        ((picked(0, 1), picks), (picked(1, 0), picks, NO_CHECKS), {"indexing", "mask"}),
        ((lambda x: functional.pad(x, (2, 3)).cos(), rows), (lambda x: functional.pad(x, (3, 2)).cos(), rows),
         {"indexing"}),
        ((lambda x: functional.pad(x, (2, 3)).cos(), rows),
         (lambda x: functional.pad(x, (2, 3), value=1.0).cos(), rows), {"constants"}),
        ((torch.relu, lambda: (tensor(256),)), (torch.relu, misaligned), {"indexing"}),
        ((lambda x: (x * x).sum(0), rows),
         (lambda x: (x * x).sum(0), rows, {"triton.force_cooperative_reductions": True}), {"reduction-strategy"}),
        ((lambda x, i: x[i].view(2, 50, 4, 16).sum(2), picks),
         (lambda x, i: x[i].view(2, 50, 4, 16).mean(2), picks, {"unroll_reductions_threshold": 2}),
         {"operations", "reduction-strategy"}),
        ((normed, weighted, {}, True),
         (normed, weighted, {"triton.mix_order_reduction_non_strict_mode": True}, True),
         {"fusion-merge", "reduction-strategy"}),
        # What surrounds a kernel, and what is known of its arguments.
        ((torch.sin, rows), (torch.sin, rows, {"benchmark_kernel": True}), {"host"}),
        ((torch.sin, rows), (torch.sin, rows, {"profiler_mark_wrapper_call": True}), {"host"}),
        ((torch.sin, rows, {}, False, "mi300x"),
         (torch.sin, rows, {"triton.emit_pointer_range_32": False}, False, "mi300x"), {"indexing"}),
        ((torch.sin, odd), (lambda x: x.sin().half(), odd, {"triton.use_block_ptr": True}),
         {"dtype", "indexing", "mask"}),
    ],
)  # fmt: skip
def test_causes_follow_from_others_only_where_the_compiler_and_the_code_say_so(old, new, named):
    assert set(causes(golden(*old), golden(*new))) == named


def feed_forward(act):
    return lambda x, w, v: (x + act(functional.rms_norm(x, (64,)) @ w) @ v).sum()


def layer():
    return tensor(48, 64, grad=True), tensor(64, 128, grad=True), tensor(128, 64, grad=True)


def test_what_is_saved_of_kernels_that_did_not_change_does_not_follow_from_another_activation():
    old = golden(feed_forward(functional.gelu), layer, backward=True)
    other = golden(feed_forward(functional.silu), layer, backward=True)
    with torch._functorch.config.patch(treat_parameters_as_free_to_save=False, aggressive_recomputation=True):
        both = golden(feed_forward(functional.silu), layer, backward=True)
    assert set(causes(old, other)) == {"operations"}
    assert set(causes(old, both)) == {"operations", "partitioning"}


@pytest.mark.parametrize(
    ("setting", "cause"),
    [
        ({"inplace_buffers": False}, "in-placing"),
        ({"triton.divisible_by_16": False}, "indexing"),
        ({"max_fusion_size": 1}, "fusion-split"),
        ({"profiler_mark_wrapper_call": True}, "host"),
    ],
)
def test_what_a_setting_brings_does_not_follow_from_another_operation(setting, cause):
    def function(act):
        return lambda x, w: (act(x @ w).softmax(-1) * 2).relu().sum(1)

    old = golden(function(torch.relu), two)
    found = causes(old, golden(function(lambda x: torch.tanh(x).abs()), two, setting))
    assert set(found) == {"operations", cause}
    ((name, value),) = setting.items()
    if cause != "fusion-split":  # which has Inductor's own words
        assert found[cause][0].startswith(f"setting {name} default -> {value}: ")


def test_a_product_that_sums_over_another_dimension_is_another_operation():
    def cubes():
        return tensor(4, 64, 64), tensor(4, 64, 64)

    old, new, turned = (
        golden(lambda x, y, form=form: torch.einsum(form, x, y).sin(), cubes)
        for form in ("bik,bjk->bij", "bki,bkj->bij", "bki,bjk->bij")
    )
    assert set(causes(old, new)) == {"operations"}
    assert set(causes(old, turned)) == {"indexing"}  # one operand is transposed


def test_the_divisor_of_a_mean_over_pairs_follows_from_how_many_there_are():
    def spread(x):
        return (x[:, None] - x[None]).abs().sum((0, 1)) / (2 * len(x) * (len(x) - 1))

    old, new = (golden(spread, lambda n=n: (tensor(n, 900),)) for n in (6, 20))
    assert "constants" not in causes(old, new)
    other = golden(lambda x: spread(x) / 3, lambda: (tensor(20, 900),))
    assert "operations" in causes(old, other)


def test_a_softmax_that_also_gives_its_sums_to_a_kernel_apart_is_split():
    def loss(x, y):
        return functional.cross_entropy(x, y), x.logsumexp(-1)

    def tokens():
        return tensor(60, 200), torch.randint(0, 200, (60,), device="cuda")

    found = causes(golden(loss, tokens), golden(loss, tokens, {"score_fusion_memory_threshold": 100_000}))
    assert "unknown" not in found
