"""Goldens that are gone under one name and new under another, and say the same: their test was renamed or moved."""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Mapping

from kernelsnap.diff.sides.trees import Contents
from kernelsnap.diff.tree.change import Change

#: The line at the top of a golden that names its test; the first empty line ends the top.
_CASE = b"case "


def renames(changes: Iterable[Change], contents: Mapping[str, Contents]) -> dict[str, str]:
    """The new names of goldens by their old ones, both in order. Of several that say the same, each is paired once."""
    changes = list(changes)
    if not {"new", "gone"} <= {change.status for change in changes}:
        return {}
    new: defaultdict[bytes, list[str]] = defaultdict(list)
    for name in sorted(change.name for change in changes if change.status == "new"):
        new[_says(contents[name][2] or b"")].append(name)
    found = {}
    for name in sorted(change.name for change in changes if change.status == "gone"):
        if others := new.get(_says(contents[name][1] or b"")):
            found[name] = others.pop(0)
    return found


def is_only_renamed(old: bytes | None, new: bytes | None) -> bool:
    """Whether two contents are those of one golden whose test got another name."""
    return old is not None and new is not None and _says(old) == _says(new)


def _says(content: bytes) -> bytes:
    """What is equal for two goldens that differ in nothing but the test they are of."""
    head, _, rest = content.partition(b"\n\n")
    kept = [line for line in head.split(b"\n") if not line.startswith(_CASE)]
    return hashlib.sha256(b"\n".join([*kept, b"", rest])).digest()
