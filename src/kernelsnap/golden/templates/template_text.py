"""The text of a template as a golden tree keeps it: Inductor's Jinja source, after the rules that code goes through.

    {{def_kernel("Q", "K", "V")}}
        ZQ = {{size("Q", 0)}}
        {% if USE_TMA %}
        desc_q = tl.make_tensor_descriptor(
        {% endif %}

Comments and blank lines are dropped as in a kernel, and a tag that goes over several lines is written in one. What is
left reads as the same template again: `read_template` of its own text changes nothing.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from kernelsnap.normalize.rules import normalize

# What stands for a tag while the rules for code go over the text around it: no code holds these characters.
_OPEN, _CLOSE = "\ue000", "\ue001"
_PLACE = re.compile(f"{_OPEN}(\\d+){_CLOSE}")
_STRING = re.compile(r"'(?:\\.|[^'\\])*'|\"(?:\\.|[^\"\\])*\"", re.DOTALL)
_TAG = re.compile(r"\{[{%#]")
_ENDS = {"{{": "}}", "{%": "%}"}
_BLOCKS = {"if": "endif", "for": "endfor"}
_BRANCHES = ("if", "elif", "else", "endif")


class UnknownTemplateError(ValueError):
    """A template uses Jinja in a way that is not known here: what came from it is stored whole."""


class Tag(NamedTuple):
    """One `{{ expression }}` or `{% statement %}` in one line, or the text between two of them."""

    kind: Literal["text", "value", "statement"]
    text: str  # as it is written in the template's own text: `{{size("Q", 0)}}`
    name: str = ""  # how goldens call it: `size("Q", 0)`; of a statement its first word

    @property
    def condition(self) -> str:
        """What a statement says after its first word."""
        return self.text.removeprefix("{%").removesuffix("%}").strip().removeprefix(self.name).strip()


@dataclass(frozen=True)
class TemplateLine:
    """One line of a template: text and tags in turns."""

    text: str
    parts: tuple[Tag, ...]

    @property
    def only(self) -> Tag | None:
        """The tag, where the line holds nothing else."""
        solid = [part for part in self.parts if part.kind != "text" or part.text.strip()]
        return solid[0] if len(solid) == 1 and solid[0].kind != "text" else None


def template_lines(source: str) -> tuple[TemplateLine, ...]:
    """The lines of a template, from its Jinja source or from its own text.

    Raises:
        UnknownTemplateError: it is not understood.
    """
    if _OPEN in source or _CLOSE in source:
        raise UnknownTemplateError("it holds characters for private use")
    tags = list(_grouped(list(_tags(source))))
    text = "".join(tag.text if tag.kind == "text" else _place(place) for place, tag in enumerate(tags))
    text = _choices_on_lines(text, tags)
    return tuple(_line(line, tags) for line in normalize(text, "kernel").split("\n")[:-1])


def _place(index: int) -> str:
    return f"{_OPEN}{index}{_CLOSE}"


def _choices_on_lines(text: str, tags: list[Tag]) -> str:
    """The same template, in which every statement of a choice has a line of its own.

    What stands beside a choice in its first and last line goes into its branches:

        x, y{% if A %},          {% if A %}
        z{% endif %})            x, y,
                                 z)
                                 {% else %}
                                 x, y)
                                 {% endif %}
    """
    position = 0
    while found := next(_statements(text, tags, position), None):
        position = found.end()
        if tags[int(found.group(1))].name != "if":
            continue
        marks = list(_own_statements(text, tags, found))
        if all(text[_line_start(text, mark) : _line_end(text, mark)].strip() == mark.group() for mark in marks):
            continue
        start, end = _line_start(text, marks[0]), _line_end(text, marks[-1])
        before, after = text[start : marks[0].start()], text[marks[-1].end() : end]
        if next(_statements(before + after, tags, 0), None):
            raise UnknownTemplateError(f"two choices share a line: {before.strip()}")
        branches = [
            f"{mark.group()}\n{before}{text[mark.end() : following.start()]}{after}\n"
            for mark, following in itertools.pairwise(marks)
        ]
        if tags[int(marks[-2].group(1))].name != "else":
            branches.append(f"{_place(len(tags))}\n{before}{after}\n")
            tags.append(Tag("statement", "{% else %}", "else"))
        text = text[:start] + "".join(branches) + marks[-1].group() + text[end:]
        position = start + len(found.group())
    return text


def _statements(text: str, tags: Sequence[Tag], position: int) -> Iterator[re.Match[str]]:
    """Where statements that choose stand, from a position on."""
    return (
        mark
        for mark in _PLACE.finditer(text, position)
        if tags[int(mark.group(1))].name in _BRANCHES and tags[int(mark.group(1))].kind == "statement"
    )


def _own_statements(text: str, tags: Sequence[Tag], start: re.Match[str]) -> Iterator[re.Match[str]]:
    """The statements of the choice that starts here: its branches, then its end."""
    depth = 0
    for mark in _statements(text, tags, start.start()):
        name = tags[int(mark.group(1))].name
        depth += name == "if"
        if depth == 1:
            yield mark
        depth -= name == "endif"
        if not depth:
            return


def _line_start(text: str, mark: re.Match[str]) -> int:
    return text.rfind("\n", 0, mark.start()) + 1


def _line_end(text: str, mark: re.Match[str]) -> int:
    end = text.find("\n", mark.end())
    return end if end >= 0 else len(text)


def _line(line: str, tags: Sequence[Tag]) -> TemplateLine:
    parts = tuple(
        tags[int(piece)] if place % 2 else Tag("text", piece)
        for place, piece in enumerate(_PLACE.split(line))
        if place % 2 or piece
    )
    found = TemplateLine("".join(part.text for part in parts), parts)
    if any(part.kind == "statement" for part in parts) and found.only is None:
        raise UnknownTemplateError(f"a statement shares its line: {found.text.strip()}")
    return found


def _tags(source: str) -> Iterator[Tag]:
    """The tags of Jinja's default syntax and what stands between them; its comments are left out."""
    position = 0
    while match := _TAG.search(source, position):
        if match.start() > position:
            yield Tag("text", source[position : match.start()])
        start = match.end()
        if match.group() == "{#":
            position = source.find("#}", start) + 2
            if position < 2:
                raise UnknownTemplateError("a comment does not end")
            continue
        end = _end(source, start, _ENDS[match.group()])
        inside = _in_one_line(source[start:end].removeprefix("-").removeprefix("+").removesuffix("-"))
        position = end + 2
        if match.group() == "{{":
            yield Tag("value", f"{{{{{inside}}}}}", _name(inside))
        else:
            yield Tag("statement", f"{{% {inside} %}}", inside.split(" ")[0].split("(")[0])
    if position < len(source):
        yield Tag("text", source[position:])


