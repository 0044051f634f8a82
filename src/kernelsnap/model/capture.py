"""The result of a capture: every graph that TorchInductor compiled, with its kernels and calls. Imports no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Literal

from kernelsnap.model import budget
from kernelsnap.model.why import Why, renamed
from kernelsnap.model.why_words import Step, reasons

if TYPE_CHECKING:
    from kernelsnap.model.resources import Resources

Phase = Literal["inference", "forward", "backward"]

#: Operations that only say how a tensor's elements are indexed. What picks some of them (slice, select) is not here.
VIEWS = frozenset(
    ("alias", "expand", "permute", "reshape", "squeeze", "t", "transpose", "unsqueeze", "view", "_unsafe_view")
)


@dataclass(frozen=True)
class LaunchConfig:
    """One launch configuration of a kernel: block sizes, warps and stages, as Triton's autotuner receives it."""

    blocks: tuple[tuple[str, int], ...]  #: ("XBLOCK", 1), in the order of the kernel's parameters
    num_warps: int  #: warps per block
    num_stages: int  #: stages of software pipelining
    options: tuple[tuple[str, str], ...] = ()  #: what differs from Triton's defaults, such as `num_ctas`


@dataclass(frozen=True)
class FusedOp:
    """The ATen operations in a kernel that came from one expression of the source."""

    source: str  #: the traced node that the user's expression became, such as "softmax"; "" if a graph pass made it
    aten: tuple[str, ...]  #: "amax", "sub", "exp", ... in graph order
    #: The user's line, "/x/model.py:12: return y.relu()"; "" where it is not known. It is no part of what is compared.
    line: str = field(default="", compare=False, repr=False)


@dataclass(frozen=True)
class Buffer:
    """A tensor that a graph reads, writes or returns. Sizes are expressions: dynamic ones name a symbol."""

    name: str  #: as the generated code names it, such as "buf0"
    dtype: str = ""  #: such as "f32"; "" when the generated code does not give it
    shape: tuple[str, ...] | None = None  #: such as ("64", "s0"); None when it is not given

    def __str__(self) -> str:
        """The form that goldens show: `buf0 f32[64, 1]`."""
        shape = "" if self.shape is None else f"[{', '.join(self.shape)}]"
        return f"{self.name} {self.dtype}{shape}".rstrip()


@dataclass(frozen=True)
class Kernel:
    """One kernel that a graph defines."""

    name: str  #: as generated, such as "triton_per_fused__softmax_0"
    kind: str  #: "pointwise", "reduction", "persistent reduction", "template", "user Triton", "C++", ...
    language: Literal["triton", "cpp", "cutedsl"]  #: what it is written in
    source: str = field(repr=False)  #: the generated text, unchanged
    ops: tuple[FusedOp, ...] = ()  #: the operations that are fused in it
    sizes: tuple[tuple[str, str], ...] = ()  #: iteration space, such as `("x", "64"), ("r0_", "dynamic")`
    arguments: tuple[tuple[str, str], ...] = ()  #: name and type of each, such as `("in_ptr0", "*fp32 align 16")`
    reads: tuple[str, ...] = ()  #: names of pointer arguments that are read
    writes: tuple[str, ...] = ()  #: names of pointer arguments that are written
    meta: tuple[tuple[str, str], ...] = ()  #: what the heuristics decorator got, without what depends on the machine
    configs: tuple[LaunchConfig, ...] = ()  #: the candidates of the autotuner


@dataclass(frozen=True)
class Call:
    """What the host code runs on the device: a kernel, a call into a library, an operation of its own."""

    kind: Literal["launch", "extern"]  #: the launch of a kernel, or anything else
    name: str  #: the kernel's generated name, or the callee, such as "extern_kernels.mm", "aten.sum"
    reads: tuple[str, ...]  #: names of the buffers that it reads
    writes: tuple[Buffer, ...]  #: the buffers that it writes
    ops: tuple[FusedOp, ...] = ()  #: the operations that it computes


@dataclass(frozen=True)
class Candidate:
    """One way to compute something that max-autotune may choose: a library's kernel, or a template with settings."""

    name: str  #: such as "library mm", "triton_mm"
    settings: tuple[tuple[str, str], ...] = ()  #: such as `("BLOCK_M", "64"), ("num_warps", "4")`


@dataclass(frozen=True)
class Choice:
    """A choice of max-autotune, in Inductor's order of candidates. It was made by rule, never by timing."""

    op: str  #: as Inductor names it, such as "mm"
    candidates: tuple[Candidate, ...]  #: in Inductor's order
    taken: int  #: index of the candidate that the code was generated with


