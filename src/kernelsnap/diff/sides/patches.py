"""The goldens of a patch: both sides of every file that it touches.

A patch shows some lines of a file. The others come from the blob that its `index` line names, or from the working
tree; what is put together must fit every line of the patch, or it is an error.
"""

from __future__ import annotations

import hashlib
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import pairwise
from pathlib import Path, PurePosixPath
from typing import Literal

from kernelsnap.diff.sides.patch_text import Edit, FilePatch, file_patches
from kernelsnap.diff.sides.revisions import blob
from kernelsnap.diff.sides.sidecars import SUFFIX as RESOURCES_SUFFIX
from kernelsnap.diff.sides.sidecars import path_of, stem_of, target_of
from kernelsnap.diff.sides.trees import Contents, DiffInputError, Sides, digest_without_case, in_memory
from kernelsnap.golden.store import SUFFIX
from kernelsnap.golden.templates.folding import templates_named
from kernelsnap.golden.templates.template_store import SUFFIX as TEMPLATE_SUFFIX
from kernelsnap.golden.templates.template_store import Templates, template_paths

#: Both contents of a file; None where it does not exist.
_Step = tuple[bytes | None, bytes | None]


def patched(text: str, top: Path, here: str = "") -> Sides:
    """Both sides of every golden in a patch, completed from the repository or folder `top`.

    Its names start there, or in the folder `here` below it. A patch of several commits is taken as one change: from
    what stood before the first to what stands after the last.
    """
    files = file_patches(text)
    sides, moved = _changes([file.or_below(here) for file in files] if here else files, top)
    touched = {path: found for path, found in sides.items() if path.endswith(TEMPLATE_SUFFIX)}
    resources = {path: found for path, found in sides.items() if path.endswith(RESOURCES_SUFFIX)}
    goldens = {path: found for path, found in sides.items() if path.endswith(SUFFIX)}
    # A patch of a resources file is about a golden that it may not touch.
    for name, content in _goldens_of(resources, top):
        goldens.setdefault(name, (name, content, content))
    # A patch of a template changes goldens that it does not touch.
    for path in touched:
        goldens = {name: (name, content, content) for name, content in _users(top, path)} | goldens
    old, new = (_templates(touched, place, top, goldens.values()) for place in (1, 2))
    whole = [(name, old.whole(name, before), new.whole(name, after)) for name, before, after in goldens.values()]
    stems = {stem_of(path) for path in resources}
    found = [item for item in whole if item[0] in sides or item[1] != item[2] or stem_of(item[0]) in stems]
    before, after = _both_resources(resources, moved, (name for name, *_ in found), top)
    return Sides(
        in_memory("before the patch", {name: content for name, content, _ in found if content is not None}, before),
        in_memory("after the patch", {name: content for name, _, content in found if content is not None}, after),
    )


