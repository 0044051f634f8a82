"""What a repository's configuration names as programs is run by no command of kernelsnap that reads it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest

from kernelsnap.cli.main import main

ROOT = Path(__file__).parents[2]
NAME = "test_fusion/FusionTests.test_horizontal_reduction_pointwise.h100.ksnap"


def git(top, *arguments):
    identity = ("-c", "user.name=a", "-c", "user.email=a@b", "-c", "commit.gpgsign=false")
    return subprocess.run(["git", *identity, *arguments], cwd=top, check=True, capture_output=True)


@pytest.fixture
def top(tmp_path):
    (tmp_path / "goldens").mkdir()
    shutil.copy(ROOT / "goldens" / NAME, tmp_path / "goldens" / "a.h100.ksnap")
    git(tmp_path, "init", "-q")
    git(tmp_path, "add", ".")
    git(tmp_path, "commit", "-qm", "first")
    path = tmp_path / "goldens" / "a.h100.ksnap"
    path.write_text(path.read_text().replace("XBLOCK 1 ", "XBLOCK 8 "))
    os.utime(path, (1, 1))
    return tmp_path


@pytest.fixture
def trap(tmp_path_factory):
    """A program, and the file that shows that it has run."""
    folder = tmp_path_factory.mktemp("trap")
    program = folder / "program"
    program.write_text(f"#!/bin/sh\necho $0 >> {folder}/ran\ncat\n")
    program.chmod(0o755)
    return program, folder / "ran"


TRAPS = {
    "a file system monitor": lambda program: [("core.fsmonitor", program)],
    "a filter": lambda program: [("filter.t.clean", program), ("filter.t.required", "true")],
    "a filter that runs on": lambda program: [("filter.t.process", program), ("filter.t.required", "true")],
    "a filter with dots in its name": lambda program: [("filter.t.clean", "false"), ("filter.t.u.clean", program)],
    "hooks": lambda program: [("core.hooksPath", program.parent)],
}


@pytest.mark.parametrize("name", TRAPS)
def test_a_program_of_the_configuration(top, trap, monkeypatch, capsys, name):
    program, ran = trap
    (program.parent / "post-index-change").symlink_to(program)
    for key, value in TRAPS[name](program):
        git(top, "config", key, str(value))
    (top / ".git/info").mkdir(exist_ok=True)
    (top / ".git/info/attributes").write_text(f"*.ksnap filter={'t.u' if 'dots' in name else 't'}\n")
    monkeypatch.chdir(top)
    for words in (("diff", "HEAD"), ("diff", "HEAD", "--", "goldens"), ("gitattributes",)):
        assert main(list(words)) == (1 if words[0] == "diff" else 0)
        assert not ran.exists()
    assert "launch" in capsys.readouterr().out
    # git itself runs it.
    subprocess.run(["git", "add", "."], cwd=top, check=False, capture_output=True)
    assert ran.exists()
