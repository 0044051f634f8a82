"""The goldens of a patch: both sides of every file that it touches.

A patch shows some lines of a file. The others come from the blob that its `index` line names, or from the working
tree; what is put together must fit every line of the patch, or it is an error.
"""

from __future__ import annotations

import re
from pathlib import Path

from unidiff.errors import UnidiffParseError
from unidiff.patch import PatchedFile, PatchSet

from kernelsnap.diff.revisions import blob
from kernelsnap.diff.trees import Contents, DiffInputError, Sides, in_memory
from kernelsnap.golden.store import SUFFIX

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
    goldens = [file for file in files if file.path.endswith(SUFFIX)]
    found = [_sides(file, top) for file in goldens]
    return Sides(
        in_memory("before the patch", {name: old for name, old, _ in found if old is not None}),
        in_memory("after the patch", {name: new for name, _, new in found if new is not None}),
    )


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
