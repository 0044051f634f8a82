"""Which backend `scaled_dot_product_attention` calls on a target: cuDNN, flash, efficient or math.

torch asks a C++ function that only a build with CUDA has, and which asks the GPU. Everything around the question (the
padding of heads, the conversion of masks, the operators themselves) is torch's own code on every build; so only the
question is answered here, by the same conditions in the same order. The order matters with dynamic shapes: every
condition on a size that is asked becomes a guard.

Modelled after `sdp_utils.cpp` and `sdp_utils_cpp.h` of torch. Not modelled: nested tensors of strided layout, which
`torch.compile` does not support.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

import torch

from kernelsnap.targets import Target

# torch's numbers of the backends (SDPBackend in C++; torch.nn.attention.SDPBackend).
ERROR, MATH, FLASH, EFFICIENT, CUDNN = -1, 0, 1, 2, 3

#: The cuDNN bundled with torch's CUDA 13 wheels, as cuDNN numbers it: 9.19.0.
CUDNN_VERSION = 91900

_HALF = (torch.float16, torch.bfloat16)


@dataclass(frozen=True)
class Question:
    """One call of scaled_dot_product_attention, and the GPU that it is for."""

    target: Target
    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor
    mask: torch.Tensor | None
    dropout: float
    causal: bool
    gqa: bool

    @property
    def inputs(self) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Query, key and value."""
        return self.query, self.key, self.value

    @property
    def capability(self) -> tuple[int, int]:
        """The compute capability."""
        return self.target.major, self.target.minor

    @property
    def training(self) -> bool:
        """Whether a gradient will be asked for."""
        return any(x.requires_grad for x in self.inputs) and torch.is_grad_enabled()


Condition = Callable[[Question], bool]


def _four_dimensions(q: Question) -> bool:
    return q.query.dim() == q.key.dim() == q.value.dim() == 4


def _dtypes(*allowed: torch.dtype) -> Condition:
    return lambda q: q.query.dtype == q.key.dtype == q.value.dtype and q.query.dtype in allowed


def _between(lowest: tuple[int, int], highest: tuple[int, int]) -> Condition:
    return lambda q: lowest <= q.capability <= highest


def _no_mask(q: Question) -> bool:
    return q.mask is None


def _nonzero_lengths(q: Question) -> bool:
    return not (q.query.shape[-2] == 0 or q.key.shape[-2] == 0)


def _unit_strides(ignore_size_one: bool) -> Condition:
    def condition(q: Question) -> bool:
        inputs = all(x.stride(-1) == 1 for x in q.inputs) or (ignore_size_one and q.query.shape[-1] == 1)
        return bool(inputs and (q.mask is None or q.mask.stride(-1) == 1))

    return condition


def _batch_and_heads(gqa: bool, same_kv_heads: bool = True) -> Condition:
    def condition(q: Question) -> bool:
        query, key, value = (x.shape for x in q.inputs)
        if not (query[0] == key[0] and query[0] == value[0]):
            return False
        heads, key_heads, value_heads = query[-3], key[-3], value[-3]
        if not (q.gqa and gqa):
            return bool(heads == key_heads and heads == value_heads)
        if same_kv_heads and key_heads != value_heads:
            return False
        return bool(heads % key_heads == 0 and (same_kv_heads or heads % value_heads == 0))

    return condition


# cuDNN


def _cudnn_mask(q: Question) -> bool:
    if q.mask is None:
        return True
    if q.mask.requires_grad:
        return False
    shape, query, key = q.mask.shape, q.query.shape, q.key.shape
    if not (_fits(shape[-2], query[2]) and _fits(shape[-1], key[2])):
        return False
    if q.mask.dim() == 2:
        return True
    return q.mask.dim() == 4 and _fits(shape[0], query[0]) and _fits(shape[1], query[1])


def _fits(size: Any, wanted: Any) -> bool:
    return bool(size in (wanted, 1))


def _cudnn_sizes(q: Question) -> bool:
    length, kv_length, dim, v_dim = q.query.shape[2], q.key.shape[2], q.query.shape[3], q.value.shape[3]
    limit = 128
    if q.capability == (9, 0):
        limit = 256
    elif q.capability[0] == 10 and dim == 192 and v_dim == 128:
        limit = 192
    if dim > limit or v_dim > limit or dim % 8 != 0 or v_dim % 8 != 0:
        return False
    return bool(kv_length != 1 and not (length == 1 and q.dropout != 0.0))


def _deterministic_allowed(q: Question) -> bool:
    return not torch.are_deterministic_algorithms_enabled() or torch.is_deterministic_algorithms_warn_only_enabled()


# Flash attention


def _flash_head_dim(q: Question) -> bool:
    limit = 512 if q.target.backend == "hip" else 256
    dim = q.query.shape[-1]
    return bool(dim == q.key.shape[-1] and dim == q.value.shape[-1] and dim <= limit)


def _flash_training_head_dim(q: Question) -> bool:
    # The kernel of its backward needs more shared memory than these GPUs have.
    dim = q.query.shape[-1]
    too_large = dim > 192 and (dim <= 224 or q.dropout > 0.0)
    small = (8, 6) <= q.capability <= (8, 9) or (12, 0) <= q.capability <= (12, 1)
    return not (q.training and small and too_large)


def _causal_square(q: Question) -> bool:
    return not (q.causal and q.query.shape[-2] != q.key.shape[-2])


