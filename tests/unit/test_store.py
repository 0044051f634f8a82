"""Names, places and writing of golden files."""

from __future__ import annotations

import errno
import os
from dataclasses import replace
from pathlib import Path, PurePosixPath

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelsnap.errors import GoldenError, GoldenFormatError, GoldenPathError, GoldenWriteError
from kernelsnap.golden import files, sharing, store
from kernelsnap.golden.files import write_text
from kernelsnap.golden.store import Case, file_name, golden_path, module_folder, read_golden, write_golden
from kernelsnap.model.golden import Code, Golden, Plan

MODULE = "tests/test_a.py"
GOLDEN = Golden("tests/test_a.py::test_x", "h100", (Plan("inference", (), (), ()),), (), (), ())


@pytest.mark.parametrize(
    ("test", "assertion", "name"),
    [
        ("test_x", "", "test_x.h100.ksnap"),
        ("TestNorms::test_softmax[float32-64]", "", "TestNorms.test_softmax[float32-64].h100.ksnap"),
        ("test_x[BF16-True]", "", "test_x[^b^f16-^true].h100.ksnap"),
        ("test_x", "2", "test_x@2.h100.ksnap"),
        ("test_x", "after warmup", "test_x@after%20warmup.h100.ksnap"),
        ("test_x[a/b]", "", "test_x[a%2Fb].h100.ksnap"),
        ("test_x[a%2Fb]", "", "test_x[a%252^fb].h100.ksnap"),
        ("test_x[a@2]", "", "test_x[a%402].h100.ksnap"),
        ("test_x[../..]", "", "test_x[..%2F..].h100.ksnap"),
        ("test_x[é\n]", "", "test_x[%C3%A9%0A].h100.ksnap"),
    ],
)
def test_file_name(test, assertion, name):
    assert file_name(Case(MODULE, test, assertion), "h100") == name


ASSERTION = st.one_of(st.just(""), st.text(min_size=1, max_size=8))
PARAMETER = st.one_of(st.none(), st.text(alphabet="aAbB/%@^~.[]-\\ :2é\n", max_size=6), st.text(max_size=300))
NAMES = st.tuples(st.sampled_from(["test_x", "TestA::test_x", "test_long" * 30]), PARAMETER, ASSERTION)


def case(name) -> Case:
    test, parameter, assertion = name
    return Case(MODULE, test if parameter is None else f"{test}[{parameter}]", assertion)


@given(NAMES, NAMES)
def test_different_cases_have_different_files_where_case_is_ignored_too(one, other):
    names = [file_name(case(name), "h100") for name in (one, other)]
    assert (names[0].lower() == names[1].lower()) == (one == other)
    for name in names:
        assert len(name.encode()) <= 255
        assert name.endswith(".h100.ksnap")
        assert "/" not in name
        assert name.isascii()
        assert name.isprintable()


@given(NAMES)
def test_the_header_is_one_line(name):
    assert len(str(case(name)).splitlines()) == 1


@pytest.mark.parametrize("target", ["", "H100", "a/b", "..", "h100.ksnap"])
def test_odd_target(target):
    with pytest.raises(GoldenPathError, match="a target's name"):
        file_name(Case(MODULE, "test_x"), target)


def test_module_folder(tmp_path):
    assert module_folder(tmp_path / "kernels" / "test_a.py", tmp_path) == PurePosixPath("kernels/test_a")
    with pytest.raises(GoldenPathError, match="is not below"):
        module_folder(tmp_path / "test_a.py", tmp_path / "kernels")
    with pytest.raises(GoldenPathError, match="is not below"):
        module_folder(tmp_path / "kernels" / ".." / ".." / "test_a.py", tmp_path / "kernels")
    (tmp_path / "link").symlink_to(tmp_path)
    (tmp_path / "test_a.py").touch()
    assert module_folder(tmp_path / "link" / "test_a.py", tmp_path.resolve() / "link") == PurePosixPath("test_a")
    assert module_folder(tmp_path / "link" / "test_a.py", tmp_path) == PurePosixPath("link/test_a")


@pytest.mark.parametrize("folder", ["..", "a/../../b", "/etc", "link", "link/deeper"])
def test_no_path_leaves_the_goldens_folder(tmp_path, folder):
    goldens = tmp_path / "goldens"
    goldens.mkdir()
    (goldens / "link").symlink_to(tmp_path)
    with pytest.raises(GoldenPathError, match="leaves the goldens folder"):
        golden_path(goldens, PurePosixPath(folder), Case(MODULE, "test_x"), "h100")


