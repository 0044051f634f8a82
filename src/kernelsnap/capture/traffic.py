"""The memory traffic of a graph, by Inductor's own count of each buffer in each node of its scheduler.

Two of its sums are not taken as they are. What a fused node keeps to itself counts in its sum of reads, though it is
neither read nor written by the kernel: the parts here are parts of the whole. And a fused node or a library call
counts at most 10^9 elements of a buffer: here it counts all, where the sizes are known.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kernelsnap.capture import private

# From here on a number of bytes may be one that was cut off at 10^9 elements.
_MAYBE_CUT = 10**9


@dataclass(frozen=True)
class Traffic:
    """Bytes that the nodes of a scheduler move: each buffer of a node counts once."""

    accessed: int
    read: int
    written: int


def traffic(graph: Any) -> Traffic:
    """The traffic of all nodes of a graph (`GraphLowering`) whose code was generated."""
    counted = [_of_node(node, graph) for node in graph.scheduler.nodes]
    return Traffic(*(sum(part) for part in zip(*counted, strict=True))) if counted else Traffic(0, 0, 0)


def _of_node(node: Any, graph: Any) -> tuple[int, int, int]:
    whole = _bytes(node, graph, reads=True, writes=True)
    read, written = (_bytes(node, graph, reads=reads, writes=not reads) for reads in (True, False))
    return sum(whole.values()), _inside(read, whole), _inside(written, whole)


def _inside(part: Mapping[str, int], whole: Mapping[str, int]) -> int:
    return sum(min(size, whole[name]) for name, size in part.items() if name in whole)


def _bytes(node: Any, graph: Any, reads: bool, writes: bool) -> dict[str, int]:
    """What a node moves of each buffer, by name."""
    counted = node.get_read_write_buffer_accesses(include_reads=reads, include_writes=writes)
    may_be_cut = not isinstance(node, private.SINGLE_NODE.get())
    return {
        name: max(int(size), _size(graph, name)) if may_be_cut and size >= _MAYBE_CUT else int(size)
        for name, size in counted.items()
    }


def _size(graph: Any, name: str) -> int:
    """The bytes of a buffer; 0 where they are not known, as those of several outputs or of dynamic sizes."""
    buffer = graph.name_to_buffer.get(name) or graph.graph_inputs.get(name)
    dtype, sizes = buffer.maybe_get_dtype(), buffer.maybe_get_size()
    return dtype.itemsize * math.prod(map(int, sizes)) if dtype and sizes and _are_known(sizes) else 0


def _are_known(sizes: Iterable[Any]) -> bool:
    return all(getattr(size, "is_number", True) for size in sizes)
