"""Compare many goldens at once, on all processors where it pays; which of them only changed their name."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from functools import partial

from kernelsnap.diff.sides.sides import Sides
from kernelsnap.diff.sides.trees import Contents, DiffInputError, digest_without_case
from kernelsnap.diff.tree.change import Change, change_of
from kernelsnap.diff.tree.kept import Compared, Keeper, PackedDiffs
from kernelsnap.shared.processes import in_chunks, processors
from kernelsnap.shared.workers import WorkerKilledError, in_workers

#: Fewer goldens than this that differ are compared before another process has started.
_FEW = 24
#: Goldens that a worker is given at once, at least and at most.
_LEAST_AT_ONCE, _AT_ONCE = 8, 64


def compared(sides: Sides, processes: int | None = None, every: bool = False) -> Compared:
    """The changes between the two sides of each golden, by path; goldens that are the same are left out.

    With `every`, the comparison of each change is kept, else those that may be the exemplars of their groups. What
    comes out does not depend on `processes`, all processors by default. An exception of a worker is raised here, with
    a note of the golden it was at.
    """
    names = sides.may_differ()
    processes = processes or processors()
    kept = Keeper(every)
    differed = 0
    for name in names:
        if contents := sides.differing(name):
            differed += 1
            if change := _change(*contents):
                kept.add(change)
        if processes > 1 and differed == _FEW:
            break
    if rest := list(names):
        _in_workers(sides, rest, processes, kept)
    return kept.compared


def _in_workers(sides: Sides, names: Sequence[str], processes: int, kept: Keeper) -> None:
    chunks = [sides.only(chunk) for chunk in in_chunks(names, processes, _LEAST_AT_ONCE, _AT_ONCE)]
    try:
        with closing(in_workers(partial(_chunk, every=kept.every), chunks, processes)) as found:
            for changes, diffs in found:
                kept.join(changes, diffs)
    except WorkerKilledError as error:
        raise DiffInputError(f"{error}: compare fewer goldens at once, or one at a time with --jobs 1") from error


def _chunk(sides: Sides, every: bool) -> tuple[list[Change], PackedDiffs]:
    kept = Keeper(every)
    for name in sides:
        if (contents := sides.differing(name)) and (change := _change(*contents)):
            kept.add(change)
    return kept.changes, kept.diffs


def _change(name: str, old: bytes | None, new: bytes | None) -> Change | None:
    try:
        return change_of(name, old, new)
    except Exception as error:
        error.add_note(f"while comparing {name}")
        raise


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
