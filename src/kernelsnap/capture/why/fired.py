"""Which passes, patterns and decompositions were applied to a graph, and how often."""

from __future__ import annotations

import contextlib
import inspect
import re
from collections import Counter
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any

from kernelsnap.capture import private
from kernelsnap.capture.why.reasons import in_one_line
from kernelsnap.model.why import Fired

_PASSES, _PATTERNS, _DECOMPOSITIONS, _COUNTERS = "passes", "patterns", "decompositions", "counters"
_DECOMPOSITION = "decomposition"  # as torch's bisector calls it
#: Of each kind no more are named; those that were applied most often are.
_MOST = 100
# <OpOverload(op='aten.gelu', overload='default')>
_OP = re.compile(r"<OpOverload\(op='(?P<op>[^']+)', overload='(?P<overload>[^']+)'\)>")
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
    matching: ContextVar[bool] = ContextVar("matching", default=False)
    disable, apply_patterns = private.DISABLE_SUBSYSTEM.get(), private.APPLY_PATTERNS.get()

    def of_the_program() -> bool:
        # Not what a pattern matcher makes of its own examples, once in a process.
        return private.TRACING_CONTEXT.get()() is not None

    def disable_subsystem(backend: str, subsystem: str, debug_info: Callable[[], str] | None = None) -> Any:
        if subsystem == _DECOMPOSITION and not matching.get() and of_the_program():
            text = debug_info() if debug_info else subsystem
            operator = _OP.fullmatch(text)
            applied.add(_DECOMPOSITIONS, f"{operator['op']}.{operator['overload']}" if operator else text)
        return disable(backend, subsystem, debug_info)

    def apply_all(patterns: Any, gm: Any) -> Any:
        token = matching.set(True)
        try:
            return apply_patterns(patterns, gm)
        finally:
            matching.reset(token)

    def counted_pattern(apply: Callable[..., Any]) -> Callable[..., Any]:
        def applied_once(entry: Any, *args: Any, **options: Any) -> Any:
            if of_the_program():
                applied.add(_PATTERNS, pattern_name(entry))
            return apply(entry, *args, **options)

        return applied_once

    def counted_pass(apply: Callable[..., Any]) -> Callable[..., Any]:
        def applied_once(observer: Any, *args: Any, **options: Any) -> Any:
            before = _outline(observer.gm)
            result = apply(observer, *args, **options)
            if of_the_program() and _outline(observer.gm) != before:
                applied.add(_PASSES, str(observer.passname))
            return result

        return applied_once

    passes = (
        private.APPLY_PASSES if all(name.is_there() for name in (*private.APPLY_PASSES, *private.OF_PASSES)) else ()
    )
    with contextlib.ExitStack() as stack:
        stack.enter_context(private.DISABLE_SUBSYSTEM.replaced(staticmethod(disable_subsystem)))
        stack.enter_context(private.APPLY_PATTERNS.replaced(apply_all))
        for name in private.PATTERN_ENTRIES:
            stack.enter_context(name.replaced(counted_pattern(name.get())))
        for name in passes:
            stack.enter_context(name.replaced(counted_pass(name.get())))
        yield


def _outline(gm: Any) -> list[tuple[str, Any, list[str]]]:
    """The nodes of a graph and what each takes: equal before and after a pass that does nothing."""
    return [(node.name, node.target, [given.name for given in node.all_input_nodes]) for node in gm.graph.nodes]


def pattern_name(entry: Any) -> str:
    """The function that handles a match, or whose graph is searched for; of one inside a pass, the pass."""
    function = getattr(entry, "handler", None) or inspect.getclosurevars(entry.extra_check).nonlocals.get("search_fn")
    name = getattr(function, "__qualname__", "replacement").partition(".<locals>")[0]
    return str(getattr(entry, "pattern_name", None) or name)
