"""Matrix products, with what runs before and after them."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from .case import Built, bf16, both, fp16, infer, t, train


def mlp(width, inner, dtype):
    return Built(lambda: nn.Sequential(nn.Linear(width, inner), nn.GELU(), nn.Linear(inner, width)).to(dtype))


class SwiGLU(nn.Module):
    def __init__(self):
        super().__init__()
        self.gate, self.up = nn.Linear(256, 512, bias=False), nn.Linear(256, 512, bias=False)
        self.down = nn.Linear(512, 256, bias=False)

    def forward(self, x):
        return self.down(F.silu(self.gate(x)) * self.up(x)) + x


CASES = [
    *both("mm_odd", lambda a, b: (a @ b).relu(), t(33, 65), t(65, 17)),
    *both("mm_bf16_odd", lambda a, b: (a @ b).relu(), bf16(33, 65), bf16(65, 17)),
    *both("mv", lambda a, b: (a @ b).exp(), t(64, 100), t(100)),
    *both("mm_to_mul", lambda a, b: (a @ b) + 1, t(64, 1), t(1, 50)),
    *both("mm_small_k", lambda a, b: (a @ b) * 2, t(64, 3), t(3, 50)),
    *both("dot", lambda a, b: torch.dot(a, b) * 2, t(1000), t(1000)),
    *both(
        "addmm_epilogue",
        lambda c, a, b: torch.addmm(c, a, b, alpha=0.5, beta=2).relu(),
        bf16(128),
        bf16(64, 96),
        bf16(96, 128),
    ),
    *both(
        "shared_input",
        lambda x, a, b, c: ((x @ a).relu(), (x @ b).tanh(), x @ c),
        bf16(64, 64),
        bf16(64, 64),
        bf16(64, 64),
        bf16(64, 64),
    ),
    *both("mm_transposed", lambda a, b: (a.t() @ b.t()).cos(), fp16(96, 64), fp16(32, 96)),
    *both("mm_cat", lambda a, b, c: torch.cat([a @ b, a @ c], 1).relu(), fp16(64, 64), fp16(64, 32), fp16(64, 48)),
    *both("bmm_broadcast", lambda a, b: a @ b + 1, bf16(8, 16, 32), bf16(32, 24)),
    *both(
        "einsum_attention",
        lambda q, k: torch.einsum("bhid,bhjd->bhij", q, k).softmax(-1),
        bf16(2, 4, 32, 64),
        bf16(2, 4, 48, 64),
    ),
    *both("baddbmm", lambda c, a, b: torch.baddbmm(c, a, b).sigmoid(), t(4, 16, 24), t(4, 16, 8), t(4, 8, 24)),
    *both("chain", lambda a, b, c: torch.linalg.multi_dot([a, b, c]), t(32, 64), t(64, 16), t(16, 48)),
    *both("b2b_pointwise", lambda a, b: (a.exp() @ b.cos()).sin(), fp16(64, 64), fp16(64, 64)),
    *both(
        "int8_weight",
        lambda x, w, s: x @ w.to(torch.bfloat16) * s,
        bf16(16, 256),
        t(256, 128, dtype=torch.int8),
        bf16(128),
    ),
    *both("bmm_expanded", lambda a, b: torch.bmm(a.expand(6, -1, -1), b), t(1, 16, 24), t(6, 24, 16)),
    infer("mm_out_dtype", lambda a, b: torch.mm(a, b, out_dtype=torch.float32) + 1, bf16(64, 64), bf16(64, 64)),
    *both("linear_gelu", lambda x, w, b: F.gelu(F.linear(x, w, b)), bf16(64, 128), bf16(256, 128), bf16(256)),
    *both("mlp_bf16", mlp(128, 512, torch.bfloat16), bf16(32, 128)),
    *both("mlp_fp32", mlp(64, 256, torch.float32), t(4, 32, 64)),
    train("mlp_fp16", mlp(64, 256, torch.float16), fp16(4, 32, 64)),
    train("swiglu_mlp", Built(lambda: SwiGLU().to(torch.bfloat16)), bf16(2, 64, 256)),
    train("bmm_softmax", lambda a, b: torch.bmm(a, b).softmax(-1), bf16(4, 32, 64), bf16(4, 64, 48)),
    train("bilinear", lambda a, b, w: F.bilinear(a, b, w), t(16, 8), t(16, 12), t(10, 8, 12)),
    train("einsum_train", lambda a, b: torch.einsum("bik,bjk->bij", a, b).relu(), t(4, 16, 32), t(4, 24, 32)),
    train("padded_odd_bf16", Built(lambda: nn.Linear(129, 65, dtype=torch.bfloat16)), bf16(33, 129)),
    train("outer_vdot", lambda a, b: torch.outer(a, b).sin(), t(50), t(60)),
]
