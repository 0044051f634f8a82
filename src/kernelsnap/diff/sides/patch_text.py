"""Reads the text of a patch, as `git diff`, `git log -p`, `git format-patch` and `diff -ru` print it.

unidiff reads the hunks. The lines before them are read here, because unidiff leaves names as git quotes them and
takes a file of which it finds no hunk for one that did not change.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from itertools import takewhile
from pathlib import Path

from unidiff.constants import DEV_NULL
from unidiff.errors import UnidiffParseError
from unidiff.patch import PatchedFile, PatchSet

from kernelsnap.diff.sides.trees import SUFFIXES, DiffInputError
from kernelsnap.golden.files import LINE
from kernelsnap.shared.places import is_possible

_FILE = re.compile(r"^diff --(?:git|cc|combined) ", re.MULTILINE)
_COMBINED = re.compile(r"diff --(?:cc|combined) (.*)")
_COLORED = re.compile(r"^\x1b\[[\d;]*mdiff --", re.MULTILINE)
_COLOR = re.compile(r"\x1b\[[\d;]*[mK]")
_WINDOWS = re.compile(r"^(?:diff --git|---|\+\+\+) .*\r$", re.MULTILINE)
# `diff -r` without -N, and `diff -q`
_SUFFIXES = "|".join(map(re.escape, SUFFIXES))
_WITHOUT_TEXT = re.compile(rf"^(?:Only in .*(?:{_SUFFIXES})|Files .*(?:{_SUFFIXES}) differ)$", re.MULTILINE)
_IDS = re.compile(r"([0-9a-f]{4,64})\.\.([0-9a-f]{4,64})(?: |\Z)")
_QUOTED = re.compile(r'"(?:[^"\\]|\\.)*"')
_QUOTED_LAST = re.compile(rf"(.*) ({_QUOTED.pattern})", re.DOTALL)
_ESCAPE = re.compile(rb"\\([0-7]{3}|.)", re.DOTALL)
_ESCAPES = {b"a": b"\a", b"b": b"\b", b"t": b"\t", b"n": b"\n", b"v": b"\v", b"f": b"\f", b"r": b"\r"}
#: So many blanks two paths may have.
_BLANKS = 200
#: Symbolic links and submodules are no goldens, whatever their names.
_NO_FILE = ("120000", "160000")


@dataclass(frozen=True)
class PatchHunk:
    """Lines of the old file and the lines that replace them; the starts count from 0."""

    old_start: int
    old: tuple[str, ...]
    new_start: int
    new: tuple[str, ...]

    def backwards(self) -> PatchHunk:
        """The hunk that undoes this one."""
        return PatchHunk(self.new_start, self.new, self.old_start, self.old)


@dataclass(frozen=True)
class FilePatch:
    """What a patch has of one golden, template or resources file."""

    old: tuple[str, ...]  # paths that the old file may have, the likeliest first; none: it does not exist
    new: tuple[str, ...]
    ids: tuple[str, str]  # prefixes of the ids of git's blobs; "" where the patch has none
    hunks: tuple[PatchHunk, ...]
    renamed: bool = False

    def checked(self, shown: str) -> FilePatch:
        """The same without paths that lead out of the folder that the patch is for; absolute ones start in it then.

        Raises:
            DiffInputError: no other path is left, or the file is neither before the patch nor after it, or has a name
                that no file system takes.
        """
        if not (self.old or self.new):
            raise DiffInputError(f"{shown}: the patch says that this file is new and that it is deleted")
        here = f"{Path.cwd()}/"  # a patch of two folders has absolute paths
        old, new = (
            tuple(path for path in (path.removeprefix(here) for path in paths) if _is_inside(path))
            for paths in (self.old, self.new)
        )
        if (self.old and not old) or (self.new and not new):
            raise DiffInputError(f"{shown}: this path leads out of the folder that the patch is for")
        if any(not is_possible(path) for path in (*old, *new)):
            raise DiffInputError(f"{shown[:80]}: no file can have this name")
        return replace(self, old=old, new=new)

    def or_below(self, folder: str) -> FilePatch:
        """The same for a patch whose paths may start in a folder (`git diff --relative`)."""
        old, new = ((*paths, *(f"{folder}/{path}" for path in paths)) for paths in (self.old, self.new))
        return replace(self, old=old, new=new)


def _is_inside(path: str) -> bool:
    """Whether a path stays below the folder that it starts in."""
    return not path.startswith("/") and ".." not in path.split("/")


def file_patches(text: str) -> list[FilePatch]:
    """The goldens, templates and resources files of a patch, in its order; none if the text is empty.

    Raises:
        DiffInputError: the text is no patch, or one from which both sides of a golden cannot be read.
    """
    if not text.strip():
        return []
    for number, line in enumerate(text.split("\n"), 1):
        if len(line) > LINE or (line.count(" ") > _BLANKS and line.startswith("diff --git ")):
            raise DiffInputError(f"line {number} of the patch is longer than a line of a patch of goldens can be")
    if _COLORED.search(text):
        text = _COLOR.sub("", text)
    if _WINDOWS.search(text):
        text = text.replace("\r\n", "\n")
    starts = [match.start() for match in _FILE.finditer(text)]
    if not starts:
        return list(_plain(text))
    blocks = (text[start:end] for start, end in zip(starts, [*starts[1:], len(text)], strict=True))
    return [file for block in blocks if (file := _of_git(block))]


def _plain(text: str) -> Iterator[FilePatch]:
    """The files of a patch that git did not make."""
    if found := _WITHOUT_TEXT.search(text):
        raise DiffInputError(f"the patch does not show what is in a file (`{found.group()}`): make it with diff -ruN")
    files = _read(text, "the patch")
    if not files:
        raise DiffInputError("the patch is empty: it holds no file (is it the output of `git diff`?)")
    for file in files:
        old, new = unquoted(str(file.source_file)), unquoted(str(file.target_file))
        if (new if old == DEV_NULL else old).endswith(SUFFIXES):
            yield FilePatch(
                () if file.is_added_file else _paths(old, new),
                () if file.is_removed_file else _paths(new, old),
                ("", ""),
                tuple(_hunks(file)),
            ).checked(new if old == DEV_NULL else old)


def _of_git(block: str) -> FilePatch | None:
    """The file of one `diff --git` and the lines up to the next; None if it is none of a golden's files."""
    head, hunk, body = block.partition("\n@@ ")
    first, *lines = head.split("\n")
    if combined := _COMBINED.match(first):
        path = unquoted(combined.group(1))
        if not path.endswith(SUFFIXES):
            return None
        raise DiffInputError(
            f"{path}: the patch is a combined diff of a merge, which has more than two sides: "
            f"make it with one parent, `git diff HEAD -- PATH` or `git show -m --first-parent`"
        )
    header = dict(found for line in lines if (found := _header(line)))
    old, new = _two_names(first.removeprefix("diff --git "))
    way = next((way for way in ("rename", "copy") if f"{way} from" in header and f"{way} to" in header), "")
    if way:
        old, new = (unquoted(header[f"{way} {end}"]) for end in ("from", "to"))
    if not (old and new):
        raise DiffInputError(f"{old or new}: the patch names only one of the two files of a change: was it cut off?")
    olds, news = ((old,), (new,)) if way else (_paths(old, new), _paths(new, old))
    modes = [header[name] for name in ("new file mode", "deleted file mode", "new mode") if name in header]
    if not (old.endswith(SUFFIXES) or new.endswith(SUFFIXES)) or any(mode in _NO_FILE for mode in modes):
        return None
    ids = _IDS.match(header.get("index", ""))
    if not (hunk or ids or way or "old mode" in header):
        raise DiffInputError(f"{news[0]}: the patch does not say what changed in this file: was it cut off?")
    files = _read(f"--- a\n+++ b\n@@ {body}", news[0]) if hunk else []
    return FilePatch(
        () if "new file mode" in header or way == "copy" else olds,
        () if "deleted file mode" in header else news,
        (ids[1], ids[2]) if ids else ("", ""),
        tuple(_hunks(files[0])) if files else (),
        renamed=way == "rename",
    ).checked(news[0])


