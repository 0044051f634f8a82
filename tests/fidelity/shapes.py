"""Dynamic and data-dependent shapes, views, strides and layouts."""

from __future__ import annotations

import torch
import torch.nn.functional as F  # noqa: N812

from .case import Input, bf16, both, i, infer, t, train

OUTPUT_SHAPES = {"capture_dynamic_output_shape_ops": True, "capture_scalar_outputs": True}


def every_second(x):
    return x[::2]


CASES = [
    *both("dynamic_pointwise", lambda a, b: (a + b).relu(), t(33, 70), t(33, 70), dynamic=True),
    *both("dynamic_cat_pad", lambda a, b: F.pad(torch.cat([a, b]), (0, 3)), t(33, 7), t(12, 7), dynamic=True),
    *both("dynamic_sum_all", lambda x: x.sum(), t(1000, 77), dynamic=True),
    *both("dynamic_view", lambda x: x.view(x.shape[0], -1, 4).sum(1), t(33, 40), dynamic=True),
    *both("dynamic_arange", lambda x: x + torch.arange(x.shape[1], device=x.device), t(33, 40), dynamic=True),
    *both("dynamic_conv", lambda x, w: F.conv2d(x, w).relu(), t(2, 8, 20, 21), t(8, 8, 3, 3), dynamic=True),
    *both("dynamic_embedding", lambda w, ix: F.embedding(ix, w).sum(1), t(500, 32), i(6, 30, below=500), dynamic=True),
    infer("nonzero", lambda x: x.nonzero().float() + 1, t(64), dynamo=OUTPUT_SHAPES),
    infer("boolean_mask", lambda x: x[x > 0].cos() * 2, t(100), dynamo=OUTPUT_SHAPES),
    *both("masked_select_sum", lambda x: torch.masked_select(x, x > 0).sum(), t(100), dynamo=OUTPUT_SHAPES),
    *both("item_multiply", lambda x, n: x * n.item(), t(100), Input((), torch.int64, below=5), dynamo=OUTPUT_SHAPES),
    *both(
        "repeat_interleave", lambda x, n: x.repeat_interleave(n, 0) + 1, t(10, 4), i(10, below=5), dynamo=OUTPUT_SHAPES
    ),
    infer("unique", lambda ix: ix.unique(), i(100, below=10), dynamo=OUTPUT_SHAPES),
    *both("permute_contiguous", lambda x: x.permute(2, 0, 1).contiguous() + 1, t(16, 32, 48)),
    *both("strided_input", lambda x: x.cos() + 1, t(64, 100, view=every_second)),
    *both("transposed_input", lambda x: x.softmax(-1), t(64, 100, view=lambda x: x.t())),
    *both("expanded_input", lambda x: (x + 1).sum(-1), t(64, 1, view=lambda x: x.expand(64, 33))),
    *both("offset_input", lambda x: x + 1, t(1001, view=lambda x: x[1:])),
    *both(
        "channels_last_in",
        lambda x: x.relu() * 2,
        t(2, 8, 9, 9, view=lambda x: x.to(memory_format=torch.channels_last)),
    ),
    *both("as_strided", lambda x: x.as_strided((10, 10), (1, 10)) + 1, t(100)),
    *both("zero_size", lambda x: (x + 1).sum(), t(0, 4)),
    *both("size_one", lambda x: (x * 2).sum(0), t(1, 1)),
    *both("split_chunk", lambda x: [p * n for n, p in enumerate(x.split([3, 5, 8], 1))], t(16, 16)),
    infer("view_dtype", lambda x: x.view(torch.int32) & 255, t(64, 8)),
    *both("dynamic_softmax", lambda x: x.softmax(-1), t(33, 700), dynamic=True),
    *both("dynamic_mlp", lambda x, w, v: F.gelu(x @ w) @ v, bf16(33, 64), bf16(64, 128), bf16(128, 64), dynamic=True),
    train(
        "dynamic_layer_norm",
        lambda x, w, b: F.layer_norm(x, (x.shape[-1],), w, b),
        t(33, 70),
        t(70),
        t(70),
        dynamic=True,
    ),
    train("dynamic_cross_entropy", F.cross_entropy, t(33, 70), i(33, below=70), dynamic=True),
    train("boolean_mask_train", lambda x, m: (x[m] ** 2).sum(), t(100), t(100, dtype=torch.bool), dynamo=OUTPUT_SHAPES),
    train("transpose_reshape", lambda x: x.view(8, 4, 4, 16).transpose(1, 2).reshape(8, 256).relu(), t(8, 256)),
    train("unsqueeze_repeat", lambda x: x.unsqueeze(1).repeat(1, 3, 2).sin(), t(16, 20)),
    train("movedim_strided", lambda x: x.movedim(0, -1).exp().sum(0), t(8, 9, 10)),
]
