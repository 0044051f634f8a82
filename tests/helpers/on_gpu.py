"""Tensors on the virtual GPU of a test."""

from __future__ import annotations

from typing import Any

import torch


def randn(*shape: int, **options: Any) -> torch.Tensor:
    """Random numbers on the GPU."""
    return torch.randn(*shape, device="cuda", **options)
