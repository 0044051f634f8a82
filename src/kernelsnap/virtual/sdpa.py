"""Which backend `scaled_dot_product_attention` calls on a target: cuDNN, flash, efficient or math.

torch asks a C++ function that only a build with CUDA has, and which asks the GPU. Everything around the question (the
padding of heads, the conversion of masks, the operators themselves) is torch's own code on every build; so only the
question is answered here, by the conditions of `sdpa_rules`.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import replace
from typing import Any

import torch

from kernelsnap.shared.assigned import assigned
from kernelsnap.shared.wording import listed
from kernelsnap.targets.target import Target
from kernelsnap.virtual import private
from kernelsnap.virtual.sdpa_rules import (
    CUDA_CONDITIONS,
    CUDNN,
    EFFICIENT,
    ERROR,
    FLASH,
    HIP_CONDITIONS,
    MATH,
    AttentionCall,
    Condition,
    this_release,
)
from kernelsnap.virtual.sdpa_words import TURNED_ON, meaning_of

#: Is told what each choice was made from.
_listener: ContextVar[Callable[[str], None] | None] = ContextVar("sdpa_listener", default=None)
_NAMES = {MATH: "math", FLASH: "flash", EFFICIENT: "efficient", CUDNN: "cuDNN"}


@contextlib.contextmanager
def listening_to_choices(hear: Callable[[str], None]) -> Iterator[None]:
    """Tell `hear` of each choice inside the block which backend was taken, and what the ones before it lack."""
    with assigned(_listener, hear):
        yield


def can_use(backend: int, call: AttentionCall) -> bool:
    """Whether a backend other than math could answer this call."""
    return _unmet(backend, call) is None


def _unmet(backend: int, call: AttentionCall) -> Condition | None:
    """The first condition of a backend that a call does not meet."""
    conditions = HIP_CONDITIONS if call.target.backend == "hip" else CUDA_CONDITIONS
    return next((condition for condition in conditions[backend] if not condition(call)), None)


def choose(call: AttentionCall) -> int:
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
    if call.release >= (2, 14):
        call = _with_batch(call)
    order: list[int] = private.GET_SDP_PRIORITY.get()()
    lacking: list[str] = []
    for backend in order:
        if backend == MATH:
            if enabled.math_sdp_enabled():
                return _taken(MATH, lacking, order)
            lacking.append(f"{_NAMES[MATH]} wants {TURNED_ON}")
        elif backend in CUDA_CONDITIONS:
            condition = _unmet(backend, call)
            if condition is None:
                return _taken(backend, lacking, order)
            lacking.append(f"{_NAMES[backend]} wants {meaning_of(condition, call)}")
    raise RuntimeError("No available kernel. Aborting execution.")


def _taken(backend: int, lacking: list[str], order: list[int]) -> int:
    if hear := _listener.get():
        after = [_NAMES[it] for it in order[order.index(backend) + 1 :] if it in _NAMES]
        before = f", before {listed(after)} is asked" if after and not lacking else ""
        hear("; ".join([f"{_NAMES[backend]} is taken{before}", *lacking]))
    return backend


def _with_batch(call: AttentionCall) -> AttentionCall:
    """The call with a batch of one, where there is none; `scaled_dot_product_attention` does the same."""
    if any(x.dim() != 3 for x in call.inputs):
        return call
    query, key, value = (x.unsqueeze(0) for x in call.inputs)
    mask = call.mask
    while mask is not None and mask.dim() < 4:
        mask = mask.unsqueeze(0)
    return replace(call, query=query, key=key, value=value, mask=mask)


def prefers_cudnn(target: Target) -> bool:
    """Whether torch tries cuDNN first on this GPU: on Hopper and on the data center's Blackwell.

    torch also wants a cuDNN after 9.15; the CUDA 13 wheels of every supported release come with one.
    """
    deprioritized = os.environ.get("TORCH_CUDNN_SDPA_DEPRIORITIZED") == "1"
    return target.backend == "cuda" and target.major in (9, 10) and not deprioritized


def can_use_function(backend: int) -> Callable[[Target], Callable[..., bool]]:
    """For a target, the function behind ``torch.backends.cuda.can_use_flash_attention`` and its like."""

    def for_target(target: Target) -> Callable[..., bool]:
        def can(params: Any, debug: bool = False) -> bool:
            inputs = params.query, params.key, params.value, params.attn_mask
            options = params.dropout, params.is_causal, params.enable_gqa
            return can_use(backend, AttentionCall(target, *inputs, *options, this_release()))

        return can

    return for_target


#: Puts the function that answers where torch's C++ code asks.
Installer = Callable[[Callable[..., int]], contextlib.AbstractContextManager[None]]


@contextlib.contextmanager
def chosen_for(target: Target, install: Installer | None) -> Iterator[None]:
    """Let torch choose as on this target; without an installer, only the order of preference is the target's."""

    def answer(query: Any, key: Any, value: Any, mask: Any, dropout: float, causal: bool, gqa: bool) -> int:
        return choose(AttentionCall(target, query, key, value, mask, dropout, causal, gqa, this_release()))

    order = private.GET_SDP_PRIORITY.get()()
    # torch does the same in C++, when it is asked for the first time.
    first = [CUDNN, FLASH, EFFICIENT, MATH] if prefers_cudnn(target) else [FLASH, EFFICIENT, MATH, CUDNN]
    set_order = private.SET_SDP_PRIORITY.get()
    set_order(first)
    try:
        with install(answer) if install else contextlib.nullcontext():
            yield
    finally:
        set_order(order)
