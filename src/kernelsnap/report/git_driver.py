"""What `git diff` shows of a golden: the causes, then hunks in which kernels are matched and names aligned."""

from __future__ import annotations

from collections.abc import Iterator

from kernelsnap.diff.compare import compare
from kernelsnap.errors import KernelsnapError
from kernelsnap.golden.format import parse
from kernelsnap.report.phrases import cause_lines
from kernelsnap.report.visible import visible

_EVIDENCE = 3
#: The colours that git has for the same parts (see color.diff in git-config).
_COLORS = {"-": "31", "+": "32", "@": "36"}
_BOLD = "1"


def driver_text(
    path: str,
    old: str | None,
    new: str | None,
    *,
    target: str = "",
    modes: tuple[str, str] = ("", ""),
    color: bool = False,
) -> str:
    """The text for one file; None is a side on which it does not exist. What cannot be read is said to be so.

    `target` is the path of the new side where that is another one, and `modes` are those of the file if it changed.
    """
    head = [f"diff --kernelsnap a/{path} b/{target or path}"]
    if target not in ("", path):
        head += [f"rename from {path}", f"rename to {target}"]
    if any(modes):
        head += [f"old mode {modes[0]}", f"new mode {modes[1]}"]
    if old is None or new is None:
        sign, text = ("+", new or "") if old is None else ("-", old)
        head.append(f"{'new' if old is None else 'deleted'} golden")
        body = [f"{sign}{line}" for line in text.removesuffix("\n").split("\n")]
    else:
        try:
            body = list(_difference(path, old, new))
        except (KernelsnapError, SyntaxError) as error:
            body = [f"cannot be compared as a golden: {error}; see `git diff --no-ext-diff`"]
    lines = [(visible(line), _BOLD) for line in head] + [(visible(line), _COLORS.get(line[:1], "")) for line in body]
    return "".join(f"\x1b[{code}m{line}\x1b[m\n" if color and code else f"{line}\n" for line, code in lines)


def _difference(path: str, old: str, new: str) -> Iterator[str]:
    if old == new:
        return
    diff = compare(parse(old, f"a/{path}"), parse(new, f"b/{path}"))
    if diff.same:
        yield "only names differ"
        return
    for cause in diff.causes:
        for title, line in cause_lines(cause, _EVIDENCE):
            yield f"cause: {title}: {line}"
    for hunk in diff.hunks:
        short = hunk.to_read()
        yield short.header
        yield from short.lines
