"""Keeps `toolchain.toml` true when goldens are recorded or accepted, and words how its versions differ from others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path

from kernelsnap.golden import store, toolchain
from kernelsnap.golden.lock import tree_lock
from kernelsnap.golden.toolchain import (
    COMPILERS,
    FILE,
    SHOWN,
    Toolchain,
    difference,
    golden_names,
    is_variant,
    version_here,
)
from kernelsnap.golden.variants import is_of
from kernelsnap.shared.wording import counted, listed

_MOST = 3


@dataclass(frozen=True)
class ComparedGolden:
    """One golden that a run compared."""

    name: str  # see `kernelsnap.golden.toolchain`
    packages: Mapping[str, str] = field(
        default_factory=dict
    )  # that it needs besides torch and triton, as they are here
    agrees: bool = False  # whether its file now holds what was generated
    written: bool = False  # whether this run wrote it
    digest: str = ""  # of what its file held (see `kernelsnap.golden.digests`); "" where it does not agree
    new: bool = False  # whether this run wrote it where there was none before
    file: str = ""  # the golden that was read: another target's, where they share it


def differences(recorded: Toolchain, compared: ComparedGolden) -> list[str]:
    """How what a golden was recorded with differs from what is here, a sentence for each package."""
    old, here = recorded.of(compared.name), compared.packages
    # Of the others nobody knows whether they were there: what Dynamo traces is not always recorded.
    names = [*old, *(name for name in here if name in SHOWN and name not in old)]
    told = (difference(name, old.get(name, ""), here.get(name) or version_here(name)) for name in names)
    return [sentence for sentence in told if sentence]


def keep_toolchain(
    goldens: Path,
    compared: Collection[ComparedGolden],
    not_compared: Callable[[], list[str]],
    *,
    updates: bool,
    present: Mapping[str, str] | None = None,
) -> tuple[bool, list[str]]:
    """Bring `toolchain.toml` up to date after a run that recorded; whether it changed, and what to tell the user.

    The versions of torch and triton are of all goldens: they move only with all of them. Those of other packages are
    of each golden.

    Args:
        goldens: the folder of the goldens.
        compared: those that the run compared.
        not_compared: gives the files of goldens that the run did not compare, for one of their targets at least.
        updates: whether goldens that differ are rewritten.
        present: the versions of torch and triton that generated the code; None for those that are installed here.

    Raises:
        GoldenError: the file is damaged, or cannot be written.
    """
    with tree_lock(goldens):
        before = toolchain.read(goldens) or Toolchain()
        after, notes = _with_compilers(
            before,
            not_compared,
            compilers_here() if present is None else present,
            updates=updates,
            # The file is not about variants.
            anything=not compared or not all(is_variant(golden.name) for golden in compared),
        )
        moved = _moved(before, compared, updates=updates)
        if moved:
            files = store.with_each(goldens, partial(golden_names, goldens=goldens))
            there = {name for _, names in files for name in names}
            needed = {name: moved.get(name, before.packages_of(name)) for name in there}
            after = after.with_packages(needed)
            notes += _left_behind(needed, compared, {name for packages in moved.values() for name in packages})
        return after != before and toolchain.write(goldens, after), notes


def compilers_here() -> dict[str, str]:
    """The versions of torch and triton that are installed here."""
    return {name: version for name in COMPILERS if (version := version_here(name))}


def _with_compilers(
    before: Toolchain,
    not_compared: Callable[[], list[str]],
    present: Mapping[str, str],
    *,
    updates: bool,
    anything: bool,
) -> tuple[Toolchain, list[str]]:
    changed = [name for name in COMPILERS if before.versions.get(name) != present.get(name)]
    if not (changed and anything):
        return before, []
    if all(name not in before.versions for name in changed):
        return replace(before, versions={**before.versions, **present}), []
    left = not_compared()
    if left:
        return before, [
            f"{FILE} was left as it is, because this run did not compare {counted(len(left), 'golden')} ({some(left)})"
            f"; update all of them, for all their targets, in one run to move {' and '.join(changed)}"
        ]
    return (replace(before, versions=present) if updates else before), []


def _moved(before: Toolchain, compared: Iterable[ComparedGolden], *, updates: bool) -> dict[str, Mapping[str, str]]:
    """The goldens that need other packages or versions than is recorded, by name."""
    moved = {}
    for golden in compared:
        old = before.packages_of(golden.name)
        # Without an update, what agrees with a golden says nothing against the version that it was recorded with.
        new = golden.packages if golden.written or updates else {**golden.packages, **old}
        if golden.agrees and new != old:
            moved[golden.name] = new
    return moved


def _left_behind(
    needed: Mapping[str, Mapping[str, str]], compared: Iterable[ComparedGolden], moved: Collection[str]
) -> list[str]:
    """The versions that goldens which this run did not compare keep, of packages that moved for others."""
    others = set(needed) - {golden.name for golden in compared}
    told = Counter(
        difference(name, version, version_here(name))
        for golden in sorted(others)
        for name, version in needed[golden].items()
        if name in moved
    )
    del told[""]
    return [f"{sentence}: {counted(number, 'golden')} not compared in this run" for sentence, number in told.items()]


def told_versions(recorded: Toolchain, compared: Collection[ComparedGolden]) -> Iterator[str]:
    """What to tell the user at the end of a run about versions, once for all the goldens that were compared."""
    told = Counter(sentence for golden in compared for sentence in differences(recorded, replace(golden, packages={})))
    for sentence, number in told.items():
        yield f"{sentence}: {counted(number, 'golden')} (`kernelsnap doctor` shows both ways out)"
    unnamed = Counter(
        name
        for golden in compared
        if golden.agrees
        for name in golden.packages
        if name not in recorded.packages_of(golden.name)
    )
    for name, number in sorted(unnamed.items()):
        yield f"{FILE} does not name {name} for {counted(number, 'golden')} that need it: --snapshot-update adds it"


def may_be_compared(labels: Collection[str], versions: Mapping[str, str]) -> list[str]:
    """Those of a golden's labels that a machine with these versions of torch and triton may read."""
    return [label for label in labels if is_of(label, versions)]


def some(names: list[str]) -> str:
    """The first few of these names, and how many more there are."""
    return listed(names, _MOST)
