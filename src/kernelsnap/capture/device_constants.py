"""Puts the constants of a graph (``torch.tensor([1, 2], device="cuda")``) on the GPU, as with a real one.

Where no GPU is, torch makes the constant on the CPU and copies it in the graph, so that the graph has one operator
more: ``_tensor_constant0 -> lift_fresh_copy -> device_put``. With a GPU the constant is there from the start.
"""

from __future__ import annotations

from typing import Any

import torch

from kernelsnap.capture import private


class _OnGpu(torch.Tensor):
    """A tensor on the CPU that says it is on the GPU: its values are read, and code is generated for its device."""

    _gpu: torch.device

    @property
    def device(self) -> torch.device:  # type: ignore[override]
        """Where the constant would be."""
        return self._gpu

    @property
    def is_cuda(self) -> bool:  # type: ignore[override]
        """Whether it would be on a GPU."""
        return True

    @classmethod
    def __torch_function__(cls, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        """Compute as an ordinary tensor; results are ordinary ones."""
        with private.NO_TORCH_FUNCTION.get()():
            return func(*args, **(kwargs or {}))


def put_on_device(gm: torch.fx.GraphModule) -> None:
    """Let a graph's constants be on the device that the graph copies them to, and drop the copy."""
    for copy in gm.graph.find_nodes(op="call_function", target=torch.ops.prims.device_put.default):
        lifted = copy.args[0]
        if not _is_lifted_constant(lifted) or set(lifted.users) != {copy}:
            continue
        constant = lifted.args[0]
        device = copy.meta["val"].device
        if device.type != "cuda" or set(constant.users) != {lifted}:
            continue
        moved = getattr(gm, constant.target).as_subclass(_OnGpu)
        moved._gpu = device
        setattr(gm, constant.target, moved)
        for node in (constant, lifted):
            if "val" in node.meta:
                node.meta["val"] = copy.meta["val"]
        copy.replace_all_uses_with(lifted)
        gm.graph.erase_node(copy)


def _is_lifted_constant(node: Any) -> bool:
    return (
        isinstance(node, torch.fx.Node)
        and node.target is torch.ops.aten.lift_fresh_copy.default
        and isinstance(node.args[0], torch.fx.Node)
        and node.args[0].op == "get_attr"
    )
