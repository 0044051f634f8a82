"""`kernelsnap gitattributes`, and what git then shows: in real repositories, by git itself."""

from __future__ import annotations

import io
import os
import pty
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from kernelsnap.cli.main import main

ROOT = Path(__file__).parents[2]
TEXT = (ROOT / "goldens/test_fusion/FusionTests.test_horizontal_reduction_pointwise.h100.ksnap").read_text()
OTHER, THIRD = (TEXT.replace("tl_math.cos", f"tl_math.{name}") for name in ("sin", "tan"))
NAME = "goldens/a.h100.ksnap"
OURS = [
    "*.ksnap text eol=lf diff=kernelsnap merge=kernelsnap",
    "*.ktemplate text eol=lf",
    "*.kres text eol=lf merge=kernelsnap",
]
# Nothing of an activated environment: git calls the driver wherever it is called from.
ENVIRONMENT = {
    "PATH": os.defpath, "HOME": "/nonexistent", "PYTHONPATH": str(ROOT / "src"), "GIT_CONFIG_NOSYSTEM": "1",
    "GIT_AUTHOR_NAME": "a", "GIT_AUTHOR_EMAIL": "a@b", "GIT_COMMITTER_NAME": "a", "GIT_COMMITTER_EMAIL": "a@b",
}  # fmt: skip


def git(cwd, *arguments, status=0):
    found = subprocess.run(["git", *arguments], cwd=cwd, check=False, capture_output=True, text=True, env=ENVIRONMENT)
    assert found.returncode == status, found.stderr
    return found.stdout


def attributes(cwd, *arguments, status=0):
    command = [sys.executable, "-m", "kernelsnap", "gitattributes", *arguments]
    found = subprocess.run(command, cwd=cwd, check=False, capture_output=True, text=True, env=ENVIRONMENT)
    assert found.returncode == status, found.stderr
    assert "Traceback" not in found.stderr
    return found.stdout


@pytest.fixture
def top(tmp_path):
    """Two commits, in the second of which one line of a golden changed; one more changed line in the working tree."""
    (tmp_path / "goldens").mkdir()
    git(tmp_path, "init", "-q", "-b", "main")
    for text in (TEXT, OTHER):
        (tmp_path / NAME).write_text(text)
        commit(tmp_path)
    (tmp_path / NAME).write_text(THIRD)
    return tmp_path


def commit(top):
    git(top, "add", "-A")
    git(top, "commit", "-q", "-m", "a change")


# Three lines before the one that changes.
START = next(number for number, line in enumerate(TEXT.split("\n"), 1) if "tl_math.cos" in line) - 3
SEMANTIC = (
    "cause: instruction: inference k0: tmp = tl_math.{}(tmp) -> tmp = tl_math.{}(tmp)\n"
    f"@@ -{START},7 +{START},7 @@ inference k0"
)


@pytest.mark.parametrize("where", [".", "goldens"])
def test_what_git_shows(top, where):
    attributes(top / where, "--install")
    assert SEMANTIC.format("sin", "tan") in git(top / where, "diff")
    assert SEMANTIC.format("cos", "tan") in git(top / where, "diff", "HEAD~")
    for command in (("log", "-p", "-1"), ("show",)):
        assert SEMANTIC.format("cos", "sin") in git(top / where, *command, "--ext-diff")
        # Without it git takes no driver; the header of a hunk names the kernel all the same.
        plain = git(top / where, *command, "--", f":/{NAME}")
        assert "cause:" not in plain
        assert f"@@ -{START},7 +{START},7 @@   inference  k0\n" in plain
    assert "cause:" not in git(top / where, "diff", "--no-ext-diff")


def test_installing_twice_is_installing_once_and_leaves_what_was_there(top):
    before = b"# \xff not UTF-8\r\n*.png binary\r\n*.txt text"
    (top / ".gitattributes").write_bytes(before)
    for _ in range(2):
        said = attributes(top, "--install")
        assert (top / ".gitattributes").read_bytes() == before + "\n{}\n{}\n{}\n".format(*OURS).encode()
        assert "wins" not in said
    assert len(git(top, "config", "--get-all", "diff.kernelsnap.command").splitlines()) == 1
    assert attributes(top).splitlines()[:3] == OURS


