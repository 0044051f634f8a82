"""What every case of the corpus is made from."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from typing import Any

import pytest
import torch
from torch.nn.attention.flex_attention import BlockMask, create_block_mask, flex_attention

from kernelsnap import capture
from kernelsnap.golden.build import build_golden
from kernelsnap.golden.format import render
from kernelsnap.model.capture import Capture


@pytest.fixture
def check(kernel_snapshot: Any) -> Callable[..., None]:
    """Capture a function, hold its memory traffic against a number, and its golden against the file.

    `numel` counts elements of four bytes that the fused nodes read and write, summed over all graphs: no update can
    bless a change of it. Where GPUs differ in it, it is given for each.
    """

    def check(fn: Callable[..., Any], *args: Any, numel: int | Mapping[str, int], **options: Any) -> None:
        captured = capture(fn, *args, **options)
        # The golden first: its difference says why the number moved.
        assert captured == kernel_snapshot
        assert captured.bytes_accessed // 4 == (numel if isinstance(numel, int) else numel[captured.target])

    return check


@pytest.fixture
def tensors(kernel_device: str) -> Callable[..., list[torch.Tensor]]:
    """Random fp32 tensors of the given shapes on the target."""

    def tensors(*shapes: tuple[int, ...], **options: Any) -> list[torch.Tensor]:
        return [torch.randn(shape, device=kernel_device, **options) for shape in shapes]

    return tensors


@pytest.fixture
def indices(kernel_device: str) -> Callable[..., torch.Tensor]:
    """An int32 vector of `size` indices below `below`, on the target."""

    def indices(size: int, below: int) -> torch.Tensor:
        return torch.randint(0, below, (size,), dtype=torch.int32, device=kernel_device)

    return indices


@pytest.fixture
def block_mask(kernel_device: str) -> Callable[..., BlockMask]:
    """A `BlockMask` of a mask_mod on the target; a batch or head count of None is shared by all."""

    def block_mask(mask_mod: Callable[..., Any], batch: int | None, heads: int | None, *lengths: int) -> BlockMask:
        return create_block_mask(mask_mod, batch, heads, lengths[0], lengths[-1], device=kernel_device)

    return block_mask


@pytest.fixture
def check_attention(kernel_snapshot: Any) -> Callable[..., None]:
    """Capture flex attention, see that `backend` runs it in the given directions, and hold the golden to the file."""

    def check_attention(
        *qkv: torch.Tensor,
        backend: str,
        directions: tuple[str, ...] = ("forward",),
        kernel_options: dict[str, Any] | None = None,
        **options: Any,
    ) -> Capture:
        options["kernel_options"] = {"BACKEND": backend} | (kernel_options or {})

        def attend(*qkv: torch.Tensor) -> Any:
            return flex_attention(*qkv, **options)

        captured = capture(attend, *qkv, backward="backward" in directions)
        kinds = [kernel.kind for graph in captured.graphs for kernel in graph.kernels]
        name = "FLASH" if backend == "FLASH" else "Triton"
        assert [kind for kind in kinds if "attention" in kind] == [f"flex attention {d}, {name}" for d in directions]
        hashes = re.findall(r"\bcutedsl_\w*?_([0-9a-f]{8})\b", captured.text)
        assert not any(content_hash in render(build_golden(captured, "case")) for content_hash in hashes)
        assert captured == kernel_snapshot
        return captured

    return check_attention
