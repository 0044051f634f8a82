"""The section `why` of a golden: read back as it was, never compared, and damaged only ever an error."""

from __future__ import annotations

from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelsnap.diff.compare import compare
from kernelsnap.errors import GoldenFormatError
from kernelsnap.golden.canonical import canonical, with_why
from kernelsnap.golden.digests import digest_of
from kernelsnap.golden.format import parse, render, render_layer
from kernelsnap.golden.templates.folding import folded, unfolded
from kernelsnap.golden.templates.template import read_template
from kernelsnap.golden.why_section import without_why
from kernelsnap.model.capture import Buffer
from kernelsnap.model.golden import WHY, Code, Golden, Plan, PlanStep
from kernelsnap.model.why import FIRED, Apart, Decided, Fired, Operation, Reason, Why, numbered

_WORD = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=8)
_WORDS = st.lists(_WORD, min_size=1, max_size=3).map(" ".join)
_STEP = st.from_regex(r"[a-z_][a-z0-9_.]{0,8}(@\d)?", fullmatch=True)
_NAME = st.from_regex(r"[a-z_][a-z0-9_./:]{0,8}", fullmatch=True)
_COUNTED = st.tuples(_WORDS, st.integers(1, 10**9))
WHYS = st.builds(
    Why,
    st.sampled_from(["inference", "forward", "backward.1"]),
    st.lists(
        st.builds(
            Apart,
            st.lists(st.tuples(_STEP, _STEP), min_size=1, max_size=3).map(tuple),
            st.sampled_from(Reason),
            _WORDS,
        ),
        max_size=3,
    ).map(tuple),
    st.lists(st.builds(Decided, st.just("") | _STEP, _WORD, _WORDS), max_size=3).map(tuple),
    st.lists(
        st.builds(Fired, st.sampled_from(FIRED), st.lists(_COUNTED, min_size=1, max_size=3).map(tuple)), max_size=3
    ).map(tuple),
    st.integers(0, 10**6),
    st.lists(
        st.builds(
            Operation,
            _NAME,
            st.builds("{}({})".format, _NAME, st.just("") | _WORDS),
            st.just("") | _WORDS,
            st.just("") | _NAME,
            st.lists(_STEP, max_size=3).map(tuple),
        ),
        max_size=3,
    ).map(tuple),
)
PLAN = Plan(
    "inference",
    (Buffer("arg0", "f32", ("s0",)),),
    (
        PlanStep("triton_b", "pointwise", (), (), ("arg0",), (Buffer("buf0", "f32", ("s0",)),)),
        PlanStep("triton_a", "pointwise", (), (), ("buf0",), (Buffer("buf1", "f32", ("s0",)),)),
    ),
    ("buf1",),
)
SIZE = Apart((("triton_b", "triton_a"),), Reason.SIZE, "numel mismatch (s0, 1)")
GOLDEN = Golden(
    "tests/test_a.py::test_x",
    "h100",
    (PLAN,),
    (),
    (),
    (
        Code("inference", "triton_b", "def triton_b(in_ptr0):\n    pass\n"),
        Code("inference", "triton_a", "def triton_a(in_ptr0):\n    pass\n"),
        Code("inference", "host", "buf0 = triton_b.run(arg0)\nbuf1 = triton_a.run(buf0)\n"),
    ),
    why=(Why("inference", (SIZE,), (Decided("triton_a", "reduction", "in a loop"),), (Fired("passes", (("p", 1),)),)),),
)
TEXT = render(canonical(GOLDEN))


@given(st.lists(WHYS, max_size=2).map(tuple))
def test_it_is_read_back_as_it_was(why):
    text = render(replace(GOLDEN, why=why))
    found = parse(text)
    assert (found, found.why) == (GOLDEN, why)
    assert without_why(text) == render(replace(GOLDEN, why=()))


def test_its_names_are_those_of_the_golden():
    assert render_layer(canonical(GOLDEN), WHY) == (
        "  inference\n"
        "    apart  k0 k1  size  numel mismatch (s0, 1)\n"
        "    kernel  k1  reduction  in a loop\n"
        "    passes  p 1\n"
    )
    # Under the names of a golden that calls its kernels otherwise.
    assert with_why(replace(GOLDEN, why=()), canonical(GOLDEN).why).why == GOLDEN.why


