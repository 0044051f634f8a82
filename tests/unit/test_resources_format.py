"""A resources file is read back as it was, a damaged one is an error, and names do not matter to what is equal."""

from __future__ import annotations

from dataclasses import fields, replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelsnap.errors import GoldenFormatError, GoldenPathError
from kernelsnap.golden.resources import (
    named_like,
    parse_resources,
    read_resources,
    render_resources,
    resources_files,
    resources_path,
    same_resources,
    write_resources,
)
from kernelsnap.golden.sharing import head_of
from kernelsnap.model.capture import LaunchConfig
from kernelsnap.model.golden import Golden, Plan, PlanStep
from kernelsnap.model.resources import NEEDS, InstructionMix, KernelResources, NotCompiled, Resources, resource_values

NUMBER = st.integers(0, 2**40)
MAYBE = st.none() | NUMBER
WORDS = st.lists(
    st.text(st.characters(codec="utf-8", exclude_categories=["C", "Z"]), min_size=1, max_size=8), min_size=1, max_size=4
).map(" ".join)
launches = st.builds(
    LaunchConfig,
    st.lists(st.tuples(st.sampled_from(["XBLOCK", "YBLOCK", "R0_BLOCK"]), NUMBER), max_size=2).map(tuple),
    NUMBER,
    NUMBER,
    st.lists(st.tuples(st.sampled_from(["maxnreg", "num_ctas"]), st.just("2")), max_size=1).map(tuple),
)
mixes = st.builds(InstructionMix, **{field.name: NUMBER for field in fields(InstructionMix)})
always = ("registers", "stack", "shared")
needs = st.builds(
    KernelResources,
    st.just(""),
    st.just(""),
    launches,
    instructions=mixes,
    **{field.field: NUMBER if field.field in always else MAYBE for field in NEEDS},
)
refused = st.builds(NotCompiled, st.just(""), st.just(""), WORDS.map("does not compile: {}".format), launches)
callees = st.builds(NotCompiled, st.just(""), st.just(""), WORDS.map("not compiled: {}".format))


@st.composite
def resources(draw):
    """Kernels in the order of a graph, with all their configurations, then its library calls."""
    entries = []
    for graph in draw(st.lists(st.sampled_from(["forward", "backward", "forward.1"]), unique=True, max_size=2)):
        for index in range(draw(st.integers(0, 3))):
            found = draw(st.lists(needs | refused, min_size=1, max_size=2) | st.lists(callees, min_size=1, max_size=1))
            entries += [replace(entry, graph=graph, kernel=f"k{index}") for entry in found]
        for callee in draw(st.lists(st.sampled_from(["extern_kernels.mm", "torch.ops.a.b"]), unique=True)):
            entries.append(NotCompiled(graph, callee, "not compiled: a call into a library"))
    return Resources("h100", tuple(entries), "test_a.py::test_a")


def kernel(name="k0", graph="forward", registers=32, **more):
    launch = LaunchConfig((("XBLOCK", 128),), 4, 1)
    numbers = {"stack": 0, "shared": 1024, "spill_stores": 0, "spill_loads": 0, **more}
    mix = InstructionMix(total=100, fp32=7)
    return KernelResources(graph, name, launch, registers=registers, instructions=mix, **numbers)


EXAMPLE = Resources(
    "h100",
    (kernel(), kernel("k1", spill_stores=8), NotCompiled("forward", "extern_kernels.mm", "not compiled: a library")),
    "test_a.py::test_a",
)
TEXT = render_resources(EXAMPLE)


@given(resources())
def test_round_trip(found):
    text = render_resources(found)
    assert parse_resources(text) == found
    assert render_resources(parse_resources(text)) == text


@given(resources(), st.data())
def test_cut_off_anywhere(found, data):
    text = render_resources(found)
    with pytest.raises(GoldenFormatError):
        parse_resources(text[: data.draw(st.integers(0, len(text) - 1))])


@given(st.data())
def test_any_text_is_resources_or_an_error(data):
    start, end = sorted(data.draw(st.tuples(st.integers(0, len(TEXT)), st.integers(0, len(TEXT)))))
    text = TEXT[:start] + data.draw(st.text(max_size=20)) + TEXT[end:]
    try:
        found = parse_resources(text)
    except GoldenFormatError:
        return
    assert render_resources(found) == text


@pytest.mark.parametrize(
    ("old", "new", "says"),
    [
        ("kernelsnap resources 1", "kernelsnap resources 2", "1: written in format 2 by a newer kernelsnap"),
        ("kernelsnap resources 1", "kernelsnap 1", "1: not a resources file: the first line must be"),
        ("target h100", "target h100 a100", "3: a resources file is of one target"),
        ("registers  32\n", "registers  many\n", "8: not a number: 'registers  many'"),
        ("registers  32\n", "registers  ٣\n", "8: not a number"),
        ("registers  32\n", "registers  -1\n", "8: not a number"),
        ("registers  32\n", "registers  032\n", "8: expected"),
        ("      registers  32\n", "", "k0: registers missing"),
        ("stack  0 B", "stack  0", "11: expected '      stack  0 B', found"),
        ("stack  0 B", "stack  0 KB", "not a number of B"),
        ("      instructions  100\n        fp32  7\n", "", "k0: instructions missing"),
        ("        fp32  7\n", "        fp32  0\n", "expected"),
        ("        fp32  7\n", "        fp33  7\n", "not a class of instructions"),
        ("      stack  0 B\n", "      stack  0 B\n      stack  0 B\n", "expected"),
        ("      stack  0 B\n", "      luck  0 B\n", "not a number of a kernel: 'luck  0 B'"),
        ("  forward  k0\n", "  forward  k0  h100\n", "expected a graph and a kernel"),
        ("    launch  XBLOCK 128  warps 4  stages 1\n", "", "k0 has neither a launch nor a reason"),
        ("warps 4  ", "", "a launch names its blocks, then warps and stages"),
        ("resources\n  forward", "resources\n<<<<<<< ours\n  forward", "merge conflict"),
        ("\nend\n", "\nend\nend\n", "nothing may follow the line `end`"),
        ("\nend\n", "\n", "cut off"),
    ],
)
def test_damaged(old, new, says):
    assert old in TEXT
    with pytest.raises(GoldenFormatError, match=r"^a\.kres:") as error:
        parse_resources(TEXT.replace(old, new, 1), "a.kres")
    assert says in str(error.value)


