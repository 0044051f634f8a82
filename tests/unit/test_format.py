"""Format 1: every golden is read back as it was, and a damaged file is an error, never another golden."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernelsnap.errors import GoldenFormatError
from kernelsnap.golden.format import FORMAT, parse, render
from kernelsnap.model.capture import Buffer, Candidate, FusedOp, LaunchConfig
from kernelsnap.model.golden import (
    LAYERS,
    Code,
    Golden,
    KernelChoice,
    KernelConfig,
    Metric,
    Plan,
    PlanStep,
    only_layers,
    with_layers,
)
from kernelsnap.model.metrics import METRICS

NAME = st.from_regex(r"[a-z_][a-z0-9_.]{0,12}", fullmatch=True)
# One space separates words in a field; two separate fields.
_WORD = st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=8)
WORDS = st.lists(_WORD, min_size=1, max_size=3).map(" ".join)
SIZE = st.one_of(st.integers(0, 9999).map(str), st.sampled_from(["s77", "s0*s1 + 64", "((s0 + 1)//2)"]))
GRAPH = st.sampled_from(["inference", "forward", "backward", "forward.0", "forward.1"])
NUMBER = st.integers(-1, 2**40)

buffers = st.builds(
    Buffer,
    NAME,
    st.sampled_from(["", "f32", "bf16", "f8e4m3fn"]),
    st.one_of(st.none(), st.lists(SIZE, max_size=3).map(tuple)),
)
ops = st.builds(FusedOp, st.one_of(st.just(""), NAME), st.lists(NAME, min_size=1, max_size=3).map(tuple))
steps = st.builds(
    PlanStep,
    NAME,
    st.sampled_from(["pointwise", "persistent reduction", "user Triton", "C++", "extern"]),
    st.lists(st.tuples(NAME, SIZE.filter(lambda size: " " not in size)), max_size=2).map(tuple),
    st.lists(ops, max_size=2).map(tuple),
    st.lists(NAME, max_size=2).map(tuple),
    st.lists(buffers, max_size=2).map(tuple),
)
plans = st.builds(
    Plan,
    GRAPH,
    st.lists(buffers, max_size=2).map(tuple),
    st.lists(steps, max_size=3).map(tuple),
    st.lists(NAME, max_size=2).map(tuple),
)
metrics = st.builds(Metric, GRAPH | st.just("total"), st.sampled_from([kind.name for kind in METRICS]), NUMBER)
launches = st.builds(
    LaunchConfig,
    st.lists(st.tuples(st.sampled_from(["XBLOCK", "R0_BLOCK"]), NUMBER), max_size=2).map(tuple),
    st.integers(0, 32),
    st.integers(0, 8),
    st.lists(st.tuples(NAME, NAME), max_size=2).map(tuple),
)
configs = st.builds(
    KernelConfig,
    GRAPH,
    NAME,
    st.lists(st.tuples(NAME, WORDS), max_size=2).map(tuple),
    st.lists(launches, max_size=2).map(tuple),
)
settings_of_candidates = st.lists(st.tuples(NAME, WORDS), max_size=3).map(tuple)
candidates = st.lists(st.builds(Candidate, WORDS, settings_of_candidates), min_size=1, max_size=3).map(tuple)
choices = candidates.flatmap(
    lambda found: st.builds(
        KernelChoice, GRAPH, NAME, settings_of_candidates, st.just(found), st.integers(0, len(found) - 1)
    )
)
# Any text that Python source may hold: also form feeds, separators of Unicode, blank lines, lines of the format itself.
line = st.one_of(
    st.text(st.characters(codec="utf-8", exclude_characters="\n\r"), max_size=12),
    st.sampled_from(
        ["", "a\fb", "a\u2028b", "\x85", "    pass", "end", "code", "=======", "kernelsnap 1", "  inference  k0"]
    ),
)
solid = line.filter(lambda text: text.strip() != "")
texts = st.builds(
    lambda first, rest, last: "".join(f"{text}\n" for text in (first, *rest, last)), solid, st.lists(line), solid
)
codes = st.builds(Code, GRAPH, NAME, st.one_of(st.just(""), texts))
goldens = st.builds(
    Golden,
    WORDS,
    st.sampled_from(["h100", "a100", "cpu"]),
    st.lists(plans, max_size=2).map(tuple),
    st.lists(metrics, max_size=3).map(tuple),
    st.lists(configs, max_size=2).map(tuple),
    st.lists(codes, max_size=2).map(tuple),
    st.lists(WORDS, max_size=2).map(tuple),
    choices=st.lists(choices, max_size=2).map(tuple),
)
partial_goldens = st.builds(with_layers, goldens, st.sets(st.sampled_from(LAYERS)).map(only_layers))

ADD = FusedOp("add", ("add",))
EXAMPLE = Golden(
    "tests/test_a.py::test_x",
    "h100",
    (
        Plan(
            "inference",
            (Buffer("arg0", "f32", ("64", "s0")),),
            (
                PlanStep("k0", "pointwise", (("x", "64"),), (ADD,), ("arg0",), (Buffer("buf0", "f32", ()),)),
                PlanStep("extern_kernels.mm", "extern", (), (FusedOp("", ("mm",)),), ("buf0",), (Buffer("buf1"),)),
            ),
            ("buf1",),
        ),
    ),
    (Metric("total", "kernels", 1), Metric("total", "bytes accessed", 1234)),
    (KernelConfig("inference", "k0", (("grid_type", "'Grid1D'"),), (LaunchConfig((("XBLOCK", 64),), 2, 1),)),),
    (
        Code("inference", "k0", "def k0(in_ptr0):\n    pass\n\n    return\n"),
        Code("inference", "host", "buf0 = k0.run(arg0)\n"),
    ),
    ("a data-dependent branch",),
    choices=(
        KernelChoice(
            "inference",
            "mm",
            (("ALLOW_TF32", "False"),),
            (Candidate("library mm"), Candidate("triton_mm", (("BLOCK_M", "64"), ("num_warps", "4")))),
            0,
        ),
    ),
)
TEXT = render(EXAMPLE)


def refused_or_different(text: str) -> None:
    """Whatever the example's text was changed to: an error that names file and line, or another golden."""
    if text == TEXT:
        return
    told = ""
    try:
        damaged = parse(text, "file.ksnap")
    except GoldenFormatError as error:
        told = str(error)
    assert re.match(r"file\.ksnap:\d+: ", told) if told else damaged != EXAMPLE


