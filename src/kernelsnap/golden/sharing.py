"""Stores the golden of a case in one file for all targets for which the same code is generated.

The file is named after one target, and its third line names all that share it: `target h100 a100`. A target reads its
own file if there is one, else the file that names it. Recording adds a target to a file with an equal golden, or writes
a file of its own if there is none. When the code changes for one target, the others keep the golden as it is: it gets
the name of one of them. A variant for some releases of torch or triton
is shared in the same way, as a target of its own.
"""

from __future__ import annotations

import os
from collections import defaultdict
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import replace
from functools import partial
from pathlib import Path

from kernelsnap.errors import GoldenConflictError, GoldenPathError
from kernelsnap.golden import store
from kernelsnap.golden.canonical import canonical, with_why
from kernelsnap.golden.files import LINE, opened
from kernelsnap.golden.lock import tree_lock
from kernelsnap.golden.store import SUFFIX, Case
from kernelsnap.golden.templates.template import Template
from kernelsnap.golden.templates.template_store import stored_templates
from kernelsnap.golden.variants import split_name, target_in
from kernelsnap.model.golden import Golden
from kernelsnap.model.why import Why
from kernelsnap.shared.wording import listed
from kernelsnap.targets.lookup import NATIVE, TargetTable

#: How many goldens of an undefined target are named.
_SHOWN = 3
#: So many characters of a case's file name are never cut, however long it is.
_CERTAIN = 100


def golden_file(folder: Path, case: Case, target: str) -> Path:
    """The file that holds the golden of a case for a target; where there is none, the path that its own would have.

    Raises:
        GoldenError: a file of the case, of another target, cannot be read.
    """
    own = _own(folder, case, target)
    if own.is_file():
        return own
    for path in _files(folder, case):
        with suppress(FileNotFoundError):  # another process has just removed it
            if target in head_of(path)[1]:
                return path
    return own


def labels(folder: Path, case: Case, names: Collection[str] | None = None) -> frozenset[str]:
    """The labels that there are goldens of a case for: its targets, some with a variant (see `variants`).

    `names` are those of the folder's files that may be of the case (see `by_case`); None: the folder is listed.

    Raises:
        GoldenError: a file of the case cannot be read.
    """
    found: set[str] = set()
    for path in _files(folder, case, names):
        with suppress(FileNotFoundError):  # another process has just removed it
            found |= {store.label_in(path.name), *head_of(path)[1]}
    return frozenset(found)


def head_of(path: Path) -> tuple[str, tuple[str, ...]]:
    """The case and the targets that the head of a golden, or of a resources file, names; there may be no targets.

    Raises:
        FileNotFoundError: there is no such file.
        GoldenError: it cannot be read.
    """
    with opened(path) as file:
        _, case, targets = (file.readline(LINE).decode("utf-8", "replace").rstrip("\n") for _ in range(3))
    named = targets.removeprefix("target ").split(" ") if targets.startswith("target ") else []
    return case.removeprefix("case "), tuple(named)


def heads_below(goldens: Path) -> Iterator[tuple[Path, str, tuple[str, ...]]]:
    """Every golden below the folder, sorted, with its case and targets. Raises `GoldenError` if one cannot be read."""
    for path, (case, targets) in store.with_each(goldens, head_of):
        yield path, case, targets


def write_for_target(goldens: Path, folder: Path, case: Case, golden: Golden) -> None:
    """Record the golden of a case for its target: in the file of a target with an equal golden, or in its own.

    `folder` is the one of the case's module, in the tree `goldens`, which is locked meanwhile. Each step leaves every
    target with a golden: a run that is killed in between loses nothing.

    Raises:
        GoldenError: a file of the case could not be read or written.
    """
    with tree_lock(goldens):
        write = partial(_write, stored_templates(goldens))
        own = _own(folder, case, golden.target)
        others = dict(_merged(folder, case))
        former = others.pop(own, None)
        if former is not None and _is_equal(former, golden):
            write(own, golden, former.shared_with)
            return
        same = next((path for path, other in others.items() if _is_equal(other, golden)), None)
        if same is not None and golden.target not in others[same].shared_with:
            write(same, others[same], (*others[same].shared_with, golden.target))
        if former is not None:
            _pass_on(folder, case, former, write)
        if same is None:
            write(own, golden, ())
        else:
            # The golden is in the other file now, and this one would be read first.
            own.unlink(missing_ok=True)
        for path, other in others.items():
            if path != same and golden.target in other.shared_with:
                write(path, other, tuple(target for target in other.shared_with if target != golden.target))


