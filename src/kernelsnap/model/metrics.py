"""The numbers of a golden: each with its unit, and which way is better."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal


@dataclass(frozen=True)
class MetricKind:
    """What one metric means."""

    name: str
    unit: str  # "" for a count
    better: Literal["lower", "higher", "neither"]
    says: str


#: In the order that goldens and reports show them. Bytes are Inductor's model of memory traffic, not a measurement.
METRICS = (
    MetricKind("kernels", "", "lower", "kernel launches"),
    MetricKind(
        "extern calls", "", "neither", "calls into libraries (cuBLAS, ATen), and the host code's own operations"
    ),
    MetricKind("bytes accessed", "B", "lower", "memory traffic by Inductor's count: each fused node's buffers once"),
    MetricKind("bytes read", "B", "lower", "the part of it that is read"),
    MetricKind("bytes written", "B", "lower", "the part of it that is written"),
    MetricKind("loads", "", "lower", "tl.load instructions in the kernels launched"),
    MetricKind("stores", "", "lower", "tl.store instructions in the kernels launched"),
    MetricKind("reductions", "", "neither", "reductions and scans in the kernels launched"),
    MetricKind("atomics", "", "lower", "atomic operations in the kernels launched"),
    MetricKind("nodes before fusion", "", "neither", "scheduler nodes before fusion"),
    MetricKind("nodes after fusion", "", "lower", "scheduler nodes after fusion, library calls included"),
    MetricKind("buffers allocated", "", "lower", "buffers that the host code allocates"),
    MetricKind("buffers reused", "", "higher", "buffers that take over the memory of another"),
)

METRIC = {metric.name: metric for metric in METRICS}
