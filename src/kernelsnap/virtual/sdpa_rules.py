"""The conditions under which each backend of `scaled_dot_product_attention` takes a call, as in torch's C++ code.

The same conditions in the same order: with dynamic shapes every condition on a size that is asked becomes a guard.
Modelled after `sdp_utils.cpp` and `sdp_utils_cpp.h` of torch; what a release added says so with `_since`. The rules of
2.11 were held against a real H100. Those of 2.12 to 2.15 come from these releases' headers and source, and from the
checks and limits that are compiled into their `libtorch_cuda.so`. Where torch asks for cuDNN's version, the answer is
that of the CUDA 13 wheels: 9.19 for torch 2.11, 9.20 for 2.12, 9.24.0 for 2.14, 9.26 for 2.15. Not modelled: nested
tensors of strided layout, which `torch.compile` does not support, and flash attention 3 and 4, which a program turns on
by name.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from kernelsnap.shared.private_names import release_of
from kernelsnap.targets.target import Target
from kernelsnap.virtual import private

# torch's numbers of the backends (SDPBackend in C++; torch.nn.attention.SDPBackend).
ERROR, MATH, FLASH, EFFICIENT, CUDNN = -1, 0, 1, 2, 3

_HALF = (torch.float16, torch.bfloat16)

Release = tuple[int, int]


def this_release() -> Release:
    """The installed torch's release, major and minor."""
    release = release_of("torch")
    return release.major, release.minor


@dataclass(frozen=True)
class AttentionCall:
    """One call of scaled_dot_product_attention, the GPU that it is for, and the torch release that is asked."""

    target: Target
    query: torch.Tensor
    key: torch.Tensor
    value: torch.Tensor
    mask: torch.Tensor | None
    dropout: float
    causal: bool
    gqa: bool
    release: Release

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


Condition = Callable[[AttentionCall], bool]


def _since(release: Release, condition: Condition) -> Condition:
    """A condition that earlier releases do not ask."""

    def asked(call: AttentionCall) -> bool:
        return call.release < release or condition(call)

    asked.__qualname__ = condition.__qualname__  # by which its meaning is known
    return asked


def _guard_or_false(expression: Any) -> bool:
    return bool(private.GUARD_OR_FALSE.get()(expression))


def _guard_or_true(expression: Any) -> bool:
    return bool(private.GUARD_OR_TRUE.get()(expression))


def _holds(call: AttentionCall, expression: Any) -> bool:
    """Whether a comparison of sizes holds; from 2.15 on, one that depends on data counts as one that does not."""
    return _guard_or_false(expression) if call.release >= (2, 15) else bool(expression)


def _does_not_fail(call: AttentionCall, holds: Callable[[], Any], fails: Callable[[], Any]) -> bool:
    """Whether a comparison holds, where releases before 2.15 ask for its opposite.

    With dynamic shapes each comparison that is made leaves a node in the graph, which later nodes' numbers tell.
    """
    return _guard_or_false(holds()) if call.release >= (2, 15) else not fails()


def _four_dimensions(call: AttentionCall) -> bool:
    return call.query.dim() == call.key.dim() == call.value.dim() == 4


def _dtypes(*allowed: torch.dtype) -> Condition:
    return lambda call: call.query.dtype == call.key.dtype == call.value.dtype and call.query.dtype in allowed


def _between(lowest: tuple[int, int], highest: tuple[int, int]) -> Condition:
    return lambda call: lowest <= call.capability <= highest


def _no_mask(call: AttentionCall) -> bool:
    return call.mask is None


def _nonzero_lengths(call: AttentionCall) -> bool:
    length, kv_length = call.query.shape[-2], call.key.shape[-2]
    if call.release < (2, 15):
        return not (length == 0 or kv_length == 0)
    nonzero = _guard_or_false(length != 0), _guard_or_false(kv_length != 0)
    return all(nonzero)


def _unit_strides(ignore_size_one: bool) -> Condition:
    def condition(call: AttentionCall) -> bool:
        inputs = all(_holds(call, x.stride(-1) == 1) for x in call.inputs)
        inputs = inputs or (ignore_size_one and _holds(call, call.query.shape[-1] == 1))
        return inputs and (call.mask is None or _holds(call, call.mask.stride(-1) == 1))

    return condition


_ALWAYS: Release = (0, 0)
_IN_NO_RELEASE: Release = (99, 0)


def _batch_and_heads(groups_since: Release, one_head_since: Release, same_kv_heads: bool = True) -> Condition:
    """Whether batches fit, and heads: in groups where the call asks for them, or one head of keys for all queries."""

    def condition(call: AttentionCall) -> bool:
        batches, heads = ([x.shape[dim] for x in call.inputs] for dim in (0, -3))
        # Before 2.15 the heads are compared first, even where the answer is not used.
        same_heads = _all_equal(call, heads) if call.release < (2, 15) else None
        if not _all_equal(call, batches):
            return False
        if call.gqa and call.release >= groups_since:
            return _heads_in_groups(call, heads, same_kv_heads)
        if _all_equal(call, heads) if same_heads is None else same_heads:
            return True
        one_head = call.release >= one_head_since and _holds(call, heads[0] > 0)
        return one_head and all(_holds(call, count == 1) for count in heads[1:])

    return condition


