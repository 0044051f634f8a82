"""What a new user does with goldens, each by one command that the tool itself named: accept some, rename, merge."""

from __future__ import annotations

import io
import shlex
import subprocess
import sys

import pytest

from kernelsnap.cli.main import main

TEST = """
    import pytest

    @pytest.mark.parametrize("lines", range(1, 10))
    def test_changed(kernel_snapshot, golden, lines):
        assert golden(lines=lines) == kernel_snapshot

    @pytest.mark.parametrize("lines", range(1, 4))
    def test_broken(kernel_snapshot, golden, lines):
        assert golden(lines=lines + MORE) == kernel_snapshot
"""


@pytest.fixture
def user(project, monkeypatch, capsys):
    """A project in a git repository, with twelve goldens that were committed."""
    return User(project, monkeypatch, capsys)


class User:
    """Somebody who knows pytest and git, and types what is printed."""

    def __init__(self, project, monkeypatch, capsys):
        self.project, self._capsys = project, capsys
        monkeypatch.chdir(project.root)
        for name in ("AUTHOR", "COMMITTER"):
            monkeypatch.setenv(f"GIT_{name}_NAME", "a")
            monkeypatch.setenv(f"GIT_{name}_EMAIL", "a@b")
        self.git("init", "-q", "-b", "main")
        (project.root / ".gitignore").write_text("__pycache__/\n.pytest_cache/\n")
        self.test(0)
        self.pytest("--snapshot-update")
        self.type("kernelsnap gitattributes --install")
        self.commit()

    def test(self, more, source=TEST):
        self.project.test(source.replace("MORE", str(more)))

    def pytest(self, *arguments):
        """What pytest prints, line by line."""
        return self.project.pytester.runpytest("-p", "no:hypothesispytest", *arguments).outlines

    def type(self, command):
        """What a command prints, which has to succeed."""
        self._capsys.readouterr()
        program, *words = shlex.split(command)
        assert program == "kernelsnap"
        status = main(words)
        out, err = self._capsys.readouterr()
        assert (status, err) == (0, ""), err
        return out

    def git(self, *arguments, status=0):
        done = subprocess.run(["git", *arguments], check=False, capture_output=True, text=True)
        assert done.returncode == status, done.stderr
        return done.stdout + done.stderr

    def commit(self):
        self.git("add", "-A")
        self.git("commit", "-q", "-m", "goldens")


def commands(lines, before):
    return [line.partition(before)[2].strip() for line in lines if before in line]


def test_of_twelve_failures_nine_are_accepted_and_three_kept(user):
    user.project.compiler("2.0")
    user.test(1)
    lines = user.pytest()
    assert "12 failures, 2 causes, in 12 goldens; the worst first:" in lines
    (nine,) = commands(lines, "constant: 9 goldens:")
    assert "9 goldens accepted, 3 still pending\n" in user.type(nine)
    user.project.pytester.runpytest("-q").assert_outcomes(passed=9, failed=3)
    assert len(user.git("diff", "--name-only", "--", "goldens").splitlines()) == 9


def test_a_renamed_test_keeps_its_goldens(user):
    user.test(0, TEST.replace("test_changed", "test_renamed"))
    lines = user.pytest()
    (command,) = commands(lines, "moved: 9 goldens:")
    user.type(command)
    user.project.pytester.runpytest("-q").assert_outcomes(passed=12)
    user.git("add", "-A")
    renamed = [line for line in user.git("diff", "-M", "--cached", "--name-status").splitlines() if line[0] == "R"]
    assert len(renamed) == 9
    assert not [line for line in user.pytest() if "whose test is gone" in line]


def test_a_conflict_is_decided(user, monkeypatch):
    user.git("checkout", "-q", "-b", "theirs")
    for branch, constant in (("theirs", "2.0"), ("main", "3.0")):
        user.git("checkout", "-q", branch)
        user.project.compiler(constant)
        user.pytest("--snapshot-update", "-k", "broken")
        user.commit()
    said = user.git("merge", "-q", "theirs", status=1)
    assert said.count("theirs is pending. To decide: kernelsnap review.") == 3
    assert len(user.git("diff", "--name-only", "--diff-filter=U").splitlines()) == 4  # with the compiler itself
    monkeypatch.setattr(sys, "stdin", io.StringIO("A\nw\n"))
    assert "3 accepted\n" in user.type("kernelsnap review")
    assert user.git("diff", "--name-only", "--diff-filter=U") == "constant\n"
    user.project.compiler("2.0")
    user.commit()
    user.project.pytester.runpytest("-q", "-k", "broken").assert_outcomes(passed=3, deselected=9)
