"""`kernelsnap diff` as a user runs it: on files, folders, revisions, ranges and patches."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

import labelled_pairs
from cli_process import run_command
from kernelsnap.diff.compare import compare
from kernelsnap.golden.format import parse
from kernelsnap.report.diff_text import failure_lines

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "goldens/test_fusion/FusionTests.test_horizontal_reduction_pointwise.h100.ksnap").read_text()
OTHER = TEXT.replace("tl_math.cos", "tl_math.sin")


def run(*arguments, **options):
    """Standard output and error of one run."""
    found = run_command("diff", *arguments, **options)
    return found.stdout, found.stderr


def git(cwd, *arguments):
    identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", *identity, *arguments], cwd=cwd, check=True, capture_output=True, text=True).stdout


@pytest.fixture
def trees(tmp_path):
    for side, text in (("old", TEXT), ("new", OTHER)):
        folder = tmp_path / side / "module"
        folder.mkdir(parents=True)
        (folder / "a.h100.ksnap").write_text(text)
        (folder / "b.h100.ksnap").write_text(TEXT)
    return tmp_path


@pytest.fixture
def repository(tmp_path):
    """Two commits: `first` with one golden, then another version of it, and a golden added in the second."""
    folder = tmp_path / "goldens"
    folder.mkdir()
    (tmp_path / "src").mkdir()
    (tmp_path / "src" / "code.py").write_text("")
    git(tmp_path, "init", "-q", "-b", "main")
    (folder / "a.h100.ksnap").write_text(TEXT)
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "first")
    git(tmp_path, "tag", "first")
    (folder / "a.h100.ksnap").write_text(OTHER)
    (folder / "b.h100.ksnap").write_text(TEXT)
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-q", "-m", "second")
    return tmp_path


def test_two_files(trees):
    out, err = run("old/module/a.h100.ksnap", "new/module/a.h100.ksnap", cwd=trees, status=1)
    assert "1 golden: 1 changed, 0 the same" in out
    assert "instruction: 1 golden" in out
    assert "-        tmp4 = tl_math.cos(tmp0)" in out
    assert "+        tmp4 = tl_math.sin(tmp0)" in out
    assert err == ""
    run("old/module/a.h100.ksnap", "old/module/b.h100.ksnap", cwd=trees, status=0)


def test_two_folders(trees):
    (trees / "new/module/c.h100.ksnap").write_text(TEXT)
    out, _ = run("old", "new", cwd=trees, status=1)
    assert "3 goldens: 1 changed, 1 new, 1 the same" in out
    assert run("old", "old", cwd=trees, status=0)[0].startswith("2 goldens: 2 the same")


def test_another_numbering_is_the_same(trees):
    (trees / "new/module/a.h100.ksnap").write_text(TEXT.replace("tmp4", "tmp7"))
    run("old", "new", cwd=trees, status=0)


@pytest.mark.parametrize("where", [".", "src", "goldens"])
def test_revisions_and_ranges_from_any_folder(repository, where):
    for sides in (("first", "main"), ("first..main",), ("first..",), ("first...HEAD",), ("first",)):
        out, _ = run(*sides, cwd=repository / where, status=1)
        assert "2 goldens: 1 changed, 1 new, 0 the same" in out
        assert "a.h100.ksnap" in out
    run("main..main", cwd=repository / where, status=0)
    run("main", cwd=repository / where, status=0)


def test_the_working_tree_is_compared_with_a_revision(repository):
    (repository / "goldens/b.h100.ksnap").unlink()
    out, _ = run("HEAD", cwd=repository, status=1)
    assert "1 gone" in out


@pytest.mark.parametrize("options", [(), ("-U0",), ("-U1000000",), ("--no-prefix",), ("--full-index",)])
def test_a_patch_on_standard_input(repository, options):
    patch = git(repository, "diff", *options, "first", "main")
    out, _ = run("--patch", "-", cwd=repository / "src", stdin=patch, status=1)
    assert "2 goldens: 1 changed, 1 new" in out
    assert "instruction" in out


def test_a_patch_without_the_repository(repository, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    patch = git(repository, "diff", "first", "main", "--", "goldens/a.h100.ksnap")
    _, err = run("--patch", "-", cwd=elsewhere, stdin=patch, status=2)
    assert "goldens/a.h100.ksnap: the patch does not fit" in err
    for text in (TEXT, OTHER):
        (elsewhere / "goldens").mkdir(exist_ok=True)
        (elsewhere / "goldens/a.h100.ksnap").write_text(text)
        run("--patch", "-", cwd=elsewhere, stdin=patch, status=1)


def test_what_is_no_patch(trees):
    assert "the patch is empty" in run("--patch", "-", cwd=trees, stdin="hello\n", status=2)[1]
    assert "not several of them" in run("old", "new", "--patch", "-", cwd=trees, stdin="", status=2)[1]


def test_errors_say_what_is_wrong(repository, tmp_path_factory):
    def error(*arguments, cwd=repository):
        out, err = run(*arguments, cwd=cwd, status=2)
        assert out == ""
        assert err.count("\n") == 1
        return err

    assert "no-such: neither a file or folder nor a revision" in error("no-such", "main")
    assert "no-such: neither" in error("main..no-such")
    assert "give two goldens" in error()
    assert "one is a folder" in error("goldens", "goldens/a.h100.ksnap")
    assert "src: there is no golden" in error("goldens", "src")
    assert "is not in a git repository" in error("main", "other", cwd=tmp_path_factory.mktemp("bare"))
    assert "--explain nothing: no golden of this name changed" in error("first..main", "--explain", "nothing")


def test_one_broken_golden_hides_no_other_and_makes_the_status_an_error(trees):
    (trees / "new/module/b.h100.ksnap").write_text(TEXT.replace("\nend\n", "\n"))
    out, err = run("old", "new", cwd=trees, status=2)
    assert "2 goldens: 1 changed, 1 unreadable" in out
    assert "instruction: 1 golden" in out
    assert err.startswith("kernelsnap: module/b.h100.ksnap (new):")
    assert "cut off" in err
    (trees / "new/module/b.h100.ksnap").write_text(TEXT.replace("args.clear()", "args clear("))
    assert "the host code is not Python" in run("old", "new", cwd=trees, status=2)[1]


def test_a_golden_in_a_merge_conflict_is_named_with_its_line(trees):
    (trees / "new/module/a.h100.ksnap").write_text(TEXT.replace("metrics\n", "<<<<<<< HEAD\nmetrics\n", 1))
    _, err = run("old", "new", cwd=trees, status=2)
    assert "module/a.h100.ksnap (new):15: the file is in a merge conflict" in err


def test_explain(trees):
    out, _ = run("old", "new", "--explain", "a.h100.ksnap:k0", cwd=trees, status=1)
    words = " ".join(out.split())
    assert words.startswith("new/module/a.h100.ksnap test: tests/corpus/test_fusion.py::")
    assert max(map(len, out.splitlines())) <= 80
    assert "instruction (another instruction, intrinsic or library function on the same operands), because:" in words
    assert "inference k0: tmp = tl_math.cos(tmp) -> tmp = tl_math.sin(tmp)" in out
    case = "FusionTests::test_horizontal_reduction_pointwise"
    assert "because:" in run("old", "new", "--explain", case, cwd=trees, status=1)[0]


def test_explain_has_all_that_a_failure_has(trees):
    out, _ = run("old", "new", "--explain", "new/module/a.h100.ksnap", cwd=trees, status=1)
    failure = failure_lines(compare(parse(TEXT), parse(OTHER)), color=False)
    shown = "".join(out.split())
    assert [line for line in failure if "cause: " not in line and "".join(line.split()) not in shown] == []


SPLIT = labelled_pairs.sides()["split-chain"]


@pytest.fixture
def split(tmp_path):
    for side in ("old", "new"):
        (tmp_path / side).mkdir()
        (tmp_path / side / "a.h100.ksnap").write_bytes(SPLIT[side])
    return tmp_path


@pytest.mark.parametrize("kernel", ["k0", "k1", "k2", "inference k2", "host"])
def test_explain_of_a_kernel_has_its_hunks_and_no_other(split, kernel):
    out, _ = run("old", "new", "--explain", f"a.h100.ksnap:{kernel}", cwd=split, status=1)
    diff = compare(*(parse(SPLIT[side].decode()) for side in ("old", "new")))
    name = kernel.removeprefix("inference ")
    own = [hunk for hunk in diff.hunks if f"inference {name}" in hunk.about]
    assert {hunk.layer for hunk in own} >= {"code"}
    headers = [line for line in out.splitlines() if line.startswith("@@ ")]
    assert headers == [hunk.to_read().header for hunk in own]
    cause = re.search(r"fusion split, est\. .*, \+2 kernels, \+524 288 B", " ".join(out.split()))
    assert bool(cause) == (name != "host")


@pytest.mark.parametrize("kernel", ["k9", "inference k9", "forward k1"])
def test_explain_of_a_kernel_that_is_not_there_names_those_that_changed(split, kernel):
    out, _ = run("old", "new", "--explain", f"a.h100.ksnap:{kernel}", cwd=split, status=1)
    assert f"there is no {kernel}; something differs in inference, inference k1," in " ".join(out.split())
    assert "@@" not in out


def test_explain_is_in_colours_where_they_are_asked_for(trees, monkeypatch):
    assert "\x1b" not in run("old", "new", "--explain", "a.h100.ksnap", cwd=trees)[0]
    monkeypatch.setenv("FORCE_COLOR", "1")
    out, _ = run("old", "new", "--explain", "a.h100.ksnap", cwd=trees)
    assert "\x1b[32m+        tmp4 = tl_math.sin(tmp0)\x1b[0m\n" in out
    monkeypatch.setenv("NO_COLOR", "1")
    assert "\x1b" not in run("old", "new", "--explain", "a.h100.ksnap", cwd=trees)[0]


def test_paths_are_those_to_type_where_the_command_runs(repository):
    for where, path in ((".", "goldens/a.h100.ksnap"), ("src", "../goldens/a.h100.ksnap"), ("goldens", "a.h100.ksnap")):
        for explain in ((), ("--explain", path)):
            out, _ = run("first", *explain, cwd=repository / where, status=1)
            assert path in [line.strip() for line in out.splitlines()]
            assert (repository / where / path).is_file()


def test_paths_of_two_folders_are_those_of_the_files(trees):
    (trees / "old/module/gone.h100.ksnap").write_text(TEXT)
    shown = [line.strip() for line in run("old", "new", cwd=trees)[0].splitlines()]
    assert {"new/module/a.h100.ksnap", "old/module/gone.h100.ksnap"} <= {*shown}


def test_forms_and_files(trees):
    assert json.loads(run("old", "new", "--format", "json", cwd=trees, status=1)[0])["causes"] == {"intrinsic": 1}
    assert run("old", "new", "--format", "markdown", cwd=trees)[0].startswith("<!-- kernelsnap diff -->")
    out, _ = run("old", "new", "--format", "markdown", "--output", "report.md", cwd=trees, status=1)
    assert out == ""
    assert (trees / "report.md").read_text().startswith("<!-- kernelsnap diff -->")


def test_one_run_writes_every_form(trees):
    out, _ = run("old", "new", "--markdown", "a.md", "--json", "a.json", cwd=trees, status=1)
    assert out == run("old", "new", cwd=trees)[0]
    for form, name in (("markdown", "a.md"), ("json", "a.json")):
        assert (trees / name).read_text() == run("old", "new", "--format", form, cwd=trees)[0]


@pytest.mark.parametrize("number", ["0", "-1", "two"])
def test_a_number_of_processes_that_is_none(trees, number):
    _, err = run("old", "new", f"--jobs={number}", cwd=trees, status=2)
    assert f"argument --jobs: '{number}' is not a number of processes" in err


def test_many_files_are_compared_by_several_processes(tmp_path):
    for side, text in (("old", TEXT), ("new", OTHER)):
        (tmp_path / side).mkdir()
        for number in range(100):
            (tmp_path / side / f"{number}.ksnap").write_text(text)
    assert "instruction: 100 goldens" in run("old", "new", cwd=tmp_path, status=1)[0]


def test_nothing_of_it_imports_torch(trees):
    code = (
        "import sys; from kernelsnap.cli.main import main; status = main(['diff', 'old', 'new']); "
        "loaded = {'torch', 'triton', 'pytest', 'syrupy', 'kernelsnap.capture.run'} & set(sys.modules); "
        "print(loaded, status, file=sys.stderr)"
    )
    environment = {**os.environ, "PYTHONPATH": str(ROOT / "src")}
    found = subprocess.run([sys.executable, "-c", code], cwd=trees, capture_output=True, text=True, env=environment)
    assert found.stderr == "set() 1\n"