def test_what_was_installed_is_taken_back(top):
    plain = git(top, "diff")
    for before in (None, b"*.png binary\r\n"):
        if before:
            (top / ".gitattributes").write_bytes(before)
        attributes(top, "--install")
        for _ in range(2):
            attributes(top, "--uninstall")
            assert (top / ".gitattributes").exists() == bool(before)
            assert before is None or (top / ".gitattributes").read_bytes() == before
            assert "kernelsnap" not in git(top, "config", "--list", "--local")
        assert git(top, "diff") == plain
    attributes(top, "--install", "--uninstall", status=2)


def test_a_line_that_wins_is_named(top):
    (top / "goldens/.gitattributes").write_text("*.ksnap -diff\n")
    assert "Another line of a .gitattributes wins" in attributes(top, "--install")


def test_the_driver_runs_where_modules_of_other_names_stand(top):
    attributes(top, "--install")
    for name in ("argparse", "kernelsnap", "unidiff"):
        (top / f"{name}.py").write_text("raise SystemExit('the wrong module')\n")
    assert "cause: instruction" in git(top, "diff")


def test_a_rename_a_mode_and_a_golden_of_one_side(top):
    attributes(top, "--install")
    (top / "goldens/b c.h100.ksnap").write_text(TEXT)
    (top / NAME).write_text(OTHER)
    commit(top)
    git(top, "mv", NAME, "goldens/new.ksnap")
    (top / "goldens/new.ksnap").write_text(THIRD)
    out = git(top, "diff", "-M", "HEAD")
    assert out.startswith(
        f"diff --kernelsnap a/{NAME} b/goldens/new.ksnap\nrename from {NAME}\nrename to goldens/new.ksnap\ncause: "
    )
    (top / "goldens/b c.h100.ksnap").chmod(0o755)
    out = git(top, "diff", "--", "goldens/b c.h100.ksnap")
    assert (
        out == "diff --kernelsnap a/goldens/b c.h100.ksnap b/goldens/b c.h100.ksnap\nold mode 100644\nnew mode 100755\n"
    )
    git(top, "rm", "-q", "-f", "goldens/b c.h100.ksnap")
    assert "deleted golden\n-kernelsnap 1\n-case " in git(top, "diff", "HEAD", "--", "goldens/b c.h100.ksnap")


def on_both_sides(top, ours, theirs):
    """A golden that is changed on two branches; the first of them is checked out."""
    git(top, "checkout", "-q", "-f", "-b", "other", "HEAD~1")
    (top / NAME).write_text(theirs)
    git(top, "commit", "-q", "-a", "-m", "theirs")
    git(top, "checkout", "-q", "-b", "one", "HEAD~1")
    (top / NAME).write_text(ours)
    git(top, "commit", "-q", "-a", "-m", "ours")


def test_a_merge_conflict(top):
    attributes(top, "--install")
    git(top, "config", "merge.kernelsnap.driver", "false")
    on_both_sides(top, OTHER, THIRD)
    git(top, "merge", "-q", "other", status=1)
    assert "* Unmerged path" in git(top, "diff", "--ours") + git(top, "diff", "HEAD") + git(top, "diff", "--cached")