def _both_resources(
    changed: Mapping[str, Contents], moved: Mapping[str, str], goldens: Iterable[str], top: Path
) -> tuple[dict[str, bytes], dict[str, bytes]]:
    """The resources files of both sides; those that the patch does not touch are as they are here.

    `moved` are the new stems of goldens that the patch renames and changes, by the old ones: both sides of them stand
    under the new name, and so do the resources of both.
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
    """The goldens of the working tree that stand beside resources files."""
    stems = {stem_of(path) for path in resources}
    for folder in sorted({(top / path).parent for path in resources}):
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            if stem_of(name := _name(path, top)) in stems:
                yield name, path.read_bytes()


def _resources_of(golden: str, top: Path) -> Iterator[tuple[str, bytes]]:
    """The resources files of the working tree beside a golden."""
    for path in sorted((top / golden).parent.glob(f"*{RESOURCES_SUFFIX}")):
        if stem_of(name := _name(path, top)) == stem_of(golden):
            yield name, path.read_bytes()


def _name(path: Path, top: Path) -> str:
    """How a patch names a file; one of two folders may name files that stand elsewhere."""
    return (path.relative_to(top) if path.is_relative_to(top) else path).as_posix()


def _changes(files: Sequence[FilePatch], top: Path) -> tuple[dict[str, Contents], Mapping[str, str]]:
    """What the patch does to each path, and the new stems of goldens that it renames and changes, by the old ones.

    Where a step is needed to see the next one, `git log -p` has the last first.
    """
    try:
        steps, moved = _steps(files, top)
    except DiffInputError as error:
        try:
            steps, moved = _steps(files[::-1], top)
        except DiffInputError:
            raise error from None
    return _in_a_row(steps), moved


def _steps(files: Iterable[FilePatch], top: Path) -> tuple[Mapping[str, list[_Step]], Mapping[str, str]]:
    """What the patch does to each path, in its order; and what it renames and changes (see `_changes`)."""
    found: defaultdict[str, list[_Step]] = defaultdict(list)
    moved = {}
    for file in files:
        names = [_place(side, top) for side in (file.old, file.new) if side]
        known = [
            content for name in names for step in reversed(found.get(name, [])) for content in reversed(step) if content
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


def _in_a_row(changes: Mapping[str, Sequence[_Step]]) -> dict[str, Contents]:
    """All changes of each path as one; a series of patches has the first one first, `git log -p` the last one."""
    for turn in (1, -1):
        ordered = {path: steps[::turn] for path, steps in changes.items()}
        broken = [path for path, steps in ordered.items() if any(a[1] != b[0] for a, b in pairwise(steps))]
        if not broken:
            return {path: (path, steps[0][0], steps[-1][1]) for path, steps in ordered.items()}
    path = broken[0]
    raise DiffInputError(
        f"{path}: the patch changes it {len(changes[path])} times, and no change starts from what another made of it"
    )


def _place(paths: Sequence[str], top: Path) -> str:
    """The path that a file has here; the likeliest if it has none."""
    return next((path for path in paths if (top / path).is_file()), paths[0])


def _both(file: FilePatch, name: str, known: Sequence[bytes], top: Path) -> _Step:
    """Both sides of one file. `known` are contents that it has elsewhere in the patch."""
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
) -> _Step:
    """Both sides of a file of which the patch has no lines: renamed, deleted without its text, binary, another mode."""
    old, new = file.ids
    contents = [content for content in (before, after, *known, *_here(file, top)) if content is not None]
    if not (old or new):  # nothing but its name or its mode changed
        content = contents[0] if contents else None
        found: _Step = (content if file.old else None, content if file.new else None)
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
    """The contents that the file has here under one of its names."""
    paths = [top / path for path in dict.fromkeys((*file.old, *file.new))]
    return [path.read_bytes() for path in paths if path.is_file()]


def _is_blob(content: bytes, prefix: str) -> bool:
    """Whether this is the content of the blob whose id starts so (see `git hash-object`)."""
    data = b"blob %d\0" % len(content) + content
    # A repository has ids of one of two lengths; an abbreviated one does not tell which.
    return any(kind(data).hexdigest().startswith(prefix) for kind in (hashlib.sha1, hashlib.sha256))


def _applied(content: bytes, hunks: Iterable[Edit]) -> bytes | None:
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
    touched: Mapping[str, Contents], place: Literal[1, 2], top: Path, goldens: Iterable[Contents]
) -> Templates:
    """The templates before the patch or after it; those that it does not touch are those of the working tree."""
    files = {path: sides[place] for path, sides in touched.items()}
    for name, *sides in goldens:
        for template in {found for content in sides if content for found in _named(content)}:
            for path in map(str, template_paths(PurePosixPath(name), template)):
                if path not in files:
                    files[path] = (top / path).read_bytes() if (top / path).is_file() else None
    return Templates({path: text.decode("utf-8", "replace") for path, text in files.items() if text is not None})


def _users(top: Path, template: str) -> Iterator[tuple[str, bytes]]:
    """The goldens of the working tree that a template may give text of."""
    name = PurePosixPath(template).name.removesuffix(TEMPLATE_SUFFIX)
    for path in sorted((top / template).parent.parent.rglob(f"*{SUFFIX}")):
        content = path.read_bytes()
        if name in _named(content):
            yield _name(path, top), content


def _named(content: bytes) -> frozenset[str]:
    return templates_named(content.decode("utf-8", "replace"))
