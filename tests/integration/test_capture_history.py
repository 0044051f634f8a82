"""A golden does not depend on what its process compiled before it.

Inductor, Dynamo and AOTAutograd number what they make with counters of the process, and a compile that fails may leave
torch in another state. Which of these can reach a golden is not to be listed: so programs of many kinds are captured
twice in one process, the second time in another order, and their goldens compared byte by byte.
"""

from __future__ import annotations

import random

import pytest

pytest.importorskip("triton")

import torch
import torch.nn.functional as F  # noqa: N812
import triton
import triton.language as tl
from torch._higher_order_ops import while_loop
from torch.nn.attention.flex_attention import flex_attention

from kernelsnap import capture, virtual_device
from kernelsnap.errors import CaptureError
from kernelsnap.golden.build import build_golden
from kernelsnap.golden.format import render

AUTOTUNE = {"mode": "max-autotune-no-cudagraphs", "config": {"max_autotune_gemm_backends": "TRITON"}}
LONG = ((32, 32768), (32768, 32))


@triton.jit
def add_kernel(x, y, out, n, BLOCK: tl.constexpr):  # noqa: N803
    i = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(out + i, tl.load(x + i, i < n) + tl.load(y + i, i < n), i < n)


def user_kernel(x, y):
    for block in (64, 128):
        out = torch.empty_like(x)
        add_kernel[(triton.cdiv(x.numel(), block),)](x, y, out, x.numel(), block)
        y = out
    return y.relu()


@torch.compiler.nested_compile_region
def region(x, w):
    return (x @ w).relu()


def regions(x, w):
    return region(region(x, w).sin(), w)


def branches(x):
    x = torch.cond(x.sum() > 0, lambda v: v.sin() + 1, lambda v: v.cos() * 2, (x,))
    return torch.cond(x.mean() > 0, lambda v: v.exp().cumsum(0), lambda v: v * 2, (x,))


def loop(x):
    return while_loop(lambda n, v: n < 3, lambda n, v: (n + 1, v * 1.5), (torch.zeros((), dtype=torch.int64), x))


def alibi(q, k, v, slopes):
    return flex_attention(q, k, v, score_mod=lambda score, b, h, m, n: score + slopes[h] * (m - n))


def broken(x):
    y = x.relu() * 2
    torch._dynamo.graph_break()
    return y.softmax(-1)


def combined(a, b, c):
    return a.softmax(-1) + 1, b.sin() * 2, c.sum(-1).relu()


def sizes(x, y):
    return torch.cat([x, y], 1).sum(-1), x.shape[0] * x.shape[1]


def one_by_one(a, b):
    return (a @ b).relu()


