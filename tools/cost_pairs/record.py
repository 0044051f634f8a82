"""What a worker process does: compile the sides of pairs, then time pairs when it is its turn."""

from __future__ import annotations

import contextlib
import dataclasses
import fcntl
import gc
import os
import sys
import tempfile
import time
import warnings
from collections.abc import Callable, Iterator
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

from cost_pairs.sides import Side

# At one time, one process lets the autotuner measure.
_LOCK = Path(tempfile.gettempdir()) / "cost_pairs.lock"


@dataclasses.dataclass(frozen=True)
class _Call:
    """One call of a graph's code: what it was called with is made again from this when it is timed."""

    run: Callable[[list[Any]], Any]
    inputs: tuple[Callable[[], Any], ...]


@dataclasses.dataclass(frozen=True)
class Compiled:
    """A side that was compiled."""

    golden: str
    calls: tuple[_Call, ...]
    names: tuple[dict[str, str], ...]  # of each graph: the kernels as generated, and as the golden names them
    resources: list[dict[str, Any]]  # of each kernel: what the driver says of the configuration that was taken


def serve(connection: Connection, target: str | None) -> None:
    """The body of a worker: answers ("compile", side) and ("time", old, new) until the other end closes."""
    os.environ.setdefault("TORCHINDUCTOR_CACHE_DIR", tempfile.mkdtemp(prefix="cost-pairs-"))
    os.environ["OMP_NUM_THREADS"] = os.environ["TORCHINDUCTOR_COMPILE_THREADS"] = "1"
    with open(os.devnull, "w") as nowhere:  # noqa: PTH123 (a stream, not a file's content)
        os.dup2(nowhere.fileno(), 1)
        os.dup2(nowhere.fileno(), 2)
        sys.stdout = sys.stderr = nowhere
        sides: dict[str, Compiled] = {}
        warnings.filterwarnings("ignore")
        with _one_autotuner_at_a_time():
            while True:
                try:
                    task, *sent = connection.recv()
                except EOFError:
                    return
                start = time.monotonic()
                try:
                    answer = compile_side(sent[0], target, sides) if task == "compile" else time_pair(*sent, sides)
                except Exception as error:
                    first = next((line.strip() for line in str(error).splitlines() if line.strip()), "")
                    answer = {"error": f"{type(error).__name__}: {first[:300]}"}
                connection.send({**answer, "seconds": round(time.monotonic() - start, 2)})


def compile_side(side: Side, target: str | None, sides: dict[str, Compiled]) -> dict[str, Any]:
    """Compile a side, on this machine's GPU or on a virtual one, and keep it; its golden."""
    import torch

    import kernelsnap
    from cost_pairs.pairs import PROGRAMS
    from kernelsnap.golden.build import build_golden
    from kernelsnap.golden.format import render
    from kernelsnap.virtual import virtual_device

    if str(side) not in sides:
        torch.set_num_threads(1)
        torch.manual_seed(0)
        torch._dynamo.reset()
        calls: list[_Call] = []
        with _noted_autotuners() as autotuners, virtual_device(target) if target else _watched(calls):
            function, arguments, *options = PROGRAMS[side.program]()
            captured = kernelsnap.capture(
                function, *arguments, **dict(*options), config=side.settings, allow_no_kernels=True
            )
        names = tuple(
            {kernel.name: f"k{index}" for index, kernel in enumerate(graph.in_launch_order)}
            for graph in captured.graphs
        )
        golden = render(build_golden(captured, "tools/cost_pairs"))
        sides[str(side)] = Compiled(golden, tuple(calls), names, [] if target else _resources(autotuners))
        del function, arguments
        if not target:
            torch.cuda.synchronize()
            gc.collect()
            torch.cuda.empty_cache()
    return {"golden": sides[str(side)].golden}


