"""Goldens for some releases of torch or triton beside those of all others: recorded when asked for, and read first."""

from __future__ import annotations

import json
import re

import pytest

from golden_project import notes
from kernelsnap.golden import toolchain
from kernelsnap.pending.standing import Standing
from kernelsnap.upgrade.split import Mixture, Splitter
from kernelsnap.upgrade.state import NEW as UPGRADED
from kernelsnap.upgrade.state import Result, State

TWO = """
    def test_one(kernel_snapshot, golden):
        assert golden() == kernel_snapshot

    def test_two(kernel_snapshot, golden):
        assert golden(constant="the same") == kernel_snapshot
"""
OLD, NEW, NEWEST = ("torch=2.13.0", "triton=3.7.1"), ("torch=2.14.1", "triton=3.8.0"), ("torch=2.15.0", "triton=3.9.0")
PLAIN, OF_NEW = "test_a/test_one.h100.ksnap", "test_a/test_one.h100~torch2.14.ksnap"
SAME = "test_a/test_two.h100.ksnap"


def on(project, versions, constant):
    """Another machine, with other versions, which generate something else."""
    project.versions(*versions)
    project.compiler(constant)


@pytest.fixture
def recorded(project):
    """Recorded with torch 2.13, and what differs with torch 2.14 for that."""
    project.test(TWO)
    on(project, OLD, "1.0")
    project.record()
    on(project, NEW, "2.0")
    project.run().assert_outcomes(failed=1, passed=1)
    project.record("--kernelsnap-variant", "torch")
    return project


def third_lines(project):
    return {name: project.golden(name).read_text().split("\n")[2] for name in project.names()}


def test_each_release_is_compared_with_its_own(recorded):
    assert third_lines(recorded) == {
        PLAIN: "target h100",
        OF_NEW: "target h100~torch2.14",
        # What is the same is one file.
        SAME: "target h100 h100~torch2.14",
    }
    before = recorded.files()
    recorded.run().assert_outcomes(passed=2)
    recorded.record()
    on(recorded, OLD, "1.0")
    recorded.run().assert_outcomes(passed=2)
    recorded.record()
    assert recorded.files() == before
    # The versions of the tree are those of what is for no release.
    assert 'torch = "2.13.0"' in (recorded.goldens / "toolchain.toml").read_text()


def test_a_variant_of_other_releases_is_named_and_never_touched(recorded):
    result = recorded.run()
    assert notes(result) == []
    on(recorded, OLD, "3.0")
    result = recorded.run("--snapshot-update")
    result.stdout.fnmatch_lines(
        ["not compared, for it takes other releases than those here: h100~torch2.14 (2 goldens)"]
    )
    assert "2.0" in recorded.golden(OF_NEW).read_text()
    assert "3.0" in recorded.golden(PLAIN).read_text()
    on(recorded, NEW, "2.0")
    recorded.run().assert_outcomes(passed=2)


def test_what_a_variant_shared_is_kept_for_it(recorded):
    recorded.test(TWO.replace("the same", "another"))
    on(recorded, OLD, "1.0")
    recorded.record()
    recorded.test(TWO)
    on(recorded, NEW, "2.0")
    recorded.run().assert_outcomes(passed=2)
    assert third_lines(recorded)["test_a/test_two.h100~torch2.14.ksnap"] == "target h100~torch2.14"


def test_an_update_rewrites_what_was_compared(recorded):
    on(recorded, NEW, "4.0")
    recorded.run().assert_outcomes(failed=1, passed=1)
    recorded.record()
    assert "4.0" in recorded.golden(OF_NEW).read_text()
    assert "1.0" in recorded.golden(PLAIN).read_text()
    # A release that no variant is for reads the golden without one.
    on(recorded, NEWEST, "1.0")
    recorded.run().assert_outcomes(passed=2)


def test_the_most_specific_one_wins(recorded):
    on(recorded, NEW, "5.0")
    recorded.record("--kernelsnap-variant", "torch,triton")
    assert "5.0" in recorded.golden("test_a/test_one.h100~torch2.14+triton3.8.ksnap").read_text()
    recorded.run().assert_outcomes(passed=2)
    on(recorded, ("torch=2.14.0", "triton=3.7.1"), "2.0")
    recorded.run().assert_outcomes(passed=2)
    result = recorded.run("--kernelsnap-variant", "python")
    result.stderr.fnmatch_lines(
        ["*--kernelsnap-variant python: a golden may be for releases of torch and triton only*"]
    )


def run(project, *arguments):
    return project.pytester.runpytest("-p", "no:hypothesispytest", *arguments)


def test_a_variant_is_accepted(project, ask):
    project.test(TWO)
    on(project, OLD, "1.0")
    project.record()
    on(project, NEW, "2.0")
    result = run(project, "--kernelsnap-variant", "torch")
    result.assert_outcomes(failed=1, passed=1)
    result.stdout.fnmatch_lines(
        [
            "E *assert capture == goldens/test_a/test_one.h100.ksnap",
            "E *-*store(in_ptr0, 1.0)",
            "E * --target *torch2.14*",
        ]
    )
    (entry,) = json.loads(ask("pending", "--json", "--target", "h100")[0])
    assert (entry["target"], entry["state"]) == ("h100~torch2.14", "pending")
    assert "1.0) -> tl.store(in_ptr, 2.0" in ask("diff", "--failed", "--explain", "test_one")[0]
    assert ask("accept", "--all")[1:] == ("", 0)
    assert "1.0" in project.golden(PLAIN).read_text()
    assert "2.0" in project.golden(OF_NEW).read_text()
    run(project).assert_outcomes(passed=2)


