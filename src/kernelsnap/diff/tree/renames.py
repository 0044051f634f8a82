"""Finds goldens that only changed their name because their test was renamed or moved."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping

from kernelsnap.diff.sides.trees import Contents, digest_without_case
from kernelsnap.diff.tree.change import Change


def renames(changes: Iterable[Change], contents: Mapping[str, Contents]) -> dict[str, str]:
    """The new names of goldens by their old ones, both in order. Of several that say the same, each is paired once."""
    changes = list(changes)
    if not {"new", "gone"} <= {change.status for change in changes}:
        return {}
    new: defaultdict[bytes, list[str]] = defaultdict(list)
    for name in sorted(change.name for change in changes if change.status == "new"):
        new[digest_without_case(contents[name][2] or b"")].append(name)
    found = {}
    for name in sorted(change.name for change in changes if change.status == "gone"):
        if others := new.get(digest_without_case(contents[name][1] or b"")):
            found[name] = others.pop(0)
    return found
