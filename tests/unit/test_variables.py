"""Reading a line at a time finds the names that reading the whole text finds."""

from __future__ import annotations

import pytest

import stored_goldens
import sweeps
from kernelsnap.normalize.lexer import tokens
from kernelsnap.normalize.variables import lines, variables


def by_text(text):
    stream = tokens(text)
    return [stream[index].text for index in variables(stream)], "".join(token.text for token in stream)


def by_line(text):
    found = lines(text)
    names = [line.tokens[index].text for line in found for index in line.variables]
    return names, "\n".join("".join(token.text for token in line.tokens) for line in found)


@sweeps.over(stored_goldens.names()[::4])
def test_both_ways_find_the_same_in_every_golden(name):
    for piece in stored_goldens.golden(name).code:
        if lines(piece.text) is not None:
            assert by_line(piece.text) == by_text(piece.text)


@pytest.mark.parametrize(
    "text",
    [
        "f(a=b, c==d)\nx = y.z\n",
        "def f(\n    a: int = b,\n    c=d,\n):\n    return f(a=c)\n",
        "x = [\n    f(a=1),\n    {b: c},\n]\ny = x\n",
        "s = 'it is ( open'\nf(a=s)\n",
        "",
        "x",
        "x.\ny\n",
    ],
)
def test_brackets_over_several_lines_are_one_piece(text):
    assert by_line(text) == by_text(text)


@pytest.mark.parametrize("text", ["f(a,\n", "x)\ny = (1\n", 's = """\n(\n"""\n', "x = \\\n    y\n"])
def test_what_cannot_be_read_by_the_line_is_not(text):
    assert lines(text) is None
