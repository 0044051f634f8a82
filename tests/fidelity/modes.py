"""torch.compile's modes and Inductor's settings that change the code."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn
from torch.nn.attention.flex_attention import flex_attention

from .case import Built, bf16, both, infer, t, train

NO_GEMM = {"max_autotune_gemm": False}
ATEN = {"max_autotune_gemm_backends": "ATEN"}


def norm(x, w, b):
    return F.layer_norm(x, (512,), w, b).relu()


class Small(nn.Module):
    def __init__(self):
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(3, 16, 3), nn.BatchNorm2d(16), nn.Linear(16, 10)

    def forward(self, x):
        return self.head(self.norm(self.conv(x)).relu().mean((2, 3)))


NORM = t(128, 512), t(512), t(512)
MAX = "max-autotune-no-cudagraphs"
CASES = [
    *both("max_pointwise", lambda a, b: (a + b.t()).relu(), t(512, 256), t(256, 512), mode=MAX, config=NO_GEMM),
    infer("max_reduction", norm, *NORM, mode=MAX, config=NO_GEMM),
    *both("max_outer_reduction", lambda x: x.sum(0), t(4096, 64), mode=MAX, config=NO_GEMM),
    *both("max_mm_aten", lambda a, b: (a @ b).relu(), bf16(128, 256), bf16(256, 128), mode=MAX, config=ATEN),
    infer("max_mm_choice", lambda a, b: (a @ b).relu(), bf16(128, 256), bf16(256, 128), mode=MAX),
    infer(
        "max_addmm_choice",
        lambda c, a, b: F.gelu(torch.addmm(c, a, b)),
        bf16(128),
        bf16(128, 256),
        bf16(256, 128),
        mode=MAX,
    ),
    infer("max_bmm_choice", lambda a, b: (a @ b).relu(), bf16(4, 128, 64), bf16(4, 64, 128), mode=MAX),
    infer("max_mm_fp32_choice", lambda a, b: (a @ b).relu(), t(128, 256), t(256, 128), mode=MAX),
    infer(
        "max_mm_triton",
        lambda a, b: (a @ b).relu(),
        bf16(512, 256),
        bf16(256, 512),
        mode=MAX,
        config={"max_autotune_gemm_backends": "TRITON"},
    ),
    infer("max_dynamic_choice", lambda a, b: (a @ b).relu(), bf16(128, 256), bf16(256, 128), mode=MAX, dynamic=True),
    infer("max_flex_choice", lambda q, k, v: flex_attention(q, k, v), *(bf16(2, 4, 256, 64),) * 3, mode=MAX),
    infer("max_conv_choice", lambda x, w: F.conv2d(x, w).relu(), t(2, 16, 20, 20), t(32, 16, 3, 3), mode=MAX),
    infer("reduce_overhead", norm, *NORM, mode="reduce-overhead"),
    infer("freezing", Built(lambda: _frozen(Small().eval())), t(2, 3, 16, 16), config={"freezing": True}),
    infer("freezing_linear", Built(lambda: _frozen(nn.Linear(64, 64).eval())), t(8, 64), config={"freezing": True}),
    infer(
        "combo_kernels",
        lambda a, b, c: (a + 1, b.sin(), c.sum(-1)),
        t(64, 33),
        t(1000),
        t(128, 77),
        config={"combo_kernels": True},
    ),
    *both(
        "block_pointers",
        lambda a, b: (a + b).softmax(-1),
        t(64, 512),
        t(64, 512),
        config={"triton.use_block_ptr": True},
    ),
    *both(
        "tensor_descriptor",
        lambda a, b: (a + b).relu(),
        t(64, 512),
        t(64, 512),
        config={"triton.use_tensor_descriptor": True, "assume_aligned_inputs": True},
    ),
    *both("coordinate_descent", norm, *NORM, config={"coordinate_descent_tuning": True}),
    *both("multi_kernel", norm, *NORM, config={"triton.multi_kernel": 1}),
    *both("no_fusion", lambda x: x.relu().softmax(-1), t(64, 100), config={"max_fusion_size": 1}),
    *both(
        "inplace_off", lambda x: (x + 1).relu().sum(0, keepdim=True) + x, t(64, 100), config={"inplace_buffers": False}
    ),
    *both(
        "memory_plan", lambda x, w: ((x @ w).relu() @ w).sum(0), t(64, 64), t(64, 64), config={"memory_planning": True}
    ),
    *both("nan_asserts", lambda x: x.log() + 1, t(64, 100), config={"nan_asserts": False, "size_asserts": False}),
    *both("divisible_off", lambda x: x + 1, t(64, 100), config={"triton.divisible_by_16": False}),
    *both("fast_math", lambda x: x.exp() / x.sin(), t(64, 100), config={"use_fast_math": True}),
    *both("tiles_off", lambda a, b: a + b.t(), t(512, 256), t(256, 512), config={"triton.max_tiles": 1}),
    *both("graph_partition", lambda x: (x + 1).relu(), t(64, 100), config={"graph_partition": True}),
    train("reduce_overhead_train", norm, *NORM, mode="reduce-overhead"),
    train("max_reduction_train", norm, *NORM, mode=MAX, config=NO_GEMM),
    train(
        "deterministic_train",
        lambda x, ix: x[ix].sum(0),
        t(50, 60),
        Built(lambda: torch.arange(40) % 7),
        config={"deterministic": True},
    ),
    train(
        "combo_kernels_train",
        lambda a, b: (a.sin().sum(), b.softmax(-1)),
        t(64, 33),
        t(100, 70),
        config={"combo_kernels": True},
    ),
    train(
        "budget_train",
        Built(lambda: nn.Sequential(*(nn.Sequential(nn.Linear(64, 64), nn.GELU()) for _ in range(3)))),
        t(32, 64),
        functorch={"activation_memory_budget": 0.3},
    ),
]


def _frozen(module):
    def run(x):
        with torch.no_grad():
            return module(x)

    return run
