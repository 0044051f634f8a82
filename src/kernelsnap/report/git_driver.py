"""What `git diff` shows of a golden: the causes, then hunks in which kernels are matched and names aligned."""

from __future__ import annotations

from collections.abc import Iterator

from kernelsnap.diff.causes.kinds import CAUSE
from kernelsnap.diff.compare import compare
from kernelsnap.errors import KernelsnapError
from kernelsnap.golden.format import parse
from kernelsnap.report.phrases import evidence
from kernelsnap.report.visible import visible

_EVIDENCE = 3


def driver_text(path: str, old: str | None, new: str | None) -> str:
    """The text for one file; None is a side on which it does not exist. What cannot be read is said to be so."""
    lines = [f"diff --kernelsnap a/{path} b/{path}"]
    if old is None or new is None:
        sign, text = ("+", new or "") if old is None else ("-", old)
        lines.append(f"{'new' if old is None else 'deleted'} golden")
        lines += [f"{sign}{line}" for line in text.removesuffix("\n").split("\n")]
    else:
        try:
            lines += _difference(path, old, new)
        except (KernelsnapError, SyntaxError) as error:
            lines.append(f"cannot be compared as a golden: {error}; see `git diff --no-ext-diff`")
    return "".join(f"{visible(line)}\n" for line in lines)


def _difference(path: str, old: str, new: str) -> Iterator[str]:
    diff = compare(parse(old, f"a/{path}"), parse(new, f"b/{path}"))
    if diff.same:
        yield "only names differ"
        return
    for cause in diff.causes:
        for line in evidence(cause.findings, _EVIDENCE):
            yield f"cause: {CAUSE[cause.name].title}: {line}"
    for hunk in diff.hunks:
        short = hunk.to_read()
        yield short.header
        yield from short.lines
