"""`--snapshot-update` loses no golden of a test that did not get as far as its assertion.

In each of these runs syrupy's own extensions delete snapshots, or did in some version.
"""

from __future__ import annotations

import pytest

THREE = """
    import os
    import pytest

    def test_a(kernel_snapshot, golden):
        assert golden() == kernel_snapshot

    def test_b(kernel_snapshot, golden):
        assert golden() == kernel_snapshot

    def test_c(kernel_snapshot, golden):
        assert golden() == kernel_snapshot
"""
OTHER = """
    def test_other(kernel_snapshot, golden):
        assert golden() == kernel_snapshot
"""
TRAP = "test_a/test_b.h100.ksnap"


@pytest.fixture
def recorded(project):
    """A project with recorded goldens, whose compiler changed since."""
    project.test(THREE)
    project.test(OTHER, "test_other.py")
    project.record()
    project.recorded = project.files()
    project.compiler("2.0")
    return project


def kept(project, *names: str) -> None:
    """None is gone, these are byte for byte as before, and the others were updated."""
    after = project.files()
    assert after.keys() == project.recorded.keys()
    unchanged = [name for name in after if name.endswith(".ksnap") and after[name] == project.recorded[name]]
    assert unchanged == sorted(names)


def break_b(project, line: str) -> None:
    """Put a line before the assertion of test_b."""
    source = THREE.replace(
        "def test_b(kernel_snapshot, golden):", f"def test_b(kernel_snapshot, golden):\n        {line}"
    )
    project.test(source)


ALL = ("test_a/test_a.h100.ksnap", TRAP, "test_a/test_c.h100.ksnap", "test_other/test_other.h100.ksnap")


def test_exception_before_the_assertion(recorded):
    break_b(recorded, "raise RuntimeError('no compile')")
    recorded.run("--snapshot-update").assert_outcomes(failed=1, passed=3)
    kept(recorded, TRAP)


def test_stop_at_the_first_failure(recorded):
    break_b(recorded, "assert False")
    recorded.run("--snapshot-update", "-x").assert_outcomes(failed=1, passed=1)
    kept(recorded, TRAP, "test_a/test_c.h100.ksnap", "test_other/test_other.h100.ksnap")


def test_crashed_worker(recorded):
    break_b(recorded, "os._exit(3)")
    result = recorded.subprocess("--snapshot-update", "-n", "2", "--dist", "load")
    assert result.ret != 0
    after = recorded.files()
    assert after.keys() == recorded.recorded.keys()
    assert after[TRAP] == recorded.recorded[TRAP]


def test_crash_without_workers(recorded):
    break_b(recorded, "os._exit(3)")
    assert recorded.subprocess("--snapshot-update").ret == 3
    kept(recorded, TRAP, "test_a/test_c.h100.ksnap", "test_other/test_other.h100.ksnap")


def test_skipped_module(recorded):
    recorded.test("import pytest\npytest.skip('not here', allow_module_level=True)\n" + THREE.replace("\n    ", "\n"))
    recorded.run("--snapshot-update").assert_outcomes(skipped=1, passed=1)
    kept(recorded, *ALL[:3])


def test_skipped_test(recorded):
    break_b(recorded, "pytest.skip('not now')")
    recorded.run("--snapshot-update").assert_outcomes(skipped=1, passed=3)
    kept(recorded, TRAP)


def test_import_error(recorded):
    recorded.test("import missing_module\n" + THREE.replace("\n    ", "\n"))
    recorded.run("--snapshot-update").assert_outcomes(errors=1)
    kept(recorded, *ALL)
    recorded.run("--snapshot-update", "--continue-on-collection-errors").assert_outcomes(errors=1, passed=1)
    kept(recorded, *ALL[:3])


def test_keyword(recorded):
    recorded.run("--snapshot-update", "-k", "not test_b").assert_outcomes(passed=3, deselected=1)
    kept(recorded, TRAP)


def test_node_id(recorded):
    recorded.run("--snapshot-update", "test_a.py::test_a", "test_other.py").assert_outcomes(passed=2)
    kept(recorded, TRAP, "test_a/test_c.h100.ksnap")


def test_module_left_out(recorded):
    recorded.run("--snapshot-update", "--ignore", "test_a.py").assert_outcomes(passed=1)
    kept(recorded, *ALL[:3])


def test_other_target_than_recorded(recorded):
    recorded.run("--snapshot-update", "--kernelsnap-target", "a100").assert_outcomes(passed=4)
    after = recorded.files()
    assert {name: after[name] for name in ALL} == {name: recorded.recorded[name] for name in ALL}
    assert len(recorded.names()) == 8