def time_pair(old: Side, new: Side, sides: dict[str, Compiled]) -> dict[str, Any]:
    """Time both sides in turns."""
    import torch

    from kernelsnap.cost.measure.turns import time_in_turns

    pair = [sides[str(old)], sides[str(new)]]
    torch.manual_seed(0)
    inputs = [[[make() for make in call.inputs] for call in side.calls] for side in pair]
    functions = [
        [lambda call=call, values=values: call.run(list(values)) for call, values in zip(side.calls, made, strict=True)]
        for side, made in zip(pair, inputs, strict=True)
    ]
    timings = time_in_turns(functions)
    result = {
        which: {"timing": dataclasses.asdict(timing), "names": side.names, "resources": side.resources}
        for which, side, timing in zip(("old", "new"), pair, timings, strict=True)
    }
    del inputs, functions
    gc.collect()
    torch.cuda.empty_cache()
    return result


@contextlib.contextmanager
def _watched(calls: list[_Call]) -> Iterator[None]:
    """Note every call of a compiled graph: the code, and how to make such inputs again."""
    from torch._inductor.output_code import CompiledFxGraph

    original = CompiledFxGraph.__call__

    def call(graph: Any, inputs: Any) -> Any:
        makers = tuple(map(_maker, inputs))
        run = graph.current_callable
        calls.append(_Call(run, makers))
        return original(graph, inputs)

    CompiledFxGraph.__call__ = call
    try:
        yield
    finally:
        CompiledFxGraph.__call__ = original


def _maker(value: Any) -> Callable[[], Any]:
    """A function that makes an input like this one: random numbers, or for whole numbers just these."""
    import torch

    if not isinstance(value, torch.Tensor):
        return lambda: value
    if not value.is_floating_point() or value.numel() <= 16:
        kept, layout = value.detach().cpu(), (tuple(value.shape), value.stride())
        return lambda: torch.empty_strided(*layout, dtype=kept.dtype, device="cuda").copy_(kept)
    size, stride, dtype = tuple(value.shape), value.stride(), value.dtype
    length = 1 + sum((extent - 1) * step for extent, step in zip(size, stride, strict=True))

    def make() -> Any:
        return torch.randn(length, device="cuda").to(dtype).as_strided(size, stride)

    return make


@contextlib.contextmanager
def _noted_autotuners() -> Iterator[list[Any]]:
    """The kernels that are loaded inside the block."""
    from torch._inductor.runtime.triton_heuristics import CachingAutotuner

    original, made = CachingAutotuner.__init__, []

    def init(autotuner: Any, *args: Any, **kwargs: Any) -> None:
        original(autotuner, *args, **kwargs)
        made.append(autotuner)

    CachingAutotuner.__init__ = init
    try:
        yield made
    finally:
        CachingAutotuner.__init__ = original


def _resources(autotuners: list[Any]) -> list[dict[str, Any]]:
    """Of each kernel the configuration that was taken, and what the driver says of it."""
    return [
        {
            "kernel": autotuner.fn.__name__,
            "config": {key: value for key, value in launcher.config.kwargs.items() if isinstance(value, int)},
            "warps": launcher.config.num_warps,
            "stages": launcher.config.num_stages,
            **{key: getattr(launcher, key, None) for key in ("n_regs", "n_spills", "shared")},
        }
        for autotuner in autotuners
        if len(autotuner.launchers) == 1
        for launcher in autotuner.launchers
    ]


@contextlib.contextmanager
def _one_autotuner_at_a_time() -> Iterator[None]:
    from torch._inductor.runtime.triton_heuristics import CachingAutotuner

    original = CachingAutotuner.benchmark_all_configs

    def benchmark(autotuner: Any, *args: Any, **kwargs: Any) -> Any:
        with _LOCK.open("w") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            return original(autotuner, *args, **kwargs)

    CachingAutotuner.benchmark_all_configs = benchmark
    try:
        yield
    finally:
        CachingAutotuner.benchmark_all_configs = original
