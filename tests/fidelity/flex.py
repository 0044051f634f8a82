"""flex_attention: score_mod, block masks, GQA, decoding, backward."""

from __future__ import annotations

import torch
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

from .case import Built, Input, bf16, fp16, infer, t, train

QKV = (bf16(2, 4, 256, 64),) * 3


def causal(b, h, q, k):
    return q >= k


def window(b, h, q, k):
    return (q >= k) & (q - k < 64)


def relative(score, b, h, q, k):
    return score + (q - k)


def soft_cap(score, b, h, q, k):
    return 20 * torch.tanh(score / 20)


def scored(score_mod, **options):
    return lambda q, k, v: flex_attention(q, k, v, score_mod=score_mod, **options)


def blocks(mask_mod, length=256, q_length=None, **options):
    """Attention with a block mask made beforehand, as training code does."""

    def make():
        mask = create_block_mask(mask_mod, None, None, q_length or length, length, device="cuda")
        return lambda q, k, v: flex_attention(q, k, v, block_mask=mask, **options)

    return Built(make)


def alibi(q, k, v, slopes):
    return flex_attention(q, k, v, score_mod=lambda s, b, h, i, j: s + slopes[h] * (j - i))


def documents(q, k, v, ids):
    mask = create_block_mask(lambda b, h, i, j: (ids[i] == ids[j]) & (i >= j), None, None, 256, 256, device="cuda")
    return flex_attention(q, k, v, block_mask=mask)


def with_lse(q, k, v):
    out, lse = flex_attention(q, k, v, return_lse=True)
    return out * lse.unsqueeze(-1)


CASES = [
    infer("plain", scored(None), *QKV),
    infer("fp32", scored(relative), *(t(2, 4, 256, 64),) * 3),
    infer("soft_cap", scored(soft_cap), *QKV),
    infer("causal_blocks", blocks(causal), *QKV),
    infer("odd_length", blocks(causal, 200), *(bf16(2, 4, 200, 64),) * 3),
    infer("gqa", scored(None, enable_gqa=True), bf16(2, 8, 256, 64), *(bf16(2, 2, 256, 64),) * 2),
    infer("decoding", scored(None), bf16(2, 8, 1, 64), *(bf16(2, 8, 512, 64),) * 2),
    infer("decoding_gqa", scored(relative, enable_gqa=True), bf16(2, 8, 1, 64), *(bf16(2, 2, 512, 64),) * 2),
    infer("decoding_blocks", blocks(causal, 512, 1), bf16(2, 8, 1, 64), *(bf16(2, 8, 512, 64),) * 2),
    infer("head_dim_128", scored(None), *(fp16(1, 4, 256, 128),) * 3),
    infer("value_dim", scored(None), *(bf16(1, 4, 256, 64),) * 2, bf16(1, 4, 256, 128)),
    infer("kernel_options", scored(None, kernel_options={"BLOCK_M": 64, "BLOCK_N": 64}), *QKV),
    infer("document_mask_compiled", documents, *QKV, Input((256,), torch.int64, below=4)),
    infer(
        "create_block_mask",
        lambda x: create_block_mask(window, 1, 1, x.shape[0], 512, device="cuda").kv_num_blocks,
        t(512),
    ),
    infer("dynamic", scored(relative), *QKV, dynamic=True),
    train("plain_train", scored(None), *QKV),
    train("relative_train", scored(relative), *QKV),
    train("soft_cap_fp32_train", scored(soft_cap), *(t(1, 2, 128, 32),) * 3),
    train("causal_blocks_train", blocks(causal), *QKV),
    train("window_train", blocks(window), *QKV),
    train("gqa_train", scored(None, enable_gqa=True), bf16(2, 8, 256, 64), *(bf16(2, 2, 256, 64),) * 2),
    train("alibi_train", alibi, *QKV, Input((4,), torch.float32)),
    train("with_lse_train", with_lse, *QKV),
    train("odd_length_train", blocks(causal, 200), *(bf16(2, 4, 200, 64),) * 3),
]