def test_names_do_not_matter():
    other = replace(EXAMPLE, entries=(kernel("k7"), kernel("k3", spill_stores=8), EXAMPLE.entries[2]))
    assert same_resources(EXAMPLE, other)
    assert not same_resources(EXAMPLE, replace(other, entries=other.entries[::-1]))
    assert not same_resources(EXAMPLE, replace(EXAMPLE, entries=EXAMPLE.entries[:2]))
    assert not same_resources(EXAMPLE, replace(EXAMPLE, entries=(kernel(registers=33), *EXAMPLE.entries[1:])))


def golden(*names):
    steps = tuple(PlanStep(name, "pointwise") for name in names)
    return Golden(EXAMPLE.case, "h100", (Plan("forward", (), steps, ()),), (), (), ())


def test_named_like_the_golden():
    found = named_like(EXAMPLE, golden("k4", "k0"))
    assert [entry.kernel for entry in found.entries] == ["k4", "k0", "extern_kernels.mm"]
    assert same_resources(found, EXAMPLE)
    # Of another golden: what it calls k0 is not what these are.
    assert named_like(EXAMPLE, golden("k4")) == EXAMPLE
    assert named_like(replace(EXAMPLE, entries=(kernel("k5"),)), golden("k4", "k0")).entries[0].kernel == "k5"


@given(resources(), st.permutations(["k0", "k1", "k2"]))
def test_naming_changes_no_content(found, names):
    plans = tuple(
        Plan(graph, (), tuple(PlanStep(name, "pointwise") for name in names), ()) for graph in ("forward", "backward")
    )
    named = named_like(found, replace(golden(), plan=plans))
    assert same_resources(named, found)
    assert len({(e.graph, e.kernel) for e in named.entries}) == len({(e.graph, e.kernel) for e in found.entries})


def test_written_read_and_found(tmp_path):
    path = resources_path(tmp_path / "module" / "test_a.h100.ksnap")
    assert path.name == "test_a.h100.kres"
    assert read_resources(path, EXAMPLE.case, "h100") is None
    assert write_resources(path, EXAMPLE, golden("k1", "k0"))
    assert not write_resources(path, EXAMPLE, golden("k1", "k0"))
    found = read_resources(path, EXAMPLE.case, "h100")
    assert found
    assert [entry.kernel for entry in found.kernels] == ["k1", "k0"]
    assert list(resources_files(tmp_path)) == [path]
    assert head_of(path) == (EXAMPLE.case, ("h100",))
    for case, target in (("test_a.py::test_b", "h100"), (EXAMPLE.case, "a100")):
        with pytest.raises(GoldenPathError, match="holds the resources of another case"):
            read_resources(path, case, target)


def test_a_failed_write_leaves_the_old_file(tmp_path):
    path = tmp_path / "test_a.h100.kres"
    write_resources(path, EXAMPLE, None)
    bad = replace(EXAMPLE, entries=(NotCompiled("forward", "k0", "two\nlines"),))
    with pytest.raises(GoldenFormatError):
        write_resources(path, bad, None)
    assert path.read_text() == TEXT
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


def test_windows_line_ends(tmp_path):
    path = tmp_path / "test_a.h100.kres"
    path.write_bytes(TEXT.replace("\n", "\r\n").encode())
    with pytest.raises(GoldenFormatError, match=r"add `\*\.kres text eol=lf`"):
        read_resources(path, EXAMPLE.case, "h100")


@pytest.mark.parametrize("content", ["", "one line", "kernelsnap resources 1\ncase a\n"])
def test_the_head_of_a_file_that_names_nothing(tmp_path, content):
    path = tmp_path / "a.kres"
    path.write_text(content)
    assert head_of(path)[1] == ()


def test_spills_and_values():
    assert [found.spills for found in EXAMPLE.kernels] == [0, 8]
    amd = replace(kernel(spill_stores=None, spill_loads=None), vector_spills=2, scalar_spills=1)
    assert amd.spills == 3
    values = resource_values([EXAMPLE])
    assert values["registers"] == 32
    assert values["spilled bytes"] == 8
    assert values["instructions"] == 200
    # What no backend of these tells is missing, not 0; so is everything where nothing was compiled.
    assert "spilled registers" not in values
    assert resource_values([replace(EXAMPLE, entries=(amd,))]).keys() >= {"spilled registers"}
    assert resource_values([replace(EXAMPLE, entries=EXAMPLE.entries[2:])]) == {}
