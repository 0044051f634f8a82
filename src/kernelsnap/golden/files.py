"""Reads and writes text files: never half of one, and never one with other line ends or another encoding.

What is read may come from anybody's pull request: only regular files are read, links lead nowhere outside the tree, and
what one file may cost has limits. Beyond them it is an error that names the file and the limit. A file that could not
be read is not written either.
"""

from __future__ import annotations

import errno
import os
import re
import secrets
import stat
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import BinaryIO

from kernelsnap.errors import GoldenError, GoldenFormatError, GoldenWriteError
from kernelsnap.shared.assigned import assigned

#: What a file may have at most: far more than any golden has, and so little that it is read in seconds.
LARGEST = 64 << 20  # bytes
LINES = 1_000_000
LINE = 250_000  # bytes
#: In the folder of a tree of goldens: what they were recorded with.
TOOLCHAIN = "toolchain.toml"
# A file that is being written: .0123456789abcdef.tmp
_BYTES = 8
_TEMPORARY = re.compile(rf"\.[0-9a-f]{{{2 * _BYTES}}}\.tmp")


def read_text(path: Path) -> str:
    """The text of a file.

    Raises:
        FileNotFoundError: there is none.
        GoldenFormatError: it is not UTF-8, or its line ends were changed.
        GoldenError: it cannot be read at all.
    """
    return decoded(read_bytes(path), str(path), path.suffix)


def read_bytes(path: Path) -> bytes:
    """The content of a regular file. Raises what `opened` raises, and `GoldenError` if it has more than `LARGEST`."""
    with opened(path) as file:
        if os.fstat(file.fileno()).st_size > LARGEST:
            raise too_large(str(path))
        return file.read()


def too_large(where: str) -> GoldenError:
    """The error for a file that nobody would read to its end."""
    return GoldenError(f"cannot read {where}: it has more than {LARGEST >> 20} MiB, the most that a file may have")


@contextmanager
def opened(path: Path) -> Iterator[BinaryIO]:
    """A regular file, opened for reading.

    Raises:
        FileNotFoundError: there is none.
        GoldenError: it cannot be read, is no regular file, or is a link to outside of its tree.
    """
    try:
        if not stat.S_ISREG(path.stat().st_mode):
            raise GoldenError(f"cannot read {path}: it is no regular file")
        # What has become a pipe meanwhile does not block.
        with os.fdopen(os.open(path, os.O_RDONLY | os.O_NONBLOCK), "rb") as file:
            _check_place(path, file.fileno())
            yield file
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(error.errno, error.strerror, str(path)) from None
    except OSError as error:
        raise GoldenError(f"cannot read {path}: {error.strerror or error}") from error


def _check_place(path: Path, descriptor: int) -> None:
    """Refuse a file that links lead to, out of its tree. Raises `GoldenError`."""
    with suppress(OSError):  # Linux knows where an open file is; elsewhere each folder of the path is looked at
        if os.readlink(f"/proc/self/fd/{descriptor}") == str(path.absolute()):  # noqa: PTH115  for each file, as text
            return
    real = path.resolve()
    if real != path.absolute():
        *_, tree = folders_above(path)
        if not real.is_relative_to(tree.resolve()):
            raise GoldenError(f"cannot read {path}: links lead from there to {real}, which is not below {tree}")


def folders_above(path: Path) -> Iterator[Path]:
    """The folders above a file, the nearest first, up to that of its tree of goldens, or the top of a repository."""
    for folder in path.absolute().parents:
        yield folder
        if (folder / TOOLCHAIN).exists() or (folder / ".git").exists():
            return


