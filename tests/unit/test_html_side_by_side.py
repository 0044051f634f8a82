"""Side by side: every line of both sides is there, in order, as it was, whatever is folded or marked."""

from __future__ import annotations

import html
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelsnap.report.html.highlight import changed_words, highlighted, painted, painted_change, painted_line
from kernelsnap.report.html.side_by_side import MOST_FOLDED, MOST_ROWS, Text, block
from kernelsnap.report.visible import visible

LINE = st.text(st.characters(exclude_characters="\n\r", exclude_categories=["Cs"]), max_size=30) | st.sampled_from(
    ["tmp0 = tl.load(in_ptr0 + (x0), None)", "tmp0 = tl.load(in_ptr1 + (x0), xmask)", "x = '''", "def k0(a):", "</i>"]
)
LINES = st.lists(LINE, max_size=40).map(tuple)


def text_of(markup):
    return html.unescape(re.sub(r"<[^>]*>", "", str(markup)))


def read(found, side):
    """The lines of one side as a reader sees them, with their numbers."""
    cells = [getattr(row, side) for run in found.runs for row in run.rows]
    if side == "new":
        # The lines of a fold are those of both sides, and are in the page once.
        cells = [
            type(cell)(cell.number, row.old.html) if run.sort == "fold" else cell
            for run in found.runs
            for row in run.rows
            if (cell := row.new) is not None
        ]
    return [(cell.number, text_of(cell.html)) for cell in cells if cell is not None]


@given(LINES, LINES, st.booleans())
def test_each_line_stands_on_its_side(old, new, code):
    found = block("code", Text(5, old, code), Text(9, new, code), full=True)
    assert read(found, "old") == list(enumerate(map(visible, old), 5))
    assert read(found, "new") == list(enumerate(map(visible, new), 9))
    assert found.left_out == 0


@given(LINE, LINE)
def test_marked_words_are_what_differs(old, new):
    spans, others, alike = changed_words(old, new)
    kept = [re.sub(r"<mark>.*?</mark>", "", str(painted([("", line)], s))) for line, s in ((old, spans), (new, others))]
    assert kept[0] == kept[1]
    assert 0 <= alike <= 1
    assert (old == new) <= (alike == 1 and not spans and not others)


def test_words_that_changed_are_marked_in_code():
    old, new = "tmp0 = tl.load(in_ptr0 + (x0), None)", "tmp0 = tl.load(in_ptr0 + (x0), xmask)"
    (run,) = block("code", Text(1, (old,), True), Text(1, (new,), True), full=False).runs
    (row,) = run.rows
    assert '<mark><i class="k">None</i></mark>' in row.old.html
    assert "<mark>xmask</mark>" in row.new.html


def test_lines_that_belong_together_stand_together():
    old = ("tmp0 = tl.load(a)", "tmp1 = tl.sum(tmp0, 1)", "tmp2 = tl_math.cos(tmp1)")
    new = ("k.barrier()", "tmp1 = tl.sum(tmp0, 0)", "tmp2 = tl_math.sin(tmp1)", "tmp3 = 1")
    (run,) = block("code", Text(1, old, True), Text(1, new, True), full=False).runs
    sides = [(row.old and row.old.number, row.new and row.new.number) for row in run.rows]
    assert sides == [(1, 1), (2, 2), (3, 3), (None, 4)]


def test_long_unchanged_stretches_are_folded_and_very_long_ones_left_out():
    lines = tuple(f"tmp{n} = {n}" for n in range(MOST_FOLDED * 2 + 100))
    other = list(lines)
    other[50] = other[-1] = "changed = 0"
    found = block("code", Text(1, lines, True), Text(1, tuple(other), True), full=False)
    assert [(run.sort, run.size) for run in found.runs] == [
        ("fold", 46), ("same", 4), ("change", 1),
        ("same", 4), ("fold", MOST_FOLDED * 2 + 40), ("same", 4), ("change", 1),
    ]  # fmt: skip
    assert [len(run.rows) for run in found.runs if run.sort == "fold"] == [46, 0]


def test_a_text_that_is_too_long_ends_with_how_much_is_left_out():
    new = tuple(f"tmp{n} = {n}" for n in range(MOST_ROWS + 500))
    found = block("code", Text(1, (), True), Text(1, new, True), full=False)
    assert sum(len(run.rows) for run in found.runs) == MOST_ROWS
    assert (found.left_out, found.added) == (500, MOST_ROWS + 500)
    assert block("code", Text(1, (), True), Text(1, new, True), full=True).left_out == 0


def test_a_string_over_several_lines_is_one_string():
    lines = highlighted('x = """a\nb = 1\n"""\ny = 2')
    assert [{name for name, _ in line} for line in lines] == [{"", "s"}, {"s"}, {"s"}, {"", "m"}]


def test_text_is_escaped():
    line = "x = '<b>' & \"</script>\""
    assert "<b>" not in painted_line(line, True, ((0, 3),))
    assert text_of(painted_line(line, True, ((0, 3),))) == line


@pytest.mark.parametrize(
    ("evidence", "shown"),
    [
        ("f(a, b) -> f(a, b, c)", "<del>f(a, b)</del> → <ins>f(a, b<mark>, c</mark>)</ins>"),
        (
            "input arg0 f32[8, 8] -> arg0 bf16[8, 8]",
            "input <del>arg0 <mark>f32</mark>[8, 8]</del> → <ins>arg0 <mark>bf16</mark>[8, 8]</ins>",
        ),
        ("sparse_blocks none -> 128x128", "sparse_blocks none -&gt; 128x128"),
        ("new: a -> b -> c", "new: a -&gt; b -&gt; c"),
        ("gone: <b>", "gone: &lt;b&gt;"),
    ],
)
def test_what_changed_in_a_piece_of_evidence_is_marked(evidence, shown):
    assert painted_change(evidence) == shown
