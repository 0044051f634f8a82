"""Programs of many kinds: 8 bits, complex numbers, recurrent cells, user kernels, views, in-place and random."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import torch
import torch.nn.functional as F  # noqa: N812
import triton
import triton.language as tl
from torch.nn.attention.flex_attention import create_block_mask, flex_attention

from diff_pairs.sides import BF16, TRAIN, Programs, integers, randn, several

Tensor = torch.Tensor


def _quantized(x: Tensor, dtype: torch.dtype = torch.float8_e4m3fn, dim: int | None = -1, most: float = 448.0) -> Any:
    scale = (x.abs().amax() if dim is None else x.abs().amax(dim, keepdim=True)) / most
    return (x / scale).to(dtype), scale


def _dequantized(x: Tensor, w: Tensor, scale: Tensor) -> Tensor:
    return (x @ (w.to(BF16) * scale)).relu()


def _scaled_after(x: Tensor, w: Tensor, scale: Tensor) -> Tensor:
    return ((x @ w.to(BF16)) * scale).relu()


def _int8_weights() -> tuple[Tensor, ...]:
    return randn(64, 256, dtype=BF16), integers(127, 256, 128, dtype=torch.int8), randn(128, dtype=BF16)


def _rotated(x: Tensor, y: Tensor, conjugate: bool = False) -> Tensor:
    a, b = x.unbind(-1)
    c, d = y.unbind(-1)
    if conjugate:
        d = -d
    return torch.stack((a * c - b * d, a * d + b * c), -1)


def _gru(x: Tensor, h: Tensor, w: Tensor, u: Tensor, *, lerp: bool = False) -> Tensor:
    a, b = (x @ w).chunk(3, -1), (h @ u).chunk(3, -1)
    r, z = (a[0] + b[0]).sigmoid(), (a[1] + b[1]).sigmoid()
    n = (a[2] + r * b[2]).tanh()
    return n + z * (h - n) if lerp else (1 - z) * n + z * h


def _lstm(
    x: Tensor, h: Tensor, c: Tensor, w: Tensor, *, bias: float = 1.0, peep: bool = False
) -> tuple[Tensor, Tensor]:
    i, f, g, o = (torch.cat((x, h), -1) @ w).chunk(4, -1)
    if peep:
        f = f + c
    c = (f + bias).sigmoid() * c + i.sigmoid() * g.tanh()
    return o.sigmoid() * c.tanh(), c


def _cell(number: int) -> tuple[Tensor, ...]:
    return (*several(number, 32, 128), randn(256, 512))


def _loops(x: Tensor, w: Tensor, *, outer: int = 2, inner: int = 3) -> Tensor:
    for _ in range(outer):
        for _ in range(inner):
            x = (x + w).sin()
        x = x / x.norm(dim=-1, keepdim=True)
    return x


def _lion(beta: float = 0.9, cautious: bool = False) -> Callable[..., None]:
    def update(p: Tensor, g: Tensor, m: Tensor) -> None:
        step = (m * beta + g * (1 - beta)).sign()
        if cautious:
            step = step * (step * g > 0)
        p.sub_(step, alpha=0.01)
        m.lerp_(g, 0.01)

    return update


def _listed(each: bool) -> Callable[..., None]:
    def update(*tensors: Tensor) -> None:
        p, g = tensors[:4], tensors[4:]
        if each:
            for one, grad in zip(p, g, strict=True):
                one.add_(grad, alpha=-0.1)
        else:
            torch._foreach_add_(p, g, alpha=-0.1)

    return update


def _lists() -> tuple[Tensor, ...]:
    shapes = ((64, 64), (128,), (32, 96), (256,))
    return tuple(randn(*shape) for _ in range(2) for shape in shapes)


def _documents(b: Any, h: Any, q: Any, k: Any) -> Any:
    return (q // 128 == k // 128) & (q >= k)


def _prefix(b: Any, h: Any, q: Any, k: Any) -> Any:
    return (q >= k) | (k < 64)


def _masked(mask: Any, block: int = 128, soft: Any = None) -> Callable[..., Tensor]:
    def attend(q: Tensor, k: Tensor, v: Tensor) -> Tensor:
        found = create_block_mask(mask, None, None, 512, 512, device="cuda", BLOCK_SIZE=block)
        return flex_attention(q, k, v, soft, block_mask=found)

    return attend


def _cap(score: Any, b: Any, h: Any, q: Any, k: Any) -> Any:
    return 20 * torch.tanh(score / 20)


@triton.jit
def _axpy(x_ptr, y_ptr, out_ptr, n, BLOCK: tl.constexpr):  # noqa: N803
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x, y = tl.load(x_ptr + at, mask=at < n), tl.load(y_ptr + at, mask=at < n)
    tl.store(out_ptr + at, 2 * x + y, mask=at < n)


@triton.jit
def _maximum(x_ptr, y_ptr, out_ptr, n, BLOCK: tl.constexpr):  # noqa: N803
    at = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    x, y = tl.load(x_ptr + at, mask=at < n), tl.load(y_ptr + at, mask=at < n)
    tl.store(out_ptr + at, tl.maximum(2 * x, y), mask=at < n)


def _launched(kernel: Any = _axpy, block: int = 1024, swapped: bool = False, **options: int) -> Callable[..., Tensor]:
    def fn(x: Tensor, y: Tensor) -> Tensor:
        a, out = x.sin(), torch.empty_like(x)
        first, second = (y, a) if swapped else (a, y)
        kernel[(triton.cdiv(x.numel(), block),)](first, second, out, x.numel(), BLOCK=block, **options)
        return out.exp()

    return fn


def _chain(x: Tensor, sizes: tuple[int, int] = (96, 160), *, swapped: bool = False) -> Tensor:
    a, b = x.split(sizes, 1)
    a, b = a.relu(), b.sigmoid()
    return torch.cat((b, a) if swapped else (a, b), 1) * x


def _views(x: Tensor, *, turned: bool = False) -> Tensor:
    y = x.view(8, 16, 32, 4).permute(0, 2, 1, 3).reshape(8, 32, 64)
    y = y.unflatten(2, (4, 16)).transpose(1, 2) if turned else y.view(8, 4, 32, 16)
    return y.softmax(-1).flatten(1) + 1


def _normalized_in_place(x: Tensor, y: Tensor) -> Tensor:
    x.mul_(0.9).add_(y)
    return x / x.norm()


def _normalized(x: Tensor, y: Tensor) -> Tensor:
    x = x * 0.9 + y
    return x / x.norm()


def _written(x: Tensor, y: Tensor, start: int = 8) -> Tensor:
    x = x.clone()
    x[start : start + 16] = y[:16] * 2
    return x.cumsum(0)


def _noised(x: Tensor, *, uniform: bool = False) -> Tensor:
    noise = torch.rand_like(x) if uniform else torch.randn_like(x)
    return (x + 0.1 * noise).softmax(-1)


def _autocast(dtype: torch.dtype, norm_inside: bool = True) -> Callable[..., Tensor]:
    def fn(x: Tensor, w: Tensor) -> Tensor:
        with torch.autocast("cuda", dtype):
            h = x @ w
            if norm_inside:
                h = F.layer_norm(h, (256,))
        return h.relu() if norm_inside else F.layer_norm(h.float(), (256,)).relu()

    return fn


def _feed(x: Tensor, w: Tensor, v: Tensor) -> Tensor:
    return F.gelu(x @ w) @ v


def _checkpointed(x: Tensor, w: Tensor, v: Tensor) -> Tensor:
    from torch.utils.checkpoint import checkpoint

    return checkpoint(_feed, x, w, v, use_reentrant=False)


def _grad(number: int, *shape: int, **options: Any) -> tuple[Tensor, ...]:
    return several(number, *shape, grad=True, **options)


def _conv(**options: Any) -> Callable[..., Tensor]:
    return lambda x, w: F.silu(F.conv2d(x, w, **options))


def _top(x: Tensor, w: Tensor, k: int = 2, renormalized: bool = True) -> Tensor:
    weights, chosen = (x @ w).softmax(-1).topk(k)
    if renormalized:
        weights = weights / weights.sum(-1, keepdim=True)
    return torch.zeros(x.shape[0], w.shape[1], device="cuda").scatter(1, chosen, weights)


_EMBEDDED = partial(integers, 1000, 64, 16)
_QKV = partial(several, 3, 2, 4, 512, 64, dtype=BF16)

PROGRAMS: Programs = {
    "quantized": lambda: (_quantized, (randn(256, 1024, dtype=BF16),)),
    "quantized_e5m2": lambda: (partial(_quantized, dtype=torch.float8_e5m2), (randn(256, 1024, dtype=BF16),)),
    "quantized_whole": lambda: (partial(_quantized, dim=None), (randn(256, 1024, dtype=BF16),)),
    "quantized_most": lambda: (partial(_quantized, most=240.0), (randn(256, 1024, dtype=BF16),)),
    "dequantized": lambda: (_dequantized, _int8_weights()),
    "dequantized_after": lambda: (_scaled_after, _int8_weights()),
    "rotated": lambda: (_rotated, several(2, 64, 128, 2)),
    "rotated_back": lambda: (partial(_rotated, conjugate=True), several(2, 64, 128, 2)),
    "bags": lambda: (lambda i, w: w[i].sum(1), (_EMBEDDED(), randn(1000, 128))),
    "bags_max": lambda: (lambda i, w: w[i].amax(1), (_EMBEDDED(), randn(1000, 128))),
    "bags_wrapped": lambda: (lambda i, w: w[i % 1000].sum(1), (_EMBEDDED(), randn(1000, 128))),
    "bags_int32": lambda: (
        lambda i, w: w[i].sum(1),
        (integers(1000, 64, 16, dtype=torch.int32), randn(1000, 128)),
    ),
    "scan": lambda: (lambda x: x.cumsum(-1) * 2, (randn(64, 500),)),
    "scan_product": lambda: (lambda x: x.cumprod(-1) * 2, (randn(64, 500),)),
    "scan_exclusive": lambda: (lambda x: (x.cumsum(-1) - x) * 2, (randn(64, 500),)),
    "sorted": lambda: (lambda x: x.sort(-1)[0].diff(), (randn(64, 200),)),
    "sorted_down": lambda: (lambda x: x.sort(-1, descending=True)[0].diff(), (randn(64, 200),)),
    "loops": lambda: (_loops, (randn(64, 256), randn(256))),
    "loops_longer": lambda: (partial(_loops, inner=4), (randn(64, 256), randn(256))),
    "loops_outer": lambda: (partial(_loops, outer=3), (randn(64, 256), randn(256))),
    "gru": lambda: (_gru, (*several(2, 32, 128), *several(2, 128, 384))),
    "gru_lerp": lambda: (partial(_gru, lerp=True), (*several(2, 32, 128), *several(2, 128, 384))),
    "lstm": lambda: (_lstm, _cell(3)),
    "lstm_forgets": lambda: (partial(_lstm, bias=0.5), _cell(3)),
    "lstm_peep": lambda: (partial(_lstm, peep=True), _cell(3)),
    "lion": lambda: (_lion(), several(3, 512, 256)),
    "lion_slow": lambda: (_lion(0.95), several(3, 512, 256)),
    "lion_cautious": lambda: (_lion(cautious=True), several(3, 512, 256)),
    "lists": lambda: (_listed(each=False), _lists()),
    "lists_each": lambda: (_listed(each=True), _lists()),
    "conv": lambda: (_conv(padding=1), (randn(4, 32, 28, 28), randn(64, 32, 3, 3))),
    "conv_stride": lambda: (_conv(padding=1, stride=2), (randn(4, 32, 28, 28), randn(64, 32, 3, 3))),
    "conv_dilated": lambda: (_conv(padding=2, dilation=2), (randn(4, 32, 28, 28), randn(64, 32, 3, 3))),
    "conv_last": lambda: (
        _conv(padding=1),
        tuple(x.to(memory_format=torch.channels_last) for x in (randn(4, 32, 28, 28), randn(64, 32, 3, 3))),
    ),
    "documents": lambda: (_masked(_documents), _QKV()),
    "prefix": lambda: (_masked(_prefix), _QKV()),
    "documents_big": lambda: (_masked(_documents, 256), _QKV()),
    "documents_capped": lambda: (_masked(_documents, soft=_cap), _QKV()),
    "axpy": lambda: (_launched(), several(2, 64, 256)),
    "axpy_block": lambda: (_launched(block=512), several(2, 64, 256)),
    "axpy_warps": lambda: (_launched(num_warps=8), several(2, 64, 256)),
    "axpy_swapped": lambda: (_launched(swapped=True), several(2, 64, 256)),
    "axpy_maximum": lambda: (_launched(_maximum), several(2, 64, 256)),
    "chain": lambda: (_chain, (randn(64, 256),)),
    "chain_cut": lambda: (partial(_chain, sizes=(64, 192)), (randn(64, 256),)),
    "chain_swapped": lambda: (partial(_chain, swapped=True), (randn(64, 256),)),
    "views": lambda: (_views, (randn(8, 2048),)),
    "views_turned": lambda: (partial(_views, turned=True), (randn(8, 2048),)),
    "in_place": lambda: (_normalized_in_place, several(2, 64, 256)),
    "out_of_place": lambda: (_normalized, several(2, 64, 256)),
    "written": lambda: (_written, several(2, 64, 256)),
    "written_later": lambda: (partial(_written, start=32), several(2, 64, 256)),
    "noised": lambda: (_noised, (randn(64, 256),)),
    "noised_uniform": lambda: (partial(_noised, uniform=True), (randn(64, 256),)),
    "autocast": lambda: (_autocast(BF16), (randn(64, 128), randn(128, 256))),
    "autocast_half": lambda: (_autocast(torch.float16), (randn(64, 128), randn(128, 256))),
    "autocast_outside": lambda: (_autocast(BF16, norm_inside=False), (randn(64, 128), randn(128, 256))),
    "feed": lambda: (_feed, (*_grad(1, 64, 128), *_grad(1, 128, 256), *_grad(1, 256, 128)), TRAIN),
    "feed_again": lambda: (_checkpointed, (*_grad(1, 64, 128), *_grad(1, 128, 256), *_grad(1, 256, 128)), TRAIN),
    "feed_dynamic": lambda: (
        _feed,
        (*_grad(1, 64, 128), *_grad(1, 128, 256), *_grad(1, 256, 128)),
        {**TRAIN, "dynamic": True},
    ),
    "routed": lambda: (_top, (randn(128, 64), randn(64, 8))),
    "routed_more": lambda: (partial(_top, k=4), (randn(128, 64), randn(64, 8))),
    "routed_raw": lambda: (partial(_top, renormalized=False), (randn(128, 64), randn(64, 8))),
}
