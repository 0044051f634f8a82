"""Keeps torch's counters as on a GPU for existing tests that read them; what only running code counts is refused."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from kernelsnap.capture import private
from kernelsnap.capture.loading import Run
from kernelsnap.virtual.values import Refusals, asked_by_torch

# Every counter of CUDA graphs begins so: "cudagraph_skips", "cudagraph_recorded_non_static_inputs".
_OF_CUDA_GRAPHS = "cudagraph"
_TIMED = "select_algorithm_autotune"


@dataclass
class Ran:
    """What would have happened on a GPU since the test began."""

    cuda_graphs: bool = False  # a graph was called that torch would record as a CUDA graph, and perhaps refuse to
    timed: set[tuple[str, str]] = field(default_factory=set)  # choices of max-autotune that were timed

    def forget(self) -> None:
        """Begin anew, for the next test."""
        self.cuda_graphs = False
        self.timed.clear()


@contextlib.contextmanager
def compiled_as_on_gpu(ran: Ran, known: dict[str, Run], about_to_run: Callable[[], None]) -> Iterator[None]:
    """Inside the block a compiled graph notes that it was called, and can be found by the key of its code in `known`.

    To be entered inside `recording(run=False)`. What `about_to_run` raises, calling the graph raises.
    """
    compile_graph = private.COMPILE_FX_INNER.get()

    def compile_fx_inner(*args: Any, **kwargs: Any) -> Any:
        output = compile_graph(*args, **kwargs)
        if isinstance(output, private.COMPILED_FX_GRAPH.get()):
            output.current_callable = known[output.cache_key] = _noted(output, ran, about_to_run)
        return output

    with private.COMPILE_FX_INNER.replaced(compile_fx_inner):
        yield


def _noted(output: Any, ran: Ran, about_to_run: Callable[[], None]) -> Run:
    run, wants_cuda_graph = output.current_callable, bool(output.fx_kwargs.get("cudagraphs"))

    def call(inputs: list[Any]) -> Any:
        about_to_run()
        ran.cuda_graphs |= wants_cuda_graph
        return run(inputs)

    return call


@contextlib.contextmanager
def counted_as_on_gpu(ran: Ran, refusals: Refusals) -> Iterator[None]:
    """Inside the block each choice of max-autotune counts as timed, and counters that are not known cannot be read."""
    counters, choose = private.COUNTERS.get(), private.CHOOSE.get()

    class Counts(Counter[str]):
        """The counters of one part of torch."""

        def __getitem__(self, key: str) -> int:
            _check_known(key, ran, refusals)
            return super().__getitem__(key)

        def get(self, key: str, default: Any = None) -> Any:
            _check_known(key, ran, refusals)
            return super().get(key, default)

    def count_choice(selector: Any, name: str, choices: Any, input_nodes: Any, *args: Any, **kwargs: Any) -> Any:
        chosen = choose(selector, name, choices, input_nodes, *args, **kwargs)
        key = (name, private.INPUTS_KEY.get()(input_nodes))
        if len(choices) > 1 and not private.CONFIG.get().deterministic and key not in ran.timed:
            ran.timed.add(key)
            counters["inductor"][_TIMED] += 1
        return chosen

    with private.CHOOSE.replaced(count_choice), _made_of(counters, Counts):
        yield


def _check_known(key: str, ran: Ran, refusals: Refusals) -> None:
    if ran.cuda_graphs and key.startswith(_OF_CUDA_GRAPHS) and not asked_by_torch(3):
        raise refusals.refuse(f'the counter "{key}"', "CUDA graphs, and on the virtual device nothing records them")


@contextlib.contextmanager
def _made_of(counters: Any, kind: type[Counter[str]]) -> Iterator[None]:
    """Let each entry of torch's counters be of this kind inside the block."""
    before = counters.default_factory
    counters.update({part: kind(counts) for part, counts in counters.items()})
    counters.default_factory = kind
    try:
        yield
    finally:
        counters.default_factory = before
        counters.update({part: Counter(dict(counts)) for part, counts in counters.items()})