def test_a_renamed_test_keeps_its_variants(recorded, ask):
    on(recorded, OLD, "1.0")
    recorded.test(TWO.replace("test_one", "test_first"))
    run(recorded).assert_outcomes(failed=1, passed=1)
    assert ask("accept", "--all")[1:] == ("", 0)
    run(recorded).assert_outcomes(passed=2)
    on(recorded, NEW, "2.0")
    run(recorded).assert_outcomes(passed=2)
    assert recorded.names() == sorted(name.replace("test_one", "test_first") for name in (PLAIN, OF_NEW, SAME))


def test_where_a_variant_is_read_a_renamed_test_keeps_that(recorded, ask):
    recorded.test(TWO.replace("test_one", "test_first"))
    run(recorded).assert_outcomes(failed=1, passed=1)
    (entry,) = json.loads(ask("pending", "--json")[0])
    assert (entry["target"], entry["causes"]) == ("h100~torch2.14", ["moved"])
    assert ask("accept", "--all")[1:] == ("", 0)
    run(recorded).assert_outcomes(passed=2)
    on(recorded, OLD, "1.0")
    run(recorded).assert_outcomes(passed=2)
    assert ask("verify-tree", str(recorded.goldens))[2] == 0


def test_a_variant_belongs_to_its_test(recorded, ask):
    on(recorded, OLD, "1.0")
    run(recorded, "--kernelsnap-strict").assert_outcomes(passed=2)
    recorded.test(re.sub(r"(?s) *def test_one.*?\n\n", "", TWO))
    result = run(recorded)
    result.stdout.fnmatch_lines(["2 goldens whose test is gone"])
    out, _, status = ask("prune", "--remove")
    assert status == 0
    assert "2 files were removed" in out
    assert recorded.names() == [SAME]


def test_the_tree_is_what_it_says(recorded, ask):
    out, err, status = ask("verify-tree", str(recorded.goldens))
    assert (err, status) == ("", 0), out
    recorded.golden(OF_NEW).rename(recorded.golden("test_a/test_one.h100~torch2.15.ksnap"))
    out, _, status = ask("verify-tree", str(recorded.goldens))
    assert status == 1
    assert "test_one.h100~torch2.14.ksnap; rename it, or correct its head" in out


def test_two_sides_with_variants_are_compared(recorded, ask):
    assert ask("diff", str(recorded.golden(PLAIN)), str(recorded.golden(OF_NEW)))[2] == 1
    assert "h100~torch2.14" in ask("diff", "/dev/null", str(recorded.golden(OF_NEW)))[0]


@pytest.fixture
def origin(project, tmp_path):
    """Who made the change of the golden that an upgrade has pending, by what each mixture of the versions generates."""
    state = State(tmp_path / "state", project.root)
    state.path.mkdir()

    def ran(cell, versions, constant, *arguments):
        on(project, versions, constant)
        run(project, "-o", f"cache_dir={state.cache(cell)}", "--kernelsnap-pending", *arguments)
        state.add([Result(cell, f"test_a.py::test_{name}", "compared", "", "") for name in ("one", "two")])

    def origin(old, new, generated, *arguments):
        recorded = toolchain.Toolchain(dict(word.split("=") for word in old))
        ran(UPGRADED, new, generated["both"], *arguments)
        for taken, other, versions in (("torch", "triton", (new[0], old[1])), ("triton", "torch", (old[0], new[1]))):
            ran(Mixture(frozenset({taken}), frozenset({other})).cell, versions, generated[taken], *arguments)
        (entry,) = state.entries({"test_a.py::test_one"})
        return entry.target, Splitter(state, Standing(project.goldens), recorded).origin(entry).words

    return origin


@pytest.mark.parametrize("maker", ["torch", "triton"])
def test_an_upgrade_that_records_variants_knows_who_made_them(project, origin, maker):
    project.test(TWO)
    on(project, OLD, "1.0")
    project.record()
    generated = {"both": "2.0", "torch": "1.0", "triton": "1.0"} | {maker: "2.0"}
    found = origin(OLD, NEW, generated, "--kernelsnap-variant", "torch,triton")
    assert found == ("h100~torch2.14+triton3.8", maker)


@pytest.mark.parametrize("maker", ["torch", "triton"])
def test_an_upgrade_from_a_release_with_variants_compares_with_these(recorded, origin, maker):
    # torch 2.14 reads its variant, "2.0"; torch 2.15 reads the golden of all others, "1.0".
    generated = {"both": "3.0", "torch": "2.0", "triton": "2.0"} | {maker: "3.0"}
    assert origin(NEW, NEWEST, generated) == ("h100", maker)
    # What it generated before is no news of the package that left it as it is.
    assert origin(NEW, NEWEST, {"both": "3.0", "torch": "2.0", "triton": "2.0"}) == (
        "h100",
        "only torch and triton together",
    )
