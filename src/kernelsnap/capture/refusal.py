"""What the golden of a refusal holds of the error with which torch rejected a function.

Enough that another error differs, and nothing that moves when torch is edited elsewhere:

- the type of the error and the first line of its message, and those of the error that led to it, if they say more;
- what Dynamo got when it tried a call of the program's, which stands below the first line;
- the operator that was being lowered, where Inductor names it;
- of an error without a message, the function that raised it and the statement: `assert len(size) == 2 in
  torch._inductor.lowering.slice_`.

Line numbers, addresses and the folders of files are left out.
"""

from __future__ import annotations

import ast
import inspect
import re
import textwrap
from collections.abc import Iterator
from types import CodeType, TracebackType

_OPERATOR = re.compile(r"^[ \t]*target: (?P<operator>\S+)", re.MULTILINE)  # "  target: aten.slice.Tensor"
# What Dynamo explains: "... call_function mul(...): got RuntimeError('wrong shape')"
_FAILED_CALL, _GOT = "Explanation: Dynamo failed to run", ": got "
_ADDRESS = re.compile(r"\b0x[0-9a-fA-F]{4,}")
_FOLDERS = re.compile(
    r"(?<![\w/.+@-])(?:/[\w.+@-]+(?: [\w.+@-]+){0,3})+/(?=[\w.+-]+\.\w+)"
)  # "/usr/lib/" of "/usr/lib/a.py"
_LINE = re.compile(r"\bline \d+|(?<=\.py):\d+")
_STATEMENT = 200  # characters


def refusal_text(error: BaseException) -> str:
    """One line about an error; see the module."""
    chain = list(_reasons(error))
    parts = [_headline(error)]
    for reason in chain[1:]:
        if (line := _headline(reason)) not in "; ".join(parts):
            parts.append(f"from {line}")
    if got := next(filter(None, (_got(str(reason)) for reason in chain)), ""):
        parts.append(f"got {got}")
    named = next(filter(None, (_OPERATOR.search(str(reason)) for reason in reversed(chain))), None)
    if named:
        parts.append(f"operator {named['operator']}")
    if _headline(chain[-1]).endswith(":"):
        parts += _place(chain)
    return _stable("; ".join(part.rstrip(":") for part in parts))


def _got(text: str) -> str:
    """The error that Dynamo got from a call of the program's; "" if the text tells of none."""
    explained = (line.strip() for line in text.splitlines())
    return next((line.partition(_GOT)[2] for line in explained if line.startswith(_FAILED_CALL)), "")


def first_line(text: str) -> str:
    """The first line of a message that says anything."""
    return next((line.strip() for line in text.splitlines() if line.strip()), "")


def _headline(error: BaseException) -> str:
    return f"{type(error).__name__}: {first_line(str(error))}".strip()


def _reasons(error: BaseException) -> Iterator[BaseException]:
    """The error, and those that it says it comes from; not what merely happened before it."""
    seen: set[int] = set()
    reason: BaseException | None = error
    while reason is not None and id(reason) not in seen:
        seen.add(id(reason))
        yield reason
        reason = getattr(reason, "inner_exception", None) or reason.__cause__


def _place(chain: list[BaseException]) -> list[str]:
    """The statement that raised the last of these errors, and the function that it is in."""
    for error in reversed(chain):
        trace = error.__traceback__
        if trace is None:
            continue
        while trace.tb_next:
            trace = trace.tb_next
        code = trace.tb_frame.f_code
        function = f"{trace.tb_frame.f_globals.get('__name__', '?')}.{code.co_qualname}"
        statement = _statement(code, trace)
        return [f"{statement} in {function}" if statement else f"in {function}"]
    return []


def _statement(code: CodeType, trace: TracebackType) -> str:
    """The text of the innermost statement that was running, on one line; "" where there is no source."""
    try:
        lines, start = inspect.getsourcelines(code)
        source = textwrap.dedent("".join(lines))
        tree = ast.parse(source)
    except (OSError, SyntaxError):
        return ""
    line = trace.tb_lineno - max(start, 1) + 1
    around = [
        node for node in ast.walk(tree) if isinstance(node, ast.stmt) and node.lineno <= line <= (node.end_lineno or 0)
    ]
    if not around:
        return ""
    innermost = max(around, key=lambda node: node.lineno)
    asserted = innermost.test if isinstance(innermost, ast.Assert) else innermost
    text = " ".join((ast.get_source_segment(source, asserted) or "").split())
    text = f"assert {text}" if isinstance(innermost, ast.Assert) else text
    return text if len(text) <= _STATEMENT else f"{text[:_STATEMENT]}..."


def _stable(text: str) -> str:
    """The text without what differs between machines and runs, or moves with the lines of a file."""
    text = _ADDRESS.sub("0x...", text)
    text = _FOLDERS.sub("", text)
    return _LINE.sub(lambda found: "line ..." if found[0].startswith("line") else "", text)