def _all_equal(call: AttentionCall, sizes: list[Any]) -> bool:
    """Whether keys and values have the same size as queries."""
    return all(_holds(call, sizes[0] == size) for size in sizes[1:])


def _heads_in_groups(call: AttentionCall, all_heads: list[Any], same_kv_heads: bool) -> bool:
    heads, key_heads, value_heads = all_heads
    if same_kv_heads or call.release < (2, 15):
        same = _holds(call, key_heads == value_heads)
        if same_kv_heads and not same:
            return False
    counts = (key_heads,) if same_kv_heads else (key_heads, value_heads)
    if call.release < (2, 15):
        return not any(heads % count != 0 for count in counts)
    return all(_guard_or_false(count > 0) and _guard_or_false(heads % count == 0) for count in counts)


# cuDNN


def _cudnn_mask(call: AttentionCall) -> bool:
    if call.mask is None:
        return True
    if call.mask.requires_grad:
        return False
    shape, query, key = call.mask.shape, call.query.shape, call.key.shape
    if call.release >= (2, 13):
        sizes = [(shape[-2], query[2]), (shape[-1], key[2])]
        if call.mask.dim() == 4:
            sizes += [(shape[0], query[0]), (shape[1], query[1])]
        return all(_known_to_fit(call, *pair) for pair in sizes) and call.mask.dim() in (2, 4)
    # The comparisons of C++, in its order: with dynamic shapes each leaves a trace.
    if shape[-2] != query[2] and shape[-2] != 1:
        return False
    if shape[-1] != key[2] and shape[-1] != 1:
        return False
    if call.mask.dim() == 2:
        return True
    return call.mask.dim() == 4 and shape[0] in (1, query[0]) and shape[1] in (1, query[1])


def _known_to_fit(call: AttentionCall, size: Any, wanted: Any) -> bool:
    """Whether a mask's size is the wanted one or a plain 1; before 2.15 asked without making a guard."""
    same = size == wanted
    known = _guard_or_false(same) if call.release >= (2, 15) else private.STATICALLY_KNOWN_TRUE.get()(same)
    return known or (isinstance(size, int) and size == 1)


def _cudnn_batch(call: AttentionCall) -> bool:
    batch, heads = call.query.shape[:2]
    return _at_most(call, batch, 65535) and _at_most(call, heads, 65535)


def _cudnn_sizes(call: AttentionCall) -> bool:
    length, kv_length, dim, v_dim = call.query.shape[2], call.key.shape[2], call.query.shape[3], call.value.shape[3]
    if not _cudnn_decodes(call, length):
        return False
    limit = cudnn_head_dim(call)
    return (
        all(_at_most(call, size, limit) for size in (dim, v_dim))
        and all(_multiple_of_8(call, size) for size in (dim, v_dim))
        and _does_not_fail(call, lambda: kv_length != 1, lambda: kv_length == 1)
        and _cudnn_length(call, length)
    )


def _cudnn_decodes(call: AttentionCall, length: Any) -> bool:
    # torch 2.14 switches a single query off on Blackwell for cuDNN 9.19 to 9.25, of which its wheel has one.
    if call.release < (2, 14):
        return True
    return not (_guard_or_false(length == 1) and call.release < (2, 15) and call.capability[0] in (10, 11))


def _cudnn_length(call: AttentionCall, length: Any) -> bool:
    if call.release >= (2, 15):
        return call.dropout == 0.0 or _guard_or_false(length != 1)
    return not (length == 1 and call.dropout != 0.0)


def _at_most(call: AttentionCall, size: Any, limit: int) -> bool:
    return _does_not_fail(call, lambda: size <= limit, lambda: size > limit)


def _multiple_of_8(call: AttentionCall, size: Any) -> bool:
    return _does_not_fail(call, lambda: size % 8 == 0, lambda: size % 8 != 0)


def cudnn_head_dim(call: AttentionCall) -> int:
    """The largest head that cuDNN takes."""
    if call.capability == (9, 0) or (call.release >= (2, 14) and _cudnn_has_256(call)):
        return 256
    dims = call.query.shape[3], call.value.shape[3]
    return 192 if call.capability[0] == 10 and _holds(call, dims[0] == 192) and _holds(call, dims[1] == 128) else 128


def _cudnn_has_256(call: AttentionCall) -> bool:
    # cuDNN up to 9.25 does not on 10.7 yet.
    on_10_7 = call.release >= (2, 15)
    return (call.capability == (9, 0) or call.capability[0] == 10) and (on_10_7 or call.capability != (10, 7))


def _cudnn_backward(call: AttentionCall) -> bool:
    if not (call.training and _cudnn_has_256(call)):
        return True
    dim, v_dim = call.query.shape[3], call.value.shape[3]
    return (
        (_holds(call, dim <= 128) and _holds(call, v_dim <= 128))
        or (_holds(call, dim == 192) and _holds(call, v_dim == 128))
        or (_holds(call, dim == 256) and _holds(call, v_dim == 256))
    )


