"""Targets for which the same code is generated share one file; none ever loses what stands there for it."""

from __future__ import annotations

import pytest

# The file `constant` says what is generated for all targets, `constant.<target>` what is for one.
TEST = """
    import pathlib

    def test_x(kernel_snapshot, golden, _kernelsnap_target):
        own = pathlib.Path(__file__).with_name(f"constant.{_kernelsnap_target}")
        assert golden(constant=own.read_text() if own.exists() else None) == kernel_snapshot
"""
ALL = "h100,a100,b200"


@pytest.fixture
def shared(project):
    """A project in which three targets share a golden."""
    project.test(TEST)
    project.record("--kernelsnap-target", ALL)
    assert targets(project) == {"h100": "h100 a100 b200"}
    return project


def targets(project) -> dict[str, str]:
    """The targets that each file of the case names."""
    return {
        name.split(".")[-2]: project.golden(name).read_text().split("\n")[2].removeprefix("target ")
        for name in project.names()
    }


def constants(project) -> dict[str, str]:
    """What each file of the case says."""
    found = {}
    for name in project.names():
        line = next(line for line in project.golden(name).read_text().splitlines() if "tl.store" in line)
        found[name.split(".")[-2]] = line.split(", ")[1].rstrip(")")
    return found


def changed(project, target: str, constant: str) -> None:
    (project.root / f"constant.{target}").write_text(constant)


def test_each_target_is_compared_with_the_file_that_names_it(shared):
    before = shared.files()
    for target in (ALL, "a100", "b200", "h100"):
        assert shared.run("--kernelsnap-target", target).ret == 0
        shared.record("--kernelsnap-target", target)
    assert shared.files() == before


def test_a_target_that_no_file_names_has_no_golden(shared):
    result = shared.run("--kernelsnap-target", "l4")
    result.stdout.fnmatch_lines(["E * There is no golden yet: goldens/test_a/test_x.l4.ksnap"])


def test_a_target_recorded_later_joins(shared):
    shared.record("--kernelsnap-target", "l4")
    assert targets(shared) == {"h100": "h100 a100 b200 l4"}


def test_a_difference_names_the_file_and_writes_nothing(shared):
    before = shared.files()
    changed(shared, "a100", "2.0")
    result = shared.run("--kernelsnap-target", "a100")
    result.stdout.fnmatch_lines(["E * capture == goldens/test_a/test_x.h100.ksnap", "E * -*tl.store*1.0)"])
    result.stdout.fnmatch_lines(["E * To accept:*--kernelsnap-target a100 --snapshot-update"])
    assert shared.files() == before


def test_a_target_that_differs_gets_a_file_of_its_own(shared):
    changed(shared, "a100", "2.0")
    shared.record("--kernelsnap-target", "a100")
    assert targets(shared) == {"h100": "h100 b200", "a100": "a100"}
    assert constants(shared) == {"h100": "1.0", "a100": "2.0"}
    assert shared.run("--kernelsnap-target", ALL).ret == 0


def test_a_second_one_joins_the_first(shared):
    changed(shared, "a100", "2.0")
    changed(shared, "b200", "2.0")
    shared.record("--kernelsnap-target", ALL)
    assert targets(shared) == {"h100": "h100", "a100": "a100 b200"}
    assert shared.run("--kernelsnap-target", ALL).ret == 0


def test_the_file_of_a_target_that_changes_is_left_to_the_others(shared):
    changed(shared, "h100", "2.0")
    shared.record()
    assert targets(shared) == {"a100": "a100 b200", "h100": "h100"}
    assert constants(shared) == {"a100": "1.0", "h100": "2.0"}
    assert shared.run("--kernelsnap-target", ALL).ret == 0


@pytest.mark.parametrize("order", [ALL, "b200,a100,h100", "a100,h100,b200"])
def test_a_change_for_all_targets_ends_in_one_file(shared, order):
    shared.compiler("3.0")
    shared.record("--kernelsnap-target", order)
    assert len(targets(shared)) == 1
    assert set(constants(shared).values()) == {"3.0"}
    assert shared.run("--kernelsnap-target", ALL).ret == 0


def test_targets_that_part_and_meet_again(shared):
    changed(shared, "a100", "2.0")
    shared.record("--kernelsnap-target", ALL)
    (shared.root / "constant.a100").unlink()
    shared.record("--kernelsnap-target", "a100")
    assert targets(shared) == {"h100": "h100 b200 a100"}
    assert shared.run("--kernelsnap-target", ALL).ret == 0


def test_an_own_file_counts_before_a_list(shared):
    """As after a run that was killed between the two writes."""
    before = shared.golden("test_a/test_x.h100.ksnap").read_text()
    own = shared.golden("test_a/test_x.a100.ksnap")
    own.write_text(before.replace("target h100 a100 b200", "target a100").replace("1.0", "2.0"))
    changed(shared, "a100", "2.0")
    assert shared.run("--kernelsnap-target", "a100").ret == 0
    changed(shared, "a100", "4.0")
    shared.record("--kernelsnap-target", "a100")
    assert targets(shared) == {"h100": "h100 b200", "a100": "a100"}
    assert constants(shared) == {"h100": "1.0", "a100": "4.0"}


def test_an_heir_keeps_the_file_that_it_has(shared):
    before = shared.golden("test_a/test_x.h100.ksnap").read_text()
    own = shared.golden("test_a/test_x.a100.ksnap")
    own.write_text(before.replace("target h100 a100 b200", "target a100").replace("1.0", "2.0"))
    changed(shared, "h100", "3.0")
    shared.record()
    assert constants(shared) == {"a100": "2.0", "b200": "1.0", "h100": "3.0"}
    assert targets(shared) == {"a100": "a100", "b200": "b200", "h100": "h100"}


def test_workers_that_record_at_once_lose_no_target(shared):
    shared.golden("test_a/test_x.h100.ksnap").unlink()
    shared.subprocess("-n", "3", "--snapshot-update", "--kernelsnap-target", ALL)
    ((_, named),) = targets(shared).items()
    assert sorted(named.split()) == ["a100", "b200", "h100"]
    assert shared.run("--kernelsnap-target", ALL).ret == 0


def test_a_damaged_file_is_named_and_kept(shared):
    path = shared.golden("test_a/test_x.h100.ksnap")
    path.write_text(path.read_text().replace("end\n", ""))
    before = shared.files()
    result = shared.run("--kernelsnap-target", "l4", "--snapshot-update")
    result.stdout.fnmatch_lines(["E *test_x.h100.ksnap:*the file is cut off*"])
    assert shared.files() == before


def test_the_toolchain_moves_when_every_target_was_compared(shared):
    path = shared.goldens / "toolchain.toml"
    text = path.read_text()
    path.write_text(text.replace('torch = "', 'torch = "1.'))
    shared.record()
    assert path.read_text() != text
    shared.record("--kernelsnap-target", ALL)
    assert path.read_text() == text
