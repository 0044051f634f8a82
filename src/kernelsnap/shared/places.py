"""Where things are: tests and files, as typed where a command runs and from the project's root; kernelsnap's caches."""

from __future__ import annotations

import os
from pathlib import Path

#: Where pytest keeps its cache, below the root of a project, unless `cache_dir` says otherwise.
CACHE = ".pytest_cache"
#: Below it, where plugins have folders of their own (`Cache.mkdir`).
BELOW = "d"
NAME = "kernelsnap"


def from_here(name: str, root: Path) -> str:
    """A node id or a file, as it is called from the folder of this process, as it is called from the project's root.

    What names no file here stays as it is: a part of a name, a pattern, or a name from the root.
    """
    module, separator, test = name.partition("::")
    if module and is_file(module) and (path := Path(module).resolve()).is_relative_to(root.resolve()):
        return path.relative_to(root.resolve()).as_posix() + separator + test
    return name


def below(place: str, name: str) -> str:
    """A file below a folder, as it is typed in the folder of this process; an absolute folder stays absolute."""
    path = Path(place, name)
    return os.path.normpath(path) if path.is_absolute() else os.path.relpath(path)


def is_file(name: str) -> bool:
    """Whether this is a file, whatever characters and however many it has."""
    try:
        return Path(name).is_file()
    except (OSError, ValueError):
        return False


def is_possible(path: str) -> bool:
    """Whether a file can have this path: Linux takes 255 bytes for a name, 4,096 for a path, and no NUL."""
    try:
        encoded = os.fsencode(path)
    except UnicodeEncodeError:
        return False
    return b"\0" not in encoded and len(encoded) < 4096 and max(map(len, encoded.split(b"/"))) <= 255


def to_here(name: str, root: Path, here: Path | None = None) -> str:
    """The reverse: what to type in a folder, by default that of this process, for a name from the project's root."""
    module, separator, test = name.partition("::")
    path = root / module
    return f"{os.path.relpath(path, here or Path.cwd())}{separator}{test}" if path.is_file() else name


def kept_by_pytest(cache: Path | None, start: Path) -> Path:
    """Where kernelsnap keeps what pytest's runs found, in pytest's cache folder: the one that is given, or the nearest.

    It may not be there.
    """
    candidates = [cache] if cache else [parent / CACHE for parent in (start, *start.parents)]
    found = next((candidate for candidate in candidates if (candidate / BELOW / NAME).is_dir()), candidates[0])
    return found / BELOW / NAME


def cache_folder() -> Path:
    """Where what is slow to make again is kept: $KERNELSNAP_CACHE, else `kernelsnap` in $XDG_CACHE_HOME or ~/.cache."""
    if chosen := os.environ.get("KERNELSNAP_CACHE"):
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path("~/.cache").expanduser()) / "kernelsnap"
