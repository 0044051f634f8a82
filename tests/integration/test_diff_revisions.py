"""What `kernelsnap diff` takes for the two sides in repositories as people have them: shallow, bare, new, in a mess."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from kernelsnap.cli.main import main

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "goldens/test_fusion/FusionTests.test_horizontal_reduction_pointwise.h100.ksnap").read_text()
OTHER = TEXT.replace("tl_math.cos", "tl_math.sin")
A, B = "goldens/x/a.h100.ksnap", "goldens/y/b.h100.ksnap"


def git(cwd, *arguments):
    settings = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", *settings, *arguments], cwd=cwd, check=True, capture_output=True, text=True).stdout


def write(top, **texts):
    for name, text in texts.items():
        path = top / {"a": A, "b": B}[name]
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)


def commit(top, message):
    git(top, "add", "-A")
    git(top, "commit", "-q", "-m", message)


@pytest.fixture
def top(tmp_path, monkeypatch):
    """Two goldens in the first commit, `a` changed in the second; the command runs here."""
    top = tmp_path / "top"
    top.mkdir()
    git(top, "init", "-q", "-b", "main")
    write(top, a=TEXT, b=TEXT)
    commit(top, "the first words")
    write(top, a=OTHER)
    commit(top, "second")
    monkeypatch.chdir(top)
    return top


@pytest.fixture
def compared(capsys):
    """Runs the command: its status, and what it says first, on standard output or error."""

    def run(*arguments):
        status = main(["diff", *map(str, arguments)])
        out, err = capsys.readouterr()
        assert (status == 2) == bool(err)
        assert err.count("\n") <= 1
        return status, (err or out).splitlines()[0].removeprefix("kernelsnap: ")

    return run


ONE = "none worse; 2 goldens: 1 changed, 1 the same"


@pytest.mark.parametrize("name", ["HEAD~", ":/the first", "@~", "main^"])
def test_names_of_revisions(top, compared, name):
    assert compared(name) == (1, ONE)
    assert compared(name, "HEAD") == (1, ONE)


def test_what_pytest_keeps_git_ignores_and_others_own_is_not_in_the_working_tree(top, compared):
    (top / ".gitignore").write_text("build\n")
    for folder in ("build", ".pytest_cache/d/kernelsnap/got", "venv"):
        (top / folder).mkdir(parents=True)
        shutil.copy(A, top / folder)
    (top / ".pytest_cache/.gitignore").write_text("*\n")
    (top / "venv/.gitignore").write_text("*\n")
    git(top, "worktree", "add", "-q", "nested")
    git(top, "clone", "-q", ".", "other")
    (top / "goldens/link.h100.ksnap").symlink_to("x/a.h100.ksnap")
    (top / "goldens/nowhere.h100.ksnap").symlink_to("no/such")
    assert compared("HEAD") == (0, "2 goldens: 2 the same")
    shutil.copy(A, "goldens/untracked.ksnap")
    assert compared("HEAD") == (1, "3 goldens: 1 new, 2 the same")
    (top / B).unlink()
    (top / B).symlink_to("nowhere")
    assert compared("HEAD")[1].endswith("1 new, 1 gone, 1 the same")
    assert compared(top, top)[0] == 2  # in folders, links are followed


def test_what_a_sparse_checkout_leaves_out_is_not_gone(top, compared):
    (top / "goldens/templates").mkdir()
    for name in ("FlexForwardTests.test_forward[plain].h100.ksnap", "FlexForwardTests.test_forward[alibi].h100.ksnap"):
        shutil.copy(ROOT / "goldens/test_flex_triton" / name, top / "goldens/x")
    shutil.copy(ROOT / "goldens/templates/flex_attention.ktemplate", top / "goldens/templates")
    commit(top, "with a template")
    git(top, "sparse-checkout", "set", "--no-cone", "goldens/x/")
    assert not (top / B).exists()
    assert not (top / "goldens/templates").exists()
    assert compared("HEAD") == (0, "4 goldens: 4 the same")
    assert compared("HEAD~2") == (1, "none worse; 4 goldens: 1 changed, 2 new, 1 the same")
    (top / A).unlink()
    assert compared("HEAD") == (1, "4 goldens: 1 gone, 3 the same")


def test_what_did_not_change_is_not_read_and_what_did_is(top, compared, monkeypatch):
    read_bytes = Path.read_bytes
    opened = []
    monkeypatch.setattr(Path, "read_bytes", lambda self: opened.append(self.name) or read_bytes(self))
    assert compared("HEAD") == (0, "2 goldens: 2 the same")
    assert not any(name.endswith(".ksnap") for name in opened)
    os.utime(A, (0, 0))
    assert compared("HEAD") == (0, "2 goldens: 2 the same")
    same_size = OTHER.replace("tl_math.sin", "tl_math.tan")
    write(top, a=same_size)
    assert compared("HEAD") == (1, ONE)
    git(top, "add", "-A")
    assert compared("HEAD") == (1, ONE)
    commit(top, "third")
    assert compared("HEAD") == (0, "2 goldens: 2 the same")


def test_workers_read_the_working_tree(top, compared):
    for number in range(60):
        (top / f"goldens/x/{number}.ksnap").write_text(TEXT)
    commit(top, "many")
    for number in range(0, 60, 2):
        (top / f"goldens/x/{number}.ksnap").write_text(OTHER)
    assert compared("HEAD", "--jobs", "2") == (1, "none worse; 62 goldens: 30 changed, 32 the same")
    assert compared("HEAD~2", "--jobs", "2") == (1, "none worse; 62 goldens: 1 changed, 60 new, 1 the same")


def test_line_ends_that_git_converts_are_no_change(top, compared):
    git(top, "config", "core.autocrlf", "true")
    (top / A).unlink()
    git(top, "checkout", "-q", "--", A)
    assert b"\r\n" in (top / A).read_bytes()
    assert compared("HEAD") == (0, "2 goldens: 2 the same")


def test_the_versions_of_the_working_tree(top, capsys):
    (top / "goldens/toolchain.toml").write_text('format = 1\ntorch = "2.14.1"\n')
    assert main(["diff", "HEAD"]) == 0
    assert "  new: the working tree, recorded with torch 2.14.1\n" in capsys.readouterr().out


def test_the_cache_of_pytest_is_in_no_folder(tmp_path, compared):
    for side in ("old", "new"):
        (tmp_path / side / "x").mkdir(parents=True)
        (tmp_path / side / "x/a.ksnap").write_text(TEXT)
    (tmp_path / "new/.pytest_cache").mkdir()
    (tmp_path / "new/.pytest_cache/a.ksnap").write_text(TEXT)
    assert compared(tmp_path / "old", tmp_path / "new") == (0, "1 golden: 1 the same")
    assert compared(tmp_path / "new/.pytest_cache", tmp_path / "old") == (1, "2 goldens: 1 new, 1 gone, 0 the same")


def test_the_first_goldens_of_a_repository_are_new_and_the_last_ones_gone(tmp_path, compared, monkeypatch):
    git(tmp_path, "init", "-q", "-b", "main")
    (tmp_path / "code.py").write_text("")
    commit(tmp_path, "no golden")
    monkeypatch.chdir(tmp_path)
    label = git(tmp_path, "rev-parse", "--short=9", "HEAD").strip()
    assert compared("HEAD") == (2, f"neither HEAD ({label}) nor the working tree holds a golden (*.ksnap)")
    write(tmp_path, a=TEXT)
    assert compared("HEAD") == (1, "1 golden: 1 new, 0 the same")
    commit(tmp_path, "a golden")
    assert compared("HEAD~..HEAD") == (1, "1 golden: 1 new, 0 the same")
    assert compared("HEAD..HEAD~") == (1, "1 golden: 1 gone, 0 the same")
    (tmp_path / A).unlink()
    assert compared("HEAD") == (1, "1 golden: 1 gone, 0 the same")


def test_paths_after_two_dashes(top, compared, monkeypatch):
    write(top, b=OTHER)
    assert compared("HEAD~", "--", "goldens/x") == (1, "none worse; 1 golden: 1 changed, 0 the same")
    assert compared("HEAD~", "--", "goldens/x", B) == (1, "none worse; 2 goldens: 2 changed, 0 the same")
    assert compared("HEAD~..HEAD", "--", "goldens/y/") == (0, "1 golden: 1 the same")
    assert compared("HEAD~", "--", "goldens/*/a.*") == (1, "none worse; 1 golden: 1 changed, 0 the same")
    assert compared("HEAD~", "--", ".")[1] == "none worse; 2 goldens: 2 changed, 0 the same"
    assert compared("HEAD", "--", "no/such") == (2, "no/such: neither side has a golden (*.ksnap) there")
    shutil.copytree("goldens", "others")
    write(top, a=TEXT)
    assert compared("goldens", "others", "--", "x") == (1, "none worse; 1 golden: 1 changed, 0 the same")
    monkeypatch.chdir(top / "goldens")
    assert compared("HEAD~", "--", "y") == (1, "none worse; 1 golden: 1 changed, 0 the same")


def test_the_command_of_a_part_repeats_it(top, capsys):
    assert main(["diff", "HEAD~..HEAD", "--", "goldens/x", "goldens/*/b.*"]) == 1
    assert capsys.readouterr().out.endswith("again: kernelsnap diff 'HEAD~..HEAD' -- goldens/x 'goldens/*/b.*'\n")


def test_a_path_in_the_place_of_a_revision_is_told_where_it_belongs(top, compared):
    advice = "kernelsnap diff HEAD -- goldens"
    for sides in (("HEAD", "goldens"), ("goldens", "HEAD"), ("goldens",), ("HEAD:goldens", "HEAD"), ("HEAD:goldens",)):
        status, says = compared(*sides)
        assert status == 2
        assert says.endswith(advice)
    status, says = compared("HEAD", "no-such")
    assert (status, says) == (2, f"no-such: neither a file or folder nor a revision of {top}")


def test_dev_null_is_no_golden(top, compared):
    assert compared(A, os.devnull) == (1, "1 golden: 1 gone, 0 the same")
    assert compared(os.devnull, A) == (1, "1 golden: 1 new, 0 the same")
    assert compared(os.devnull, "goldens") == (1, "2 goldens: 2 new, 0 the same")


def test_a_shallow_clone_is_told_to_fetch_more(top, tmp_path, compared, monkeypatch):
    git(top, "checkout", "-q", "-b", "branch", "HEAD~")
    write(top, b=OTHER)
    commit(top, "branch")
    git(tmp_path, "clone", "-q", "--depth", "1", "-b", "branch", top.as_uri(), "shallow")
    git(tmp_path / "shallow", "fetch", "-q", "--depth", "1", "origin", "main:refs/remotes/origin/main")
    monkeypatch.chdir(tmp_path / "shallow")
    advice = "git fetch --unshallow (in a workflow, actions/checkout with fetch-depth: 0)"
    for sides in ("HEAD~..HEAD", "origin/main...HEAD"):
        status, says = compared(sides)
        assert status == 2
        assert says.endswith(f"only a part of its history: {advice}")
    assert compared("origin/main..HEAD") == (1, "none worse; 2 goldens: 2 changed, 0 the same")
    git(tmp_path / "shallow", "fetch", "-q", "--unshallow")
    assert compared("origin/main...HEAD") == (1, ONE)


def test_a_bare_repository_has_revisions_and_no_working_tree(top, tmp_path, compared, monkeypatch):
    git(tmp_path, "clone", "-q", "--bare", str(top), "bare")
    monkeypatch.chdir(tmp_path / "bare")
    assert compared("main~..main") == (1, ONE)
    assert compared("main") == (2, f"{tmp_path / 'bare'} has no working tree to compare with: give two revisions")


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() != 0, reason="only root can give a folder away")
def test_a_repository_that_git_does_not_trust_is_said_to_be_one(top, compared):
    for path in (top, top / ".git"):
        os.chown(path, 12345, 12345)
    status, says = compared("HEAD")
    assert status == 2
    assert "dubious ownership" in says
    assert "safe.directory" in says
