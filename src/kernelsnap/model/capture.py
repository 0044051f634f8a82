"""What compiling a function produced, as TorchInductor named and wrote it. Imports no torch."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Literal

Phase = Literal["inference", "forward", "backward"]


@dataclass(frozen=True)
class LaunchConfig:
    """One candidate launch configuration of a kernel, as Triton's autotuner will receive it."""

    blocks: tuple[tuple[str, int], ...]  # ("XBLOCK", 1), in the order of the kernel's parameters
    num_warps: int
    num_stages: int
    options: tuple[tuple[str, str], ...] = ()  # what differs from Triton's defaults: num_ctas, maxnreg, ...


@dataclass(frozen=True)
class FusedOp:
    """The ATen operations in a kernel that came from one expression of the source."""

    source: str  # the traced node that the user's expression became: "softmax"; "" if a graph pass made it
    aten: tuple[str, ...]  # "amax", "sub", "exp", ... in graph order


@dataclass(frozen=True)
class Buffer:
    """A tensor that a graph reads, writes or returns. Sizes are expressions: dynamic ones name a symbol."""

    name: str
    dtype: str = ""  # "f32"; empty when the generated code does not say
    shape: tuple[str, ...] | None = None

    def __str__(self) -> str:
        """The form that goldens show: `buf0 f32[64, 1]`."""
        shape = "" if self.shape is None else f"[{', '.join(self.shape)}]"
        return f"{self.name} {self.dtype}{shape}".rstrip()


@dataclass(frozen=True)
class Kernel:
    """One kernel that a graph defines."""

    name: str  # as generated: "triton_per_fused__softmax_0"
    kind: str  # "pointwise", "reduction", "persistent reduction", "template", "user Triton", "C++", ...
    language: Literal["triton", "cpp", "cutedsl"]
    source: str = field(repr=False)  # the generated text, unchanged
    ops: tuple[FusedOp, ...] = ()
    sizes: tuple[tuple[str, str], ...] = ()  # iteration space: ("x", "64"), ("r0_", "1024"); "dynamic" if not fixed
    arguments: tuple[tuple[str, str], ...] = ()  # (name, type and known properties): ("in_ptr0", "*fp32 align 16")
    reads: tuple[str, ...] = ()  # names of pointer arguments that are read
    writes: tuple[str, ...] = ()  # names of pointer arguments that are written
    meta: tuple[tuple[str, str], ...] = ()  # what the heuristics decorator was told, environment removed
    configs: tuple[LaunchConfig, ...] = ()


@dataclass(frozen=True)
class Call:
    """One thing that the host code runs, in order: a kernel launch or a call into a library."""

    kind: Literal["launch", "extern"]
    name: str  # the kernel's generated name, or the callee: "extern_kernels.mm"
    reads: tuple[str, ...]
    writes: tuple[Buffer, ...]
    ops: tuple[FusedOp, ...] = ()


@dataclass(frozen=True)
class Candidate:
    """One way to compute something that max-autotune may choose: a library's kernel, or a template with settings."""

    name: str  # "library mm", "triton_mm"
    settings: tuple[tuple[str, str], ...] = ()  # ("BLOCK_M", "64"), ("num_warps", "4"), as Inductor wrote them


@dataclass(frozen=True)
class Choice:
    """A choice of max-autotune, in Inductor's order of candidates. It was made by rule, never by timing."""

    op: str  # "mm", as Inductor names it
    candidates: tuple[Candidate, ...]
    taken: int  # index of the candidate that the code was generated with


@dataclass(frozen=True)
class GraphCounts:
    """What Inductor counted while it compiled one graph.

    Bytes are its idealised model of memory traffic per fused node (each buffer once), not a measurement;
    source: `torch._inductor.graph.GraphLowering.count_bytes`.
    """

    bytes_accessed: int
    bytes_read: int
    bytes_written: int
    nodes_before_fusion: int
    nodes_after_fusion: int


@dataclass(frozen=True)
class Graph:
    """One graph that Inductor compiled: its kernels in order of definition, its host code and what it calls."""

    phase: Phase
    text: str = field(repr=False)  # the whole generated module, unchanged
    host: str = field(repr=False)  # the executable part of it: no kernel definitions, imports or benchmark harness
    kernels: tuple[Kernel, ...]
    calls: tuple[Call, ...]
    inputs: tuple[Buffer, ...]
    outputs: tuple[str, ...]
    counts: GraphCounts
    aot_id: int = 0  # process-wide: only its order means something
    choices: tuple[Choice, ...] = ()  # in the order in which they were made

    @property
    def in_launch_order(self) -> tuple[Kernel, ...]:
        """Its kernels by first launch; those never launched come last."""
        by_name = {kernel.name: kernel for kernel in self.kernels}
        order = dict.fromkeys([call.name for call in self.calls if call.kind == "launch"] + list(by_name))
        return tuple(by_name[name] for name in order)


@dataclass(frozen=True)
class Capture:
    """Everything that compiling one function produced."""

    target: str
    graphs: tuple[Graph, ...]
    graph_breaks: tuple[str, ...] = ()
    refusal: str = ""  # why torch would not compile the function; then there are no graphs
    # The templates that its kernels may have come from: name and text, in Jinja.
    templates: tuple[tuple[str, str], ...] = field(default=(), repr=False)

    @property
    def graph_names(self) -> tuple[str, ...]:
        """`forward`, `backward`; with several graphs of a phase `forward.0`, `forward.1`, ... as compiled."""
        total = Counter(graph.phase for graph in self.graphs)
        seen: Counter[str] = Counter()
        names = []
        for graph in self.graphs:
            names.append(f"{graph.phase}.{seen[graph.phase]}" if total[graph.phase] > 1 else graph.phase)
            seen[graph.phase] += 1
        return tuple(names)

    @property
    def kernels(self) -> int:
        """Kernel launches over all graphs, calls into libraries not counted."""
        return sum(call.kind == "launch" for graph in self.graphs for call in graph.calls)

    @property
    def bytes_accessed(self) -> int:
        """Bytes of memory traffic over all graphs, by Inductor's own count (see `GraphCounts`)."""
        return sum(graph.counts.bytes_accessed for graph in self.graphs)

    @property
    def text(self) -> str:
        """The generated code of all graphs, unchanged."""
        return "\n".join(graph.text for graph in self.graphs)
