"""Merges: a golden that both sides changed keeps our side in its file, and their side is pending in its place.

So nothing has markers, and both sides can be read, compared and chosen: to accept is to take theirs, to reject is to
keep ours. Either marks the file as resolved in git. A test that runs before that puts what it generates in place of
theirs, which is the right answer where both sides changed what is compiled.
"""

from __future__ import annotations

import hashlib
import os
from collections.abc import Collection, Iterator
from contextlib import suppress
from dataclasses import replace
from pathlib import Path

from kernelsnap.diff.causes.registry import CAUSES
from kernelsnap.diff.compare import compare
from kernelsnap.diff.tree.change import changed
from kernelsnap.errors import GoldenError, GoldenPathError
from kernelsnap.golden.digests import digest_of
from kernelsnap.golden.files import TOOLCHAIN, write_text
from kernelsnap.golden.format import parse, render
from kernelsnap.golden.store import Case, file_name, label_in, readings
from kernelsnap.model.golden import Golden
from kernelsnap.pending.entry import Pending, summary
from kernelsnap.pending.folder import PendingFolder
from kernelsnap.report.words import effect
from kernelsnap.shared.git import GitError, GitNotFoundError, run_git
from kernelsnap.shared.places import BELOW, CACHE, NAME, kept_by_pytest

#: Files of a project in which pytest is configured: its root has one of them.
_ROOT = ("pytest.ini", "pyproject.toml", "tox.ini", "setup.cfg", ".pytest_cache")


def keep_theirs(path: Path, base: str, ours: str, theirs: str) -> bool:
    """Keep their side of a golden as pending in place of ours, for each target that both have; whether there is one.

    Args:
        path: the golden's file.
        base: its text where both sides began; "" where there was no such file.
        ours: its text on our side, in format 1, as the file will have it.
        theirs: its text on the other side.

    Raises:
        GoldenError: a side is no golden, or what is pending cannot be written.
    """
    path = path.absolute()
    goldens = _tree(path)
    folder = _folder(goldens)
    old, new = parse(ours, str(path)), parse(theirs, str(path))
    case = _case(path, old)
    if case is None or new.case != old.case:
        return False
    both = tuple(_changed(base, side, path) for side in (old, new))
    labels = [label for label in (new.target, *new.shared_with) if label in (old.target, *old.shared_with)]
    for label in labels:
        before, after = (replace(golden, target=label, shared_with=()) for golden in (old, new))
        text = render(after)
        own = path.with_name(file_name(case, label)).relative_to(goldens).as_posix()
        found = summary(changed(own, compare(before, after), after))
        # A group of its own: what is decided about a merge is decided about nothing that a test generates.
        group = hashlib.sha256(f"merge {found['group']}".encode()).hexdigest()[:12]
        entry = Pending(
            module=case.module,
            test=case.test,
            assertion=case.assertion,
            target=label,
            goldens=os.path.relpath(goldens, folder.root),
            golden=own,
            text=digest_of(text),
            replaces=digest_of(ours),
            compared_with=path.relative_to(goldens).as_posix(),
            merge=both,
            **found | {"group": group},
        )
        folder.write(entry, text)
    return bool(labels)


def _changed(base: str, side: Golden, path: Path) -> str:
    """What one side of a merge changed: its causes and its cost."""
    try:
        change = changed(path.name, compare(parse(base, str(path)), side), side)
    except GoldenError:
        return "another golden, for there was none that can be read"
    titles = [CAUSES[name].title for name in change.cause_names]
    return f"{', '.join(titles) or 'nothing that is compared'}; {effect(change)}"


def _case(path: Path, golden: Golden) -> Case | None:
    with suppress(GoldenPathError):
        label = label_in(path.name)
        return next((case for case in readings(golden.case) if file_name(case, label) == path.name), None)
    return None


def _tree(path: Path) -> Path:
    """The folder of the goldens that a file is one of: the nearest that has a toolchain file.

    Where none has one it is that above the file's own, unless that is the top of the repository.
    """
    above = _of_repository(path)
    other = above[0] if len(above) < 3 else above[1]
    return next((folder for folder in above if (folder / TOOLCHAIN).exists()), other)


def _of_repository(path: Path) -> list[Path]:
    """The folders above a file, the nearest first, up to the top of its repository."""
    above = list(path.parents)
    top = next((index for index, folder in enumerate(above) if (folder / ".git").exists()), len(above) - 1)
    return above[: top + 1]


def _folder(goldens: Path) -> PendingFolder:
    """Where pytest keeps what is pending for a tree of goldens; made as pytest makes it if it is not there."""
    above = _of_repository(goldens)
    root = next((top for top in above if any((top / name).exists() for name in _ROOT)), above[0])
    path = kept_by_pytest(None, root)
    if not path.is_dir():
        path = root / CACHE / BELOW / NAME
        if not (root / CACHE).exists():
            write_text(root / CACHE / ".gitignore", "*\n")
    return PendingFolder(path, path.parents[2])


def mark_resolved(folder: PendingFolder, entries: Collection[Pending]) -> None:
    """Tell git that the goldens which these were pending for are resolved, as far as a merge left them in conflict.

    One for which something else of the merge is pending, for another target, is not resolved yet.
    """
    for top in {folder.goldens(entry) for entry in entries}:
        with suppress(GitError, GitNotFoundError):  # it is in no repository
            if unmerged := set(_unmerged(top)):
                waiting = {entry.compared_with for entry in folder.entries() if entry.merge}
                names = {name for entry in entries for name in (entry.golden, entry.compared_with)}
                if found := sorted(unmerged & {str(top / name) for name in names - waiting - {""}}):
                    run_git(top, "add", "--all", "--", *found)


def _unmerged(goldens: Path) -> Iterator[str]:
    """The files below a folder that git has in conflict."""
    for line in run_git(goldens, "ls-files", "-u", "-z", "--", ".").decode("utf-8", "surrogateescape").split("\0"):
        if line:
            yield str(goldens / line.partition("\t")[2])
