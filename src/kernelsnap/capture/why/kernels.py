"""What was decided about each kernel, and from what: the kind of reduction, its split, the tiling."""

from __future__ import annotations

import ast
import contextlib
import functools
import inspect
import math
import operator
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from kernelsnap.capture import private
from kernelsnap.capture.why.reasons import in_one_line
from kernelsnap.model.capture import Kernel
from kernelsnap.model.why import Decided, with_hint

#: The sizes of reductions of which it is asked whether they are persistent.
_SIZES = [1 << power for power in range(20)]
#: Of the tilings of a node no more are named, the best first.
_MOST = 4


@dataclass(frozen=True)
class Split:
    """A reduction in two stages, the first over parts; or a scan over blocks."""

    parts: int
    scan: bool
    outputs: str  # how many it has, each of so many elements
    elements: str
    hint: str

    def __str__(self) -> str:
        """What is told of its first stage."""
        what = "a scan over blocks" if self.scan else f"in {self.parts} parts"
        outputs = f"{self.outputs} output{'s' * (self.outputs != '1')}, each of {self.elements} elements"
        return f"{with_hint(what, self.hint)}: {outputs}, would not fill the GPU"

    def is_of(self, kernel: Kernel) -> bool:
        """Whether a kernel may be its first stage, by how many iterations it has."""
        sizes = [size for name, size in kernel.sizes if not name.startswith("r")]
        if self.scan:
            return True
        if all(size.isdigit() for size in (*sizes, self.outputs)):
            return math.prod(map(int, sizes)) == int(self.outputs) * self.parts
        return str(self.parts) not in (size for name, size in kernel.sizes if name.startswith("r"))


@dataclass
class Heard:
    """What was heard of reductions and tilings since the last graph."""

    #: By the operation of the traced graph that was lowered: what of its reductions is done in parts.
    splits: dict[str, list[Split]] = field(default_factory=dict)
    #: By the scheduler's name of a node: its candidates, `x 64, y 32: 3`.
    tilings: dict[str, tuple[str, ...]] = field(default_factory=dict)
    #: By the hint of reductions: up to how many elements they are persistent; 0 where none is.
    persistent: dict[str, int] = field(default_factory=dict)


@contextlib.contextmanager
def listening_to_kernels(heard: Heard) -> Iterator[None]:
    """Inside the block note how reductions are split and nodes may be tiled, as far as this torch lets one hear it."""
    listeners = [
        ((private.SPLIT_OF_REDUCTION, private.LOWERED_NODE, private.GRAPH_BEING_LOWERED), _splits),
        ((private.PERSISTENT, private.REDUCTION_HINT), _persistent),
        ((private.CANDIDATE_TILINGS,), _tilings),
    ]
    with contextlib.ExitStack() as stack:
        for names, listener in listeners:
            if all(name.is_there() for name in names):
                stack.enter_context(names[0].replaced(staticmethod(listener(heard, names[0].get()))))
        yield


def _splits(heard: Heard, original: Any) -> Any:
    parameters = inspect.signature(original)

    def num_splits(*args: Any, **options: Any) -> Any:
        hint, split = original(*args, **options)
        node = private.LOWERED_NODE.of(private.GRAPH_BEING_LOWERED.get().graph)
        if node is not None and isinstance(split, int) and split > 1:
            given = parameters.bind(*args, **options).arguments
            outputs = functools.reduce(operator.mul, given["ranges"], 1)
            scan = given["reduction_type"] == "scan"
            found = Split(split, scan, str(outputs), str(given["reduction_numel"]), _word(str(hint)))
            known = heard.splits.setdefault(node.name, [])
            if found not in known:
                known.append(found)
        return hint, split

    return num_splits


class _Reduction:
    """What Inductor knows of a reduction, with another size."""

    def __init__(self, features: Any, size: int) -> None:
        self._features, self.reduction_numel = features, features.reduction_numel * 0 + size

    def __getattr__(self, name: str) -> Any:
        return getattr(self._features, name)


def _persistent(heard: Heard, original: Any) -> Any:
    def should_use_persistent_reduction(features: Any, cooperative_reduction: bool) -> Any:
        hint = private.REDUCTION_HINT.of(features)()
        allowed = [size for size in _SIZES if original(_Reduction(features, size), cooperative_reduction)]
        heard.persistent[_word(str(hint))] = max(allowed, default=0)
        return original(features, cooperative_reduction)

    return should_use_persistent_reduction


def _tilings(heard: Heard, original: Any) -> Any:
    def candidate_tilings(node: Any, *args: Any, **options: Any) -> Any:
        found = original(node, *args, **options)
        best = sorted(found, key=lambda it: (-it.score, str(it.tiling)))
        texts = dict.fromkeys(f"{_sizes(it.tiling.items())}: {it.score}" for it in best)
        heard.tilings[node.get_name()] = tuple(in_one_line(text) for text in texts)[:_MOST]
        return found

    # The scheduler empties the original's memory when it reorders loops.
    candidate_tilings.cache_clear = original.cache_clear  # type: ignore[attr-defined]
    return candidate_tilings


def decided_about(kernel: Kernel, operations: Iterable[str], traced: Iterable[str], heard: Heard) -> Iterator[Decided]:
    """What was decided about a kernel, which computes these of the scheduler's, and these traced, operations."""
    facts = dict(kernel.meta)
    hint = _word(facts.get("reduction_hint", ""))
    if "reduction" in kernel.kind:
        yield Decided(kernel.name, "reduction", in_one_line(_how(kernel, hint or "unknown", heard)))
        splits = dict.fromkeys(it for node in traced for it in heard.splits.get(node, ()) if it.is_of(kernel))
        if splits:
            yield Decided(kernel.name, "split", in_one_line("; ".join(map(str, splits))))
    scores = _dictionary(facts.get("tiling_scores", ""))
    candidates = dict.fromkeys(text for node in operations for text in heard.tilings.get(node, ()))
    if len(scores) > 1:  # of one dimension alone there is nothing to choose
        text = f"bytes that are coalesced along each: {_sizes(scores.items())}"
        yield Decided(kernel.name, "tiling", in_one_line(text))
    elif candidates and not scores:  # the older way: it is not asked where the bytes are counted
        yield Decided(kernel.name, "tiling", in_one_line(f"candidates and scores: {'; '.join([*candidates][:_MOST])}"))


def _how(kernel: Kernel, hint: str, heard: Heard) -> str:
    if "persistent" in kernel.kind:
        return with_hint("persistent", hint)
    most = heard.persistent.get(hint)
    dynamic = any(name.startswith("r") and not size.isdigit() for name, size in kernel.sizes)
    unknown = ": its size is dynamic" if dynamic else ""
    limits = {None: unknown, 0: ": triton.persistent_reductions is off"}
    return with_hint("in a loop", hint) + limits.get(most, f": persistent up to {most} elements")


def _word(text: str) -> str:
    """`inner` of `ReductionHint.INNER`."""
    return text.rpartition(".")[2].lower()


def _sizes(items: Iterable[tuple[Any, Any]]) -> str:
    return ", ".join(f"{str(name).removesuffix('_')} {size}" for name, size in items)


def _dictionary(text: str) -> dict[str, Any]:
    """The value of a fact that is a dictionary of literals; an empty one where it is another thing."""
    try:
        found = ast.literal_eval(text) if text.startswith("{") else {}
    except (ValueError, SyntaxError):  # a size that is a symbol
        return {}
    return found if isinstance(found, dict) else {}
