"""Moves: a pending golden that takes the place of one whose test or assertion is gone, most likely by a rename.

The old golden stays where it is until the pending one is accepted. Then it goes, in the same step in which the new one
comes, and its resources file becomes that of the new case.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path

from kernelsnap.diff.tree.change import Change
from kernelsnap.golden.digests import digest_of, digest_of_file
from kernelsnap.golden.files import read_text, write_text
from kernelsnap.golden.resources import parse_resources, render_resources, resources_path
from kernelsnap.golden.sharing import golden_file, head_of, labels, remove_for_target, write_for_target
from kernelsnap.golden.store import file_name, read_golden
from kernelsnap.golden.variants import target_in
from kernelsnap.pending.entry import MOVED, Pending, PendingError, former_case, summary
from kernelsnap.shared.wording import listed

_NAMED = 5


def moved(entry: Pending, root: Path, former: str, file: str, old: str, text: str, change: Change) -> Pending:
    """A pending golden that there was no golden of, as one that takes the place of another case's.

    Args:
        entry: the pending golden as a new one.
        root: the folder of the project.
        former: the case whose test or assertion is gone.
        file: what holds its golden for the target, below the folder of the goldens.
        old: the text of that golden.
        text: what was generated, under the names of that golden.
        change: what differs between both.
    """
    found = summary(change)
    return replace(
        entry,
        text=digest_of(text),
        replaces=digest_of(old),
        compared_with=file,
        moved_from=former,
        module_then=_module(root, former),
        **found
        | {
            "causes": (MOVED, *found["causes"]),
            # A group of its own: what was moved is told apart from what only changed in the same way.
            "group": hashlib.sha256(f"{MOVED} {found['group']}".encode()).hexdigest()[:12],
        },
    )


def _module(root: Path, case: str) -> str:
    try:
        return digest_of_file(read_text(root / case.partition("::")[0]))
    except FileNotFoundError:
        return ""


def former_file(goldens: Path, entry: Pending) -> Path | None:
    """The file that now holds the golden which an entry is moved from; None where there is none any more."""
    case = former_case(entry)
    if case is None:
        return None
    path = golden_file((goldens / entry.compared_with).parent, case, entry.target)
    if not path.is_file():
        return None
    named, targets = head_of(path)
    return path if named == entry.moved_from and entry.target in targets else None


def check_modules(root: Path, entries: Sequence[Pending]) -> None:
    """Refuse moves from cases whose module was changed since: their tests may be there again.

    Raises:
        PendingError: there is such a move.
    """
    changed = [entry for entry in entries if entry.moved_from and _module(root, entry.moved_from) != entry.module_then]
    if changed:
        raise PendingError(
            f"nothing was accepted: the modules of tests that were gone were changed since "
            f"({listed([entry.moved_from for entry in changed], _NAMED)}); run pytest again, or leave out "
            f"with --except what would be moved from there ({listed([entry.name for entry in changed], _NAMED)})"
        )


def take_away(goldens: Path, entry: Pending) -> None:
    """Take away the golden that an accepted entry was moved from; the rest that belongs to it becomes the new case's.

    That is what it had of resources, and its variants for other releases of torch and triton, as they are.
    """
    case = former_case(entry)
    if case is None:
        return
    folder, own = (goldens / entry.compared_with).parent, (goldens / entry.golden).parent
    for label in sorted(labels(folder, case), key=lambda label: label != entry.target):
        if target_in(label) != target_in(entry.target):
            continue
        if label != entry.target:
            old = read_golden(golden_file(folder, case, label), str(case))
            variant = replace(old, case=str(entry.case), target=label, shared_with=())
            write_for_target(goldens, own, entry.case, variant)
        remove_for_target(goldens, folder, case, label)
        _move_resources(folder / file_name(case, label), own / file_name(entry.case, label), str(entry.case))


def _move_resources(former: Path, golden: Path, case: str) -> None:
    """Give the resources file of a golden to the golden of another case, if that has none."""
    old, new = resources_path(former), resources_path(golden)
    if old.is_file():
        if not new.is_file():
            write_text(new, render_resources(replace(parse_resources(read_text(old), str(old)), case=case)))
        old.unlink()