_HEADERS = (
    "old mode", "new mode", "deleted file mode", "new file mode", "rename from", "rename to", "copy from", "copy to",
    "index",
)  # fmt: skip


def _header(line: str) -> tuple[str, str] | None:
    """One line of git's extended header: its name and the rest."""
    return next(((name, line[len(name) + 1 :]) for name in _HEADERS if line.startswith(f"{name} ")), None)


def _two_names(text: str) -> tuple[str, str]:
    """The two names of `diff --git`: split so that they end alike, for they are names of one file."""
    if quoted := _QUOTED.match(text):
        return unquoted(quoted.group()), unquoted(text[quoted.end() + 1 :])
    if quoted := _QUOTED_LAST.fullmatch(text):
        return quoted[1], unquoted(quoted[2])
    ways = [(text[:at], text[at + 1 :]) for at, char in enumerate(text) if char == " "] or [(text, text)]
    return max(ways, key=lambda way: len(_common_end(*way)))


def _common_end(old: str, new: str) -> str:
    """The last folders and the file name that two paths have in common."""
    parts = zip(reversed(old.split("/")), reversed(new.split("/")), strict=False)
    return "/".join(reversed([a for a, _ in takewhile(lambda pair: pair[0] == pair[1], parts)]))


def _paths(path: str, other: str) -> tuple[str, ...]:
    """The paths that a file may have: its name without the prefix (`a/`, `b/`, a folder) of its side, or with it."""
    without = path.partition("/")[2]
    common = _common_end(path, other)
    if path == other:  # no prefixes
        return (path,)
    return tuple(dict.fromkeys(path for path in (common, without, path) if path))


def unquoted(name: str) -> str:
    """A name as git quotes it, in plain text: `"a\\303\\274"` is `aü` (see core.quotePath in git-config)."""
    if not _QUOTED.fullmatch(name):
        return name

    def plain(match: re.Match[bytes]) -> bytes:
        code = match.group(1)
        return bytes([int(code, 8)]) if len(code) == 3 else _ESCAPES.get(code, code)

    return _ESCAPE.sub(plain, name[1:-1].encode("utf-8", "surrogateescape")).decode("utf-8", "surrogateescape")


def _read(text: str, where: str) -> list[PatchedFile]:
    try:
        return list(PatchSet(text))
    except (UnidiffParseError, ValueError) as error:  # a number of more digits than Python reads
        raise DiffInputError(f"{where}: the patch cannot be read: {str(error).strip()}") from error


def _hunks(file: PatchedFile) -> Iterator[PatchHunk]:
    for hunk in file:
        old: list[str] = []
        new: list[str] = []
        last: tuple[list[str], ...] = ()
        for line in hunk:
            if line.line_type == "\\":  # the line before it has no line end
                for side in last:
                    side[-1] = side[-1].removesuffix("\n")
                continue
            last = (old, new) if line.is_context else (old,) if line.is_removed else (new,) if line.is_added else ()
            for side in last:
                side.append(line.value)
        # A patch gives the start of a side without lines as the line before it.
        yield PatchHunk(
            hunk.source_start - (hunk.source_length > 0), tuple(old),
            hunk.target_start - (hunk.target_length > 0), tuple(new),
        )  # fmt: skip