@given(goldens)
def test_round_trip(golden):
    text = render(golden)
    assert parse(text) == golden
    assert render(parse(text)) == text


@given(partial_goldens)
def test_round_trip_of_some_layers(golden):
    text = render(golden)
    assert parse(text) == golden
    assert [line for line in text.splitlines() if line in LAYERS] == list(golden.layers)


def test_the_layers_that_a_golden_holds_stand_in_its_head():
    assert "layers" not in TEXT
    text = render(with_layers(EXAMPLE, ("plan", "metrics")))
    assert text.splitlines()[2:5] == ["target h100", "layers plan metrics", ""]
    assert "\ncode\n" not in text
    empty = render(replace(EXAMPLE, code=()))
    assert "\ncode\n" in empty
    assert parse(empty).layers == LAYERS


@pytest.mark.parametrize(
    "names", ["", "plan metrics config code", "metrics plan", "metrics", "plan plan", "plan  metrics", "plan beauty"]
)
def test_layers_that_no_golden_has(names):
    with pytest.raises(GoldenFormatError, match=r"^file\.ksnap:4: `layers` names some of"):
        parse(TEXT.replace("target h100\n", f"target h100\nlayers {names}\n"), "file.ksnap")


@given(goldens, st.lists(st.sampled_from(["l4", "b200", "mi300x"]), unique=True).map(tuple))
def test_round_trip_of_a_shared_golden(golden, others):
    shared = replace(golden, shared_with=others)
    assert parse(render(shared)) == shared
    assert render(shared).split("\n")[2] == " ".join(["target", golden.target, *others])


