"""What each condition of an attention backend asks for, in words: the reasons that a golden's `why` has."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from kernelsnap.virtual.sdpa_rules import AttentionCall, Condition, cudnn_head_dim, efficient_alignment

TURNED_ON = "to be turned on"
_GRID = "at most 65,535 batches and heads"


def _dtypes(call: AttentionCall, condition: Condition) -> str:
    allowed = inspect.getclosurevars(condition).nonlocals["allowed"]
    return f"one dtype, {_or(map(_name, allowed))} (it is {_and(_name(x.dtype) for x in call.inputs)})"


def _between(call: AttentionCall, condition: Condition) -> str:
    limits = inspect.getclosurevars(condition).nonlocals
    lowest, highest, here = (".".join(map(str, it)) for it in (limits["lowest"], limits["highest"], call.capability))
    return f"compute capability {lowest} to {highest} (it is {here})"


def _batch_and_heads(call: AttentionCall, condition: Condition) -> str:
    batches, heads = (_and(_size(x.shape[dim]) for x in call.inputs) for dim in (0, -3))
    grouped = "" if call.gqa else ", enable_gqa is not set"
    return f"batches and numbers of heads that fit each other (batches are {batches}, heads {heads}{grouped})"


def _cudnn_sizes(call: AttentionCall, condition: Condition) -> str:
    return (
        f"head dimensions that are multiples of 8 up to {cudnn_head_dim(call)}, and lengths that it takes "
        f"({_dimensions(call)}; {_lengths(call)})"
    )


def _flash_head_dim(call: AttentionCall, condition: Condition) -> str:
    return f"one head dimension, up to {512 if call.target.backend == 'hip' else 256} ({_dimensions(call)})"


def _efficient_head_dim(call: AttentionCall, condition: Condition) -> str:
    return f"head dimensions that are multiples of {efficient_alignment(call)} ({_dimensions(call)})"


def _dimensions(call: AttentionCall) -> str:
    return f"they are {_and(_size(x.shape[-1]) for x in call.inputs)}"


def _lengths(call: AttentionCall) -> str:
    return f"{_size(call.query.shape[-2])} queries, {_size(call.key.shape[-2])} keys"


def _size(size: Any) -> str:
    return str(size) if isinstance(size, int) else "dynamic"


def _name(dtype: Any) -> str:
    return str(dtype).removeprefix("torch.")


def _and(words: Iterable[str]) -> str:
    return " and ".join(dict.fromkeys(words))


def _or(words: Iterable[str]) -> str:
    return " or ".join(words)


#: By the name of the condition, or of the function that makes it.
_MEANINGS: Mapping[str, str | Callable[[AttentionCall, Condition], str]] = {
    "_four_dimensions": lambda call, _: f"four dimensions (they have {_and(str(x.dim()) for x in call.inputs)})",
    "_dtypes": _dtypes,
    "_between": _between,
    "_no_mask": "no mask",
    "_nonzero_lengths": lambda call, _: f"lengths above zero ({_lengths(call)})",
    "_unit_strides": "tensors that are contiguous in the last dimension",
    "_batch_and_heads": _batch_and_heads,
    "_cudnn_mask": "a mask that fits, without a gradient",
    "_cudnn_batch": _GRID,
    "_cudnn_sizes": _cudnn_sizes,
    "_cudnn_backward": lambda call, _: f"a head dimension that its backward takes ({_dimensions(call)})",
    "_cudnn_dropout": lambda call, _: f"a dropout of whole sixteenths (it is {call.dropout})",
    "_deterministic_allowed": "nondeterministic algorithms allowed",
    "_flash_grid": _GRID,
    "_flash_head_dim": _flash_head_dim,
    "_flash_training_head_dim": lambda call, _: f"a head dimension that its backward takes here ({_dimensions(call)})",
    "_causal_square": lambda call, _: f"as many keys as queries where it is causal ({_lengths(call)})",
    "_efficient_head_dim": _efficient_head_dim,
    "_efficient_offsets": "tensors that begin aligned",
    "_mask_dtype": "a mask of bool or of the dtype of the query",
    "_never": "another GPU",
    "<lambda>": TURNED_ON,  # the first condition of each backend: its setting
}


def meaning_of(condition: Condition, call: AttentionCall) -> str:
    """What a condition asks for and what the call has instead, to put after `wants`."""
    name: str = condition.__qualname__.partition(".")[0]
    meaning = _MEANINGS[name]
    return meaning if isinstance(meaning, str) else meaning(call, condition)