# Efficient attention


def _efficient_head_dim(q: Question) -> bool:
    dim, v_dim = q.query.shape[-1], q.value.shape[-1]
    alignment = 8 if q.query.dtype in _HALF else 4
    return bool(
        dim == q.key.shape[-1] and dim % alignment == 0 and dim > 0 and v_dim % alignment == 0 and v_dim > 0
    )  # fmt: skip


def _never(q: Question) -> bool:
    return False


_CUDA_CONDITIONS: dict[int, tuple[Condition, ...]] = {
    CUDNN: (
        lambda q: torch.backends.cuda.cudnn_sdp_enabled(),
        _four_dimensions,
        _deterministic_allowed,
        _dtypes(*_HALF),
        _cudnn_mask,
        _between((8, 0), (12, 1)),
        _nonzero_lengths,
        _unit_strides(ignore_size_one=True),
        _batch_and_heads(gqa=True, same_kv_heads=False),
        _cudnn_sizes,
    ),
    FLASH: (
        lambda q: torch.backends.cuda.flash_sdp_enabled(),
        _four_dimensions,
        _no_mask,
        _flash_head_dim,
        _between((8, 0), (12, 1)),
        _flash_training_head_dim,
        _causal_square,
        _dtypes(*_HALF),
        _batch_and_heads(gqa=True),
        _nonzero_lengths,
        _unit_strides(ignore_size_one=True),
    ),
    EFFICIENT: (
        lambda q: torch.backends.cuda.mem_efficient_sdp_enabled(),
        _between((5, 0), (12, 1)),
        _four_dimensions,
        _efficient_head_dim,
        _nonzero_lengths,
        _unit_strides(ignore_size_one=False),
        _batch_and_heads(gqa=False),
        _dtypes(torch.float32, *_HALF),
    ),
}

# AMD: flash and efficient attention are one library (AOTriton), which shares its limits; there is no cuDNN.
_HIP_CONDITIONS: dict[int, tuple[Condition, ...]] = {
    CUDNN: (_never,),
    FLASH: tuple(c for c in _CUDA_CONDITIONS[FLASH] if c is not _flash_training_head_dim),
    EFFICIENT: (
        lambda q: torch.backends.cuda.mem_efficient_sdp_enabled(),
        _four_dimensions,
        _flash_head_dim,
        *_CUDA_CONDITIONS[EFFICIENT][4:],
        lambda q: q.mask is None or q.mask.dtype in (torch.bool, q.query.dtype),
    ),
}


def can_use(backend: int, question: Question) -> bool:
    """Whether a backend other than math could answer this call."""
    conditions = _HIP_CONDITIONS if question.target.backend == "hip" else _CUDA_CONDITIONS
    return all(condition(question) for condition in conditions[backend])


def choose(question: Question) -> int:
    """The number of the backend that torch would call.

    Raises `RuntimeError`, as torch does, where `sdpa_kernel` allows none that can.
    """
    enabled = torch.backends.cuda
    if not (
        enabled.math_sdp_enabled()
        or enabled.flash_sdp_enabled()
        or enabled.mem_efficient_sdp_enabled()
        or enabled.cudnn_sdp_enabled()
    ):
        return ERROR
    for backend in torch._C._get_sdp_priority_order():
        if backend == MATH:
            if enabled.math_sdp_enabled():
                return MATH
        elif backend in _CUDA_CONDITIONS and can_use(backend, question):
            return backend
    raise RuntimeError("No available kernel. Aborting execution.")


def prefers_cudnn(target: Target) -> bool:
    """Whether torch tries cuDNN first on this GPU: on Hopper and on the data center's Blackwell."""
    deprioritized = os.environ.get("TORCH_CUDNN_SDPA_DEPRIORITIZED") == "1"
    return target.backend == "cuda" and target.major in (9, 10) and not deprioritized and CUDNN_VERSION > 91500


def can_use_function(backend: int) -> Callable[[Target], Callable[..., bool]]:
    """For a target, the function behind ``torch.backends.cuda.can_use_flash_attention`` and its like."""

    def for_target(target: Target) -> Callable[..., bool]:
        def can(params: Any, debug: bool = False) -> bool:
            inputs = params.query, params.key, params.value, params.attn_mask
            return can_use(backend, Question(target, *inputs, params.dropout, params.is_causal, params.enable_gqa))

        return can

    return for_target


#: Puts the function that answers where torch's C++ code asks.
Installer = Callable[[Callable[..., int]], contextlib.AbstractContextManager[None]]


@contextlib.contextmanager
def chosen_for(target: Target, install: Installer | None) -> Iterator[None]:
    """Let torch choose as on this target; without an installer, only the order of preference is the target's."""

    def answer(query: Any, key: Any, value: Any, mask: Any, dropout: float, causal: bool, gqa: bool) -> int:
        return choose(Question(target, query, key, value, mask, dropout, causal, gqa))

    order = torch._C._get_sdp_priority_order()
    # torch does the same in C++, when it is asked for the first time.
    first = [CUDNN, FLASH, EFFICIENT, MATH] if prefers_cudnn(target) else [FLASH, EFFICIENT, MATH, CUDNN]
    torch._C._set_sdp_priority_order(first)
    try:
        with install(answer) if install else contextlib.nullcontext():
            yield
    finally:
        torch._C._set_sdp_priority_order(order)
