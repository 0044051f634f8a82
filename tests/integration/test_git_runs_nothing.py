"""What a repository's configuration names as programs is run by no command of kernelsnap that reads it."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
from contextlib import suppress
from pathlib import Path
from types import SimpleNamespace

import pytest

from kernelsnap.bisect.axes.git import git_axis, is_dirty
from kernelsnap.bisect.errors import BisectError
from kernelsnap.cli.main import main
from kernelsnap.upgrade.commit import check_clean

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


def axis_of(top):
    """The commits of a repository, as a bisection has them."""
    request = SimpleNamespace(repository=top, build="", python=sys.executable, overlay=(), over=())
    return git_axis(request, top.parent / f"{top.name}.work", start=None, end="HEAD")


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
    # What a bisection and an upgrade ask the user's repository.
    axis = axis_of(top)
    assert is_dirty(top)
    with pytest.raises(BisectError, match="has changes that are not committed"):
        check_clean(top, top / "goldens")
    with axis.prepare(axis.steps[0]) as workspace:
        assert (workspace.folder / "goldens/a.h100.ksnap").is_file()
    assert not ran.exists()
    # git itself runs it.
    subprocess.run(["git", "add", "."], cwd=top, check=False, capture_output=True)
    assert ran.exists()


def test_a_filter_of_a_submodule(top, trap, monkeypatch):
    program, ran = trap
    inner = top / "goldens/inner"
    inner.mkdir()
    git(inner, "init", "-q")
    (inner / "b.txt").write_text("b")
    (inner / ".gitattributes").write_text("*.txt filter=t\n")
    git(inner, "add", ".")
    git(inner, "commit", "-qm", "first")
    git(inner, "config", "filter.t.clean", str(program))
    git(top, "add", "goldens/inner")
    git(top, "commit", "-qm", "second")
    os.utime(inner / "b.txt", (1, 1))
    monkeypatch.chdir(top)
    main(["diff", "HEAD"])
    is_dirty(top)
    with suppress(BisectError):
        check_clean(top, top / "goldens")
    assert not ran.exists()
    git(top, "status")
    assert ran.exists()


#: What a clone that lacks an object would start to fetch it.
FETCHES = {
    "by ssh": lambda program: {"remote.origin.url": "ssh://host.invalid/x", "core.sshCommand": program},
    "by a proxy": lambda program: {"remote.origin.url": "git://host.invalid/x", "core.gitProxy": program},
    "from a folder": lambda program: {"remote.origin.url": "/nowhere", "remote.origin.uploadpack": program},
    "by any program": lambda program: {"remote.origin.url": f"ext::{program}"},
}


@pytest.mark.parametrize("way", FETCHES)
def test_what_a_clone_lacks_is_not_fetched(top, trap, monkeypatch, capsys, way):
    program, ran = trap
    program.write_text(f"#!/bin/sh\necho $0 >> {ran}\n")
    lost = git(top, "rev-parse", "HEAD:goldens/a.h100.ksnap").stdout.decode().strip()
    (top / ".git/objects" / lost[:2] / lost[2:]).unlink()
    settings = {
        "core.repositoryFormatVersion": "1", "extensions.partialClone": "origin", "remote.origin.promisor": "true",
        **{f"protocol.{name}.allow": "always" for name in ("ssh", "git", "file", "ext")}, **FETCHES[way](program),
    }  # fmt: skip
    for key, value in settings.items():
        git(top, "config", key, str(value))
    monkeypatch.chdir(top)
    assert main(["diff", "HEAD"]) == 2
    assert "Traceback" not in capsys.readouterr().err
    with suppress(BisectError):
        axis_of(top)
    assert not ran.exists()
    subprocess.run(["git", "cat-file", "-p", lost], cwd=top, check=False, capture_output=True)
    assert ran.exists()