def test_xfail(recorded):
    recorded.test(THREE.replace("def test_b", "@pytest.mark.xfail(reason='known')\n    def test_b"))
    recorded.run("--snapshot-update").assert_outcomes(xfailed=1, passed=3)
    kept(recorded, TRAP)


def test_xfail_that_the_test_adds(recorded):
    source = THREE.replace("def test_b(", "def test_b(request, ")
    recorded.test(
        source.replace(
            "def test_b(request, kernel_snapshot, golden):",
            "def test_b(request, kernel_snapshot, golden):\n        request.applymarker(pytest.mark.xfail)",
        )
    )
    recorded.run("--snapshot-update").assert_outcomes(xfailed=1, passed=3)
    kept(recorded, TRAP)


def test_xfail_whose_condition_does_not_hold(recorded):
    recorded.test(THREE.replace("def test_b", "@pytest.mark.xfail(False, reason='elsewhere')\n    def test_b"))
    recorded.run("--snapshot-update").assert_outcomes(passed=4)
    kept(recorded)


def test_xfail_without_a_golden_records_one(recorded):
    recorded.test(THREE.replace("def test_b", "@pytest.mark.xfail(reason='known')\n    def test_new"))
    recorded.run("--snapshot-update").assert_outcomes(xpassed=1, passed=3)
    assert set(recorded.files()) == {*recorded.recorded, "test_a/test_new.h100.ksnap"}


def test_test_that_is_gone(recorded):
    recorded.test(THREE.replace("test_b", "check_b"))
    recorded.run("--snapshot-update").assert_outcomes(passed=3)
    kept(recorded, TRAP)


def test_module_that_is_gone(recorded):
    (recorded.root / "test_a.py").unlink()
    recorded.run("--snapshot-update").assert_outcomes(passed=1)
    kept(recorded, *ALL[:3])


def test_fixture_that_is_no_longer_used(recorded):
    recorded.test(THREE.replace("assert golden() == kernel_snapshot", "pass"))
    recorded.run("--snapshot-update").assert_outcomes(passed=4)
    kept(recorded, *ALL[:3])


def test_all_of_it_beside_snapshots_of_syrupy(recorded):
    recorded.test(
        """
        def test_text(snapshot):
            assert "text" == snapshot

        def test_dropped(snapshot):
            assert "dropped" == snapshot
        """,
        "test_text.py",
    )
    recorded.run("--snapshot-update", "test_text.py").assert_outcomes(passed=2)
    text = recorded.root / "__snapshots__" / "test_text.ambr"
    assert "dropped" in text.read_text()
    recorded.test(
        """
        def test_text(snapshot):
            assert "other" == snapshot
        """,
        "test_text.py",
    )
    break_b(recorded, "raise RuntimeError('no compile')")
    result = recorded.run("--snapshot-update")
    result.assert_outcomes(failed=1, passed=4)
    # Theirs are updated, and deleted when unused, as ever.
    assert "'other'" in text.read_text()
    assert "dropped" not in text.read_text()
    result.stdout.fnmatch_lines(["*1 unused snapshot deleted."])
    kept(recorded, TRAP)


@pytest.mark.parametrize("folder", ["__snapshots__", "__snapshots__/kernels"])
def test_goldens_are_not_put_where_syrupy_deletes(project, folder):
    project.ini(kernelsnap_goldens=folder)
    project.test(OTHER)
    result = project.run("--snapshot-update")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: kernelsnap_goldens: * is inside a folder of syrupy's snapshots *"])


def test_nothing_is_recorded_below_a_root_that_nobody_chose(project):
    """Without a configuration, pytest takes the folder that its arguments have in common: another one for each call."""
    project.test("def test_x(kernel_snapshot, golden):\n    assert golden() == kernel_snapshot\n", "below/test_a.py")
    (project.root / "pytest.ini").unlink()
    for words in (("--snapshot-update",), ("--snapshot-update", "below"), ("--snapshot-update", "below/test_a.py")):
        result = project.run(*words)
        assert result.ret == 1
        assert "nothing is recorded: it would be in " in result.stdout.str()
        assert "Make a pytest.ini" in result.stdout.str()
    result = project.subprocess_with_cache("below")
    assert "There is no golden yet" in result.stdout.str()
    assert "kernelsnap accept" not in result.stdout.str()
    assert not list(project.root.rglob("*.ksnap"))
    assert project.run("--snapshot-update", "--rootdir", str(project.root)).ret == 0
    assert [path.parent.name for path in project.goldens.rglob("*.ksnap")] == ["test_a"]
