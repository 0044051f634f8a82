"""Take a kernel's text apart into a template and the kernel's own part, and put the two together again.

The own part is written in the order in which the template asks for it:

    def_kernel("Q", "K"):                 a tag with a line of its own: any number of lines
      @triton.jit
      def k0(arg_Q, arg_K):
    size("Q", 0) = 2                      a tag inside a line: the text in its place
    if USE_TMA = no                       which branch was taken

What the template asks for again is written again only where the answer is another one: the last answer holds until
then. `unfold(template, fold(template, text))` is `text`, to the byte; a text that the template does not give, or whose
own part would not be read back, is not folded.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence

from kernelsnap.golden.templates.template import Template

#: The text in the place of a tag, or the lines.
Value = str | tuple[str, ...]
_YES, _NO = "yes", "no"
# An answer and what came before it: searching goes back, and what was found until there stays as it was.
_Trail = tuple[str, Value, "_Trail"] | None


class UnfoldError(ValueError):
    """A kernel's own part and a template do not belong together."""


def fold(template: Template, text: str) -> str | None:
    """What of a kernel's text is its own; None if the template does not give it."""
    if template.mark not in text or not text.endswith("\n"):
        return None
    lines = text.split("\n")[:-1]
    if not template.certain.issubset(lines):
        return None
    answers = _consistent(template, lines)
    if answers is None:
        return None
    own = "".join(f"{line}\n" for name, value in _without_repetition(answers) for line in _written(name, value))
    try:
        return own if unfold(template, own) == text else None
    except UnfoldError:
        return None


def _consistent(template: Template, lines: Sequence[str]) -> list[tuple[str, Value]] | None:
    """The answers of a text, with one for every condition where the text allows that."""
    fixed: dict[str, str] = {}
    answers = _answers(template, lines, fixed)
    settled: set[str] = set()
    while answers is not None and (name := _contradiction(template, answers, settled)):
        settled.add(name)
        for answer in (_NO, _YES):
            if (other := _answers(template, lines, fixed | {name: answer})) is not None:
                fixed[name] = answer
                answers = other
                break
    return answers


def _contradiction(template: Template, answers: Sequence[tuple[str, Value]], settled: set[str]) -> str:
    conditions = {step.text for step in template.steps if step.kind == "choice"}
    said: dict[str, Value] = {}
    for name, value in answers:
        if name in conditions and name not in settled and said.setdefault(name, value) != value:
            return name
    return ""


def _answers(template: Template, lines: Sequence[str], fixed: Mapping[str, str]) -> list[tuple[str, Value]] | None:
    """What the template asks for, in order, and what the text answers: the shortest blocks and first branches."""
    steps = template.steps
    # Each state is a step, a line, where the block that is being read started, and the answers so far. What follows
    # depends on the first two alone: a state that led nowhere is not tried again.
    waiting: list[tuple[int, int, int, _Trail]] = [(0, 0, -1, None)]
    tried: set[tuple[int, int]] = set()
    while waiting:
        step_place, place, start, trail = waiting.pop()
        if step_place == len(steps):
            if place == len(lines):
                return _in_order(trail)
            continue
        if (step_place, place) in tried:
            continue
        tried.add((step_place, place))
        step = steps[step_place]
        if step.kind == "text":
            if place < len(lines) and lines[place] == step.text:
                waiting.append((step_place + 1, place + 1, -1, trail))
        elif step.kind == "line":
            if place < len(lines) and (match := step.pattern.fullmatch(lines[place])):
                for name, value in zip(step.names, match.groups(), strict=True):
                    trail = (name, value, trail)
                waiting.append((step_place + 1, place + 1, -1, trail))
        elif step.kind == "block":
            start = place if start < 0 else start
            if place < len(lines):
                waiting.append((step_place, place + 1, start, trail))
            waiting.append((step_place + 1, place, -1, (step.names[0], tuple(lines[start:place]), trail)))
        elif step.kind == "choice":
            if fixed.get(step.text) != _YES:
                waiting.append((step.goes, place, -1, (step.text, _NO, trail)))
            if fixed.get(step.text) != _NO:
                waiting.append((step_place + 1, place, -1, (step.text, _YES, trail)))
        else:
            waiting.append((step.goes, place, -1, trail))
    return None