@dataclass(frozen=True)
class GraphCounts:
    """What Inductor counted while it compiled one graph.

    Bytes are its idealised model of memory traffic per fused node (each buffer once), not a measurement. What the host
    code itself runs on the device, such as the last step of a reduction, is in no node and not counted;
    source: `torch._inductor.scheduler.BaseSchedulerNode.get_read_write_buffer_accesses`.
    """

    bytes_accessed: int  #: each buffer of a fused node counts once
    bytes_read: int  #: the part that is read; a buffer that is updated in place counts here and in `bytes_written`
    bytes_written: int  #: the part that is written
    nodes_before_fusion: int  #: scheduler nodes; a library call is one, too
    nodes_after_fusion: int  #: scheduler nodes that are left


@dataclass(frozen=True)
class Graph:
    """One graph that Inductor compiled: its kernels in order of definition, its host code and what it calls."""

    phase: Phase  #: a training step has a forward and a backward graph
    text: str = field(repr=False)  #: the whole generated module, unchanged
    host: str = field(repr=False)  #: its executable part, without kernel definitions, imports and benchmark code
    kernels: tuple[Kernel, ...]  #: in the order of their definitions
    calls: tuple[Call, ...]  #: launches and library calls, in the order in which they run
    inputs: tuple[Buffer, ...]  #: in the order of the generated function's arguments
    outputs: tuple[str, ...]  #: names of the buffers that it returns
    counts: GraphCounts  #: Inductor's own numbers
    aot_id: int = 0  #: a counter of the process, of which only the order has a meaning
    #: Memory that is read without being an input, or written before: constants, and what is only allocated.
    memory: tuple[Buffer, ...] = ()
    choices: tuple[Choice, ...] = ()  #: those of max-autotune, in the order in which they were made
    #: The host code of a graph that was compiled ahead of time, in C++ (`capture_aot`); `host` is the same in Python.
    wrapper: str = field(default="", repr=False)
    #: Generated names of inputs and the user's, where these are known: `("primals_1", "layers.0.weight")`.
    names: tuple[tuple[str, str], ...] = ()
    #: Buffers that are outputs, and what they are: `("buf7", "grad(x)")`.
    results: tuple[tuple[str, str], ...] = ()
    #: What the compiler decided about it, and its reasons; no part of what is compared.
    why: Why = field(default=Why(), compare=False, repr=False)

    @property
    def in_launch_order(self) -> tuple[Kernel, ...]:
        """Its kernels by first launch; those never launched come last."""
        by_name = {kernel.name: kernel for kernel in self.kernels}
        order = dict.fromkeys([call.name for call in self.calls if call.kind == "launch"] + list(by_name))
        return tuple(by_name[name] for name in order)


