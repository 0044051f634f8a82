"""Every operation that the host code runs on the device is a step, with what it really reads and writes."""

from __future__ import annotations

import re

import pytest

pytest.importorskip("triton")

import torch
import triton
import triton.language as tl
from torch import nn
from torch._higher_order_ops import while_loop
from torch.utils.checkpoint import checkpoint
from triton.tools.tensor_descriptor import TensorDescriptor

from kernelsnap import capture, virtual_device
from kernelsnap.golden.build import build_golden
from kernelsnap.golden.format import parse, render
from kernelsnap.model.consistent import from_nowhere
from on_gpu import randn

BF16 = torch.bfloat16


@pytest.fixture(autouse=True)
def h100():
    with virtual_device("h100"):
        yield


@triton.jit
def copied(x, y, n, BLOCK: tl.constexpr):  # noqa: N803
    place = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y + place, tl.load(x + place, place < n), place < n)


@triton.jit
def block_first(BLOCK: tl.constexpr, scale, y, x):  # noqa: N803
    place = tl.arange(0, BLOCK)
    tl.store(y + place, tl.load(x + place) * scale)


@triton.jit
def into(y, place, value):
    tl.store(y + place, value)


@triton.jit
def through_helper(x, y, BLOCK: tl.constexpr):  # noqa: N803
    place = tl.arange(0, BLOCK)
    into(y, place, tl.load(x + place))


@triton.jit
def described(x, y, z, M: tl.constexpr):  # noqa: N803
    rows = x.load([tl.program_id(0) * M, 0])
    y.store([tl.program_id(0) * M, 0], rows + 1)
    z.atomic_add([tl.program_id(0) * M, 0], rows)


@triton.jit
def increased(x, BLOCK: tl.constexpr):  # noqa: N803
    place = tl.arange(0, BLOCK)
    tl.store(x + place, tl.load(x + place) + 1)


@torch.library.custom_op("kernelsnap_steps::scale_into", mutates_args={"out"})
def scale_into(x: torch.Tensor, out: torch.Tensor) -> None:
    out.copy_(x * 2)


@torch.library.custom_op("kernelsnap_steps::update_all", mutates_args={"caches"})
def update_all(x: torch.Tensor, caches: list[torch.Tensor], mask: torch.Tensor | None = None) -> torch.Tensor:
    return x.clone()


@torch.library.custom_op("kernelsnap_steps::halves", mutates_args=())
def halves(x: torch.Tensor) -> list[torch.Tensor]:
    return [x[:4].clone(), x[4:].clone()]


scale_into.register_fake(lambda x, out: None)
update_all.register_fake(lambda x, caches, mask=None: torch.empty_like(x))
halves.register_fake(lambda x: [torch.empty_like(x[:4]), torch.empty_like(x[4:])])


@torch.compiler.nested_compile_region
def region(x, y):
    return (x @ y).relu(), x.sum(-1)


def leaf(*shape, **options):
    return randn(*shape, requires_grad=True, **options)


def steps(plan):
    """Each step as `name reads -> writes`; memory that no step writes first."""
    memory = [f"memory {buffer}" for buffer in plan.memory]
    lines = (f"{step.name} {' '.join(step.reads)} -> {' '.join(b.name for b in step.writes)}" for step in plan.steps)
    return [*memory, *(" ".join(re.sub(r"torch\.ops\.|kernelsnap_steps\.", "", line).split()) for line in lines)]


def plans(fn, *args, **options):
    golden = build_golden(capture(fn, *args, allow_no_kernels=True, **options), "case")
    assert parse(render(golden)) == golden
    for plan in golden.plan:
        assert not list(from_nowhere((*plan.inputs, *plan.memory), plan.steps, plan.outputs))
    return golden.plan


# Operations of the host's own.


def rms(x, w):
    return nn.functional.rms_norm(x, (512,), w)


@pytest.mark.parametrize(("dtype", "rest"), [(torch.float32, []), (BF16, ["k1 buf1 -> buf2"])])
def test_the_last_step_of_a_reduction_in_mixed_order(dtype, rest):
    inputs = leaf(32768, 512, dtype=dtype), leaf(512, dtype=dtype)
    on, off = (
        plans(rms, *inputs, backward=True, config={"triton.mix_order_reduction": mixed})[1] for mixed in (True, False)
    )
    assert steps(on)[1:] == ["aten.sum workspace -> buf1", *rest]
    assert str(on.steps[1].writes[0]) == "buf1 f32[1, 512]"
    assert [step.kind for step in on.steps].count("extern") == 1
    assert not any(step.kind == "extern" for step in off.steps)
    assert len(off.steps) == 3


def copies(x, y):
    return (x.sin().cpu() + y).cuda() * 2


def counted(x, y):
    n = y.item()
    torch._check(n >= 0)
    torch._check(n <= 8)
    return x.narrow(0, 0, n).sum()


def chosen(p, x):
    return torch.cond(p, lambda x: (x.sin(), x @ x), lambda x: (x.cos(), x.tan()), (x,))