def _cudnn_dropout(call: AttentionCall) -> bool:
    # It only takes probabilities that are multiples of 1/16.
    return (call.dropout * 16.0).is_integer()


def _deterministic_allowed(call: AttentionCall) -> bool:
    return not torch.are_deterministic_algorithms_enabled() or torch.is_deterministic_algorithms_warn_only_enabled()


# Flash attention


def _flash_grid(call: AttentionCall) -> bool:
    return _holds(call, call.query.shape[0] <= 65535) and _holds(call, call.query.shape[1] <= 65535)


def _flash_head_dim(call: AttentionCall) -> bool:
    limit = 512 if call.target.backend == "hip" else 256
    dim = call.query.shape[-1]
    same = _holds(call, dim == call.key.shape[-1]) and _holds(call, dim == call.value.shape[-1])
    return same and _holds(call, dim <= limit)


def _flash_training_head_dim(call: AttentionCall) -> bool:
    # The kernel of its backward needs more shared memory than these GPUs have.
    if not (call.training and ((8, 6) <= call.capability <= (8, 9) or (12, 0) <= call.capability <= (12, 1))):
        return True
    dim = call.query.shape[-1]
    return _holds(call, dim <= 192) or (call.dropout == 0.0 and _holds(call, dim > 224))


def _causal_square(call: AttentionCall) -> bool:
    length, kv_length = call.query.shape[-2], call.key.shape[-2]
    return not call.causal or _does_not_fail(call, lambda: length == kv_length, lambda: length != kv_length)


# Efficient attention


def efficient_alignment(call: AttentionCall) -> int:
    """How many elements its matrix products load at once."""
    return 8 if call.query.dtype in _HALF else 4


def _efficient_head_dim(call: AttentionCall) -> bool:
    dim, v_dim, alignment = call.query.shape[-1], call.value.shape[-1], efficient_alignment(call)
    return (
        _holds(call, dim == call.key.shape[-1])
        and _holds(call, dim % alignment == 0)
        and _holds(call, dim > 0)
        and _holds(call, v_dim % alignment == 0)
        and _holds(call, v_dim > 0)
    )


def _efficient_offsets(call: AttentionCall) -> bool:
    # torch asks where in its storage a tensor begins, not where in memory; if that is not known, it counts as aligned.
    step = efficient_alignment(call) * call.query.element_size()
    return call.capability < (8, 0) or all(
        _guard_or_false(x.numel() == 0) or _guard_or_true(x.storage_offset() * x.element_size() % step == 0)
        for x in call.inputs
    )


def _mask_dtype(call: AttentionCall) -> bool:
    return call.mask is None or call.mask.dtype in (torch.bool, call.query.dtype)


def _never(call: AttentionCall) -> bool:
    return False


CUDA_CONDITIONS: dict[int, tuple[Condition, ...]] = {
    CUDNN: (
        lambda call: torch.backends.cuda.cudnn_sdp_enabled(),
        _four_dimensions,
        _deterministic_allowed,
        _dtypes(*_HALF),
        _cudnn_mask,
        _between((8, 0), (12, 1)),
        _since((2, 12), _cudnn_dropout),
        _nonzero_lengths,
        _unit_strides(ignore_size_one=True),
        _batch_and_heads(_ALWAYS, (2, 14), same_kv_heads=False),
        _since((2, 13), _cudnn_batch),
        _cudnn_sizes,
        _since((2, 14), _cudnn_backward),
    ),
    FLASH: (
        lambda call: torch.backends.cuda.flash_sdp_enabled(),
        _four_dimensions,
        _no_mask,
        _flash_head_dim,
        _between((8, 0), (12, 1)),
        _flash_training_head_dim,
        _causal_square,
        _dtypes(*_HALF),
        _batch_and_heads(_ALWAYS, (2, 14)),
        _since((2, 15), _flash_grid),
        _nonzero_lengths,
        _unit_strides(ignore_size_one=True),
    ),
    EFFICIENT: (
        lambda call: torch.backends.cuda.mem_efficient_sdp_enabled(),
        _between((5, 0), (12, 1)),
        _four_dimensions,
        _efficient_head_dim,
        _since((2, 13), _efficient_offsets),
        _nonzero_lengths,
        _unit_strides(ignore_size_one=False),
        _batch_and_heads((2, 14), (2, 14)),
        _dtypes(torch.float32, *_HALF),
    ),
}

# AMD: flash and efficient attention are one library (AOTriton), which shares its limits; there is no cuDNN.
HIP_CONDITIONS: dict[int, tuple[Condition, ...]] = {
    CUDNN: (_never,),
    FLASH: tuple(c for c in CUDA_CONDITIONS[FLASH] if c is not _flash_training_head_dim),
    EFFICIENT: (
        lambda call: torch.backends.cuda.mem_efficient_sdp_enabled(),
        _four_dimensions,
        _flash_head_dim,
        _nonzero_lengths,
        _unit_strides(ignore_size_one=False),
        _batch_and_heads(_IN_NO_RELEASE, _IN_NO_RELEASE),
        _dtypes(torch.float32, *_HALF),
        _mask_dtype,
    ),
}
