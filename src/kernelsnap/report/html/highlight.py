"""Lines of code as HTML: syntax by pygments, and which words of a line changed."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Sequence
from functools import cache, lru_cache
from itertools import pairwise

from markupsafe import Markup, escape
from pygments.lexers.python import PythonLexer
from pygments.token import Token, _TokenType

from kernelsnap.diff.text.lines import common
from kernelsnap.report.visible import visible

#: Lines longer than this are shown without syntax and words: a table of constants, not code that is read.
LONGEST = 2_000

#: A piece of a line: its class in the style sheet, "" for plain text, and its text.
Piece = tuple[str, str]
#: Positions in a line, from one up to but not with the other.
Span = tuple[int, int]

_CLASSES = (
    (Token.Comment, "c"),
    (Token.Keyword, "k"),
    (Token.Literal.String, "s"),
    (Token.Literal.Number, "m"),
    (Token.Name.Function, "f"),
    (Token.Name.Class, "f"),
    (Token.Name.Decorator, "d"),
    (Token.Name.Builtin, "b"),
    (Token.Operator.Word, "k"),
)
#: In evidence, between what was and what is.
_ARROW = " -> "
_LABEL = re.compile(r"[a-z]+ ")
#: Words are marked where at least this share of them did not change.
_ALIKE = 0.5
# What generated code calls things from; a reader looks for what follows the dot.
_MODULES = frozenset(["tl", "triton", "libdevice", "tl_math", "triton_helpers", "torch", "cute", "cutlass"])
_LEXER = PythonLexer(stripnl=False, ensurenl=False)
_WORD = re.compile(r"[^\W\d]\w*|\d+(?:\.\d+)?(?:e-?\d+)?|\s+|.")


def highlighted(text: str) -> list[list[Piece]]:
    """The pieces of each line of Python; joined they are the lines of the text."""
    lines: list[list[Piece]] = [[]]
    tokens = list(_LEXER.get_tokens(text))
    for index, (kind, value) in enumerate(tokens):
        follows = tokens[index + 1][1] if index + 1 < len(tokens) else ""
        name = _class(kind, value, follows)
        for number, part in enumerate(value.split("\n")):
            if number:
                lines.append([])
            if part:
                lines[-1].append((name, part))
    return lines


def _class(kind: _TokenType, value: str, follows: str) -> str:
    if kind is Token.Name:
        return "b" if value in _MODULES else "f" if follows.startswith("(") else ""
    return _class_of(kind)


@cache
def _class_of(kind: _TokenType) -> str:
    return next((name for family, name in _CLASSES if kind in family), "")


def words_of(line: str) -> Counter[str]:
    """The words of a line, spaces left out."""
    return Counter(word for word in _WORD.findall(line[:LONGEST]) if not word.isspace())


def changed_words(old: str, new: str) -> tuple[list[Span], list[Span], float]:
    """Where two lines differ, word by word, and how alike they are: from 0 to 1, the share of words in common."""
    if max(len(old), len(new)) > LONGEST:
        return [], [], 0.0
    before, after = _WORD.findall(old), _WORD.findall(new)
    pairs = common(before, after)
    weight = sum(not before[i].isspace() for i, _ in pairs)
    total = sum(not word.isspace() for word in (*before, *after))
    alike = 2 * weight / total if total else 1.0
    return _spans(before, {i for i, _ in pairs}), _spans(after, {j for _, j in pairs}), alike


def _spans(words: Sequence[str], kept: set[int]) -> list[Span]:
    spans: list[Span] = []
    at = 0
    for index, word in enumerate(words):
        end = at + len(word)
        if index not in kept:
            if spans and spans[-1][1] == at:
                spans[-1] = (spans[-1][0], end)
            else:
                spans.append((at, end))
        at = end
    return spans


def painted(pieces: Sequence[Piece], marked: Sequence[Span] = ()) -> Markup:
    """A line as HTML, the marked positions in `<mark>`; all text is escaped here."""
    html = []
    open_mark = False
    for name, text, is_marked in _cut(pieces, marked):
        if is_marked != open_mark:
            html.append("<mark>" if is_marked else "</mark>")
            open_mark = is_marked
        seen = escape(visible(text))
        html.append(f'<i class="{name}">{seen}</i>' if name else str(seen))
    return Markup("".join(html) + ("</mark>" if open_mark else ""))


def painted_change(text: str) -> Markup:
    """`old -> new` with the words that changed marked, where both are mostly the same; other text as it is."""
    old, arrow, new = text.partition(_ARROW)
    # "input arg0 f32 -> arg0 bf16": the first word names what both sides are.
    label = found.group() if (found := _LABEL.match(old)) and old.startswith(new.split(" ")[0], found.end()) else ""
    *spans, alike = changed_words(old.removeprefix(label), new)
    if not arrow or _ARROW in new or alike < _ALIKE:
        return painted([("", text)])
    parts = zip((label, old.removeprefix(label), new), ((), *spans), strict=True)
    return Markup("{}<del>{}</del> → <ins>{}</ins>").format(*(painted([("", part)], marked) for part, marked in parts))


@lru_cache(maxsize=16_384)
def painted_line(line: str, code: bool, marked: tuple[Span, ...]) -> Markup:
    """A line that can be read on its own, as HTML: `code` is Python. Goldens repeat each other, so this is kept."""
    return painted(highlighted(line)[0] if code and len(line) <= LONGEST else [("", line)], marked)


def _cut(pieces: Sequence[Piece], marked: Sequence[Span]) -> Iterator[tuple[str, str, bool]]:
    """The pieces cut where a mark begins or ends."""
    edges = [edge for span in marked for edge in span]
    at = 0
    for name, text in pieces:
        end = at + len(text)
        bounds = [at, *(edge for edge in edges if at < edge < end), end]
        for start, stop in pairwise(bounds):
            inside = any(a <= start < b for a, b in marked)
            yield name, text[start - at : stop - at], inside
        at = end