def decoded(content: bytes, where: str, suffix: str) -> str:
    """The text of a file that has this content; `suffix` is that of its name.

    Raises:
        GoldenFormatError: it is not UTF-8, its line ends were changed, or it has too many lines, or too long ones; the
            message names `where` and the line.
    """
    if content.count(b"\n") > LINES:
        raise GoldenFormatError(f"{where}:{LINES}: the file has more than {LINES:,} lines, the most that it may have")
    if len(content) > LINE and (longest := max(content.split(b"\n"), key=len)) and len(longest) > LINE:
        line = content.count(b"\n", 0, content.index(longest)) + 1
        raise GoldenFormatError(f"{where}:{line}: the line has more than {LINE:,} bytes, the most that one may have")
    if b"\r\n" in content:
        line = content.count(b"\n", 0, content.index(b"\r\n")) + 1
        raise GoldenFormatError(
            f"{where}:{line}: the file has Windows line ends (CRLF); add `*{suffix} text eol=lf` to .gitattributes "
            f"and check it out again"
        )
    try:
        return content.decode("utf-8")
    except UnicodeDecodeError as error:
        line = content.count(b"\n", 0, error.start) + 1
        raise GoldenFormatError(
            f"{where}:{line}: the file is not UTF-8 text; restore it from version control, or record it again with "
            f"--snapshot-update"
        ) from None


def write_text(path: Path, text: str) -> bool:
    """Write a file, completely or not at all; nothing if it has this text already. Returns whether it changed.

    Raises:
        GoldenFormatError: it could not be read back; nothing is written.
        GoldenWriteError: it could not be written; what was there before is unchanged.
    """
    content = _readable(path, text)
    try:
        try:
            if path.read_bytes() == content:
                return False
        except FileNotFoundError:
            path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, content)
    except OSError as error:
        raise write_error(path, error) from error
    return True


def _readable(path: Path, text: str) -> bytes:
    """The content of a file with this text, which is read back as it is."""
    try:
        content = text.encode("utf-8")
        if len(content) > LARGEST:
            raise too_large(str(path))
        decoded(content, str(path), path.suffix)
    except UnicodeEncodeError as error:
        line = text.count("\n", 0, error.start) + 1
        raise GoldenFormatError(
            f"{path} is not written: line {line} would hold {error.object[error.start]!a}, half of a character that "
            f"takes two codes, which no UTF-8 text has"
        ) from None
    except GoldenError as error:
        raise GoldenFormatError(f"{path} is not written, for it could not be read: {error}") from None
    return content


def replace_bytes(path: Path, content: bytes) -> None:
    """Write a file of the user's, completely or not at all; it stays what it is otherwise: a link, executable.

    Raises:
        GoldenWriteError: it could not be written; what was there before is unchanged.
    """
    try:
        real = path.resolve()
        mode = real.stat().st_mode if real.exists() else None
        if mode is None or stat.S_ISREG(mode):
            _replace(real, content, mode)
        else:  # a pipe, /dev/null
            path.write_bytes(content)
    except OSError as error:
        raise write_error(path, error) from error


#: Whether a file is forced onto the disk as soon as it is written; see `flushed_together`.
_AT_ONCE: ContextVar[bool] = ContextVar("at once", default=True)


@contextmanager
def flushed_together() -> Iterator[None]:
    """Force the files that are written in the block onto the disk at its end, together: thousands take a second."""
    with assigned(_AT_ONCE, False):
        yield
    os.sync()


def _replace(path: Path, content: bytes, mode: int | None = None) -> None:
    # In the same folder, because a rename is atomic only within one file system.
    temporary = path.with_name(f".{secrets.token_hex(_BYTES)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            if _AT_ONCE.get():
                os.fsync(file.fileno())
        if temporary.read_bytes() != content:
            raise OSError(errno.EIO, "what was read back is not what was written")
        if mode is not None:
            temporary.chmod(stat.S_IMODE(mode))
        temporary.replace(path)
    except BaseException:
        with suppress(OSError):
            temporary.unlink(missing_ok=True)
        raise


def is_leftover(path: Path) -> bool:
    """Whether a file is one that a killed process had not finished writing."""
    return bool(_TEMPORARY.fullmatch(path.name))


def sweep(folder: Path) -> None:
    """Delete what killed processes left below a folder, in which no other process may write meanwhile."""
    for path in folder.rglob("*.tmp"):
        if is_leftover(path):
            path.unlink(missing_ok=True)


def write_error(path: Path, error: OSError) -> GoldenWriteError:
    """The error for a file that could not be written, with what to do."""
    return GoldenWriteError(
        f"cannot write {path}: {error.strerror or error}. What was there before is unchanged; make room or make the "
        f"folder {path.parent} writable, then run the same command again"
    )