def nested(p, x):
    def outer(x):
        return torch.cond(x.sum() > 0, lambda x: x + 1, lambda x: x - 1, (x,))

    return torch.cond(p, outer, lambda x: x.cos(), (x,))


def looped(i, x):
    return while_loop(lambda i, x: i < 5, lambda i, x: (i + 1, x @ x), (i, x))


def regions(x, y):
    a, b = region(x, y)
    c, d = region(y, a)
    return c + a, b - d


def split(x, a, b):
    torch.ops.fsdp.split_with_sizes_copy(x.sin(), [32, 32], 0, out=[a, b])
    return a + 1


def written(x, y):
    scale_into(x + 1, y)
    return y * 2


def cached(x, a, b):
    return update_all(x.sin(), [a, b]) + a


def two_halves(x):
    a, b = halves(x.sin())
    return a + b


def foreach(a, b):
    return torch._foreach_add(torch._foreach_mul([a, b], 2.0), [a, b])


def foreach_in_place(a, b):
    torch._foreach_mul_([a, b], 2.0)


def launched(x, y):
    copied[(4,)](x.relu(), y, 4096, BLOCK=1024)
    return y


def constants_first(x, y):
    block_first[(1,)](64, 2.0, y, x)
    return y


def helped(x, y):
    through_helper[(1,)](x, y, BLOCK=64)
    return y


def with_descriptors(x, y, z):
    args = [TensorDescriptor.from_tensor(tensor, [32, 64]) for tensor in (x.sin(), y, z)]
    described[(4,)](*args, 32)
    return y, z


def in_place(x):
    y = x.sin()
    increased[(1,)](y, BLOCK=64)
    return y * 2


def scattered(x, place, y):
    return x.index_put((place,), y, accumulate=True)


def sorted_twice(x):
    values, places = torch.sort(x, -1)
    return values * 2, places + 1


def viewed(x):
    return torch.view_as_real(torch.fft.fft(x)) + 1


def empty(x):
    return torch.empty_like(x), x + 1


def table(x):
    return x + torch.tensor([float(number) for number in range(16)], device="cuda")


CASES = [
    (copies, lambda: (randn(8), torch.randn(8)),
     ["k0 arg0 -> buf0", "aten.copy_ buf0 -> buf1", "k1 buf1 arg1 -> buf2", "aten.copy_ buf2 -> buf3",
      "k2 buf3 -> buf4"]),
    (chosen, lambda: (torch.ones((), device="cuda", dtype=torch.bool), randn(8, 8)),
     ["aten.item arg0 ->", "k0 arg1 -> buf0", "extern_kernels.mm arg1 -> buf1", "k1 arg1 -> buf0 buf1"]),
    (looped, lambda: (torch.zeros((), device="cuda", dtype=torch.int64), randn(8, 8)),
     ["k0 arg0 -> buf0_cond_result", "aten.item buf0_cond_result ->", "aten.clone arg0 -> buf0",
      "aten.clone arg1 -> buf1", "aten.item buf0_cond_result ->", "extern_kernels.mm arg1 -> buf1", "k1 arg0 -> buf0"]),
    (regions, lambda: (randn(8, 8), randn(8, 8)),
     ["extern_kernels.mm arg0 arg1 -> buf0", "k0 buf0 -> buf1", "k1 arg0 -> buf2",
      "extern_kernels.mm arg1 buf1 -> buf0", "k0 buf0 -> buf3", "k1 arg1 -> buf4", "k2 buf2 buf4 -> buf5",
      "k3 buf3 buf1 -> buf6"]),
    (split, lambda: (randn(64), randn(32), randn(32)),
     ["k0 arg0 -> buf0", "fsdp.split_with_sizes_copy.default buf0 -> arg1 arg2", "k1 arg1 -> buf1"]),
    (written, lambda: (randn(64), randn(64)),
     ["k0 arg0 -> buf0", "scale_into.default buf0 arg1 -> arg1", "k1 arg1 -> buf1"]),
    (cached, lambda: (randn(64), randn(64), randn(64)),
     ["k0 arg0 -> buf0", "update_all.default buf0 arg1 arg2 -> arg1 arg2 buf1", "k1 buf1 arg1 -> buf2"]),
    (two_halves, lambda: (randn(8),),
     ["k0 arg0 -> buf0", "halves.default buf0 -> buf1", "k1 buf1 -> buf2"]),
    (foreach, lambda: (randn(8), randn(9)), ["k0 arg0 arg1 -> buf0 buf1"]),
    (foreach_in_place, lambda: (randn(8), randn(9)), ["k0 arg0 arg1 -> arg0 arg1"]),
    (launched, lambda: (randn(4096), randn(4096)), ["k0 arg0 -> buf0", "k1 buf0 -> arg1"]),
    (constants_first, lambda: (randn(64), randn(64)), ["k0 arg1 -> arg0"]),
    (helped, lambda: (randn(64), randn(64)), ["k0 arg0 -> arg1"]),
    (with_descriptors, lambda: (randn(128, 64), randn(128, 64), randn(128, 64)),
     ["k0 arg0 -> buf0", "k1 buf0 arg2 -> arg1 arg2"]),
    (in_place, lambda: (randn(64),), ["k0 arg0 -> buf0", "k1 buf0 -> buf0", "k2 buf0 -> buf1"]),
    (scattered, lambda: (randn(8, 8), torch.zeros(8, device="cuda", dtype=torch.int64), randn(8, 8)),
     ["k0 arg0 -> buf0", "k1 arg2 arg1 buf0 -> buf0"]),
    (sorted_twice, lambda: (randn(8, 5000),),
     ["aten.sort.stable arg0 -> buf0", "k0 buf0 -> buf1", "k1 buf0 -> buf2"]),
    (viewed, lambda: (randn(64),), ["aten._fft_r2c.default arg0 -> buf0", "k0 buf0 -> buf1"]),
    (empty, lambda: (randn(64),), ["memory buf0 f32[64]", "k0 arg0 -> buf1"]),
    (table, lambda: (randn(16),), ["memory _tensor_constant f32[16]", "k0 arg0 _tensor_constant -> buf0"]),
    (nested, lambda: (torch.ones((), device="cuda", dtype=torch.bool), randn(8)),
     ["aten.item arg0 ->", "k0 arg1 -> buf0", "aten.item buf0 ->", "k1 arg1 -> buf1",
      "k2 arg1 -> buf1", "k3 arg1 -> buf1"]),
    (lambda x: x.cumsum(0), lambda: (randn(1 << 20),),
     ["aten.zero_ -> workspace", "k0 arg0 workspace -> buf0 workspace"]),
]  # fmt: skip