def _in_order(trail: _Trail) -> list[tuple[str, Value]]:
    answers = []
    while trail is not None:
        name, value, trail = trail
        answers.append((name, value))
    return answers[::-1]


def _without_repetition(answers: Sequence[tuple[str, Value]]) -> Iterator[tuple[str, Value]]:
    """The answers without those at the end of their name's that say what the one before says."""
    by_name = defaultdict(list)
    for name, value in answers:
        by_name[name].append(value)
    kept = {}
    for name, values in by_name.items():
        kept[name] = len(values)
        while kept[name] > 1 and values[kept[name] - 1] == values[kept[name] - 2]:
            kept[name] -= 1
    for name, value in answers:
        kept[name] -= 1
        if kept[name] >= 0:
            yield name, value


def _written(name: str, value: Value) -> Iterator[str]:
    if isinstance(value, str):
        yield f"{name} = {value}"
    else:
        yield f"{name}:"
        yield from (f"  {line}" if line else "" for line in value)


def unfold(template: Template, own: str, *, strict: bool = True) -> str:
    """The text of the kernel whose own part this is.

    With `strict` false, what the template does not ask for is left out: what another template would have made of it.

    Raises:
        UnfoldError: the template asks for something that is not there, or does not ask for something that is.
    """
    answers = _read(template, own.split("\n")[:-1], strict)
    asked: dict[str, int] = defaultdict(int)

    def answer(name: str) -> Value:
        if name not in answers:
            raise UnfoldError(f"does not say what `{name}` is")
        place = asked[name]
        asked[name] += 1
        return answers[name][min(place, len(answers[name]) - 1)]

    lines: list[str] = []
    place = 0
    while place < len(template.steps):
        step = template.steps[place]
        place += 1
        if step.kind == "text":
            lines.append(step.text)
        elif step.kind == "line":
            inside = [_text(name, answer(name)) for name in step.names]
            lines.append("".join(part for pair in zip(step.pieces, [*inside, ""], strict=True) for part in pair))
        elif step.kind == "block":
            value = answer(step.names[0])
            if isinstance(value, str):
                raise UnfoldError(f"says in one line what `{step.names[0]}` is, which takes lines of its own")
            lines += value
        elif step.kind == "jump" or not _holds(step.text, answer(step.text)):
            place = step.goes
    for name, values in answers.items():
        if strict and asked[name] < len(values):
            raise UnfoldError(f"says what `{name}` is, which the template does not ask for so often")
    return "".join(f"{line}\n" for line in lines)


def _text(name: str, value: Value) -> str:
    if isinstance(value, str):
        return value
    raise UnfoldError(f"says in several lines what `{name}` is, which takes one")


def _holds(condition: str, value: Value) -> bool:
    if value not in (_YES, _NO):
        raise UnfoldError(f"says neither {_YES} nor {_NO} to `{condition}`")
    return value == _YES


def _read(template: Template, lines: Sequence[str], strict: bool) -> dict[str, list[Value]]:
    """What an own part says, by name."""
    names = set(template.names)
    found: dict[str, list[Value]] = defaultdict(list)
    place = 0
    while place < len(lines):
        line = lines[place]
        place += 1
        if line.endswith(":") and line[:-1] in names:
            start = place
            while place < len(lines) and (lines[place].startswith("  ") or not lines[place]):
                place += 1
            found[line[:-1]].append(tuple(inner[2:] for inner in lines[start:place]))
            continue
        name = next((name for name in template.names if line.startswith(f"{name} = ")), None)
        if name is not None:
            found[name].append(line[len(name) + 3 :])
        elif strict:
            raise UnfoldError(f"says what the template does not ask for: {line.strip()!r}")
    return found
