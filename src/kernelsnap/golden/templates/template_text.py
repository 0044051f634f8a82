"""Reads a template's Jinja source into lines of text and tags, in the form in which a tree of goldens stores it.

    {{def_kernel("Q", "K", "V")}}
        ZQ = {{size("Q", 0)}}
        {% if USE_TMA %}
        desc_q = tl.make_tensor_descriptor(
        {% endif %}

The text between the tags goes through the rules that a kernel goes through (`kernelsnap.normalize.rules`): comments and
blank lines are dropped. A tag that goes over several lines is written in one. The result is a Jinja template again, and
reading it changes nothing.
"""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Literal, NamedTuple

from kernelsnap.normalize.rules import normalize

# A mark, the number of a tag between two characters that no code has, replaces the tag while the rules are applied to
# the text around it.
_OPEN, _CLOSE = "\ue000", "\ue001"
_MARK = re.compile(f"{_OPEN}(\\d+){_CLOSE}")
_BLOCKS = {"if": "endif", "for": "endfor"}
_BRANCHES = ("if", "elif", "else", "endif")


class UnknownTemplateError(ValueError):
    """A template uses Jinja in a way that is not known here. Kernels of it are stored in full."""


class Tag(NamedTuple):
    """One `{{ expression }}` or `{% statement %}` in one line, or the text between two of them."""

    kind: Literal["text", "value", "statement"]
    text: str  # as the template is stored: `{{size("Q", 0)}}`
    name: str = ""  # of a value its name in goldens, `size("Q", 0)`; of a statement its first word

    @property
    def condition(self) -> str:
        """What follows the first word of a statement."""
        return self.text.removeprefix("{%").removesuffix("%}").strip().removeprefix(self.name).strip()


@dataclass(frozen=True)
class TemplateLine:
    """One line of a template: text and tags, in order."""

    text: str
    parts: tuple[Tag, ...]

    @property
    def only(self) -> Tag | None:
        """The tag, where the line holds nothing else."""
        solid = [part for part in self.parts if part.kind != "text" or part.text.strip()]
        return solid[0] if len(solid) == 1 and solid[0].kind != "text" else None


def template_lines(source: str) -> tuple[TemplateLine, ...]:
    """The lines of a template, from its Jinja source or from its stored text.

    Raises:
        UnknownTemplateError: it is not understood.
    """
    if {_OPEN, _CLOSE, "\r"} & set(source):
        raise UnknownTemplateError("it holds characters for private use, or carriage returns")
    tags = list(_grouped(list(_tags(source))))
    text = "".join(tag.text if tag.kind == "text" else _mark(index) for index, tag in enumerate(tags))
    text = _choices_on_lines(text, tags)
    return tuple(_line(line, tags) for line in normalize(text, "kernel").split("\n")[:-1])


def _mark(index: int) -> str:
    return f"{_OPEN}{index}{_CLOSE}"


