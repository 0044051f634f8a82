"""The estimate of a golden: each launch and call with its time, its bound and an interval, and their sum."""

from __future__ import annotations

import math
from collections.abc import Hashable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import lru_cache
from typing import Any

import numpy as np

from kernelsnap.cost.attention import counted_blocks
from kernelsnap.cost.axes import of_multiple
from kernelsnap.cost.blocks import BYTES, Pointer
from kernelsnap.cost.grids import grid_of, starts_of, turns_of
from kernelsnap.cost.host import UNKNOWN, HostCall, Tensor, read_host
from kernelsnap.cost.kernel_text import KERNEL, read_kernel
from kernelsnap.cost.library import library_terms, library_work
from kernelsnap.cost.machine import Machine, machine_for
from kernelsnap.cost.model import Bound, Needs, Terms, kept, terms
from kernelsnap.cost.work import Launch, Work, work_of
from kernelsnap.errors import CannotTellError
from kernelsnap.model.capture import LaunchConfig
from kernelsnap.model.golden import Golden, KernelConfig
from kernelsnap.targets.lookup import TARGETS

# The most texts of kernels whose work is remembered: a model repeats few.
_REMEMBERED = 2_000


@dataclass(frozen=True)
class StepCost:
    """One launch of a kernel, or one call into a library."""

    graph: str
    name: str  # `k0`, or the callee
    time: float  # microseconds
    bound: Bound
    low: float
    high: float
    dram_bytes: float = 0.0
    l2_bytes: float = 0.0
    programs: int = 0
    config: int = 0  # which of the configurations is the fastest
    limits: tuple[tuple[Bound, float], ...] = ()
    unknown: str = ""  # why nothing can be said; then all numbers are 0
    # Of one that nothing can be said about: equal for the same call of the same code with the same arguments.
    same: Hashable = None

    @property
    def memory_time(self) -> float:
        """What it would take if nothing but memory held it up."""
        return dict(self.limits).get("memory", 0.0)

    @property
    def compute_time(self) -> float:
        """What it would take if nothing but instructions and tensor cores held it up."""
        return max(time for bound, time in (*self.limits, ("", 0.0)) if bound in ("instructions", "tensor cores", ""))


@dataclass(frozen=True)
class GoldenCost:
    """The estimate of a golden; `unknown` is the first reason why there is none."""

    steps: tuple[StepCost, ...]
    time: float
    low: float
    high: float
    machine: str
    unknown: str = ""
    counted: float = 0.0  # the time without the steps that nothing can be said about


def estimate(golden: Golden) -> GoldenCost:
    """What the code of a golden takes on its target, with an interval, or why that cannot be said."""
    target = TARGETS.get(golden.target)
    machine = machine_for(target) if target else None
    if machine is None:
        return GoldenCost((), 0.0, 0.0, 0.0, golden.target, f"there is no table of rates for {golden.target}")
    return estimate_on(golden, machine)


def estimate_on(golden: Golden, machine: Machine) -> GoldenCost:
    """As `estimate`, with the rates of a GPU."""
    if "code" not in golden.layers or not golden.code:
        return GoldenCost((), 0.0, 0.0, 0.0, machine.name, "the golden has no code")
    steps: list[StepCost] = []
    for graph, host in ((code.graph, code.text) for code in golden.code if code.name == "host"):
        steps += _graph_steps(golden, graph, host, machine)
    fitted = machine.fitted
    launches = len(steps)
    between = fitted.start + fitted.kernel * max(0, launches - 1)
    total = math.fsum(step.time for step in steps) + between
    unknown = next((f"{step.graph} {step.name}: {step.unknown}" for step in steps if step.unknown), "")
    if unknown:
        return GoldenCost(tuple(steps), 0.0, 0.0, 0.0, machine.name, unknown, total)
    spread = math.sqrt(math.fsum((step.high - step.time) ** 2 for step in steps))
    low = total - math.sqrt(math.fsum((step.time - step.low) ** 2 for step in steps))
    return GoldenCost(tuple(steps), total, low, total + spread, machine.name, counted=total)