#: Name: the function, the shapes of its inputs, options of `capture`.
PROGRAMS = {
    "softmax": (lambda x: x.softmax(-1), ((64, 100),), {"backward": True}),
    "norm": (lambda x, w: F.layer_norm(x, (64,), w), ((32, 64), (64,)), {"backward": True}),
    "mlp": (lambda x, w: F.gelu(x @ w) @ w, ((32, 64), (64, 64)), {"backward": True}),
    "concatenation": (
        lambda x, y: torch.cat([x.sin(), y.softmax(-1)], 1) @ torch.ones(24, 3),
        ((8, 16), (8, 8)),
        {},
    ),
    "random": (lambda x: F.dropout(x, 0.3) + torch.rand_like(x), ((64, 64),), {"backward": True}),
    "constant": (lambda x: x + torch.tensor([1.0, 2.0, 3.0]), ((8, 3),), {}),
    "scan": (lambda x: x.cumsum(0), ((1 << 20,),), {}),
    "cooperative": (lambda x: x.softmax(-1), ((2, 65536),), {"config": {"triton.cooperative_reductions": True}}),
    "multi-kernel": (lambda x: x.softmax(-1), ((64, 1024),), {"config": {"triton.multi_kernel": 1}}),
    "partitions": (lambda x: (x.cpu() + 1).cuda() * x.sum(), ((64, 64),), {"config": {"graph_partition": True}}),
    "foreach": (lambda x, y: torch._foreach_mul([x, y], 2.0), ((64, 64), (7,)), {}),
    "combo kernels": (combined, ((64, 33), (1000,), (128, 77)), {"config": {"combo_kernels": True}}),
    "sizes": (sizes, ((8, 16), (8, 3)), {"dynamic": True}),
    "sizes, backward": (lambda x: x.view(-1).sin() * x.shape[0], ((8, 16),), {"dynamic": True, "backward": True}),
    "template": (one_by_one, ((512, 256), (256, 512)), AUTOTUNE),
    "decompose-k twice": (lambda a, b: torch.stack([(a @ b).relu(), a.sin() @ b]), LONG, AUTOTUNE),
    "decompose-k, dynamic": (one_by_one, LONG, {**AUTOTUNE, "dynamic": True}),
    "attention": (alibi, ((1, 4, 256, 64),) * 3 + ((4,),), {"backward": True}),
    "user Triton": (user_kernel, ((1000,), (1000,)), {}),
    "regions": (regions, ((64, 64), (64, 64)), {"backward": True}),
    "branches": (branches, ((64,),), {"backward": True}),
    "loop": (loop, ((64,),), {}),
    "profiled": (
        lambda x: x.tanh() + 1,
        ((64, 100),),
        {"config": {"profiler_mark_wrapper_call": True, "cpp.enable_kernel_profile": True}},
    ),
    "graph break": (broken, ((64, 100),), {}),
}


#: Those that say something of the C++ backend, too.
ON_CPU = ("softmax", "mlp", "concatenation", "random", "sizes", "branches", "profiled")


def golden_of(name, target="h100"):
    fn, shapes, options = PROGRAMS[name]
    dtype = torch.bfloat16 if options.get("mode") or name == "attention" else torch.float32
    gradient = options.get("backward", False)
    with virtual_device(target), torch.device("cpu" if target == "cpu" else "cuda"):
        inputs = [torch.randn(shape, dtype=dtype, requires_grad=gradient) for shape in shapes]
        return render(build_golden(capture(fn, *inputs, allow_no_kernels=True, **options), name))


def test_goldens_are_the_same_whatever_was_compiled_before():
    programs = [(name, "h100") for name in PROGRAMS] + [(name, "cpu") for name in ON_CPU]
    first = {program: golden_of(*program) for program in programs}
    again = random.Random(0).sample(programs, len(programs))
    assert again != programs
    for program in again:
        assert golden_of(*program) == first[program], f"{program}: not the golden that it had before"


def test_the_number_of_a_subgraph_in_its_process_is_in_no_golden():
    """Inductor calls the subgraphs of decompose-k `decompose_k_mm_2_split_<candidates so far in this process>`."""
    text = golden_of("decompose-k twice")
    assert "def decompose_k_mm_2_split(args):" in text
    assert "def decompose_k_mm_2_split_1(args):" in text
    assert "decompose_k_mm_2_split_1_args = [buf2, arg1]" in text
    # Its buffers are buffers of the graph as any other.
    assert "      writes  buf0 f32[2, 32, 32]\n" in text


def by_expert(x, scores, w):
    """Sizes of groups depend on data: the guards of what comes after ask a fake tensor for its value."""
    expert = scores.argmax(-1)
    ends = torch.bincount(expert, minlength=4).cumsum(0).to(torch.int32)
    return torch._grouped_mm(x[expert.argsort(stable=True)], w, offs=ends)


def test_a_compile_that_failed_changes_no_golden_after_it():
    before = golden_of("norm")
    with virtual_device("h100"):
        shapes = (64, 32), (64, 4), (4, 32, 64)
        inputs = [torch.randn(shape, device="cuda", dtype=torch.bfloat16) for shape in shapes]
        with pytest.raises(CaptureError):
            capture(by_expert, *inputs)
        with torch.device("cuda"):
            assert torch.ones(1).device.type == "cuda"
    assert golden_of("norm") == before
