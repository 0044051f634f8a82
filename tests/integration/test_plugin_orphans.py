"""Goldens whose test is gone are counted after a whole run, and removed by `kernelsnap prune` alone."""

from __future__ import annotations

import re

import pytest

from kernelsnap.cli.main import main

TWO = """
    import pytest

    def test_one(kernel_snapshot, golden):
        assert golden() == kernel_snapshot
        assert golden() == kernel_snapshot(name="again")

    @pytest.mark.parametrize("n", [1, 2])
    def test_two(kernel_snapshot, golden, n):
        assert golden() == kernel_snapshot

    def test_skipped(kernel_snapshot, golden):
        if pytest.__name__ == "{}":
            pytest.skip()
        assert golden() == kernel_snapshot
"""


@pytest.fixture
def recorded(project):
    project.test(TWO)
    project.test(TWO, "test_b.py")
    project.record("--kernelsnap-target", "h100,a100")
    project.test(TWO.replace("[1, 2]", "[1]").replace("{}", "pytest"))
    (project.root / "test_b.py").unlink()
    return project


@pytest.mark.parametrize("options", [[], ["-n", "2"]])
def test_named_after_a_whole_run(recorded, options):
    before = recorded.files()
    result = recorded.subprocess(
        "--kernelsnap-orphans", "--snapshot-update", "--kernelsnap-target", "h100,a100", *options
    )
    assert result.ret == 0
    start = result.outlines.index("6 goldens whose test is gone:")
    listed = result.outlines[start + 1 : start + 7]
    assert listed == sorted(
        ["  test_a/test_two[2].h100.ksnap"] + [f"  {name}" for name in recorded.names() if name.startswith("test_b/")]
    )
    assert recorded.files() == before


@pytest.mark.parametrize("options", [["-k", "one"], ["test_a.py"], ["--deselect", "test_a.py::test_one"]])
def test_not_looked_for_in_part_of_the_tests(recorded, options):
    result = recorded.run("--kernelsnap-orphans", *options)
    result.stdout.fnmatch_lines(["--kernelsnap-orphans: not looked for*"])


def test_not_looked_for_after_a_failure(recorded):
    recorded.compiler("2.0")
    recorded.run("--kernelsnap-orphans").stdout.fnmatch_lines(["--kernelsnap-orphans: not looked for*"])


def prune(project, capsys, *arguments):
    """What the command prints, in the project's folder."""
    capsys.readouterr()
    status = main(["prune", *arguments])
    printed = capsys.readouterr()
    return status, printed.out.splitlines(), printed.err


@pytest.fixture
def whole(recorded):
    """After a whole and passing run that looked for orphans; pytest's cache is on."""
    result = recorded.subprocess_with_cache("--kernelsnap-target", "h100,a100")
    result.assert_outcomes(passed=4, skipped=2)
    result.stdout.fnmatch_lines(["6 goldens whose test is gone", "To see and to remove them:  kernelsnap prune"])
    return recorded


def test_prune_shows_and_removes(whole, capsys):
    before = whole.files()
    status, shown, _ = prune(whole, capsys)
    assert (status, len(shown)) == (0, 7)
    assert "'goldens/test_a/test_two[2].h100.ksnap'" in shown
    assert shown[-1] == "6 files belong to no test: kernelsnap prune --remove removes them"
    assert whole.files() == before
    assert prune(whole, capsys, "test_a/*")[1][0] == "'goldens/test_a/test_two[2].h100.ksnap'"
    status, shown, _ = prune(whole, capsys, "--remove")
    assert (status, shown[-1]) == (0, "6 files were removed")
    after = whole.files()
    gone = {name for name in before if name.startswith(("test_a/test_two[2]", "test_b/"))}
    assert set(before) - set(after) == gone
    assert {name: before[name] for name in after} == after
    assert not (whole.goldens / "test_b").exists()
    assert prune(whole, capsys)[:2] == (0, ["nothing can be removed"])


def test_what_changed_since_the_run_is_kept(whole, capsys):
    whole.test(TWO, "test_b.py")
    changed = whole.golden("test_a/test_two[2].h100.ksnap")
    changed.write_text(changed.read_text().replace("3 kernels", "4 kernels") + "\n")
    status, shown, _ = prune(whole, capsys, "--remove")
    assert (status, shown[-1]) == (0, "0 files were removed")
    assert sum("# kept: test_b.py changed since that run" in line for line in shown) == 5
    assert sum("# kept: changed since that run" in line for line in shown) == 1


def test_a_golden_of_a_target_that_did_not_run_is_kept(recorded, capsys):
    recorded.subprocess_with_cache("--kernelsnap-target", "h100").assert_outcomes(passed=2, skipped=1)
    status, shown, _ = prune(recorded, capsys, "--remove")
    assert (status, shown[-1]) == (0, "0 files were removed")
    assert sum(line.endswith("# kept: this run had no test for a100") for line in shown) == 6