def write_why(goldens: Path, path: Path, case: Case, why: tuple[Why, ...]) -> bool:
    """Put the compiler's reasons, with canonical names, into the file of a golden; whether that changed the file.

    Raises:
        GoldenError: the file could not be read or written.
    """
    with tree_lock(goldens):
        golden = store.read_golden(path, str(case))
        return store.write_golden(path, with_why(golden, why), stored_templates(goldens))


def remove_for_target(goldens: Path, folder: Path, case: Case, target: str) -> None:
    """Take away the golden of a case for a target: its file, or its name from the file of another target.

    The other targets that share it keep it. Nothing happens where there is none.

    Raises:
        GoldenError: a file of the case could not be read or written.
    """
    with tree_lock(goldens):
        write = partial(_write, stored_templates(goldens))
        path, own = golden_file(folder, case, target), _own(folder, case, target)
        with suppress(FileNotFoundError):
            golden = store.read_golden(path, str(case))
            if path == own:
                _pass_on(folder, case, golden, write)
                own.unlink()
            else:
                write(path, golden, tuple(name for name in golden.shared_with if name != target))


def _merged(folder: Path, case: Case) -> Iterator[tuple[Path, Golden]]:
    """The goldens of a case by file, without those in a merge conflict: they are recorded anew."""
    for path in _files(folder, case):
        with suppress(GoldenConflictError):
            yield path, store.read_golden(path, str(case))


def _is_equal(other: Golden, golden: Golden) -> bool:
    return canonical(replace(other, target=golden.target, shared_with=())) == canonical(replace(golden, shared_with=()))


_Write = Callable[[Path, Golden, tuple[str, ...]], None]


def _pass_on(folder: Path, case: Case, golden: Golden, write: _Write) -> None:
    """Write a golden that its own target is about to leave into the file of the first target that shares it."""
    remaining = [target for target in golden.shared_with if not _own(folder, case, target).is_file()]
    if remaining:
        write(_own(folder, case, remaining[0]), replace(golden, target=remaining[0]), tuple(remaining[1:]))


def _write(templates: Collection[Template], path: Path, golden: Golden, shared_with: tuple[str, ...]) -> None:
    store.write_golden(path, replace(golden, shared_with=shared_with), templates)


def by_case(folder: Path) -> Mapping[str, Sequence[str]]:
    """The names of the goldens in a folder, by the beginnings of their cases' names (see `beginning_of`)."""
    found: defaultdict[str, list[str]] = defaultdict(list)
    for name in _listed(folder):
        if name.endswith(SUFFIX):
            found[split_name(name.removesuffix(SUFFIX))[0][:_CERTAIN]].append(name)
    return found


def beginning_of(case: Case) -> str:
    """What the files of a case are found by among thousands of others: the part of their names that is never cut."""
    return case.stem[:_CERTAIN]


def _files(folder: Path, case: Case, names: Collection[str] | None = None) -> Iterator[Path]:
    """The files of a case for all targets, sorted."""
    beginning = beginning_of(case)
    there = _listed(folder) if names is None else names
    for name in sorted(name for name in there if name.startswith(beginning) and name.endswith(SUFFIX)):
        path = folder / name
        try:
            own = _own(folder, case, store.label_in(name))
        except GoldenPathError:
            continue  # no golden of ours
        if path == own and path.is_file():
            yield path


def _listed(folder: Path) -> list[str]:
    try:
        return os.listdir(folder)  # noqa: PTH208  thousands of names, as text
    except (FileNotFoundError, NotADirectoryError):
        return []


def _own(folder: Path, case: Case, target: str) -> Path:
    return folder / store.file_name(case, target)


def undefined_targets(goldens: Path, table: TargetTable) -> tuple[str, ...]:
    """One sentence for each target that goldens below the folder name and the table lacks: which, and what to do.

    Raises:
        GoldenError: a golden cannot be read.
    """
    files: dict[str, list[str]] = {}
    for path, _, labels in heads_below(goldens):
        for name in map(target_in, labels):
            if name not in table.entries:
                files.setdefault(name, []).append(path.relative_to(goldens).as_posix())
    return tuple(_sentence(name, found) for name, found in sorted(files.items()))


def _sentence(name: str, files: Collection[str]) -> str:
    return (
        f"goldens of the target '{name}', which is neither built in nor defined in pyproject.toml: "
        f"{listed(files, _SHOWN)}. Define it ([tool.kernelsnap.targets.{name}]), run such a GPU as {NATIVE}, or take "
        f"the name out of their third line and delete those of no other target"
    )
