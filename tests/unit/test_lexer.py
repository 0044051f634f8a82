"""The lexer splits any text, and agrees with Python's own about what generated code consists of."""

from __future__ import annotations

import io
import tokenize
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelsnap.normalize.lexer import tokens

DATA = sorted((Path(__file__).parents[1] / "data").glob("*.txt"))
PIECES = st.lists(
    st.sampled_from(
        ["'", '"', "'''", '"""', "\\", "\n", "#", "r'", 'f"', "tmp0", "1.5e-3", " ", "\t", "(", "é", "0x1f"]
    )
)


@given(st.one_of(st.text(), PIECES.map("".join)))
def test_the_tokens_of_any_text_joined_are_the_text(text):
    assert "".join(token.text for token in tokens(text)) == text


def kinds(text):
    return [(token.kind, token.text) for token in tokens(text) if token.kind not in ("space", "newline")]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("tmp0 # comment", [("name", "tmp0"), ("comment", "# comment")]),
        ("'# no comment'", [("string", "'# no comment'")]),
        (r"'it\'s'", [("string", r"'it\'s'")]),
        ("'''a\n'b' # c\n'''", [("string", "'''a\n'b' # c\n'''")]),
        ('f"{x}"', [("string", 'f"{x}"')]),
        ("Rb'x'", [("string", "Rb'x'")]),
        ("''", [("string", "''")]),
        ("1.5e-06", [("number", "1.5e-06")]),
        (".5", [("number", ".5")]),
        ("0xFFn", [("number", "0xFF"), ("name", "n")]),
        ("1e3j", [("number", "1e3j")]),
        ("x0//10", [("name", "x0"), ("op", "/"), ("op", "/"), ("number", "10")]),
        ("a.b", [("name", "a"), ("op", "."), ("name", "b")]),
        ("größe", [("name", "größe")]),
    ],
)
def test_each_kind_of_token(text, expected):
    assert kinds(text) == expected


def pythons(text):
    """What Python's tokenizer says: comments, strings, names and numbers; an f-string is a string on Python 3.11."""
    wanted = {
        tokenize.COMMENT: "comment",
        tokenize.STRING: "string",
        tokenize.NAME: "name",
        tokenize.NUMBER: "number",
    }
    for token in tokenize.generate_tokens(io.StringIO(text).readline):
        if token.type in wanted:
            yield wanted[token.type], token.string


@pytest.mark.parametrize("path", DATA, ids=lambda path: path.stem)
def test_it_agrees_with_python_about_generated_code(path):
    text = path.read_text()
    assert [found for found in kinds(text) if found[0] != "op"] == list(pythons(text))
