"""Reads a template into a program that finds out what of a kernel's text is the template's, and what the kernel's own.

A kernel that Inductor rendered from a template is the template's text with values in the place of its tags:

    template                                    kernel                          the kernel's own
    ZQ = {{size("Q", 0)}}                       ZQ = 2                          size("Q", 0) = 2
    {% if USE_TMA %}                            k = load_checked_2d(K, ...)     if USE_TMA = no
    k = tl.load_tensor_descriptor(...)
    {% else %}
    k = load_checked_2d(K, ...)
    {% endif %}

`kernelsnap.golden.templates.template_values` runs the program: over a kernel's text, to find the values, or over the
values, to write the text. A value is stored under the name of its tag, not by its position, so that an edit of the
template leaves the goldens as they are.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass, field, replace
from functools import cached_property, lru_cache
from typing import Literal

from kernelsnap.golden.templates.template_text import Tag, TemplateLine, UnknownTemplateError, template_lines

# Nobody finds a second text with these 128 bits.
_DIGITS = 32


@dataclass(frozen=True)
class Instruction:
    """One instruction of the program; the next one follows unless it jumps.

    A "text" is a fixed line, a "line" one with values in it, a "block" any number of lines. A "choice" jumps where its
    condition does not hold, a "jump" always.
    """

    kind: Literal["text", "line", "block", "choice", "jump"]
    text: str = ""  # of a text the line, of a choice its condition
    names: tuple[str, ...] = ()  # of the values of a line or block
    pieces: tuple[str, ...] = ()  # of a line: the text before, between and after its values
    target: int = -1  # of a choice or jump: the instruction to jump to

    def values(self, line: str) -> tuple[str, ...] | None:
        """The values of a line, each as short as it can be but the last; None if this is another line."""
        first, *between, last = self.pieces
        end = len(line) - len(last)
        if not (line.startswith(first) and line.endswith(last)):
            return None
        found = []
        at = len(first)
        for piece in between:
            start = line.find(piece, at)
            if start < 0:
                return None
            found.append(line[at:start])
            at = start + len(piece)
        return (*found, line[at:end]) if at <= end else None


@dataclass(frozen=True)
class Template:
    """A template of Inductor's."""

    name: str
    text: str  # as it is stored, see `kernelsnap.golden.templates.template_text`
    program: tuple[Instruction, ...] = field(repr=False)

    @cached_property
    def digest(self) -> str:
        """What goldens name its text by: the beginning of its SHA-256."""
        return hashlib.sha256(self.text.encode("utf-8", "surrogatepass")).hexdigest()[:_DIGITS]

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The names of all its values and conditions, the longest first."""
        names = {name for step in self.program for name in step.names} | self.conditions
        return tuple(sorted(names, key=lambda name: (-len(name), name)))

    @cached_property
    def conditions(self) -> frozenset[str]:
        """The conditions of its choices."""
        return frozenset(step.text for step in self.program if step.kind == "choice")

    @cached_property
    def certain(self) -> frozenset[str]:
        """The lines that every kernel of it has."""
        found = set()
        until = 0
        for index, step in enumerate(self.program):
            if step.kind in ("choice", "jump"):
                until = max(until, step.target)
            elif step.kind == "text" and index >= until:
                found.add(step.text)
        return frozenset(found)

    @cached_property
    def mark(self) -> str:
        """The longest of these lines: a text without it is no kernel of this template, which is quick to see."""
        return max(self.certain, key=lambda line: (len(line), line))


@lru_cache(maxsize=256)
def read_template(name: str, source: str) -> Template:
    """A template from its Jinja source, or from its stored text.

    Raises:
        UnknownTemplateError: it is not understood, or no line is in all its kernels, so that any text could be one.
    """
    lines = template_lines(source)
    program: list[Instruction] = []
    end = _add_branch(program, lines, 0)
    if end != len(lines):
        raise UnknownTemplateError(f"unexpected {lines[end].text.strip()}")
    template = Template(name, "".join(f"{line.text}\n" for line in lines), tuple(program))
    if any(found[:1] in ("", " ") or found.startswith("arg ") or "\n" in found for found in template.names):
        raise UnknownTemplateError("it has a value whose name cannot be written")
    if not template.certain:
        raise UnknownTemplateError("it has no line that every kernel of it has")
    return template


def _add_branch(program: list[Instruction], lines: Sequence[TemplateLine], index: int) -> int:
    """Add the instructions of the lines from `index` to the end of their branch; the index of that end."""
    while index < len(lines):
        tag = lines[index].only
        if tag is not None and tag.kind == "statement":
            if tag.name == "if":
                index = _add_choice(program, lines, index)
                continue
            if tag.name != "set":
                return index
        elif tag is not None:
            _add_block(program, tag.name)
        else:
            program.append(_line(lines[index].parts))
        index += 1
    return index


def _add_block(program: list[Instruction], name: str) -> None:
    # Two blocks in a row become one, with both names: in a kernel the border between them cannot be seen.
    if program and program[-1].kind == "block":
        names = program.pop().names[0].split("; ")
        name = "; ".join([*names, *([] if name in names else [name])])
    program.append(Instruction("block", names=(name,)))


def _line(parts: Sequence[Tag]) -> Instruction:
    names = tuple(part.name for part in parts if part.kind == "value")
    if not names:
        return Instruction("text", "".join(part.text for part in parts))
    pieces = [""]
    for part in parts:
        if part.kind == "text":
            pieces[-1] += part.text
        else:
            pieces.append("")
    return Instruction("line", names=names, pieces=tuple(pieces))


def _add_choice(program: list[Instruction], lines: Sequence[TemplateLine], index: int) -> int:
    """Add the instructions of `{% if %}` and its branches; the index after `{% endif %}`."""
    branches: list[tuple[str, list[Instruction]]] = []
    while True:
        if index >= len(lines):
            raise UnknownTemplateError("a choice does not end")
        tag = lines[index].only
        assert tag is not None
        if tag.name == "endif":
            break
        condition = f"if {tag.condition}" if tag.name in ("if", "elif") else ""
        body: list[Instruction] = []
        index = _add_branch(body, lines, index + 1)
        branches.append((condition, body))
    if branches[-1][0]:
        branches.append(("", []))
    steps = [step for _, body in branches for step in body]
    if all(step.kind == "block" for step in steps):
        # Any lines fit any branch, so a kernel does not show which one was taken.
        for step in dict.fromkeys(steps):
            _add_block(program, step.names[0])
    else:
        _add_jumps(program, branches)
    return index + 1


def _add_jumps(program: list[Instruction], branches: Sequence[tuple[str, list[Instruction]]]) -> None:
    """Add the branches of a choice, each after its condition, if it has one, and before a jump to the end."""
    end = len(program) + sum(len(body) + 1 + bool(condition) for condition, body in branches)
    for condition, body in branches:
        start = len(program) + bool(condition)
        if condition:
            program.append(Instruction("choice", condition, target=start + len(body) + 1))
        # The targets inside a branch were counted from its start.
        program += [replace(step, target=step.target + start) if step.target >= 0 else step for step in body]
        # After the last branch too: `_add_block` must not join a block of it with one that follows the choice.
        program.append(Instruction("jump", target=end))
