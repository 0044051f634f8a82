"""What the compiler's subsystems, and their decisions, are called in steps and reports."""

from __future__ import annotations

from collections.abc import Iterable

# What one decision of a subsystem is called.
_NAMES = {
    "pre_grad_passes": "pre-grad pass",
    "joint_graph_passes": "joint-graph pass",
    "post_grad_passes": "post-grad pass",
    "patterns": "pattern",
    "lowerings": "lowering",
    "fusions": "fusion",
}
_MOST = 10


def name_of(subsystem: str) -> str:
    """What one of its decisions is called."""
    return _NAMES.get(subsystem, subsystem)


def step_name(subsystem: str, number: int) -> str:
    """The n-th decision of a subsystem, counted from 1."""
    return f"{name_of(subsystem)} {number}"


def listed(words: Iterable[str]) -> str:
    """Things in a row, the first few of them."""
    words = list(words)
    more = [f"and {len(words) - _MOST} more"] if len(words) > _MOST else []
    return "; ".join([*words[:_MOST], *more])
