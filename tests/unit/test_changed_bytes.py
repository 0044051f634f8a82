"""Files that are cut off, or have another bit: some of each kind here, and all with `tools/attack/bytes.py`."""

from __future__ import annotations

import pytest

from attack import bytes as attacked


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    return attacked.make(tmp_path_factory.mktemp("bytes") / "goldens")


@pytest.mark.parametrize("kind", attacked.KINDS)
def test_no_change_is_read_as_what_was_written(tree, kind):
    seen = attacked.attack(tree, kind, step=17)
    assert sum(seen.values()) > 10
    assert [what for what in seen if attacked.is_wrong(kind, what)] == []
    assert any(what.endswith(": an error") for what in seen)


def test_what_is_read_wrongly_is_seen():
    assert attacked.is_wrong("golden", "flipped: read as if nothing were")
    assert attacked.is_wrong("template", "cut off: another content")
    assert attacked.is_wrong("ledger", "flipped: KeyError")
    assert not attacked.is_wrong("ledger", "flipped: read as if nothing were")
