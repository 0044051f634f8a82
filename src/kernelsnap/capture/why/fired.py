"""Which passes, patterns and decompositions were applied to a graph, and how often."""

from __future__ import annotations

import contextlib
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from typing import Any

from kernelsnap.capture import private
from kernelsnap.capture.applications import DECOMPOSITION, asking, is_of_program
from kernelsnap.capture.why.reasons import in_one_line
from kernelsnap.model.why import Fired

_PASSES, _PATTERNS, _DECOMPOSITIONS, _COUNTERS = "passes", "patterns", "decompositions", "counters"
#: Of each kind no more are named; those that were applied most often are.
_MOST = 100
# What depends on this machine or on what was compiled before, and what other parts of a golden have.
_NO_COUNTER = re.compile(r"cache|bench|compile|extern_calls|autotun|pattern_matcher|intermediate_hooks|cudagraph|async")


@dataclass
class Applied:
    """What was applied since the last graph."""

    counts: dict[str, Counter[str]] = field(default_factory=dict)
    counters: Counter[str] = field(default_factory=Counter)  # torch's own, as they were at the last graph

    def add(self, kind: str, name: str) -> None:
        """Note one application."""
        self.counts.setdefault(kind, Counter())[in_one_line(name).replace("  ", " ")] += 1

    def taken(self) -> tuple[Fired, ...]:
        """All of it, by name; counting begins anew."""
        now = _counters()
        counts = self.counts | {_COUNTERS: now - self.counters}
        self.counts, self.counters = {}, now
        return tuple(
            Fired(kind, tuple(sorted(counts[kind].most_common(_MOST))))
            for kind in (_PASSES, _PATTERNS, _DECOMPOSITIONS, _COUNTERS)
            if counts.get(kind)
        )


def _counters() -> Counter[str]:
    found = private.COUNTERS.get()["inductor"]
    return Counter({name: number for name, number in found.items() if number and not _NO_COUNTER.search(name)})


@contextlib.contextmanager
def listening_to_passes(applied: Applied) -> Iterator[None]:
    """Inside the block count what is applied to the graphs of the program."""
    applied.counters = _counters()

    def allows(subsystem: str, describe: Callable[[], str]) -> bool:
        if subsystem == DECOMPOSITION:
            applied.add(_DECOMPOSITIONS, describe())
        return True

    def applies(pattern: str, match: Any) -> bool:
        applied.add(_PATTERNS, pattern)
        return True

    def counted_pass(apply: Callable[..., Any]) -> Callable[..., Any]:
        def applied_once(observer: Any, *args: Any, **options: Any) -> Any:
            before = _outline(observer.gm)
            result = apply(observer, *args, **options)
            if is_of_program() and _outline(observer.gm) != before:
                applied.add(_PASSES, str(observer.passname))
            return result

        return applied_once

    names = (*private.APPLY_PASSES, *private.OF_PASSES)
    with asking(allows, applies), contextlib.ExitStack() as stack:
        for name in private.APPLY_PASSES if all(name.is_there() for name in names) else ():
            stack.enter_context(name.replaced(counted_pass(name.get())))
        yield


def _outline(gm: Any) -> list[tuple[str, Any, list[str]]]:
    """The nodes of a graph and what each takes: equal before and after a pass that does nothing."""
    return [(node.name, node.target, [given.name for given in node.all_input_nodes]) for node in gm.graph.nodes]