@dataclass(frozen=True, repr=False)
class Capture:
    """Everything that compiling one function produced: what `kernelsnap.capture` returns.

    A test compares it with its golden (`captured == kernel_snapshot`), or holds it against a budget, which no update of
    goldens can change: `captured.check(kernels=1, spills=0)`. `print(captured)` shows what runs.
    """

    target: str  #: the name of the GPU (or "cpu") that the code is for
    graphs: tuple[Graph, ...]  #: in the order in which they were compiled, backward graphs after their forward graphs
    graph_breaks: tuple[str, ...] = ()  #: the reason of each, sorted
    refusal: str = ""  #: the error with which torch rejected the function (`capture_refusal`); then there are no graphs
    #: Name and text, in Jinja, of the templates that its kernels may have come from.
    templates: tuple[tuple[str, str], ...] = field(default=(), repr=False)
    # The Python files whose code torch traced, or whose Triton kernels it calls. They decide nothing that is compared.
    files: tuple[str, ...] = field(default=(), compare=False, repr=False)
    #: Compiles its kernels to machine code (`kernel_resources`), for budgets of registers and spills.
    compile: Callable[[Capture], Resources] | None = field(default=None, compare=False, repr=False)

    def __getstate__(self) -> dict[str, Any]:
        """All but `compile`: where it is read again, there may be no torch."""
        return {**vars(self), "compile": None}

    def __repr__(self) -> str:
        """One line, for the message of a failed assertion: `<capture for h100: kernels: 2; inference>`."""
        if self.refusal:
            return f"<capture for {self.target}: refused by torch>"
        calls = f", library calls: {self.library_calls}" if self.library_calls else ""
        return f"<capture for {self.target}: kernels: {self.kernels}{calls}; {', '.join(self.graph_names)}>"

    def __str__(self) -> str:
        """What runs, in order: a line for each kernel and each other call of each graph."""
        return "\n".join([repr(self), *self._plan()]) + (f"\n{self.refusal}" if self.refusal else "")

    def _plan(self) -> Iterator[str]:
        for name, graph in zip(self.graph_names, self.graphs, strict=True):
            yield f"{name}: {graph.counts.bytes_accessed:,} bytes accessed"
            short = {kernel.name: f"k{index}" for index, kernel in enumerate(graph.in_launch_order)}
            shown = dict(graph.names) | dict(graph.results)
            for call in graph.calls:
                reads = ", ".join(shown.get(read, read) for read in call.reads)
                writes = ", ".join(str(buffer) for buffer in call.writes)
                ops = ", ".join(op.source or "/".join(op.aten) for op in call.ops)
                yield f"  {short.get(call.name, call.name)}({reads}) -> {writes}" + (f"  # {ops}" if ops else "")

    def why(self, first: str = "", second: str = "") -> str:
        """Why two of its steps are not one kernel, and what would have to change; every reason of one step, or of all.

        Args:
            first: a step as `print(captured)` calls it, such as "k0"; "k0@2" is its second launch.
            second: another step of the same graph.

        Raises:
            ValueError: the same step is given twice, or no graph has them.
        """
        if (first and first == second) or (second and not first):
            raise ValueError("name two different steps, one, or none: captured.why('k0', 'k1')")
        lines = []
        for name, graph in zip(self.graph_names, self.graphs, strict=True):
            short = {kernel.name: f"k{index}" for index, kernel in enumerate(graph.in_launch_order)}
            why, steps = renamed(graph.why, short), _steps(graph, short)
            lines += reasons(name, why, steps, *filter(None, (first, second)))
        if not lines:
            raise ValueError(f"no graph has {' and '.join(filter(None, (first, second)))}: see print(captured)")
        return "\n".join(lines)

    def check(self, **limits: Any) -> None:
        """Hold the capture against budgets: numbers that it may not exceed, and that no update or accept changes.

        Args:
            limits: the most that it may need, as whole numbers: `kernels` (launches), `library_calls`,
                `bytes_accessed` (bytes, by Inductor's count), `graphs`, `graph_breaks`; and for every kernel, in each
                launch configuration, `registers` (a thread), `spills` (as `KernelResources.spills`) and `shared` (bytes
                a block). The last three compile the kernels to machine code, which needs no GPU.

        Raises:
            BudgetExceededError: it needs more; an `AssertionError`, whose message has the numbers, the kernels and the
                plan.
            BudgetError: there is no such budget, or a kernel has no machine code here.
        """
        budget.check(self, limits)

    @property
    def graph_names(self) -> tuple[str, ...]:
        """`inference`, or `forward` and `backward`; `forward.0`, `forward.1`, ... if a phase has several graphs."""
        total = Counter(graph.phase for graph in self.graphs)
        seen: Counter[str] = Counter()
        names = []
        for graph in self.graphs:
            names.append(f"{graph.phase}.{seen[graph.phase]}" if total[graph.phase] > 1 else graph.phase)
            seen[graph.phase] += 1
        return tuple(names)

    @property
    def kernels(self) -> int:
        """How many kernels are launched, over all graphs.

        Calls into libraries (cuBLAS, ATen), and what the host code itself runs on the device, are not counted.
        """
        return sum(call.kind == "launch" for graph in self.graphs for call in graph.calls)

    @property
    def library_calls(self) -> int:
        """How many calls run that are no generated kernels, over all graphs: libraries, and the host code itself."""
        return sum(call.kind != "launch" for graph in self.graphs for call in graph.calls)

    @property
    def bytes_accessed(self) -> int:
        """Memory traffic in bytes, over all graphs, by Inductor's own count (see `GraphCounts`); it is not measured."""
        return sum(graph.counts.bytes_accessed for graph in self.graphs)

    @property
    def text(self) -> str:
        """The generated code of all graphs, exactly as Inductor wrote it."""
        return "\n".join(graph.text for graph in self.graphs)


def _steps(graph: Graph, short: Mapping[str, str]) -> tuple[Step, ...]:
    """The steps of a graph, with kernels under these names and tensors under the user's."""
    kernels = {kernel.name: kernel for kernel in graph.kernels}
    shown = dict(graph.names) | dict(graph.results)

    def step(call: Call) -> Step:
        kernel = kernels.get(call.name) if call.kind == "launch" else None
        kind, sizes = (kernel.kind, kernel.sizes) if kernel else ("extern", ())
        reads = tuple(shown.get(name, name) for name in call.reads)
        writes = tuple(shown.get(buffer.name, buffer.name) for buffer in call.writes)
        ops = tuple(name for op in (kernel.ops if kernel else call.ops) for name in op.aten)
        return Step(short.get(call.name, call.name), kind, sizes, reads, writes, ops)

    return tuple(map(step, graph.calls))
