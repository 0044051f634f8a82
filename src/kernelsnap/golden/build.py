"""Builds the golden of a capture: normalizes every text, names everything canonically, counts."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import replace
from typing import Literal

from kernelsnap.golden.canonical import HOST, canonical
from kernelsnap.golden.choices import kernel_choices
from kernelsnap.golden.user_names import distinct_names, results_of
from kernelsnap.model.capture import VIEWS, Capture, FusedOp, Graph, Kernel
from kernelsnap.model.golden import Code, Golden, KernelConfig, Metric, Plan, PlanStep
from kernelsnap.model.metrics import METRICS
from kernelsnap.normalize.meta import kernel_meta, unjudged
from kernelsnap.normalize.rules import normalize

TOTAL = "total"

# tl.load(in_ptr0 + x0)   tl.sum(tmp3, 1)   tl.atomic_add(out_ptr0 + x0, tmp1)   triton_helpers.max2(tmp5, 1)
_INSTRUCTION = re.compile(r"\b(?:tl|triton_helpers)\.(\w+)\(")
_COUNTED = {
    "load": "loads",
    "store": "stores",
    **{f"atomic_{op}": "atomics" for op in ("add", "and", "cas", "max", "min", "or", "xchg", "xor")},
    **dict.fromkeys(
        (
            "any", "argmax", "argmin", "associative_scan", "cumprod", "cumsum", "fmax2", "max2", "max2_strict",
            "max_with_index", "min2", "min2_strict", "min_with_index", "online_softmax_reduce", "prod", "reduce",
            "sort", "sort_with_index", "sum", "welford", "xor_sum",
        ),
        "reductions",
    ),
}  # fmt: skip
_NUMBER = re.compile(r"(.*?)_\d+\Z")


def build_golden(capture: Capture, case: str) -> Golden:
    """The golden of a capture, named `case` (a pytest node id)."""
    graphs = dict(zip(capture.graph_names, capture.graphs, strict=True))
    golden = Golden(
        case=case,
        target=capture.target,
        plan=tuple(_plan(name, graph) for name, graph in graphs.items()),
        metrics=tuple(_metrics(graphs)) if graphs else (),
        config=tuple(
            KernelConfig(name, kernel.name, kernel_meta(kernel.meta, kernel.language), kernel.configs)
            for name, graph in graphs.items()
            for kernel in graph.in_launch_order
            if kernel.language != "cpp"
        ),
        choices=tuple(choice for name, graph in graphs.items() for choice in kernel_choices(name, graph.choices)),
        code=tuple(code for name, graph in graphs.items() for code in _code(name, graph)),
        graph_breaks=capture.graph_breaks,
        why=tuple(replace(graph.why, graph=name) for name, graph in graphs.items() if not graph.why.is_empty),
        refusal=capture.refusal,
        templates=capture.templates,
        files=capture.files,
        unjudged=tuple(
            sorted(
                frozenset[str]().union(
                    *(unjudged(kernel.meta, kernel.language) for graph in capture.graphs for kernel in graph.kernels)
                )
            )
        ),
    )
    return canonical(golden)


def _plan(name: str, graph: Graph) -> Plan:
    kernels = {kernel.name: kernel for kernel in graph.kernels}
    sources = _SourceNames()
    steps = []
    for call in graph.calls:
        kernel = kernels[call.name] if call.kind == "launch" else None
        steps.append(
            PlanStep(
                name=call.name,
                kind=kernel.kind if kernel else "extern",
                sizes=kernel.sizes if kernel else (),
                ops=sources.numbered(_computed(call.ops), traced=graph.phase != "backward"),
                reads=call.reads,
                writes=call.writes,
            )
        )
    given = {buffer.name for buffer in graph.inputs}
    plan = Plan(
        name,
        graph.inputs,
        tuple(steps),
        graph.outputs,
        memory=graph.memory,
        names=tuple((code, user) for code, user in graph.names if code in given),
        results=results_of(graph.outputs, graph.results),
    )
    return distinct_names(plan)


def _computed(ops: tuple[FusedOp, ...]) -> tuple[FusedOp, ...]:
    """The operations without views, which compute nothing; all of them where there is nothing else.

    How a view is written differs between releases where the code is the same: `expand`, or `unsqueeze`.
    """
    kept = tuple(replace(op, aten=tuple(name for name in op.aten if name not in VIEWS)) for op in ops)
    return tuple(op for op in kept if op.aten) or ops


class _SourceNames:
    """Numbers the traced nodes of a graph per stem by first appearance: the tracer's own counters skip."""

    def __init__(self) -> None:
        self._seen: dict[str, dict[str, int]] = {}

    def numbered(self, ops: Sequence[FusedOp], traced: bool) -> tuple[FusedOp, ...]:
        """The ops with their sources numbered. Those of a graph that autograd wrote (`mul_4 => mul_4`) have none."""
        named = [op for op in ops if op.source and (traced or op.aten != (_stem(op.source),))]
        rest = [aten for op in ops if op not in named for aten in op.aten]
        return tuple(self._numbered(op) for op in named) + ((FusedOp("", tuple(rest)),) if rest else ())

    def _numbered(self, op: FusedOp) -> FusedOp:
        stem = _stem(op.source)
        seen = self._seen.setdefault(stem, {})
        number = seen.setdefault(op.source, len(seen))
        return replace(op, source=f"{stem}.{number}" if number else stem)