def _graph_steps(golden: Golden, graph: str, host: str, machine: Machine) -> Iterator[StepCost]:
    texts = {code.name: code.text for code in golden.code if code.graph == graph}
    configs = {config.kernel: config for config in golden.config if config.graph == graph}
    needs = {
        (entry.kernel, entry.launch): Needs(entry.registers, entry.shared)
        for resources in golden.resources
        for entry in resources.kernels
        if entry.graph == graph and resources.target == golden.target
    }
    try:
        kinds = (plan.buffers.values() for plan in golden.plan if plan.graph == graph)
        with _faults_told():
            calls = _read(host, tuple((buffer.name, buffer.dtype) for buffers in kinds for buffer in buffers))
    except CannotTellError as error:
        yield _unknown(graph, "host", str(error), host)
        return
    memory = _Cached(machine)
    for call in calls:
        try:
            with _faults_told():
                if KERNEL.match(call.name):
                    if call.name not in texts:
                        raise CannotTellError("the golden does not have its text")
                    yield _kernel_step(graph, call, texts[call.name], configs.get(call.name), machine, memory, needs)
                else:
                    limits = library_terms(library_work(call), machine)
                    yield _step(graph, call.name, limits, machine)
        except CannotTellError as error:
            yield _unknown(graph, call.name, str(error), _identity(call, texts, configs))


@contextmanager
def _faults_told() -> Iterator[None]:
    """An error that nobody expected tells nothing of the code: a comparison must not fail for an estimate."""
    try:
        yield
    except (ArithmeticError, AttributeError, LookupError, StopIteration, TypeError, ValueError) as error:
        raise CannotTellError(f"{FAULT} ({type(error).__name__}); please report it") from error


@lru_cache(maxsize=32)
def _read(host: str, kinds: tuple[tuple[str, str], ...]) -> tuple[HostCall, ...]:
    return tuple(read_host(host, kinds))


def _unknown(graph: str, name: str, reason: str, same: Hashable) -> StepCost:
    return StepCost(graph, name, 0.0, "memory", 0.0, 0.0, unknown=reason, same=same)


def _identity(call: HostCall, texts: Mapping[str, str], configs: Mapping[str, KernelConfig]) -> Hashable:
    """What makes two calls the same: code, launch and arguments; None where the host code does not tell these."""
    if call.name in texts:
        config = configs.get(call.name)
        what = (
            texts[call.name].replace(f"def {call.name}(", "def k("),
            (config.configs, config.meta) if config else None,
        )
        return what, _canonical(call.arguments)[0]
    if UNKNOWN in call.arguments or UNKNOWN in call.named.values():
        return None
    return call.name, _canonical(call.arguments)[0], tuple(sorted((key, str(v)) for key, v in call.named.items()))


def _step(graph: str, name: str, limits: Terms, machine: Machine, programs: int = 0, config: int = 0) -> StepCost:
    time = limits.together(machine.fitted)
    factor = SPREADS[limits.bound]
    return StepCost(graph, name, time, limits.bound, time / factor, time * factor, limits.dram_bytes, limits.l2_bytes,
                    programs, config, tuple(limits.limits.items()))  # fmt: skip


#: What cannot be told because of a fault of the estimate begins so; `tools/fuzz.py` looks for it.
FAULT = "the estimate itself failed"
#: The factor within which four of five kernels of each bound were measured; see docs/cost.md.
SPREADS: Mapping[Bound, float] = {
    "memory": 1.15, "L2": 1.43, "instructions": 1.26, "tensor cores": 1.35, "latency": 1.34, "atomics": 1.34,
    "launches": 1.34,
}  # fmt: skip


class _Cached:
    """What L2 still has of what earlier steps of a graph moved."""

    def __init__(self, machine: Machine) -> None:
        self._machine = machine
        self._moved = 0.0
        self._last: dict[str, float] = {}

    def share(self, storage: str, size: float) -> float:
        """The part of a buffer that is there."""
        if storage not in self._last:
            return 0.0
        return kept(self._moved - self._last[storage] + size, self._machine)

    def moved(self, storages: Mapping[str, float]) -> None:
        """Note that a step touched these, with as many bytes."""
        self._moved += sum(storages.values())
        self._last |= dict.fromkeys(storages, self._moved)


