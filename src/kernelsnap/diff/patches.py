"""The goldens of a patch: both sides of every file that it touches.

A patch shows some lines of a file. The others come from the blob that its `index` line names, or from the working
tree; what is put together must fit every line of the patch, or it is an error.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path, PurePosixPath
from typing import Literal

from unidiff.errors import UnidiffParseError
from unidiff.patch import PatchedFile, PatchSet

from kernelsnap.diff.beside import SUFFIX as RESOURCES_SUFFIX
from kernelsnap.diff.beside import stem_of
from kernelsnap.diff.revisions import blob
from kernelsnap.diff.templates import Templates
from kernelsnap.diff.trees import Contents, DiffInputError, Sides, in_memory
from kernelsnap.golden.folding import templates_named
from kernelsnap.golden.store import SUFFIX
from kernelsnap.golden.template_store import SUFFIX as TEMPLATE_SUFFIX
from kernelsnap.golden.template_store import places

_SUFFIXES = (SUFFIX, TEMPLATE_SUFFIX, RESOURCES_SUFFIX)
# index 3f1a2b4..98c7d6e 100644
_INDEX = re.compile(r"^index ([0-9a-f]{7,64})\.\.([0-9a-f]{7,64})", re.MULTILINE)


def patched(text: str, top: Path) -> Sides:
    """Both sides of every golden in a patch, completed from the repository or folder `top`."""
    try:
        files = PatchSet(text)
    except UnidiffParseError as error:
        raise DiffInputError(f"the patch cannot be read: {error}") from error
    if not files:
        raise DiffInputError("the patch is empty: it holds no file (is it the output of `git diff`?)")
    sides = {str(file.path): _sides(file, top) for file in files if file.path.endswith(_SUFFIXES)}
    touched = {path: found for path, found in sides.items() if path.endswith(TEMPLATE_SUFFIX)}
    resources = {path: found for path, found in sides.items() if path.endswith(RESOURCES_SUFFIX)}
    goldens = {path: found for path, found in sides.items() if path not in touched and path not in resources}
    # A patch of a resources file is about a golden that it may not touch.
    for name, content in _beside(resources, top):
        goldens.setdefault(name, (name, content, content))
    # A patch of a template changes goldens that it does not touch.
    for path in touched:
        goldens = {name: (name, content, content) for name, content in _users(top, path)} | goldens
    old, new = (_templates(touched, place, top, goldens.values()) for place in (1, 2))
    whole = [(name, old.whole(name, before), new.whole(name, after)) for name, before, after in goldens.values()]
    stems = {stem_of(path) for path in resources}
    found = [item for item in whole if item[0] in sides or item[1] != item[2] or stem_of(item[0]) in stems]
    # Those that the patch does not touch are as they are here.
    here = {path: (path, content, content) for name, *_ in found for path, content in _resources_of(name, top)}
    every = [*(here | resources).values()]
    return Sides(
        in_memory(
            "before the patch",
            {name: content for name, content, _ in found if content is not None},
            {path: content for path, content, _ in every if content is not None},
        ),
        in_memory(
            "after the patch",
            {name: content for name, _, content in found if content is not None},
            {path: content for path, _, content in every if content is not None},
        ),
    )


def _beside(resources: Iterable[str], top: Path) -> Iterator[tuple[str, bytes]]:
    """The goldens of the working tree that stand beside resources files."""
    stems = {stem_of(path) for path in resources}
    for folder in sorted({(top / path).parent for path in resources}):
        for path in sorted(folder.glob(f"*{SUFFIX}")):
            name = path.relative_to(top).as_posix()
            if stem_of(name) in stems:
                yield name, path.read_bytes()


def _resources_of(golden: str, top: Path) -> Iterator[tuple[str, bytes]]:
    """The resources files of the working tree beside a golden."""
    for path in sorted((top / golden).parent.glob(f"*{RESOURCES_SUFFIX}")):
        name = path.relative_to(top).as_posix()
        if stem_of(name) == stem_of(golden):
            yield name, path.read_bytes()


def _templates(
    touched: Mapping[str, Contents], place: Literal[1, 2], top: Path, goldens: Iterable[Contents]
) -> Templates:
    """The templates before the patch or after it; those that it does not touch are those of the working tree."""
    files = {path: sides[place] for path, sides in touched.items()}
    for name, *sides in goldens:
        for template in {found for content in sides if content for found in _named(content)}:
            for path in map(str, places(PurePosixPath(name), template)):
                if path not in files:
                    files[path] = (top / path).read_bytes() if (top / path).is_file() else None
    return Templates({path: text.decode("utf-8", "replace") for path, text in files.items() if text is not None})


def _users(top: Path, template: str) -> Iterator[tuple[str, bytes]]:
    """The goldens of the working tree that a template may give text of."""
    name = PurePosixPath(template).name.removesuffix(TEMPLATE_SUFFIX)
    for path in sorted((top / template).parent.parent.rglob(f"*{SUFFIX}")):
        content = path.read_bytes()
        if name in _named(content):
            yield path.relative_to(top).as_posix(), content


def _named(content: bytes) -> frozenset[str]:
    return templates_named(content.decode("utf-8", "replace"))


def _sides(file: PatchedFile, top: Path) -> Contents:
    path = str(file.path)
    if file.is_added_file:
        return path, None, _join([line.value for hunk in file for line in hunk if not line.is_removed])
    if file.is_removed_file:
        return path, _join([line.value for hunk in file for line in hunk if not line.is_added]), None
    index = _INDEX.search(str(file.patch_info or ""))
    old = blob(top, index.group(1)) if index else None
    if old is not None and (new := _applied(old, file)) is not None:
        return path, old, new
    source = top / str(file.source_file).removeprefix("a/")
    present = source.read_bytes() if source.is_file() else None
    present = present if present is not None else (top / path).read_bytes() if (top / path).is_file() else None
    if present is not None:
        if (new := _applied(present, file)) is not None:
            return path, present, new
        if (old := _applied(present, file, backwards=True)) is not None:
            return path, old, present
    raise DiffInputError(
        f"{path}: the patch does not fit the file here, and git has not the one it was made from; "
        f"run this where the patch was made"
    )


def _applied(content: bytes, file: PatchedFile, backwards: bool = False) -> bytes | None:
    """The content after the hunks, or before them; None if they do not fit."""
    lines = content.decode("utf-8", "replace").split("\n")
    lines = [f"{line}\n" for line in lines[:-1]] + ([lines[-1]] if lines[-1] else [])
    result: list[str] = []
    position = 0
    for hunk in file:
        start, length = (
            (hunk.target_start, hunk.target_length) if backwards else (hunk.source_start, hunk.source_length)
        )
        start -= length > 0
        ours = [line.value for line in hunk if not (line.is_removed if backwards else line.is_added)]
        if lines[start : start + len(ours)] != ours or start < position:
            return None
        result += lines[position:start]
        result += [line.value for line in hunk if not (line.is_added if backwards else line.is_removed)]
        position = start + len(ours)
    return _join(result + lines[position:])


def _join(lines: list[str]) -> bytes:
    return "".join(lines).encode()
