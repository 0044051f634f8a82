"""Splits a kernel's text into the template's part and the kernel's own values, and puts the two together again.

The values are written under the names of the template's tags, in the order of the template:

    def_kernel("Q", "K"):                 a tag with a line of its own: any number of lines
      @triton.jit
      def k0(arg_Q, arg_K):
    size("Q", 0) = 2                      a tag inside a line: the text in its place
    if USE_TMA = no                       a choice: whether its condition holds

A template may use a name several times. Its values are written in order, without the ones at the end that only repeat
the value before them: the last value that is written holds for all further uses.

`unfold(template, fold(template, text))` is `text`, to the byte. A text that the template cannot have given, or whose
values would not be read back as they are, is not folded.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping, Sequence
from typing import NamedTuple

from kernelsnap.golden.files import LARGEST
from kernelsnap.golden.templates.template import Template

#: The text of a tag inside a line, or the lines of a tag that has a line of its own.
Value = str | tuple[str, ...]
_YES, _NO = "yes", "no"


class UnfoldError(ValueError):
    """A kernel's values and a template do not belong together."""


class _Bindings(NamedTuple):
    """Values by name: the last one that was found, and those before it. Backtracking returns to an earlier list."""

    name: str
    value: Value
    before: _Bindings | None


class _State(NamedTuple):
    """How far a template's program has got over the lines of a text."""

    step: int  # the next instruction
    line: int  # the next line of the text
    block: int | None  # the first line of the block that is being read
    bindings: _Bindings | None  # found so far


def fold(template: Template, text: str) -> str | None:
    """The values of a kernel, written out; None if its text is not the template's with values in it."""
    if template.mark not in text or not text.endswith("\n"):
        return None
    lines = text.split("\n")[:-1]
    if not template.certain.issubset(lines):
        return None
    values = _consistent_values(template, lines)
    if values is None:
        return None
    own = "".join(f"{line}\n" for name, value in _without_repetition(values) for line in _written(name, value))
    try:
        return own if unfold(template, own) == text else None
    except UnfoldError:
        return None


def _consistent_values(template: Template, lines: Sequence[str]) -> list[tuple[str, Value]] | None:
    """The values of a text, in which a condition that is used twice has one answer where the text allows it."""
    fixed: dict[str, str] = {}
    values = _values(template, lines, fixed)
    settled: set[str] = set()
    while values is not None and (condition := _contradiction(template, values, settled)):
        settled.add(condition)
        for answer in (_NO, _YES):
            if (other := _values(template, lines, fixed | {condition: answer})) is not None:
                fixed[condition] = answer
                values = other
                break
    return values


def _contradiction(template: Template, values: Sequence[tuple[str, Value]], settled: set[str]) -> str:
    """The first condition, none of the settled ones, that has two answers; "" if there is none."""
    first: dict[str, Value] = {}
    for name, value in values:
        if name in template.conditions and name not in settled and first.setdefault(name, value) != value:
            return name
    return ""


def _values(template: Template, lines: Sequence[str], fixed: Mapping[str, str]) -> list[tuple[str, Value]] | None:
    """The values with which the template gives these lines, in its order; None if there are none.

    Searches with backtracking, as a regular expression does: a block is as short as possible, and the first branch that
    fits is taken. `fixed` are the conditions whose answer is given.
    """
    waiting = [_State(0, 0, None, None)]
    # What follows depends on the next instruction and the next line only: where it failed once, it fails again.
    tried: set[tuple[int, int]] = set()
    while waiting:
        state = waiting.pop()
        if state.step == len(template.program):
            if state.line == len(lines):
                return _in_order(state.bindings)
        elif (state.step, state.line) not in tried:
            tried.add((state.step, state.line))
            waiting += _following(template, lines, fixed, state)
    return None


def _following(template: Template, lines: Sequence[str], fixed: Mapping[str, str], state: _State) -> Iterator[_State]:
    """The states after one instruction, the one to be tried first last."""
    at, line, block, bindings = state
    step = template.program[at]
    if step.kind == "text":
        if line < len(lines) and lines[line] == step.text:
            yield _State(at + 1, line + 1, None, bindings)
    elif step.kind == "line":
        if line < len(lines) and (values := step.values(lines[line])) is not None:
            for name, value in zip(step.names, values, strict=True):
                bindings = _Bindings(name, value, bindings)
            yield _State(at + 1, line + 1, None, bindings)
    elif step.kind == "block":
        start = line if block is None else block
        if line < len(lines):
            yield _State(at, line + 1, start, bindings)
        yield _State(at + 1, line, None, _Bindings(step.names[0], tuple(lines[start:line]), bindings))
    elif step.kind == "choice":
        if fixed.get(step.text) != _YES:
            yield _State(step.target, line, None, _Bindings(step.text, _NO, bindings))
        if fixed.get(step.text) != _NO:
            yield _State(at + 1, line, None, _Bindings(step.text, _YES, bindings))
    else:
        yield _State(step.target, line, None, bindings)


