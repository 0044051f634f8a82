"""What a side of a comparison was recorded with, in words: `torch 2.13.0, triton 3.7.1`."""

from __future__ import annotations

from collections.abc import Callable, Iterable

from kernelsnap.errors import GoldenError
from kernelsnap.golden.toolchain import FILE, parse


def recorded_with(folders: Iterable[str], text: Callable[[str], str | None]) -> str:
    """The versions in the first of these folders that has a file of them, "" if none does.

    `text` gives what stands at a path, None where nothing does. A file that cannot be read is no reason to show no
    report: it is said instead of the versions.
    """
    for folder in folders:
        path = f"{folder}/{FILE}" if folder else FILE
        try:
            content = text(path)
            if content is None:
                continue
            versions = parse(content, path).versions
        except GoldenError:
            return f"{path} cannot be read"
        return ", ".join(f"{name} {version}" for name, version in versions.items())
    return ""
