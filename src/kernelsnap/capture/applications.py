"""Calls a function of ours before Inductor applies a decomposition, a lowering, a pass or a pattern to a program.

That function may count the application (`why.fired`) or refuse it (`decisions`). What a pattern matcher makes of its
own examples, once in a process, is no part of the program: then nothing is called.
"""

from __future__ import annotations

import contextlib
import inspect
import re
from collections.abc import Callable, Iterator
from contextvars import ContextVar
from typing import Any

from kernelsnap.capture import private
from kernelsnap.shared.assigned import assigned

#: As torch's bisector calls it.
DECOMPOSITION = "decomposition"
# <OpOverload(op='aten.gelu', overload='default')>
_OP = re.compile(r"<OpOverload\(op='(?P<op>[^']+)', overload='(?P<overload>[^']+)'\)>")


@contextlib.contextmanager
def asking(allows: Callable[[str, Callable[[], str]], bool], applies: Callable[[str, Any], bool]) -> Iterator[None]:
    """Inside the block each application is done only if it is allowed.

    Args:
        allows: whether one of a subsystem is, from the name of the subsystem and what describes it.
        applies: whether a pattern is put in place of a match, from its name and the match.
    """
    matching: ContextVar[bool] = ContextVar("matching", default=False)
    disable, apply_patterns = private.DISABLE_SUBSYSTEM.get(), private.APPLY_PATTERNS.get()

    def disable_subsystem(backend: str, subsystem: str, debug_info: Callable[[], str] | None = None) -> Any:
        of_an_example = subsystem == DECOMPOSITION and (matching.get() or not is_of_program())
        if of_an_example or allows(subsystem, lambda: _in_words(debug_info() if debug_info else subsystem)):
            return disable(backend, subsystem, debug_info)
        return True

    def apply_all(patterns: Any, gm: Any) -> Any:
        with assigned(matching, True):
            return apply_patterns(patterns, gm)

    with contextlib.ExitStack() as stack:
        stack.enter_context(private.DISABLE_SUBSYSTEM.replaced(staticmethod(disable_subsystem)))
        stack.enter_context(private.APPLY_PATTERNS.replaced(apply_all))
        for name in private.PATTERN_ENTRIES:
            stack.enter_context(name.replaced(_asked_before(name.get(), applies)))
        yield


def _asked_before(apply: Callable[..., Any], applies: Callable[[str, Any], bool]) -> Callable[..., Any]:
    """An entry's `apply` that asks first."""

    def asked(entry: Any, match: Any, *args: Any, **options: Any) -> Any:
        if not is_of_program() or applies(_pattern_name(entry), match):
            return apply(entry, match, *args, **options)
        return None

    return asked


def is_of_program() -> bool:
    """Whether what is compiled now is a program, and not an example of a pattern matcher."""
    return private.TRACING_CONTEXT.get()() is not None


def _in_words(text: str) -> str:
    """What torch calls an application, shorter: `aten.gelu.default` for the decomposition of an operator."""
    operator = _OP.fullmatch(text)
    return f"{operator['op']}.{operator['overload']}" if operator else text


def _pattern_name(entry: Any) -> str:
    """The function that handles a match, or whose graph is searched for; of one inside a pass, the pass."""
    function = getattr(entry, "handler", None) or inspect.getclosurevars(entry.extra_check).nonlocals.get("search_fn")
    name = getattr(function, "__qualname__", "replacement").partition(".<locals>")[0]
    return str(getattr(entry, "pattern_name", None) or name)