def _in_order(bindings: _Bindings | None) -> list[tuple[str, Value]]:
    values = []
    while bindings is not None:
        values.append((bindings.name, bindings.value))
        bindings = bindings.before
    return values[::-1]


def _without_repetition(values: Sequence[tuple[str, Value]]) -> Iterator[tuple[str, Value]]:
    """The values without the last ones of each name that repeat the one before them."""
    by_name: dict[str, list[Value]] = {}
    for name, value in values:
        by_name.setdefault(name, []).append(value)
    for found in by_name.values():
        while len(found) > 1 and found[-1] == found[-2]:
            found.pop()
    seen: Counter[str] = Counter()
    for name, value in values:
        seen[name] += 1
        if seen[name] <= len(by_name[name]):
            yield name, value


def _written(name: str, value: Value) -> Iterator[str]:
    if isinstance(value, str):
        yield f"{name} = {value}"
    else:
        yield f"{name}:"
        yield from (f"  {line}" if line else "" for line in value)


def unfold(template: Template, own: str, *, strict: bool = True) -> str:
    """The text of the kernel whose values these are, as `fold` writes them.

    With `strict` false, values that the template has no use for are ignored: for values of another template's kernel,
    to see what this one would have given.

    Raises:
        UnfoldError: the template uses a value that is not there, or does not use one that is.
    """
    values = _read(template, own.split("\n")[:-1], strict)
    used: Counter[str] = Counter()

    def value_of(name: str) -> Value:
        if name not in values:
            raise UnfoldError(f"does not say what `{name}` is")
        used[name] += 1
        return values[name][min(used[name], len(values[name])) - 1]

    lines: list[str] = []
    at = size = counted = 0
    while at < len(template.program):
        size += sum(map(len, lines[counted:]))
        counted = len(lines)
        if size + counted > LARGEST:
            raise UnfoldError(f"gives more than {LARGEST >> 20} Mi characters, the most that a kernel may have")
        step = template.program[at]
        at += 1
        if step.kind == "text":
            lines.append(step.text)
        elif step.kind == "line":
            inside = [_text(name, value_of(name)) for name in step.names]
            lines.append("".join(part for pair in zip(step.pieces, [*inside, ""], strict=True) for part in pair))
        elif step.kind == "block":
            lines += _lines(step.names[0], value_of(step.names[0]))
        elif step.kind == "jump" or not _holds(step.text, value_of(step.text)):
            at = step.target
    for name, found in values.items():
        if strict and used[name] < len(found):
            raise UnfoldError(f"says what `{name}` is, which the template does not ask for so often")
    return "".join(f"{line}\n" for line in lines)


def _text(name: str, value: Value) -> str:
    if isinstance(value, str):
        return value
    raise UnfoldError(f"says in several lines what `{name}` is, which takes one")


def _lines(name: str, value: Value) -> tuple[str, ...]:
    if isinstance(value, str):
        raise UnfoldError(f"says in one line what `{name}` is, which takes lines of its own")
    return value


def _holds(condition: str, value: Value) -> bool:
    if value not in (_YES, _NO):
        raise UnfoldError(f"says neither {_YES} nor {_NO} to `{condition}`")
    return value == _YES


def _before_equals(line: str, longest: int) -> Iterator[str]:
    """What a line has in front of ` = `, the longest first: a name may have one inside."""
    at = line.rfind(" = ", 0, longest + 3)
    while at >= 0:
        yield line[:at]
        at = line.rfind(" = ", 0, at)


def _read(template: Template, lines: Sequence[str], strict: bool) -> dict[str, list[Value]]:
    """The values that are written in some lines, by name."""
    names = set(template.names)
    longest = max(map(len, names), default=0)
    found: dict[str, list[Value]] = defaultdict(list)
    index = 0
    while index < len(lines):
        line = lines[index]
        index += 1
        if line.endswith(":") and line[:-1] in names:
            start = index
            while index < len(lines) and (lines[index].startswith("  ") or not lines[index]):
                index += 1
            found[line[:-1]].append(tuple(inner[2:] for inner in lines[start:index]))
            continue
        name = next((name for name in _before_equals(line, longest) if name in names), None)
        if name is not None:
            found[name].append(line[len(name) + 3 :])
        elif strict:
            raise UnfoldError(f"says what the template does not ask for: {line.strip()!r}")
    return found