def test_a_step_that_runs_again_has_a_number():
    assert numbered(["k0", "k1", "k0", "k0"]) == ("k0", "k1", "k0@2", "k0@3")


def test_goldens_that_differ_in_it_only_are_equal():
    without, other = replace(GOLDEN, why=()), replace(GOLDEN, why=(Why("inference", (replace(SIZE, text="else"),)),))
    assert GOLDEN == without == other
    assert digest_of(render(GOLDEN)) == digest_of(render(without)) == digest_of(render(other))
    for side in (without, other):
        diff = compare(GOLDEN, side)
        assert (diff.layers, diff.hunks, diff.causes) == ((), (), ())


def test_a_change_of_it_is_in_no_hunk():
    changed = replace(GOLDEN, code=(*GOLDEN.code[:2], Code("inference", "host", "buf0 = 1\n")), why=())
    lines = [line for hunk in compare(canonical(GOLDEN), canonical(changed)).hunks for line in hunk.lines]
    assert lines
    assert not [line for line in lines if "apart" in line or WHY in line]


def test_the_code_before_it_is_folded_and_unfolded():
    template = read_template("mm", '{{def_kernel("A")}}\n    # rows\n    M = {{size("A", 0)}}\n    return M\n')
    body = "@triton.jit\ndef triton_a(A):\n    M = 64\n    return M\n"
    last = Code("inference", "triton_a", f"arg A  *fp16 align 16\n{body}")
    text = render(replace(GOLDEN, code=(*GOLDEN.code[::2], last)))
    stored = folded(text, [template])
    assert "template mm" in stored
    assert unfolded(stored, {"mm": template}.__getitem__, "x") == text


@pytest.mark.parametrize(
    ("before", "after", "error"),
    [
        ("k0 k1  size", "k0 k1  shape", "not a kind of reason: 'shape'; there is size, "),
        ("k0 k1  size", "k0  size", "not two steps: 'k0'"),
        ("k0 k1  size", "k0 k1 k2  size", "not two steps: 'k0 k1 k2'"),
        ("k0 k1  size  numel mismatch (s0, 1)", "k0 k1  size", "expected 3 fields: 'k0 k1  size'"),
        ("    apart  ", "    together  ", "not a line of `why`: 'together  k0 k1"),
        ("  passes  p 1", "  passes  p", "not a name and a number: 'p'"),
        ("  passes  p 1", "  passes  p 1x", "not a number: 'p 1x'"),
        ("  passes  p 1", "  more  -", "not a number: 'more  -'"),
        ("  passes  p 1", "  passes  p 01", "expected '    passes  p 1', found '    passes  p 01'"),
        ("  passes  p 1", "   passes  p 1", "expected an empty line, found '     passes  p 1'"),
        ("\nwhy\n", "\nwhy\n\nwhy\n", "expected an empty line|expected the layer"),
        ("  kernel  k1  reduction  in a loop", "  kernel  k1  reduction", "expected 3 fields"),
    ],
)
def test_a_damaged_section_is_an_error_that_names_the_line(before, after, error):
    assert before in TEXT
    with pytest.raises(GoldenFormatError, match=r"golden:\d+: ") as raised:
        parse(TEXT.replace(before, after))
    assert any(part in str(raised.value) for part in error.split("|"))


@given(st.integers(0, len(TEXT) - 1), st.sampled_from([" ", "\n", "x", "  ", "why", "@2", "\x00"]))
def test_text_put_anywhere_is_an_error_or_is_read_as_written(place, text):
    damaged = TEXT[:place] + text + TEXT[place:]
    try:
        found = parse(damaged)
    except GoldenFormatError:
        return
    assert render(found) == damaged


def test_steps_that_are_not_in_the_plan_are_read():
    # After git merged two goldens by lines, the section may name what the other side had.
    found = parse(TEXT.replace("apart  k0 k1", "apart  k0 k7"))
    assert found.why[0].apart[0].pairs == (("k0", "k7"),)
    assert found == parse(TEXT)