def _kernel_step(
    graph: str, call: HostCall, text: str, config: KernelConfig | None, machine: Machine, memory: _Cached,
    needs: Mapping[tuple[str, LaunchConfig], Needs],
) -> StepCost:  # fmt: skip
    given, storages = _canonical(call.arguments)
    configs = config.configs if config else ()
    meta = config.meta if config else ()
    best: StepCost | None = None
    chosen: Work | None = None
    failed = ""
    for index, launch in enumerate(configs or (LaunchConfig((), 4, 1),)):
        work = _work(text, given, launch, meta)
        if isinstance(work, str):
            failed = failed or work
            continue
        cached = {
            touched.buffer: memory.share(storages.get(touched.buffer, touched.buffer), touched.read)
            for touched in work.touched
        }
        limits = terms(work, machine, cached, needs.get((call.name, launch)))
        step = _step(graph, call.name, limits, machine, work.programs, index)
        if best is None or step.time < best.time:
            best, chosen = step, work
    if best is None or chosen is None:
        raise CannotTellError(failed)
    if dict(meta).get("coordinate_descent_tuning") == "True":
        factor = machine.fitted.descent
        best = replace(best, time=best.time * factor, low=best.low * factor, high=best.high)
    memory.moved({storages.get(t.buffer, t.buffer): t.read + t.written for t in chosen.touched})
    return best


def _canonical(arguments: tuple[Any, ...]) -> tuple[tuple[Any, ...], dict[str, str]]:
    """The arguments with storages named by their order, and what these are called in the host code."""
    names: dict[str, str] = {}
    made = []
    for argument in arguments:
        if isinstance(argument, Tensor):
            name = names.setdefault(argument.storage, f"s{len(names)}")
            argument = replace(argument, storage=name)
        elif not isinstance(argument, int | float | bool | None):
            argument = "?"
        made.append(argument)
    return tuple(made), {short: name for name, short in names.items()}


@lru_cache(maxsize=_REMEMBERED)
def _work(text: str, given: tuple[Any, ...], config: LaunchConfig, meta: tuple[tuple[str, str], ...]) -> Work | str:
    """The work of one launch, or why it is not known. Equal kernels with equal arguments are executed once."""
    try:
        return work_of(_launch(text, given, config, dict(meta)))
    except CannotTellError as error:
        return str(error)


def _launch(text: str, given: tuple[Any, ...], config: LaunchConfig, meta: Mapping[str, str]) -> Launch:
    parsed = read_kernel(text)
    if isinstance(parsed, str):
        raise CannotTellError(parsed)
    kernel, functions = parsed.kernel, parsed.functions
    blocks = dict(config.blocks)
    arguments: dict[str, Any] = dict(blocks)
    extents: dict[str, int] = {}
    values = iter(given)
    kinds = dict(parsed.declared)
    for name in parsed.given:
        arguments[name] = _argument(name, kinds[name], next(values, "?"), extents, name in parsed.aligned)
    rest = tuple(values)
    numbers = parsed.numbers | {name: value for name, value in arguments.items() if type(value) is int}
    grid = grid_of(meta, numbers | blocks, rest)
    loaded = counted_blocks(kernel, functions, arguments)
    by_buffer = {
        arguments[name].buffer: value for name, value in loaded.items() if isinstance(arguments[name], Pointer)
    }
    return Launch(
        kernel,
        functions,
        arguments,
        grid,
        config.num_warps,
        config.num_stages,
        extents,
        by_buffer,
        starts_of(meta, numbers, blocks, grid),
        turns_of(meta, numbers, blocks),
    )


def _argument(name: str, kind: str, value: Any, extents: dict[str, int], aligned: bool) -> Any:
    if not kind.startswith("*"):
        return value if isinstance(value, int | float) else 1
    dtype = kind.removeprefix("*")
    if dtype not in BYTES:
        raise CannotTellError(f"an argument of type {kind}")
    axes = of_multiple(16 if aligned else 1)
    if not isinstance(value, Tensor):
        return Pointer(name, dtype, np.asarray(0, np.int64), 0, axes)
    end = (value.offset + value.extent) * BYTES[dtype]
    extents[value.storage] = max(extents.get(value.storage, 0), end)
    return Pointer(value.storage, dtype, np.asarray(value.offset, np.int64), 0, axes)
