"""What each condition of an attention backend asks for, in words: the reasons that a golden's `why` has."""

from __future__ import annotations

from kernelsnap.virtual.sdpa_rules import Condition

TURNED_ON = "to be turned on"

#: By the name of the condition, or of the function that makes it.
_MEANINGS = {
    "_four_dimensions": "four dimensions",
    "_dtypes": "one dtype that it takes",
    "_between": "a GPU that it runs on",
    "_no_mask": "no mask",
    "_nonzero_lengths": "lengths above zero",
    "_unit_strides": "tensors that are contiguous in the last dimension",
    "_batch_and_heads": "batches and numbers of heads that fit each other",
    "_cudnn_mask": "a mask that fits, without a gradient",
    "_cudnn_batch": "at most 65,535 batches and heads",
    "_cudnn_sizes": "a head dimension and lengths that it takes",
    "_cudnn_backward": "a head dimension that its backward takes",
    "_cudnn_dropout": "a dropout of whole sixteenths",
    "_deterministic_allowed": "nondeterministic algorithms allowed",
    "_flash_grid": "at most 65,535 batches and heads",
    "_flash_head_dim": "one head dimension that it takes",
    "_flash_training_head_dim": "a head dimension that its backward takes on this GPU",
    "_causal_square": "as many keys as queries where it is causal",
    "_efficient_head_dim": "head dimensions that are aligned",
    "_efficient_offsets": "tensors that begin aligned",
    "_mask_dtype": "a mask of bool or of the dtype of the query",
    "_never": "another GPU",
    "<lambda>": TURNED_ON,  # the first condition of each backend: its setting
}


def meaning_of(condition: Condition) -> str:
    """What a condition asks for, to put after `wants`."""
    name: str = condition.__qualname__.partition(".")[0]
    return _MEANINGS[name]