def test_a_module_that_skips_itself_or_is_ignored_has_its_goldens(recorded):
    recorded.test("import pytest\npytest.importorskip('no_such_module')", "test_b.py")
    recorded.run().stdout.fnmatch_lines(["1 golden whose test is gone"])
    recorded.test("raise RuntimeError", "test_b.py")
    recorded.run("--ignore", "test_b.py").stdout.fnmatch_lines(["1 golden whose test is gone"])


SEVERAL = """
    import pytest

    def test_one(kernel_snapshot, golden):
        assert golden() == kernel_snapshot
        assert golden(lines=4) == kernel_snapshot(name="again")
        for n in (5, 6):
            assert golden(lines=n) == kernel_snapshot(name=f"n{n}")
"""


def test_an_assertion_that_is_gone_leaves_an_orphan(project, capsys):
    project.test(SEVERAL)
    project.record()
    # One under a condition is there while its name is written; one with a computed name, while it is reached.
    project.test(SEVERAL.replace("        assert golden(lines=4)", "        if False: assert golden(lines=4)"))
    assert "is gone" not in project.subprocess_with_cache().stdout.str()
    project.test(SEVERAL.replace("(5, 6)", "(5,)"))
    project.subprocess_with_cache().stdout.fnmatch_lines(["1 golden whose assertion is gone"])
    assert prune(project, capsys)[1][0] == "goldens/test_a/test_one@n6.h100.ksnap"
    # What a skipped test would compare is not known.
    project.test(SEVERAL.replace("(5, 6)", "(5,)").replace("assert golden() ==", "pytest.skip(); assert golden() =="))
    assert "is gone" not in project.subprocess_with_cache().stdout.str()
    renamed = SEVERAL.replace("(5, 6)", "(5,)").replace('"again"', '"anew"')
    project.test(renamed + SEVERAL.replace("test_one", "test_two"))
    project.record()
    project.test(renamed)
    project.subprocess_with_cache("--kernelsnap-orphans").stdout.fnmatch_lines(
        [
            "6 goldens whose test or assertion is gone:",
            "  test_a/test_one@again.h100.ksnap",
            "  test_a/test_two.h100.ksnap",
        ]
    )
    assert prune(project, capsys, "--remove")[1][-1] == "6 files were removed"
    result = project.subprocess_with_cache()
    result.assert_outcomes(passed=1)
    assert "is gone" not in result.stdout.str()


def test_prune_without_a_whole_run_or_with_a_pattern_that_fits_nothing(recorded, capsys):
    recorded.subprocess_with_cache("-k", "one")
    status, _, error = prune(recorded, capsys)
    assert status == 2
    assert "run all tests with pytest first" in error
    recorded.subprocess_with_cache()
    status, _, error = prune(recorded, capsys, "nothing/*")
    assert (status, error) == (2, "kernelsnap: no golden whose test or assertion is gone fits nothing/*\n")


@pytest.mark.parametrize("text", ["{", "[]", '{"orphans": [{"files": 1}]}', '{"orphans": []}', "null"])
def test_a_record_that_cannot_be_read(whole, capsys, text):
    (whole.root / ".pytest_cache" / "d" / "kernelsnap" / "orphans.json").write_text(text)
    status, _, error = prune(whole, capsys)
    assert status == 2
    assert "run all tests with pytest again" in error


def test_a_record_that_names_a_file_elsewhere_removes_nothing(whole, capsys):
    record = whole.root / ".pytest_cache" / "d" / "kernelsnap" / "orphans.json"
    (whole.root / "precious.ksnap").write_text("precious")
    record.write_text(record.read_text().replace("test_a/test_two[2].h100.ksnap", "../precious.ksnap"))
    status, _, error = prune(whole, capsys, "--remove")
    assert status == 2
    assert "is outside of" in error
    assert (whole.root / "precious.ksnap").exists()


def test_strict_fails_on_orphans_and_on_another_toolchain(recorded):
    result = recorded.run("--kernelsnap-strict")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["6 goldens whose test is gone:", "  test_a/test_two[[]2[]].h100.ksnap*"])
    recorded.test(TWO, "test_b.py")
    recorded.test(TWO)
    assert recorded.run("--kernelsnap-strict").ret == pytest.ExitCode.OK
    toolchain = recorded.goldens / "toolchain.toml"
    text = toolchain.read_text()
    toolchain.write_text(re.sub(r'torch = "[^"]*"', 'torch = "1.0.0"', text))
    assert toolchain.read_text() != text
    assert recorded.run().ret == pytest.ExitCode.OK
    result = recorded.run("--kernelsnap-strict")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["recorded with torch 1.0.0*"])
