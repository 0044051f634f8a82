"""A package of a checkout laid over the installed one: the checkout's files, and what it lacks."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import pytest

from kernelsnap.bisect.axes.laid_over import installed_folder, lay_over
from kernelsnap.bisect.errors import BisectError, SkipStepError


def write(root, **files):
    for name, text in files.items():
        path = root / name.replace("__", "/").replace("_dot_", ".")
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


def read(root):
    folders = [Path(folder) for folder, *_ in os.walk(root, followlinks=True)]
    files = (path for folder in folders for path in folder.iterdir() if path.is_file())
    return {path.relative_to(root).as_posix(): path.read_text() for path in files}


@pytest.fixture
def sides(tmp_path):
    installed = write(tmp_path / "site" / "lib", init="wheel", lib__core_dot_so="wheel", sub__a="wheel", sub__b="wheel")
    checkout = write(tmp_path / "clone" / "lib", init="commit", sub__a="commit", sub__new="commit", csrc__x="commit")
    return checkout, installed, tmp_path / "merged" / "lib"


def test_the_checkout_comes_first_and_the_wheel_has_the_rest(sides):
    lay_over(*sides)
    assert read(sides[2]) == {
        "init": "commit", "lib/core.so": "wheel", "sub/a": "commit", "sub/b": "wheel", "sub/new": "commit",
        "csrc/x": "commit",
    }  # fmt: skip


def test_nothing_is_copied_and_neither_side_is_written_to(sides):
    checkout, installed, merged = sides
    before = read(checkout), read(installed)
    lay_over(*sides)
    assert (merged / "init").readlink() == checkout / "init"
    assert (merged / "lib").readlink() == installed / "lib"
    lay_over(*sides)
    assert (read(checkout), read(installed)) == before


def test_what_the_commit_did_not_change_is_the_wheel_s(sides):
    checkout, installed, merged = sides
    write(checkout, sub__b="wheel")
    lay_over(*sides)
    assert (merged / "sub" / "a").readlink() == checkout / "sub" / "a"
    assert (merged / "sub" / "b").readlink() == installed / "sub" / "b"


def test_what_the_last_commit_had_is_gone(sides):
    lay_over(*sides)
    (sides[0] / "sub" / "new").unlink()
    lay_over(*sides)
    assert "sub/new" not in read(sides[2])


def test_a_file_that_became_a_folder_and_the_reverse(sides):
    checkout, installed, merged = sides
    write(checkout, lib="commit")
    write(checkout, flat__x="commit")
    write(installed, flat="wheel")
    lay_over(*sides)
    assert read(merged)["lib"] == read(merged)["flat/x"] == "commit"


def test_compiled_files_of_the_checkout_are_left_out(sides):
    (sides[0] / "__pycache__").mkdir()
    (sides[0] / "__pycache__" / "init.pyc").write_text("another commit")
    lay_over(*sides)
    assert "__pycache__/init.pyc" not in read(sides[2])


def test_a_commit_without_the_package_is_skipped(sides):
    with pytest.raises(SkipStepError, match="no folder other to lay over"):
        lay_over(sides[0].parent / "other", *sides[1:])


def test_where_a_package_is_installed_is_asked_of_the_interpreter(sides, tmp_path, monkeypatch):
    (tmp_path / "site" / "lib" / "__init__.py").touch()
    # Not the folder of this name where the command is started: a checkout has one.
    monkeypatch.chdir(tmp_path / "clone")
    environment = {"PYTHONPATH": str(tmp_path / "site")}
    assert installed_folder("lib", sys.executable, environment) == tmp_path / "site" / "lib"
    with pytest.raises(BisectError, match=r"--over nothing_of_this_name: .* has no such package"):
        installed_folder("nothing_of_this_name", sys.executable, environment)
