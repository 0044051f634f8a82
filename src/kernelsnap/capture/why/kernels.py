"""What was decided about each kernel, and from what: the kind of reduction, its split, the tiling."""

from __future__ import annotations

import ast
import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import Any

from kernelsnap.capture import private
from kernelsnap.capture.why.reasons import in_one_line
from kernelsnap.model.capture import Kernel
from kernelsnap.model.why import Decided

#: Of the tilings of a node no more are named, the best first.
_MOST = 4


@dataclass
class Heard:
    """What was heard of reductions and tilings since the last graph."""

    #: By the operation of the traced graph that was lowered: into how many parts its reduction is split, and why.
    splits: dict[str, list[str]] = field(default_factory=dict)
    #: By the scheduler's name of a node: its candidates, `x 64, y 32: 3`.
    tilings: dict[str, tuple[str, ...]] = field(default_factory=dict)


@contextlib.contextmanager
def listening_to_kernels(heard: Heard) -> Iterator[None]:
    """Inside the block note how reductions are split and nodes may be tiled, as far as this torch lets one hear it."""
    with contextlib.ExitStack() as stack:
        if all(
            name.is_there() for name in (private.SPLIT_OF_REDUCTION, private.LOWERED_NODE, private.GRAPH_BEING_LOWERED)
        ):
            listener = staticmethod(_splits(heard, private.SPLIT_OF_REDUCTION.get()))
            stack.enter_context(private.SPLIT_OF_REDUCTION.replaced(listener))
        if private.CANDIDATE_TILINGS.is_there():
            listener = staticmethod(_tilings(heard, private.CANDIDATE_TILINGS.get()))
            stack.enter_context(private.CANDIDATE_TILINGS.replaced(listener))
        yield


def _splits(heard: Heard, original: Any) -> Any:
    def num_splits(*args: Any, **options: Any) -> Any:
        hint, split = original(*args, **options)
        node = private.LOWERED_NODE.of(private.GRAPH_BEING_LOWERED.get().graph)
        if node is not None and isinstance(split, int) and split > 1:
            said = heard.splits.setdefault(node.name, [])
            text = in_one_line(f"in {split} parts, hint {_word(str(hint))}")
            if text not in said:
                said.append(text)
        return hint, split

    return num_splits


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
        how = "persistent" if "persistent" in kernel.kind else "in a loop"
        yield Decided(kernel.name, "reduction", in_one_line(f"{how}, hint {hint or 'unknown'}"))
        splits = dict.fromkeys(text for node in traced for text in heard.splits.get(node, ()))
        if splits:
            yield Decided(kernel.name, "split", in_one_line("; ".join(splits)))
    scores = _dictionary(facts.get("tiling_scores", ""))
    candidates = dict.fromkeys(text for node in operations for text in heard.tilings.get(node, ()))
    if len(scores) > 1:  # of one dimension alone there is nothing to choose
        text = f"bytes that are coalesced along each: {_sizes(scores.items())}"
        yield Decided(kernel.name, "tiling", in_one_line(text))
    elif candidates and not scores:  # the older way: it is not asked where the bytes are counted
        yield Decided(kernel.name, "tiling", in_one_line(f"candidates and scores: {'; '.join([*candidates][:_MOST])}"))


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
