"""Which Python files a graph comes from: what Dynamo traced, and what Triton kernels were written in."""

from __future__ import annotations

import re
from collections.abc import Iterator
from types import FunctionType
from typing import Any

from kernelsnap.capture import private
from kernelsnap.virtual.needs_gpu import is_users

#   File "/x/model.py", line 12, in forward
#     return x.relu()
_FRAME = re.compile(r'File "([^"\n]+)", line (\d++)[^\n]*+\n([^\n]*)')


def traced_files(graph: Any) -> frozenset[str]:
    """The files whose code is in a graph (`GraphLowering`), while it is compiled.

    Raises `UnsupportedTorchError` where this torch does not keep what it traced.
    """
    files = {code.co_filename for code in private.TRACED_CODE.get()() or ()}
    for node in graph.module.graph.nodes:
        # A function that Dynamo put into the graph without a look inside (`allow_in_graph`).
        files |= {fn.__code__.co_filename for _, fn in node.meta.get("source_fn_stack", ()) if hasattr(fn, "__code__")}
        if "kernel_idx" in node.kwargs:
            kernel = private.WRITTEN_KERNEL.get()(node.kwargs["kernel_idx"])
            files |= {function.__code__.co_filename for function in _with_callees(kernel)}
    return frozenset(files)


def source_lines(graph: Any) -> dict[str, str]:
    """The user's line of each traced expression of a graph (`GraphLowering`), by its name, as far as torch knows it."""
    found: dict[str, str] = {}
    for node in graph.module.graph.nodes:
        origin, trace = node.meta.get("from_node"), node.meta.get("stack_trace")
        if origin and trace and origin[0].name not in found:
            frames = [frame for frame in _FRAME.findall(trace) if is_users(frame[0])]
            if frames:
                file, number, line = frames[-1]
                found[origin[0].name] = f"{file}:{number}: {line.strip()}"
    return found


def _with_callees(kernel: Any) -> Iterator[FunctionType]:
    """The function that a Triton kernel was written as, and those of the kernels that it calls."""
    from triton import JITFunction

    waiting, seen = [kernel], set()
    while waiting:
        function = waiting.pop()
        while not isinstance(function, FunctionType):  # inside a JITFunction, and that in an Autotuner
            function = function.fn
        if function not in seen:
            seen.add(function)
            yield function
            called = (function.__globals__.get(name) for name in function.__code__.co_names)
            waiting += [value for value in called if isinstance(value, JITFunction)]
