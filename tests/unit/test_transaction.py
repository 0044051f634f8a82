"""Many files of a tree of goldens change together or not at all."""

from __future__ import annotations

import pytest

from kernelsnap.errors import GoldenError, GoldenWriteError
from kernelsnap.golden import transaction
from kernelsnap.golden.files import write_text
from kernelsnap.golden.transaction import recover, together


@pytest.fixture
def goldens(tmp_path):
    folder = tmp_path / "goldens"
    for name in ("a.ksnap", "below/b.ksnap", "below/c.ksnap"):
        write_text(folder / name, f"old {name}")
    return folder


def contents(folder):
    return {p.relative_to(folder).as_posix(): p.read_text() for p in sorted(folder.rglob("*")) if p.is_file()}


def beside(folder):
    return sorted(path.name for path in folder.parent.iterdir())


OLD = {name: f"old {name}" for name in ("a.ksnap", "below/b.ksnap", "below/c.ksnap")}
NEW = {"a.ksnap": "new a", "below/c.ksnap": OLD["below/c.ksnap"], "more/d.ksnap": "new d"}


def change(goldens):
    with together(goldens) as tree:
        write_text(tree / "a.ksnap", "new a")
        (tree / "below/b.ksnap").unlink()
        write_text(tree / "more/d.ksnap", "new d")
        assert contents(goldens) == OLD


def test_all_of_it_is_changed_at_the_end(goldens):
    before = (goldens / "below/c.ksnap").stat()
    change(goldens)
    assert contents(goldens) == NEW
    assert (goldens / "below/c.ksnap").stat().st_ino == before.st_ino
    assert beside(goldens) == ["goldens"]


def test_a_block_that_raises_changes_nothing(goldens):
    def fails():
        with together(goldens) as tree:
            write_text(tree / "a.ksnap", "new a")
            raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        fails()
    assert contents(goldens) == OLD
    assert beside(goldens) == ["goldens"]


class KilledError(BaseException):
    """The process ends here."""


def killed(*_, **__):
    raise KilledError


@pytest.mark.parametrize("moved", range(4))
def test_a_process_that_is_killed_while_it_moves_is_completed(goldens, monkeypatch, moved):
    def finish(goldens, room, moves):
        assert len(moves) == 3
        real(goldens, room, moves[:moved])
        raise KilledError

    real = transaction._finish
    with monkeypatch.context() as patch:
        patch.setattr(transaction, "_finish", finish)
        with pytest.raises(KilledError):
            change(goldens)
    assert contents(goldens) != OLD or not moved
    assert recover(goldens) == "an interrupted command was completed: 3 files of goldens/ were written"
    assert contents(goldens) == NEW
    assert beside(goldens) == ["goldens"]
    assert recover(goldens) == ""


def test_one_that_is_killed_before_it_has_a_journal_changed_nothing(goldens, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(transaction, "_moves", killed)
        patch.setattr(transaction.shutil, "rmtree", lambda *_, **__: None)
        with pytest.raises(KilledError):
            change(goldens)
    assert beside(goldens) == [".goldens.changing", "goldens"]
    assert recover(goldens) == ""
    assert contents(goldens) == OLD
    assert beside(goldens) == ["goldens"]


def test_what_others_changed_since_is_left_and_the_rest_put_back(goldens, monkeypatch):
    with monkeypatch.context() as patch:
        patch.setattr(transaction, "_finish", killed)
        with pytest.raises(KilledError):
            change(goldens)
    room = goldens.with_name(".goldens.changing")
    (room / "tree/goldens/a.ksnap").replace(goldens / "a.ksnap")
    (goldens / "below/b.ksnap").write_text("of another")
    assert "below/b.ksnap was changed since" in recover(goldens)
    assert contents(goldens) == {**OLD, "below/b.ksnap": "of another"}


def test_where_a_file_cannot_be_moved_all_are_put_back(goldens):
    def in_the_way():
        with together(goldens) as tree:
            write_text(tree / "a.ksnap", "new a")
            write_text(tree / "below/b.ksnap", "new b")
            write_text(tree / "x.ksnap", "new x")
            # A folder of this name.
            write_text(goldens / "x.ksnap/y", "")

    with pytest.raises(GoldenWriteError, match="What was there before is unchanged"):
        in_the_way()
    (goldens / "x.ksnap/y").unlink()
    assert contents(goldens) == OLD


def test_a_file_system_without_links_is_copied(goldens, monkeypatch):
    def no_link(*_, **__):
        raise OSError(1, "Operation not permitted")

    monkeypatch.setattr(transaction.os, "link", no_link)
    change(goldens)
    assert contents(goldens) == NEW


@pytest.mark.parametrize(
    "text",
    [
        '[["../../x.ksnap", null, [1, 2, 3]]]',
        '[["/tmp/x.ksnap", null, [1, 2, 3]]]',
        '[["link/x.ksnap", null, [1, 2, 3]]]',
        '[["x.py", null, [1, 2, 3]]]',
        '[["a.ksnap"]]',
        "[7]",
        "{",
        "",
    ],
)
def test_a_journal_that_no_command_wrote_moves_nothing(goldens, text):
    outside = goldens.parents[1] / f"{goldens.parent.name}.outside"
    outside.mkdir()
    (goldens / "link").symlink_to(outside)
    room = goldens.parent / ".goldens.changing"
    for name in ("x.ksnap", "x.py", "link/x.ksnap"):
        write_text(room / "tree" / "goldens" / name, "hostile")
    write_text(goldens.parents[0] / ".goldens.changing" / "x.ksnap", "hostile")
    (room / "journal").write_text(text)
    before = contents(goldens)
    with pytest.raises(GoldenError, match=r"goldens\.changing"):
        recover(goldens)
    assert contents(goldens) == before
    assert not list(outside.iterdir())