def _end(source: str, position: int, mark: str) -> int:
    """Where a tag ends: the first `mark` that is not in a string or in brackets."""
    depth = 0
    while position < len(source):
        if string := _STRING.match(source, position):
            position = string.end()
            continue
        if depth == 0 and source.startswith(mark, position):
            return position
        depth += (source[position] in "([{") - (source[position] in ")]}")
        position += 1
    raise UnknownTemplateError("a tag does not end")


def _in_one_line(code: str) -> str:
    """An expression or statement in one line, white space inside it reduced; strings stay as they are."""
    kept = []
    position = 0
    for string in _STRING.finditer(code):
        kept += [_reduced(code[position : string.start()]), string.group()]
        position = string.end()
    text = "".join([*kept, _reduced(code[position:])]).strip()
    if "\n" in text:
        raise UnknownTemplateError("a string goes over the end of a line")
    return text


def _reduced(code: str) -> str:
    return re.sub(r"\s+(?=[)\]}])", "", re.sub(r"(?<=[(\[{])\s+", "", re.sub(r"\s+", " ", code)))


def _grouped(tags: list[Tag]) -> Iterator[Tag]:
    """The tags, with a loop, and with a choice inside one line, as one tag each: only what comes out of it is known."""
    place = 0
    while place < len(tags):
        tag = tags[place]
        place += 1
        if tag.kind == "statement" and tag.name in _BLOCKS:
            end = _partner(tags, place, tag.name)
            inside = "".join(part.text for part in tags[place : end + 1])
            if tag.name == "for" or "\n" not in inside:
                yield Tag("value", _in_one_line_text(tag.text + inside), f"{tag.name} {tag.condition}")
                place = end + 1
                continue
        if tag.kind == "statement" and tag.name not in (*_BRANCHES, "set"):
            raise UnknownTemplateError(f"a statement of an unknown kind: {tag.text}")
        if tag.kind == "statement" and tag.name == "set" and "=" not in tag.text:
            raise UnknownTemplateError(f"a value that is a block: {tag.text}")
        yield tag


def _in_one_line_text(text: str) -> str:
    return re.sub(r"\s*\n\s*", " ", text)


def _partner(tags: Sequence[Tag], place: int, name: str) -> int:
    """Where the block that starts before `place` ends."""
    depth = 1
    for index in range(place, len(tags)):
        if tags[index].kind == "statement":
            depth += (tags[index].name == name) - (tags[index].name == _BLOCKS[name])
            if not depth:
                return index
    raise UnknownTemplateError(f"a block does not end: {name}")


def _name(expression: str) -> str:
    """How goldens call a value: a call by its first two plain arguments, so that another argument renames nothing."""
    try:
        tree = ast.parse(expression, mode="eval").body
    except SyntaxError:
        return expression
    # x | filter
    while isinstance(tree, ast.BinOp) and isinstance(tree.op, ast.BitOr):
        tree = tree.left
    if not isinstance(tree, ast.Call):
        return ast.get_source_segment(expression, tree) or expression
    arguments: list[ast.expr | ast.keyword] = [*tree.args, *(keyword for keyword in tree.keywords if keyword.arg)]
    plain = [part for part in arguments if _is_plain(part.value if isinstance(part, ast.keyword) else part)][:2]
    shown = ", ".join(ast.get_source_segment(expression, part) or "" for part in plain)
    return f"{ast.get_source_segment(expression, tree.func)}({shown})"


def _is_plain(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant | ast.Name | ast.UnaryOp)