def _stem(source: str) -> str:
    match = _NUMBER.match(source)
    return match.group(1) if match else source


def _code(name: str, graph: Graph) -> Iterator[Code]:
    for kernel in graph.in_launch_order:
        scope: Literal["cpp", "kernel"] = "cpp" if kernel.language == "cpp" else "kernel"
        lines = [f"arg {argument}  {type_}\n" for argument, type_ in kernel.arguments]
        yield Code(name, kernel.name, "".join(lines) + normalize(kernel.source, scope))
    yield Code(name, HOST, normalize(graph.wrapper, "cpp") if graph.wrapper else normalize(graph.host, "host"))


def _metrics(graphs: dict[str, Graph]) -> Iterator[Metric]:
    counts = {name: _count(graph) for name, graph in graphs.items()}
    total: Counter[str] = Counter()
    for count in counts.values():
        total.update(count)
    # One graph is the total; it is split only when there are several.
    sections = {TOTAL: total} | (counts if len(counts) > 1 else {})
    for section, values in sections.items():
        for metric in METRICS:
            yield Metric(section, metric.name, values[metric.name])


def _count(graph: Graph) -> Counter[str]:
    """The metrics of one graph. A kernel launched twice counts twice: what runs is counted, not what is defined."""
    launches = [call for call in graph.calls if call.kind == "launch"]
    instructions: Counter[str] = Counter()
    per_kernel = {kernel.name: _instructions(kernel) for kernel in graph.kernels}
    for launch in launches:
        instructions.update(per_kernel[launch.name])
    return instructions + Counter(
        {
            "kernels": len(launches),
            "extern calls": sum(call.kind == "extern" for call in graph.calls),
            "bytes accessed": graph.counts.bytes_accessed,
            "bytes read": graph.counts.bytes_read,
            "bytes written": graph.counts.bytes_written,
            "nodes before fusion": graph.counts.nodes_before_fusion,
            "nodes after fusion": graph.counts.nodes_after_fusion,
            "buffers allocated": len(re.findall(r"= empty_strided_\w+\(", graph.host)),
            "buffers reused": graph.host.count("  # reuse\n"),  # buf3 = buf2; del buf2  # reuse
        }
    )


def _instructions(kernel: Kernel) -> Counter[str]:
    """Loads, stores, reductions and atomics in the text of one Triton kernel; none are counted in C++."""
    if kernel.language != "triton":
        return Counter()
    names = _INSTRUCTION.findall(normalize(kernel.source, "kernel"))
    return Counter(_COUNTED[name] for name in names if name in _COUNTED)
