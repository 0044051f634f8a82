"""Reads both sides of the goldens in a patch.

A patch has some lines of a file only. The others are taken from the blob that its `index` line names, or from the
working tree; where they do not fit every line of the patch, it is an error.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Literal

from kernelsnap.diff.sides.patch_text import FilePatch, PatchHunk, file_patches
from kernelsnap.diff.sides.revisions import blob
from kernelsnap.diff.sides.sides import Sides
from kernelsnap.diff.sides.trees import (
    Contents,
    DiffInputError,
    digest_without_case,
    in_memory,
    path_of,
    target_of,
)
from kernelsnap.golden.files import read_bytes
from kernelsnap.golden.resources import SUFFIX as RESOURCES_SUFFIX
from kernelsnap.golden.store import SUFFIX
from kernelsnap.golden.templates.folding import templates_named
from kernelsnap.golden.templates.template_store import SUFFIX as TEMPLATE_SUFFIX
from kernelsnap.golden.templates.template_store import Templates, template_paths
from kernelsnap.golden.variants import stem_of

#: The contents of a file before and after one change; None where it does not exist.
_Edit = tuple[bytes | None, bytes | None]


def patched(text: str, top: Path, here: str = "") -> Sides:
    """Both sides of every golden in a patch, completed from the repository or folder `top`.

    The paths in it start there, or in the folder `here` below it. A patch of several commits is read as one change,
    from before the first to after the last.
    """
    files = file_patches(text)
    sides, moved = _changes([file.or_below(here) for file in files] if here else files, top)
    touched = {path: found for path, found in sides.items() if path.endswith(TEMPLATE_SUFFIX)}
    resources = {path: found for path, found in sides.items() if path.endswith(RESOURCES_SUFFIX)}
    goldens = {path: found for path, found in sides.items() if path.endswith(SUFFIX)}
    # A patch of a resources file concerns a golden, which the patch need not change.
    for name, content in _goldens_of(resources, top):
        goldens.setdefault(name, (name, content, content))
    # A patch of a template changes goldens whose own files it does not change.
    for path in touched:
        goldens = {name: (name, content, content) for name, content in _users(top, path)} | goldens
    old, new = (_templates(touched, side, top, goldens.values()) for side in (1, 2))
    unfolded = [(name, old.unfold(name, before), new.unfold(name, after)) for name, before, after in goldens.values()]
    stems = {stem_of(path) for path in resources}
    found = [item for item in unfolded if item[0] in sides or item[1] != item[2] or stem_of(item[0]) in stems]
    before, after = _both_resources(resources, moved, (name for name, *_ in found), top)
    return Sides(
        in_memory("before the patch", {name: content for name, content, _ in found if content is not None}, before),
        in_memory("after the patch", {name: content for name, _, content in found if content is not None}, after),
    )


def _both_resources(
    changed: Mapping[str, Contents], moved: Mapping[str, str], goldens: Iterable[str], top: Path
) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """The resources files of both sides; those that the patch does not change are as in the working tree.

    `moved` has the new stems of goldens that the patch renames and changes, by the old ones. Both sides of such a
    golden are compared under its new name, and so are the resources of both.
    """
    untouched = {path: (path, content, content) for name in goldens for path, content in _resources_of(name, top)}
    old: dict[str, bytes] = {}
    new: dict[str, bytes] = {}
    for path, before, after in (untouched | dict(changed)).values():
        if before is not None:
            old[path_of(moved.get(stem_of(path), stem_of(path)), target_of(path))] = before
        if after is not None:
            new[path] = after
    return old, new


def _goldens_of(resources: Iterable[str], top: Path) -> Iterator[tuple[str, bytes]]:
    """The goldens of the working tree that these resources files belong to."""
    stems = {stem_of(path) for path in resources}
    for folder in sorted({(top / path).parent for path in resources}):
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            if stem_of(name := _name(path, top)) in stems:
                yield name, read_bytes(path)


def _resources_of(golden: str, top: Path) -> Iterator[tuple[str, bytes]]:
    """The resources files of a golden in the working tree."""
    for path in sorted((top / golden).parent.glob(f"*{RESOURCES_SUFFIX}")):
        if stem_of(name := _name(path, top)) == stem_of(golden):
            yield name, read_bytes(path)


def _name(path: Path, top: Path) -> str:
    """The path of a file as in a patch: from `top` on."""
    return path.relative_to(top).as_posix()


def _changes(files: Sequence[FilePatch], top: Path) -> tuple[dict[str, Contents], Mapping[str, str]]:
    """Both contents of each path, and the new stems of goldens that the patch renames and changes, by the old ones.

    One change of a file may be needed to read the next one. The oldest comes first in a series of patches, and last in
    `git log -p`, so both orders are tried.
    """
    try:
        edits, moved = _edits(files, top)
    except DiffInputError as error:
        try:
            edits, moved = _edits(files[::-1], top)
        except DiffInputError:
            raise error from None
    return _as_one(edits), moved


def _edits(files: Iterable[FilePatch], top: Path) -> tuple[Mapping[str, list[_Edit]], Mapping[str, str]]:
    """The changes of each path in their order, and what is renamed and changed (see `_changes`)."""
    found: defaultdict[str, list[_Edit]] = defaultdict(list)
    moved = {}
    for file in files:
        names = [_path_here(side, top) for side in (file.old, file.new) if side]
        known = [
            content for name in names for edit in reversed(found.get(name, [])) for content in reversed(edit) if content
        ]
        old, new = _both(file, names[-1], known, top)
        # Resources go where their golden goes, whatever file git takes for their old one.
        if file.renamed and (names[0].endswith(RESOURCES_SUFFIX) or _is_only_renamed(old, new)):
            found[names[0]].append((old, None))
            found[names[-1]].append((None, new))
        else:
            found[names[-1]].append((old, new))
            if file.renamed:
                moved[stem_of(names[0])] = stem_of(names[-1])
    return found, moved


def _is_only_renamed(old: bytes | None, new: bytes | None) -> bool:
    """Whether two contents are those of one golden whose test got another name."""
    return old is not None and new is not None and digest_without_case(old) == digest_without_case(new)


def _as_one(changes: Mapping[str, Sequence[_Edit]]) -> dict[str, Contents]:
    """All changes of each path as one, in this order or the reverse: each must start from the result of the last."""
    for turn in (1, -1):
        ordered = {path: edits[::turn] for path, edits in changes.items()}
        broken = [path for path, edits in ordered.items() if any(a[1] != b[0] for a, b in pairwise(edits))]
        if not broken:
            return {path: (path, edits[0][0], edits[-1][1]) for path, edits in ordered.items()}
    path = broken[0]
    raise DiffInputError(
        f"{path}: the patch changes it {len(changes[path])} times, and no change starts from what another made of it"
    )


def _path_here(paths: Sequence[str], top: Path) -> str:
    """The one of these paths where a file is in the working tree; the first, which is likeliest, if none is."""
    return next((path for path in paths if (top / path).is_file()), paths[0])


def _both(file: FilePatch, name: str, known: Sequence[bytes], top: Path) -> _Edit:
    """Both contents of one file. `known` are contents that it has elsewhere in the patch."""
    before, after = (blob(top, name) if name.strip("0") else None for name in file.ids)
    if not file.hunks:
        return _without_hunks(file, name, before, after, known, top)
    if not file.old:
        return None, _join(line for hunk in file.hunks for line in hunk.new)
    if not file.new:
        return _join(line for hunk in file.hunks for line in hunk.old), None
    here = _here(file, top)
    for content in (before, *known, *here):
        if content is not None and (new := _applied(content, file.hunks)) is not None:
            return content, new
    for content in (after, *known, *here):
        if content is not None and (old := _applied(content, [h.backwards() for h in file.hunks])) is not None:
            return old, content
    raise DiffInputError(
        f"{name}: the patch does not fit the file here, and git has not the one it was made from: run this where the "
        f"patch was made (a patch made with --word-diff or with changes of white space left out fits nowhere)"
    )


def _without_hunks(
    file: FilePatch, name: str, before: bytes | None, after: bytes | None, known: Sequence[bytes], top: Path
) -> _Edit:
    """Both contents of a file of which the patch has no lines: renamed, deleted without its text, binary, or a mode."""
    old, new = file.ids
    contents = [content for content in (before, after, *known, *_here(file, top)) if content is not None]
    if not (old or new):  # nothing but its name or its mode changed
        content = contents[0] if contents else None
        found: _Edit = (content if file.old else None, content if file.new else None)
    else:
        found = (
            next((content for content in contents if file.old and _is_blob(content, old)), None),
            next((content for content in contents if file.new and _is_blob(content, new)), None),
        )
    if any(paths and content is None for paths, content in zip((file.old, file.new), found, strict=True)):
        raise DiffInputError(
            f"{name}: the patch does not hold the lines of this file, and they are not here: run this where it was made"
        )
    return found


def _here(file: FilePatch, top: Path) -> list[bytes]:
    """The contents of the file in the working tree, under any of its paths."""
    paths = [top / path for path in dict.fromkeys((*file.old, *file.new))]
    return [read_bytes(path) for path in paths if path.is_file()]


def _is_blob(content: bytes, prefix: str) -> bool:
    """Whether this is the content of the blob whose id starts with a prefix (see `git hash-object`)."""
    data = b"blob %d\0" % len(content) + content
    # A repository uses one of two hashes; an abbreviated id does not show which.
    return any(kind(data).hexdigest().startswith(prefix) for kind in (hashlib.sha1, hashlib.sha256))


def _applied(content: bytes, hunks: Iterable[PatchHunk]) -> bytes | None:
    """The content after the hunks; None if they do not fit."""
    lines = content.decode("utf-8", "surrogateescape").split("\n")
    lines = [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
    result: list[str] = []
    position = 0
    for hunk in hunks:
        start, end = hunk.old_start, hunk.old_start + len(hunk.old)
        if lines[start:end] != list(hunk.old) or start < position:
            return None
        result += [*lines[position:start], *hunk.new]
        position = end
    return _join(result + lines[position:])


def _join(lines: Iterable[str]) -> bytes:
    return "".join(lines).encode("utf-8", "surrogateescape")


def _templates(
    touched: Mapping[str, Contents], side: Literal[1, 2], top: Path, goldens: Iterable[Contents]
) -> Templates:
    """The templates before the patch (1) or after it (2); those that it does not change are as in the working tree."""
    files = {path: contents[side] for path, contents in touched.items()}
    for name, *contents in goldens:
        for template in {found for content in contents if content for found in _named(content)}:
            for path in map(str, template_paths(PurePosixPath(name), template)):
                if path not in files:
                    files[path] = read_bytes(top / path) if (top / path).is_file() else None
    return Templates({path: text.decode("utf-8", "replace") for path, text in files.items() if text is not None})


def _users(top: Path, template: str) -> Iterator[tuple[str, bytes]]:
    """The goldens of the working tree that name a template."""
    name = PurePosixPath(template).name.removesuffix(TEMPLATE_SUFFIX)
    for path in sorted((top / template).parent.parent.rglob(f"*{SUFFIX}")):
        content = read_bytes(path)
        if name in _named(content):
            yield _name(path, top), content


def _named(content: bytes) -> frozenset[str]:
    return templates_named(content.decode("utf-8", "replace"))