@pytest.mark.parametrize(("fn", "inputs", "expected"), CASES)
def test_what_runs(fn, inputs, expected):
    assert steps(plans(fn, *inputs())[0]) == expected


# The operations that a step names.


def named(plan):
    return [(step.name.rpartition(".")[2], [(op.source, op.aten) for op in step.ops]) for step in plan.steps]


class Perceptron(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.second = nn.Linear(64, 128), nn.Linear(128, 64)

    def forward(self, x):
        return checkpoint(lambda x: self.second(nn.functional.gelu(self.first(x))), x, use_reentrant=False)


def test_a_library_call_names_its_own_operation():
    forward, backward = plans(Perceptron().cuda(), leaf(16, 64), backward=True)
    calls = [named for named in named(forward) if not named[0].startswith("k")]
    assert calls == [("mm", [("linear", ("addmm",))]), ("addmm", [("linear.1", ("addmm",))])]
    assert {op for name, ops in named(backward) if name == "mm" for op in ops} == {
        ("", ("mm",)),
        ("linear", ("addmm",)),  # the first layer, once more
    }


def test_a_kernel_of_the_users_names_no_operation_and_gives_its_own_to_no_other():
    (plan,) = plans(launched, randn(4096), randn(4096))
    assert named(plan) == [("k0", [("relu", ("relu",))]), ("k1", [])]


def test_a_kernel_does_not_name_the_operator_that_it_computes_an_input_of():
    (plan,) = plans(written, randn(64), randn(64))
    assert named(plan) == [
        ("k0", [("add", ("add",))]),
        ("default", [("scale_into_default", ("kernelsnap_steps.scale_into",))]),
        ("k1", [("mul", ("mul",))]),
    ]


def test_several_products_of_views_name_each_its_own():
    def attention(q, k, v):
        return torch.softmax(q @ k.transpose(-1, -2), -1) @ v.transpose(0, 1).contiguous().transpose(0, 1)

    (plan,) = plans(attention, *(randn(4, 8, 8) for _ in range(3)))
    assert [ops for name, ops in named(plan) if name == "bmm"] == [[("matmul", ("bmm",))], [("matmul.1", ("bmm",))]]


# Bytes.


def counts(fn, *args, **options):
    (graph,) = capture(fn, *args, allow_no_kernels=True, **options).graphs
    return graph.counts.bytes_accessed, graph.counts.bytes_read, graph.counts.bytes_written


def test_what_stays_inside_a_kernel_is_not_read():
    size = 64 * 256 * 4
    assert counts(lambda x: x / x.exp().sum(-1, keepdim=True), randn(64, 256)) == (2 * size, size, size)


def test_a_buffer_of_more_than_a_billion_elements_counts_whole():
    many = 3_000_000_000
    x = torch.empty(many, dtype=torch.int8, device="cuda")
    assert counts(lambda x: (x + 1, x * 2), x) == (3 * many, many, 2 * many)


def test_a_library_call_counts_all_of_a_billion_elements():
    a, b = (torch.empty(*shape, dtype=BF16, device="cuda") for shape in ((65536, 32768), (32768, 8)))
    read, written = 2 * (65536 * 32768 + 32768 * 8), 2 * 65536 * 8
    assert counts(torch.mm, a, b) == (read + written, read, written)
