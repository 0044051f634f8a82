"""What every case of the corpus is made from."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

from kernelsnap import capture


@pytest.fixture
def check(kernel_snapshot: Any) -> Callable[..., None]:
    """Capture a function, hold its memory traffic against a number, and its golden against the file.

    `numel` counts elements of four bytes that the fused nodes read and write, summed over all graphs: no update can
    bless a change of it.
    """

    def check(fn: Callable[..., Any], *args: Any, numel: int, **options: Any) -> None:
        captured = capture(fn, *args, **options)
        assert captured.bytes_accessed // 4 == numel
        assert captured == kernel_snapshot

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