def test_what_conflicts_is_never_written_with_markers(top):
    attributes(top, "--install")
    on_both_sides(top, OTHER, THIRD)
    done = subprocess.run(["git", "merge", "-q", "other"], cwd=top, capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 1
    assert f"{NAME}: both sides changed it, and their lines do not make one. The file has our side" in done.stderr
    assert (top / NAME).read_text() == OTHER
    assert git(top, "status", "--short") == f"UU {NAME}\n?? .gitattributes\n"


CASE = "FusionTests::test_horizontal_reduction_pointwise"
GOLDEN = "goldens/test_fusion/FusionTests.test_horizontal_reduction_pointwise.h100.ksnap"


@pytest.fixture(scope="module")
def _conflict(tmp_path_factory):
    top = tmp_path_factory.mktemp("conflict")
    git(top, "init", "-q", "-b", "main")
    attributes(top, "--install")
    (top / GOLDEN).parent.mkdir(parents=True)
    (top / "goldens/toolchain.toml").write_text('format = 2\ntorch = "2.13.0"\n# end\n')
    for branch, text in (("-b base", TEXT), ("-b other", OTHER), ("-b one base", THIRD)):
        git(top, "checkout", "-q", *branch.split())
        (top / GOLDEN).write_text(text)
        commit(top)
    done = subprocess.run(["git", "merge", "-q", "other"], cwd=top, capture_output=True, text=True, env=ENVIRONMENT)
    assert done.returncode == 1
    return top, done.stderr


@pytest.fixture
def conflict(_conflict, tmp_path):
    """A repository with a merge that stopped at a golden, whose file is called as its case is; what git printed."""
    top, said = _conflict
    shutil.copytree(top, tmp_path / "top")
    return tmp_path / "top", said


def ask(top, monkeypatch, capsys, *words):
    """What a command prints at the top of the repository."""
    monkeypatch.chdir(top)
    capsys.readouterr()
    assert main(list(words)) in (0, 1)
    return capsys.readouterr().out


@pytest.mark.parametrize(("command", "kept"), [("accept", OTHER), ("reject", THIRD)])
def test_of_a_conflict_both_sides_are_there_to_decide(conflict, monkeypatch, capsys, command, kept):
    top, said = conflict
    assert "The file has our side, without markers, and theirs is pending. To decide: kernelsnap review." in said
    assert (top / GOLDEN).read_text() == THIRD
    assert git(top, "status", "--short") == f"UU {GOLDEN}\n"
    out = ask(top, monkeypatch, capsys, "pending")
    merged = r": a merge: theirs, in place of ours; est\. .* about the same, kernels and bytes as before\n"
    assert re.search(merged, out)
    for side in ("ours", "theirs"):
        assert f"    {side}: instruction; kernels and bytes as before\n" in out
    shown = ask(top, monkeypatch, capsys, "diff", "--failed", "--explain", CASE)
    assert "tl_math.tan(tmp) -> tmp = tl_math.sin(tmp)" in shown
    ask(top, monkeypatch, capsys, command, "--all")
    assert (top / GOLDEN).read_text() == kept
    # Resolved, as far as git is concerned.
    assert git(top, "status", "--short") in (f"M  {GOLDEN}\n", "")
    assert "nothing is pending" in ask(top, monkeypatch, capsys, "pending")
    git(top, "commit", "-q", "-m", "merged")
    assert git(top, "show", f"HEAD:{GOLDEN}") == kept


def test_a_conflict_is_decided_in_a_review(conflict, monkeypatch, capsys):
    top, _ = conflict
    monkeypatch.setattr(sys, "stdin", io.StringIO("A\nw\n"))
    out = ask(top, monkeypatch, capsys, "review")
    assert "  a merge: accept takes their side, reject keeps ours" in out
    assert "  theirs: instruction; kernels and bytes as before\n" in out
    assert (top / GOLDEN).read_text() == OTHER
    assert git(top, "status", "--short") == f"M  {GOLDEN}\n"


def test_our_side_that_was_recorded_again_is_not_overwritten(conflict, monkeypatch, capsys):
    top, _ = conflict
    (top / GOLDEN).write_text(TEXT)
    monkeypatch.chdir(top)
    assert main(["accept", "--all"]) == 2
    assert "3 goldens are no longer those that were compared" in capsys.readouterr().err
    assert (top / GOLDEN).read_text() == TEXT
    assert git(top, "status", "--short") == f"UU {GOLDEN}\n"


@pytest.mark.parametrize(
    ("base", "theirs", "said"),
    [
        ("", OTHER, "theirs: another golden, for there was none that can be read"),
        (TEXT, OTHER.replace("case tests", "case other"), ""),
        (TEXT, TEXT.replace("\nend\n", ""), ""),
    ],
)
def test_sides_that_are_no_two_goldens_of_a_case(tmp_path, monkeypatch, capsys, base, theirs, said):
    (tmp_path / GOLDEN).parent.mkdir(parents=True)
    (tmp_path / GOLDEN).write_text(THIRD)
    for name, text in (("base", base), ("ours", THIRD), ("theirs", theirs)):
        (tmp_path / name).write_text(text)
    monkeypatch.chdir(tmp_path)
    assert main(["git-merge", "base", "ours", "theirs", GOLDEN]) == 1
    assert ("theirs is pending" in capsys.readouterr().err) == bool(said)
    assert (tmp_path / "ours").read_text() == THIRD
    assert main(["pending"]) == bool(said)
    assert said in capsys.readouterr().out


def test_changes_of_other_lines_are_merged(top):
    attributes(top, "--install")
    theirs = TEXT.replace("launch  XBLOCK 8  warps 2", "launch  XBLOCK 8  warps 4")
    assert theirs != TEXT
    on_both_sides(top, OTHER, theirs)
    git(top, "merge", "-q", "other", "-m", "both")
    assert (top / NAME).read_text() == theirs.replace("tl_math.cos", "tl_math.sin")
    assert git(top, "status", "--short") == "?? .gitattributes\n"


@pytest.mark.parametrize(
    ("ours", "theirs"),
    [
        # Two counts that each changed: neither side's total is that of the merged lines.
        (("    bytes read  400\n", "    bytes read  500\n"), ("k0  persistent", "k7  persistent")),
        (("    kernels  1\n", "    kernels  2\n"), ("\nend\n", "\n\nend\n")),
    ],
)
def test_lines_that_merge_to_no_golden_are_a_conflict(top, ours, theirs):
    attributes(top, "--install")
    on_both_sides(top, TEXT.replace(*ours), TEXT.replace(*theirs))
    git(top, "merge", "-q", "other", status=1)
    assert (top / NAME).read_text() == TEXT.replace(*ours)
    assert f"UU {NAME}" in git(top, "status", "--short")


def test_a_rebase_over_twenty_commits_stops_where_goldens_conflict_and_goes_on(tmp_path, monkeypatch, capsys):
    """Each conflict is decided by the command that the merge driver named, and the rebase then goes on."""
    top, cases = tmp_path, [f"{CASE}_{number}" for number in range(20)]
    goldens = {case: GOLDEN.replace(CASE.replace("::", "."), case.replace("::", ".")) for case in cases}

    def record(text, *cases):
        for case in cases:
            (top / goldens[case]).write_text(text.replace(CASE, case))
        commit(top)

    git(top, "init", "-q", "-b", "work")
    attributes(top, "--install")
    (top / ".gitignore").write_text(".pytest_cache/\n")
    (top / GOLDEN).parent.mkdir(parents=True)
    (top / "goldens/toolchain.toml").write_text('format = 2\ntorch = "2.13.0"\n# end\n')
    record(TEXT, *cases)
    git(top, "checkout", "-q", "-b", "base")
    record(OTHER, *cases[:3])
    git(top, "checkout", "-q", "work")
    for case in cases:
        record(THIRD, case)
    monkeypatch.chdir(top)
    command, stops = ["git", "rebase", "-q", "base"], []
    while "kernelsnap review" in (
        said := subprocess.run(command, capture_output=True, text=True, env=ENVIRONMENT).stderr
    ):
        (stopped,) = git(top, "diff", "--name-only", "--diff-filter=U").split()
        stops.append(stopped)
        assert f"{stopped}: both sides changed it, and their lines do not make one." in said
        assert (top / stopped).read_text() == OTHER.replace(CASE, cases[len(stops) - 1])
        pending = ask(top, monkeypatch, capsys, "pending")
        assert pending.count("(h100): a merge: theirs, in place of ours") == 1
        assert main(["accept", "--all"]) == 0
        command = ["git", "-c", "core.editor=true", "rebase", "--continue"]
    assert stops == [goldens[case] for case in cases[:3]]
    assert not (top / ".git/rebase-merge").exists()
    assert all((top / goldens[case]).read_text() == THIRD.replace(CASE, case) for case in cases)
    assert git(top, "rev-list", "--count", "base..work") == "20\n"
    assert git(top, "status", "--short") == ""
    assert "nothing is pending" in ask(top, monkeypatch, capsys, "pending")


def test_a_pager_that_is_left_early_is_no_error(top):
    attributes(top, "--install")
    (top / NAME).unlink()
    for number in range(8):  # the pager has ended before git shows the second
        (top / f"goldens/{number}.ksnap").write_text(TEXT * 20)
    git(top, "add", "-A")
    command = ["git", "-c", "core.pager=head -1", "--paginate", "diff", "--cached"]
    read, write = pty.openpty()
    found = subprocess.run(command, cwd=top, stdout=write, stderr=subprocess.PIPE, env=ENVIRONMENT, check=False)
    os.close(write)
    os.close(read)
    assert b"kernelsnap:" not in found.stderr
    assert b"external diff died" not in found.stderr


@pytest.mark.parametrize(("setting", "colored"), [("always", True), ("never", False), ("auto", False)])
def test_it_has_the_colours_that_git_has(top, setting, colored):
    attributes(top, "--install")
    out = git(top, "-c", f"color.ui={setting}", "diff")
    assert ("\x1b[31m-        tmp4 = tl_math.sin(tmp0)\x1b[m\n" in out) == colored
    assert ("\x1b" in out) == colored


def test_what_is_no_golden_is_said_to_be_none(top):
    attributes(top, "--install")
    (top / NAME).write_text(TEXT.replace("\nend\n", "\n"))
    assert "cannot be compared as a golden: b/goldens/a.h100.ksnap" in git(top, "diff")
    (top / NAME).write_bytes(b"\x1b]0;title\x07\xff")
    assert "\x1b" not in git(top, "diff")
