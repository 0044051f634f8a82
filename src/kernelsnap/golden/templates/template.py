"""A template: what of a kernel's text it gives, and what is the kernel's own.

A kernel that Inductor rendered from a template is the template's text with values in the places of its tags:

    template                                    kernel                          its own
    ZQ = {{size("Q", 0)}}                       ZQ = 2                          size("Q", 0) = 2
    {% if USE_TMA %}                            k = load_checked_2d(K, ...)     if USE_TMA = no
    k = tl.load_tensor_descriptor(...)
    {% else %}
    k = load_checked_2d(K, ...)
    {% endif %}

`kernelsnap.golden.templates.template_values` finds what is the kernel's own, and puts the two together again. A value
is known by what the template asks for, never by where it stands, so that an edit of the template leaves it as it is.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property, lru_cache
from typing import Literal

from kernelsnap.golden.templates.template_text import Tag, TemplateLine, UnknownTemplateError, template_lines


@dataclass(frozen=True)
class Step:
    """One step of a template, in the order of its text."""

    # "text" is this line, "line" one with values in it, "block" any lines; "choice" goes on, or elsewhere.
    kind: Literal["text", "line", "block", "choice", "jump"]
    text: str = ""  # the line, or the condition
    names: tuple[str, ...] = ()  # what is asked for
    pieces: tuple[str, ...] = ()  # of a line with values: the text around them
    goes: int = -1  # where "jump" goes, and "choice" where the condition does not hold

    @cached_property
    def pattern(self) -> re.Pattern[str]:
        """What a line with values looks like."""
        return re.compile("(.*?)".join(re.escape(piece) for piece in self.pieces), re.DOTALL)


@dataclass(frozen=True)
class Template:
    """A template of Inductor's."""

    name: str
    text: str  # see `kernelsnap.golden.templates.template_text`
    steps: tuple[Step, ...] = field(repr=False)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """What it asks for, the longest name first."""
        asked = {name for step in self.steps for name in step.names}
        asked |= {step.text for step in self.steps if step.kind == "choice"}
        return tuple(sorted(asked, key=lambda name: (-len(name), name)))

    @cached_property
    def certain(self) -> frozenset[str]:
        """The lines that every kernel of it has."""
        found = set()
        until = 0
        for place, step in enumerate(self.steps):
            if step.kind in ("choice", "jump"):
                until = max(until, step.goes)
            elif step.kind == "text" and place >= until:
                found.add(step.text)
        return frozenset(found)

    @cached_property
    def mark(self) -> str:
        """The longest of these lines: most texts that are none of its kernels do not have it."""
        return max(self.certain, key=lambda line: (len(line), line))


@lru_cache(maxsize=256)
def read_template(name: str, source: str) -> Template:
    """A template from its Jinja source, or from its own text.

    Raises:
        UnknownTemplateError: it is not understood, or gives no line of its own, so that it tells nothing.
    """
    lines = template_lines(source)
    steps = _steps(lines)
    template = Template(name, "".join(f"{line.text}\n" for line in lines), tuple(steps))
    if any(asked[:1] in ("", " ") or asked.startswith("arg ") or "\n" in asked for asked in template.names):
        raise UnknownTemplateError("it asks for a value whose name cannot be written")
    if not template.certain:
        raise UnknownTemplateError("it has no line that every kernel of it has")
    return template


def _steps(lines: Sequence[TemplateLine]) -> list[Step]:
    steps: list[Step] = []
    rest = _body(lines, 0, steps)
    if rest != len(lines):
        raise UnknownTemplateError(f"unexpected {lines[rest].text.strip()}")
    return steps


def _body(lines: Sequence[TemplateLine], place: int, steps: list[Step]) -> int:
    """Add the steps of lines up to the end of their branch; where that is."""
    while place < len(lines):
        tag = lines[place].only
        if tag is not None and tag.kind == "statement":
            if tag.name == "if":
                place = _choice(lines, place, steps)
                continue
            if tag.name != "set":
                return place
        elif tag is not None:
            _add_block(steps, tag.name)
        else:
            steps.append(_step(lines[place].parts))
        place += 1
    return place


def _add_block(steps: list[Step], name: str) -> None:
    # Where one ends and the next begins cannot be seen: they are one.
    if steps and steps[-1].kind == "block":
        names = steps.pop().names[0].split("; ")
        name = "; ".join([*names, *([] if name in names else [name])])
    steps.append(Step("block", names=(name,)))


def _step(parts: Sequence[Tag]) -> Step:
    names = tuple(part.name for part in parts if part.kind == "value")
    if not names:
        return Step("text", "".join(part.text for part in parts))
    pieces = [""]
    for part in parts:
        if part.kind == "text":
            pieces[-1] += part.text
        else:
            pieces.append("")
    return Step("line", names=names, pieces=tuple(pieces))


def _choice(lines: Sequence[TemplateLine], place: int, steps: list[Step]) -> int:
    """Add the steps of `{% if %}` and its branches; the place after its end."""
    branches: list[tuple[str, list[Step]]] = []
    while True:
        if place >= len(lines):
            raise UnknownTemplateError("a choice does not end")
        tag = lines[place].only
        assert tag is not None
        if tag.name == "endif":
            break
        condition = f"if {tag.condition}" if tag.name in ("if", "elif") else ""
        # Its jumps are relative to its own start until it is put in place.
        inner: list[Step] = []
        place = _body(lines, place + 1, inner)
        branches.append((condition, inner))
    if branches[-1][0]:
        branches.append(("", []))
    bodies = [body for _, body in branches]
    if all(step.kind == "block" for body in bodies for step in body):
        # The text does not show which branch was taken.
        for step in dict.fromkeys(step for body in bodies for step in body):
            _add_block(steps, step.names[0])
        return place + 1
    steps += _placed(branches, len(steps))
    return place + 1


def _placed(branches: list[tuple[str, list[Step]]], start: int) -> list[Step]:
    end = start + sum(len(body) + 1 + bool(condition) for condition, body in branches)
    placed: list[Step] = []
    for condition, body in branches:
        first = start + len(placed) + bool(condition)
        if condition:
            placed.append(Step("choice", condition, goes=first + len(body) + 1))
        placed += [_moved(step, first) for step in body]
        # After the last branch too: what follows the choice does not belong to it.
        placed.append(Step("jump", goes=end))
    return placed


def _moved(step: Step, by: int) -> Step:
    if step.kind not in ("choice", "jump"):
        return step
    return Step(step.kind, step.text, goes=step.goes + by)
