"""Both sides of what is pending, for reports: the goldens as they are now, and what was generated instead."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Collection, Mapping
from dataclasses import replace
from functools import partial
from pathlib import Path

from kernelsnap.diff.sides.folders import files, versions_near
from kernelsnap.diff.sides.sides import Sides, is_below, nothing_at
from kernelsnap.diff.sides.trees import DiffInputError, Tree, index_sidecars
from kernelsnap.golden.resources import SUFFIX as RESOURCES_SUFFIX
from kernelsnap.golden.resources import resources_path
from kernelsnap.golden.store import SUFFIX, golden_text
from kernelsnap.golden.toolchain import Toolchain
from kernelsnap.pending.entry import Pending
from kernelsnap.pending.folder import PENDING, PendingFolder
from kernelsnap.pending.standing import Standing


def joined(folder: PendingFolder, entries: Collection[Pending], places: Collection[str] = ("",)) -> Sides:
    """The goldens that these would replace, and these; what several targets would share is one golden.

    Args:
        folder: has them.
        entries: what is pending.
        places: paths of goldens or of folders; a golden is there if it is there for one of its targets.

    Raises:
        DiffInputError: nothing is pending at one of the places.
    """
    found: defaultdict[tuple[str, ...], list[Pending]] = defaultdict(list)
    for entry in entries:
        found[entry.identity].append(entry)
    for place in places:
        if not any(is_below(entry.golden, place) for entry in entries):
            raise nothing_at(place)
    shown: dict[str, tuple[Pending, list[Pending]]] = {}
    for alike in found.values():
        at = [entry for entry in alike if any(is_below(entry.golden, place) for place in places)]
        shown |= {entry.golden: (entry, alike) for entry in at[:1]}
    # A golden names first the target that its file is called after.
    targets = {
        name: " ".join(dict.fromkeys((entry.target, *(other.target for other in alike))))
        for name, (entry, alike) in shown.items()
    }
    both = sides(folder, [entry for entry, _ in shown.values()])
    return Sides(*(replace(tree, read=partial(_for_targets, tree.read, targets)) for tree in (both.old, both.new)))


def _for_targets(read: Callable[[str, str], bytes], targets: Mapping[str, str], name: str, key: str) -> bytes:
    content = read(name, key)
    if name not in targets or content.count(b"\n") < 3:  # no golden: reading it names what is wrong
        return content
    kernelsnap, case, _, rest = content.split(b"\n", 3)
    return b"\n".join((kernelsnap, case, f"target {targets[name]}".encode(), rest))


def sides(folder: PendingFolder, entries: Collection[Pending]) -> Sides:
    """The goldens that these would replace, and these. Where targets share a golden, each has it under its own path."""
    generated = [name for entry in entries for name in _files(entry)]
    new = files(folder.path / PENDING, generated, "what pytest got")
    versions = {str(Toolchain(entry.versions)) for entry in entries}
    return Sides(_goldens(folder, entries), _recorded_with(new, " or ".join(sorted(versions))))


def _files(entry: Pending) -> list[str]:
    return [entry.golden, *([str(Path(entry.golden).with_suffix(RESOURCES_SUFFIX))] if entry.resources else [])]


def _recorded_with(tree: Tree, versions: str) -> Tree:
    return Tree(tree.label, tree.keys, tree.read, tree.templates, tree.sidecars, partial(str, versions))


def _goldens(folder: PendingFolder, entries: Collection[Pending]) -> Tree:
    standing = {goldens: Standing(folder.root / goldens) for goldens in {entry.goldens for entry in entries}}
    places = {entry.golden: (entry, standing[entry.goldens].file(entry)) for entry in entries}
    keys = {name: f"{entry.target} {path}" for name, (entry, path) in places.items() if path}
    resources = [(entry, resources_path(folder.goldens(entry) / entry.golden)) for entry in entries if entry.resources]
    near = versions_near(folder.root / next(iter(standing))) if standing else partial(str, "")
    return Tree(
        "the goldens",
        keys,
        _read,
        sidecars=index_sidecars((_files(entry)[1], str(path)) for entry, path in resources if path.exists()),
        recorded_with=near,
    )


def _read(name: str, key: str) -> bytes:
    try:
        if not name.endswith(SUFFIX):
            return Path(key).read_bytes()
        target, _, path = key.partition(" ")
        kernelsnap, case, _, rest = golden_text(Path(path)).split("\n", 3)
    except OSError as error:
        raise DiffInputError(f"cannot read {key}: {error.strerror}") from error
    # For its own target only, as what was generated is.
    return f"{kernelsnap}\n{case}\ntarget {target}\n{rest}".encode()