def _choices_on_lines(text: str, tags: list[Tag]) -> str:
    """The template with each statement of a choice (`if`, `elif`, `else`, `endif`) in a line of its own.

    Text before a choice in its first line, and after it in its last line, goes into each of its branches:

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
            branches.append(f"{_mark(len(tags))}\n{before}{after}\n")
            tags.append(Tag("statement", "{% else %}", "else"))
        text = text[:start] + "".join(branches) + marks[-1].group() + text[end:]
        position = start + len(found.group())
    return text


def _statements(text: str, tags: Sequence[Tag], position: int) -> Iterator[re.Match[str]]:
    """The marks of the statements of choices, from a position on."""
    return (
        mark
        for mark in _MARK.finditer(text, position)
        if tags[int(mark.group(1))].name in _BRANCHES and tags[int(mark.group(1))].kind == "statement"
    )


def _own_statements(text: str, tags: Sequence[Tag], start: re.Match[str]) -> Iterator[re.Match[str]]:
    """The marks of one choice, which starts with this one: `if`, then `elif` and `else`, then `endif`."""
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
        tags[int(piece)] if index % 2 else Tag("text", piece)
        for index, piece in enumerate(_MARK.split(line))
        if index % 2 or piece
    )
    found = TemplateLine("".join(part.text for part in parts), parts)
    if any(part.kind == "statement" for part in parts) and found.only is None:
        raise UnknownTemplateError(f"a statement shares its line: {found.text.strip()}")
    return found


def _tags(source: str) -> Iterator[Tag]:
    """The tags of a template and the text between them, without comments.

    A minus sign that trims white space (`{%- if A %}`) is left out, and what it trims is kept: lines do not move.
    """
    # Imported late, because most goldens have no kernel of a template: it takes longer than reading many of them.
    from jinja2 import Environment, TemplateSyntaxError

    try:
        found = list(Environment(keep_trailing_newline=True).lex(source))
    except TemplateSyntaxError as error:
        raise UnknownTemplateError(error.message or "it is no Jinja template") from None
    if found and found[-1][1] not in ("data", "variable_end", "block_end", "comment_end"):
        raise UnknownTemplateError("a tag does not end")
    position = 0
    inside: list[str] = []
    for _, kind, value in found:
        start = source.index(value, position)
        if start > position:  # trimmed
            yield Tag("text", source[position:start])
        position = start + len(value)
        if kind == "data":
            yield Tag("text", value)
        elif kind in ("variable_begin", "block_begin"):
            inside = []
        elif kind in ("variable_end", "block_end"):
            yield _tag("".join(inside).strip(), is_value=kind == "variable_end")
        elif kind.startswith("raw"):
            raise UnknownTemplateError("a part of it is no template: raw")
        elif not kind.startswith("comment"):
            _append(inside, " " if kind == "whitespace" else value)
        if kind.endswith("_end") and (trimmed := value.lstrip("-+")[2:]):
            yield Tag("text", trimmed)


def _append(inside: list[str], token: str) -> None:
    """Add a token to those of a tag, without white space next to the inner side of a bracket."""
    if "\n" in token:
        raise UnknownTemplateError("a string goes over the end of a line")
    last = inside[-1] if inside else ""
    if token == " " and last in ("(", "[", "{"):
        return
    if token in (")", "]", "}") and last == " ":
        inside.pop()
    inside.append(token)


def _tag(code: str, is_value: bool) -> Tag:
    if is_value:
        return Tag("value", f"{{{{{code}}}}}", _name(code))
    return Tag("statement", f"{{% {code} %}}", code.split(" ")[0].split("(")[0])


def _grouped(tags: list[Tag]) -> Iterator[Tag]:
    """The tags, with each loop, and each choice inside one line, as one value: a kernel shows only their result."""
    index = 0
    while index < len(tags):
        tag = tags[index]
        index += 1
        if tag.kind == "statement" and tag.name in _BLOCKS:
            end = _end_of_block(tags, index, tag.name)
            inside = "".join(part.text for part in tags[index : end + 1])
            if tag.name == "for" or "\n" not in inside:
                yield Tag("value", _in_one_line(tag.text + inside), f"{tag.name} {tag.condition}")
                index = end + 1
                continue
        if tag.kind == "statement" and tag.name not in (*_BRANCHES, "set"):
            raise UnknownTemplateError(f"a statement of an unknown kind: {tag.text}")
        if tag.kind == "statement" and tag.name == "set" and "=" not in tag.text:
            raise UnknownTemplateError(f"a value that is a block: {tag.text}")
        yield tag


def _in_one_line(text: str) -> str:
    return " ".join(filter(None, map(str.strip, text.split("\n")))) if "\n" in text else text


def _end_of_block(tags: Sequence[Tag], start: int, name: str) -> int:
    """The index of the statement that ends the block that starts before `start`."""
    depth = 1
    for index in range(start, len(tags)):
        if tags[index].kind == "statement":
            depth += (tags[index].name == name) - (tags[index].name == _BLOCKS[name])
            if not depth:
                return index
    raise UnknownTemplateError(f"a block does not end: {name}")


def _name(expression: str) -> str:
    """The name of a value in goldens: a call keeps its first two plain arguments, so that others rename nothing."""
    try:
        tree = ast.parse(expression, mode="eval").body
    except (SyntaxError, ValueError, RecursionError, MemoryError):
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
