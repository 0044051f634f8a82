"""Goldens compared together with their resources: metrics, causes, hunks, and what is missing."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from kernelsnap.diff.compare import compare
from kernelsnap.diff.sides.folders import folder
from kernelsnap.diff.sides.sides import Sides
from kernelsnap.diff.sides.trees import in_memory, with_resources
from kernelsnap.diff.tree.change import change_of
from kernelsnap.diff.tree.many import compared
from kernelsnap.golden.format import parse, render
from kernelsnap.golden.resources import render_resources
from kernelsnap.golden.variants import stem_of
from kernelsnap.model.capture import LaunchConfig
from kernelsnap.model.resources import InstructionMix, KernelResources, NotCompiled, Resources
from kernelsnap.report.model import report_of

_SHARED = parse(
    (
        Path(__file__).parents[2] / "goldens/test_fusion/FusionTests.test_horizontal_reduction_pointwise.h100.ksnap"
    ).read_text()
)
GOLDEN = replace(_SHARED, shared_with=())
NAME = "module/a.h100.ksnap"
LAUNCH = LaunchConfig((("XBLOCK", 1),), 2, 1)


def kernel(name="k0", registers=32, spilled=0, **more):
    return KernelResources(
        "inference",
        name,
        LAUNCH,
        registers=registers,
        stack=spilled,
        shared=0,
        instructions=InstructionMix(total=100, fp32=7),
        spill_stores=spilled,
        spill_loads=spilled,
        **more,
    )


def resources(*entries, case=GOLDEN.case, target="h100"):
    return render_resources(Resources(target, entries or (kernel(),), case)).encode()


def whole(files, golden=GOLDEN):
    return with_resources(NAME, render(golden).encode(), files)


def test_one_kernel_is_what_the_golden_has():
    assert [step.name for plan in GOLDEN.plan for step in plan.steps] == ["k0"]


def test_whole_and_parsed():
    text = whole({"h100": resources()})
    found = parse(text.decode())
    assert replace(found, resources=()) == GOLDEN
    assert found.resources == (Resources("h100", (kernel(),), GOLDEN.case),)
    assert render(found).encode() == text
    assert "\nresources\n  h100  inference  k0\n    launch  XBLOCK 1  warps 2  stages 1\n" in text.decode()


def test_each_target_that_shares_a_golden():
    shared = replace(GOLDEN, shared_with=("a100",))
    files = {"a100": resources(kernel(registers=40), target="a100"), "h100": resources(), "l4": b"not read"}
    found = parse(whole(files, shared).decode())
    assert [(one.target, one.kernels[0].registers) for one in found.resources] == [("h100", 32), ("a100", 40)]


def test_without_a_file_or_an_entry_it_is_the_golden():
    text = render(GOLDEN).encode()
    assert whole({}) == text
    assert whole({"a100": resources(target="a100")}) == text
    assert whole({"h100": render_resources(Resources("h100", (), GOLDEN.case)).encode()}) == text
    assert with_resources(NAME, b"damaged", {"h100": resources()}) == b"damaged"


@pytest.mark.parametrize(
    ("content", "says"),
    [
        (b"", "module/a.h100.kres:1: not a resources file"),
        (b"\xff", "module/a.h100.kres:1: the file is not UTF-8 text"),
        (resources(case="test_b.py::other"), "module/a.h100.kres:2: it names test_b.py::other for h100"),
        (resources(target="a100"), "it names"),
        (resources().replace(b"\n", b"\r\n"), "Windows line ends"),
        (resources().replace(b"  inference", b"<<<<<<< ours\n  inference"), "merge conflict"),
        (resources()[:-20], "cut off"),
    ],
)
def test_a_damaged_file_makes_the_golden_unreadable(content, says):
    change = change_of(NAME, whole({"h100": resources()}), whole({"h100": content}))
    assert change
    assert change.status == "unreadable"
    assert says in change.error


def test_moved():
    change = change_of(NAME, whole({"h100": resources()}), whole({"h100": resources(kernel(registers=40, spilled=8))}))
    assert change
    assert (change.layers, change.cause_names) == (("resources",), ("resources",))
    (finding,) = change.causes[0].findings
    assert finding.where == "inference k0"
    assert finding.evidence == (
        "registers 32 -> 40, spill stores 0 -> 8, spill loads 0 -> 8, stack 0 -> 8 (XBLOCK 1  warps 2  stages 1)"
    )
    assert change.delta("registers") == 8
    moved = {delta.name: (delta.old, delta.new, delta.verdict) for delta in change.metrics if delta.old != delta.new}
    assert moved == {
        "registers": (32, 40, "regressed"),
        "spilled bytes": (0, 16, "regressed"),
        "stack": (0, 8, "regressed"),
    }


def test_the_same_move_is_one_group_whatever_its_numbers():
    changes = [
        change_of(NAME, whole({"h100": resources()}), whole({"h100": resources(kernel(registers=registers))}))
        for registers in (40, 48, 16)
    ]
    up, more, down = (change.fingerprint for change in changes if change)
    assert up == more != down


def test_hunks_and_names():
    old, new = (parse(whole({"h100": resources(kernel(registers=number))}).decode()) for number in (32, 40))
    (hunk,) = compare(old, new).hunks
    assert hunk.layer == "resources"
    assert hunk.title.startswith("inference k0 ")
    assert hunk.title.endswith(" on h100")
    assert [line.strip("-+ ") for line in hunk.lines if line[0] != " "] == ["registers  32", "registers  40"]


def test_a_changed_kernel_is_the_cause_not_its_resources():
    other = parse(render(GOLDEN).replace("tl_math.cos", "tl_math.sin"))
    change = change_of(NAME, whole({"h100": resources()}), whole({"h100": resources(kernel(registers=40))}, other))
    assert change
    assert change.layers == ("code", "resources")
    assert change.cause_names == ("intrinsic",)
    assert change.delta("registers") == 8


@pytest.mark.parametrize("sides", [({}, {"h100": resources()}), ({"h100": resources()}, {})])
def test_a_side_without_is_missing_and_not_zero(sides):
    change = change_of(NAME, *map(whole, sides))
    assert change
    assert (change.layers, change.cause_names) == (("resources",), ("resources",))
    assert "recorded" in change.causes[0].findings[0].evidence
    delta = next(delta for delta in change.metrics if delta.name == "registers")
    assert {delta.old, delta.new} == {None, 32}
    assert change.delta("registers") is None


def test_no_longer_compiles():
    refused = NotCompiled("inference", "k0", "does not compile: PTXASError: too large", LAUNCH)
    change = change_of(NAME, whole({"h100": resources()}), whole({"h100": resources(refused)}))
    assert change
    assert change.cause_names == ("resources",)
    (finding,) = change.causes[0].findings
    assert finding.evidence == "compiled -> does not compile: PTXASError: too large (XBLOCK 1  warps 2  stages 1)"


def test_names_of_kernels_are_no_change():
    assert change_of(NAME, whole({"h100": resources()}), whole({"h100": resources(kernel("k7"))})) is None


def test_stale_resources_keep_their_own_names():
    found = parse(whole({"h100": resources(kernel("k0"), kernel("k1"))}).decode())
    assert [entry.kernel for entry in found.resources[0].entries] == ["k0", "k1"]
    change = change_of(NAME, whole({"h100": resources()}), whole({"h100": resources(kernel("k0"), kernel("k1"))}))
    assert change
    assert change.causes[0].findings[0].evidence.startswith("other kernels are listed")


def test_a_renamed_case_is_no_cause():
    other = replace(parse(render(GOLDEN).replace("tl_math.cos", "tl_math.sin")), case="test_b.py::test_b")
    change = change_of(NAME, whole({"h100": resources()}), whole({"h100": resources(case="test_b.py::test_b")}, other))
    assert change
    assert change.layers == ("code",)
    assert change.cause_names == ("intrinsic",)


def tree(label, registers, more=()):
    goldens = {f"m/{name}.h100.ksnap": render(replace(GOLDEN, case=name)).encode() for name in "abc"}
    files = {f"m/{name}.h100.kres": resources(kernel(registers=registers), case=name) for name in ("a", *more)}
    return in_memory(label, goldens, files)


def test_a_report_counts_those_that_have_them():
    sides = Sides(tree("old", 32, "b"), tree("new", 40, "b"))
    assert sides.with_resources == {"m/a.h100.ksnap", "m/b.h100.ksnap"}
    found = compared(sides, 1, every=True)
    assert [change.name for change in found.changes] == ["m/a.h100.ksnap", "m/b.h100.ksnap"]
    report = report_of(("old", "new"), (), len(sides), found, sides, with_resources=sides.with_resources)
    (registers,) = [metric for metric in report.metrics if metric.name == "registers"]
    assert (registers.regressed, registers.unchanged, registers.missing) == (2, 0, 0)
    assert (registers.old_total, registers.new_total) == (64, 80)
    assert not [metric for metric in report.metrics if metric.name == "spilled registers"]


def test_the_same_on_both_sides_is_unchanged_and_missing_is_missing():
    sides = Sides(tree("old", 32, "b"), in_memory("new", tree("new", 32).keys, {"m/a.h100.kres": resources(case="a")}))
    found = compared(sides, 1, every=True)
    assert [change.name for change in found.changes] == ["m/b.h100.ksnap"]
    report = report_of(("old", "new"), (), len(sides), found, sides, with_resources=sides.with_resources)
    (registers,) = [metric for metric in report.metrics if metric.name == "registers"]
    assert (registers.regressed, registers.unchanged, registers.missing) == (0, 1, 1)


def test_folders(tmp_path):
    for side, registers in (("old", 32), ("new", 40)):
        (tmp_path / side / "m").mkdir(parents=True)
        (tmp_path / side / "m" / "a[x].h100.ksnap").write_text(render(GOLDEN))
        (tmp_path / side / "m" / "a[x].h100.kres").write_bytes(resources(kernel(registers=registers)))
        (tmp_path / side / "m" / "a.h100.kres").write_text("another case's")
    sides = Sides(folder(tmp_path / "old"), folder(tmp_path / "new"))
    assert list(sides) == ["m/a[x].h100.ksnap"]
    found = sides.differing("m/a[x].h100.ksnap")
    assert found
    assert b"registers  40" in (found[2] or b"")
    assert sides.only(["m/a[x].h100.ksnap"]).differing("m/a[x].h100.ksnap") == found
    assert sides.only([]).old.sidecars == {}


def test_stems():
    assert stem_of("m/a.b[c.d].h100.ksnap") == stem_of("m/a.b[c.d].a100.kres") == "m/a.b[c.d]"
