"""Bad goldens and bad folders: a clear error, and nothing is lost."""

from __future__ import annotations

import pytest

ONE = """
    def test_x(kernel_snapshot, golden):
        assert golden() == kernel_snapshot
"""
FILE = "test_a/test_x.h100.ksnap"


@pytest.fixture
def recorded(project):
    project.test(ONE)
    project.record()
    return project


@pytest.mark.parametrize("options", [[], ["--snapshot-update"]])
@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (lambda text: text[: len(text) // 2], "the file is cut off"),
        (lambda text: "", "not a golden"),
        (lambda text: text.replace("kernelsnap 1\n", "kernelsnap 9\n"), "written in format 9 by a newer kernelsnap"),
        (lambda text: text.replace("\n", "\r\n"), "the file has Windows line ends"),
        (lambda text: text.replace("test_x", "test_y"), "it names test_a.py::test_y, and this is test_a.py::test_x"),
        (lambda text: text.replace("test_x", "test_\udcff"), "the file is not UTF-8 text"),
    ],
)  # fmt: skip
def test_damaged_golden(recorded, damage, message, options):
    path = recorded.golden(FILE)
    path.write_bytes(damage(path.read_text()).encode("utf-8", "surrogateescape"))
    recorded.compiler("2.0")
    before = recorded.files()
    result = recorded.run(*options)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([f"E * kernelsnap.errors.Golden*Error: *test_a/test_x.h100.ksnap*{message}*"])
    text = result.stdout.str()
    assert "syrupy/" not in text
    assert "kernelsnap/golden/" not in text
    assert recorded.files() == before


def test_file_in_place_of_the_folder(project):
    project.test(ONE)
    project.goldens.write_text("not a folder")
    result = project.run("--snapshot-update")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E * kernelsnap.errors.GoldenWriteError: cannot write */goldens: File exists. *"])
    assert project.goldens.read_text() == "not a folder"


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_disk_full(recorded, step):
    recorded.compiler("2.0")
    before = recorded.files()
    with (recorded.root / "conftest.py").open("a") as file:
        file.write(f"""
import os

def fail(*arguments, **options):
    raise OSError(28, "No space left on device")

@pytest.fixture(autouse=True)
def full(monkeypatch):
    monkeypatch.setattr(os, "{step}", fail)
""")
    result = recorded.run("--snapshot-update")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["E * kernelsnap.errors.GoldenWriteError: cannot write */test_x.h100.ksnap: No space left on device*"]
    )
    # Nothing is left lying about either.
    assert recorded.files() == before


def test_link_out_of_the_folder(project, tmp_path):
    project.test(ONE)
    outside = project.root.parent / "outside"
    outside.mkdir()
    project.goldens.mkdir()
    (project.goldens / "test_a").symlink_to(outside)
    result = project.run("--snapshot-update")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E * kernelsnap.errors.GoldenPathError: *which leaves the goldens folder*"])
    assert list(outside.iterdir()) == []


def test_golden_without_anything_in_it(project):
    project.test("""
        import dataclasses

        def test_x(kernel_snapshot, golden):
            assert dataclasses.replace(golden(), plan=()) == kernel_snapshot
    """)
    result = project.run("--snapshot-update")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E * kernelsnap.errors.GoldenError: test_a.py::test_x: nothing was compiled*"])
    assert project.files() == {}


def test_without_syrupy(project):
    project.test(ONE + "\n    def test_plain():\n        pass\n")
    project.run("-p", "no:syrupy").assert_outcomes(errors=1, passed=1)


def test_names_aligned_on_update(project):
    """An update keeps the names of the golden before; see kernelsnap.diff.align.align."""
    pytest.importorskip("kernelsnap.diff.align.align")
    project.test("""
        import dataclasses
        import pathlib

        def test_x(kernel_snapshot, golden):
            new = golden()
            if pathlib.Path("more").exists():
                first = new.code[0]
                text = first.text.replace("tmp0 = ", "tmp9 = tl.load(in_ptr0 + 9)\\n    tmp0 = ")
                new = dataclasses.replace(new, code=(dataclasses.replace(first, text=text), *new.code[1:]))
            assert new == kernel_snapshot
    """)
    project.record()
    before = project.golden(FILE).read_text().splitlines()
    (project.root / "more").touch()
    project.record()
    after = project.golden(FILE).read_text().splitlines()
    assert len(after) == len(before) + 1
    assert len(set(after) - set(before)) == 1
    project.run().assert_outcomes(passed=1)


@pytest.mark.parametrize("workers", [(), ("-n", "2")])
def test_what_nobody_expected_at_the_end_of_a_run_is_reported_shortly(project, monkeypatch, workers):
    project.test("def test_x(kernel_snapshot, golden):\n    assert golden() == kernel_snapshot\n")

    def broken(*_, **__):
        raise ZeroDivisionError("of \x1b[2J")

    monkeypatch.setattr("kernelsnap.plugin.run.keep_toolchain", broken)
    result = project.run("--snapshot-update", *workers)
    assert result.ret == 2
    result.stdout.fnmatch_lines(
        [
            "*= kernelsnap =*",
            "internal error: ZeroDivisionError: of \\x1b[[]2J",
            "  in pytest_sessionfinish of goldens (kernelsnap *plugin/run.py:*",
            "*--full-trace*",
            "*1 passed*",
        ]
    )
    result.stdout.no_fnmatch_line("*Traceback*")
    result.stderr.no_fnmatch_line("*Traceback*")
    assert len(project.names()) == 1


def test_escapes_in_a_message_do_not_reach_the_terminal(project):
    project.test("def test_x(kernel_snapshot, golden):\n    assert golden() == kernel_snapshot\n")
    project.record()
    (path,) = (project.golden(name) for name in project.names())
    path.write_text(path.read_text().replace("test_x\n", "test_x\x1b]0;title\x07\n", 1))
    (project.goldens / "toolchain.toml").write_text('format = 1\ntorch = "2.\\u001b[2J"\ntriton = "1"\n')
    result = project.run()
    assert result.ret == 1
    output = result.stdout.str()
    assert "\\x1b]0;title\\x07" in output
    assert "recorded with torch 2.\\x1b[2J" in output
    assert not set("\x1b\x07") & set(output)


def test_an_update_records_anew_what_is_in_a_merge_conflict(project):
    project.test(ONE)
    project.record("--kernelsnap-target", "h100,a100")
    path = project.golden("test_a/test_x.h100.ksnap")
    text = path.read_text()
    path.write_text(text.replace("metrics\n", "<<<<<<< ours\nmetrics\n=======\n>>>>>>> theirs\n"))
    project.run().stdout.fnmatch_lines(["*the file is in a merge conflict; run pytest --snapshot-update*"])
    project.record("--kernelsnap-target", "h100,a100")
    assert path.read_text() == text
    project.run().assert_outcomes(passed=1)