def test_a_linked_goldens_folder_is_fine(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    (tmp_path / "goldens").symlink_to(tmp_path / "elsewhere")
    path = golden_path(tmp_path / "goldens", PurePosixPath("test_a"), Case(MODULE, "test_x"), "h100")
    assert path == tmp_path / "goldens" / "test_a" / "test_x.h100.ksnap"


def test_write_and_read(tmp_path):
    path = tmp_path / "deep" / "er" / "x.h100.ksnap"
    assert write_golden(path, GOLDEN)
    assert read_golden(path, GOLDEN.case) == GOLDEN
    assert [file.name for file in path.parent.iterdir()] == [path.name]
    assert b"\r" not in path.read_bytes()


def test_equal_content_is_not_written(tmp_path):
    path = tmp_path / "x.h100.ksnap"
    write_golden(path, GOLDEN)
    before = path.stat()
    assert not write_golden(path, GOLDEN)
    after = path.stat()
    assert (before.st_mtime_ns, before.st_ino) == (after.st_mtime_ns, after.st_ino)


def test_mode_follows_the_umask(tmp_path):
    before = os.umask(0o027)
    try:
        write_text(tmp_path / "file", "text")
    finally:
        os.umask(before)
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o640


@pytest.mark.parametrize("step", ["fsync", "replace"])
def test_failed_write_leaves_the_old_file(tmp_path, monkeypatch, step):
    path = tmp_path / "x.h100.ksnap"
    write_golden(path, GOLDEN)
    before = path.read_bytes()

    def fail(*arguments, **options):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    monkeypatch.setattr(os, step, fail)
    with pytest.raises(GoldenWriteError, match=r"cannot write .*x\.h100\.ksnap: No space left on device"):
        write_golden(path, replace(GOLDEN, shared_with=("a100",)))
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


def test_interrupted_write_leaves_nothing_behind(tmp_path, monkeypatch):
    def interrupt(*arguments):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_text(tmp_path / "file", "text")
    assert list(tmp_path.iterdir()) == []


def test_a_file_in_place_of_a_folder(tmp_path):
    (tmp_path / "goldens").write_text("not a folder")
    with pytest.raises(GoldenWriteError, match="cannot write"):
        write_text(tmp_path / "goldens" / "x.ksnap", "text")
    with pytest.raises(FileNotFoundError):
        files.read_text(tmp_path / "goldens" / "x.ksnap")


def test_a_folder_in_place_of_a_file(tmp_path):
    (tmp_path / "x.ksnap").mkdir()
    with pytest.raises(GoldenError, match="cannot read"):
        files.read_text(tmp_path / "x.ksnap")
    assert list(store.golden_files(tmp_path)) == []


def test_a_golden_that_its_format_cannot_carry_is_not_written(tmp_path):
    path = tmp_path / "x.h100.ksnap"
    with pytest.raises(GoldenFormatError, match="cannot carry"):
        write_golden(path, replace(GOLDEN, code=(Code("inference", "k0", "no line end"),)))
    assert not path.exists()


def test_golden_of_another_case(tmp_path):
    path = tmp_path / "x.h100.ksnap"
    write_golden(path, GOLDEN)
    with pytest.raises(GoldenPathError, match=r"names tests/test_a.py::test_x, and this is tests/test_a.py::test_X"):
        read_golden(path, "tests/test_a.py::test_X")


@pytest.mark.parametrize(
    ("content", "line"), [(b"kernelsnap 1\ncase \xff\n", ":2: .*UTF-8"), (b"kernelsnap 1\r\n", ":1: .*CRLF")]
)
def test_text_that_is_not_ours(tmp_path, content, line):
    path: Path = tmp_path / "x.h100.ksnap"
    path.write_bytes(content)
    with pytest.raises(GoldenFormatError, match=f"{path}{line}"):
        read_golden(path, GOLDEN.case)


def test_a_file_that_cannot_be_opened_to_see_whose_it_is_is_told(tmp_path, monkeypatch):
    """Another target's golden of the same case, which this target may share."""
    case = Case("test_a.py", "test_a")
    path = tmp_path / file_name(case, "a100")
    path.write_text("kernelsnap 1\ncase test_a.py::test_a\ntarget a100 h100\n")
    assert sharing.golden_file(tmp_path, case, "h100") == path

    def refuse(*arguments, **options):
        raise PermissionError(errno.EACCES, "Permission denied", str(path))

    monkeypatch.setattr(files.os, "open", refuse)
    with pytest.raises(GoldenError, match=f"cannot read {path}: Permission denied"):
        sharing.golden_file(tmp_path, case, "h100")