@pytest.mark.parametrize("targets", ["h100 ", "h100 h100", "h100 a100 a100", "h100  a100", " h100", ""])
def test_a_golden_names_each_target_once(targets):
    with pytest.raises(GoldenFormatError, match=r"^file\.ksnap:3: a golden names each of its targets once"):
        parse(TEXT.replace("target h100\n", f"target {targets}\n"), "file.ksnap")


def test_example_round_trip():
    assert parse(TEXT) == EXAMPLE


@given(goldens, st.data())
@settings(max_examples=50)
def test_cut_off_anywhere(golden, data):
    content = render(golden).encode()
    cut = data.draw(st.integers(0, len(content) - 1))
    with pytest.raises(GoldenFormatError, match=r"^file\.ksnap:\d+: "):
        parse(content[:cut].decode(errors="replace"), "file.ksnap")


def test_cut_off_at_every_byte():
    content = TEXT.encode()
    for cut in range(len(content)):
        with pytest.raises(GoldenFormatError, match=r"^file\.ksnap:\d+: "):
            parse(content[:cut].decode(), "file.ksnap")


@pytest.mark.parametrize("number", range(len(TEXT.splitlines())))
@pytest.mark.parametrize("damage", ["dropped", "repeated", "garbled", "indented", "dedented", "emptied"])
def test_a_damaged_line_is_an_error_or_shows(number, damage):
    """No line can be lost or changed without an error or another golden: nothing in the file is ignored."""
    lines = TEXT.splitlines(keepends=True)
    before = lines[number]
    lines[number] = {
        "dropped": "",
        "repeated": before * 2,
        "garbled": "?" + before,
        "indented": "  " + before,
        "dedented": before.removeprefix("  "),
        "emptied": "\n",
    }[damage]
    refused_or_different("".join(lines))


@given(st.data())
@settings(max_examples=200)
def test_any_text_is_a_golden_or_an_error(data):
    position = data.draw(st.integers(0, len(TEXT)))
    length = data.draw(st.integers(0, 20))
    insert = data.draw(st.text(max_size=12))
    text = TEXT[:position] + insert + TEXT[position + length :]
    refused_or_different(text)


@pytest.mark.parametrize("marker", ["<<<<<<< HEAD", "=======", ">>>>>>> branch", "||||||| base"])
@pytest.mark.parametrize("line_number", [1, 5, 20])
def test_merge_conflict(marker, line_number):
    lines = TEXT.splitlines(keepends=True)
    lines.insert(line_number - 1, f"{marker}\n")
    with pytest.raises(GoldenFormatError, match=rf"^file\.ksnap:{line_number}: .*merge conflict"):
        parse("".join(lines), "file.ksnap")


def test_newer_format():
    text = TEXT.replace("kernelsnap 1\n", f"kernelsnap {FORMAT + 1}\n")
    with pytest.raises(
        GoldenFormatError, match=rf"^file\.ksnap:1: written in format {FORMAT + 1} by a newer kernelsnap"
    ):
        parse(text, "file.ksnap")


@pytest.mark.parametrize(
    "first", ["", "kernelsnap", "kernelsnap one", "kernelsnap 0", "# kernelsnap 1", "\ufeffkernelsnap 1"]
)
def test_not_a_golden(first):
    with pytest.raises(GoldenFormatError, match=r"^file\.ksnap:1: not a golden"):
        parse(TEXT.replace("kernelsnap 1", first, 1), "file.ksnap")


def test_unknown_metric():
    with pytest.raises(GoldenFormatError, match=r"^file\.ksnap:\d+: not a metric"):
        parse(render(replace(EXAMPLE, metrics=(Metric("total", "beauty", 1),))), "file.ksnap")
