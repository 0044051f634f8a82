"""Reads and writes text files: never half of one, and never one with other line ends or another encoding."""

from __future__ import annotations

import errno
import os
import re
import secrets
from contextlib import suppress
from pathlib import Path

from kernelsnap.errors import GoldenError, GoldenFormatError, GoldenWriteError

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
    try:
        content = path.read_bytes()
    except (FileNotFoundError, NotADirectoryError) as error:
        raise FileNotFoundError(error.errno, error.strerror, str(path)) from None
    except OSError as error:
        raise GoldenError(f"cannot read {path}: {error.strerror or error}") from error
    return decoded(content, str(path), path.suffix)


def decoded(content: bytes, where: str, suffix: str) -> str:
    """The text of a file that has this content; `suffix` is that of its name.

    Raises:
        GoldenFormatError: it is not UTF-8, or its line ends were changed; the message names `where` and the line.
    """
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
        GoldenWriteError: it could not be written; what was there before is unchanged.
    """
    content = text.encode("utf-8")
    try:
        with suppress(FileNotFoundError):
            if path.read_bytes() == content:
                return False
        path.parent.mkdir(parents=True, exist_ok=True)
        _replace(path, content)
    except OSError as error:
        raise write_error(path, error) from error
    return True


def _replace(path: Path, content: bytes) -> None:
    # In the same folder, because a rename is atomic only within one file system.
    temporary = path.with_name(f".{secrets.token_hex(_BYTES)}.tmp")
    try:
        with temporary.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        if temporary.read_bytes() != content:
            raise OSError(errno.EIO, "what was read back is not what was written")
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
