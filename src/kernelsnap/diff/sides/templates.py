"""The templates of one side of a comparison: what goldens that leave them out are read with."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path, PurePosixPath

from kernelsnap.errors import GoldenFormatError
from kernelsnap.golden.templates.folding import unfolded
from kernelsnap.golden.templates.template import Template
from kernelsnap.golden.templates.template_store import FOLDER, SUFFIX, missing, parse_template, places

#: Where, for the goldens of a folder, the templates that stand above it are.
_ABOVE = f"../{FOLDER}"


@dataclass(frozen=True)
class Templates:
    """The templates of a tree of goldens. Small, and plain data: a process that compares goldens is given all of it."""

    files: Mapping[str, str] = field(default_factory=dict, repr=False)  # the text of each file, by its path in the tree

    def whole(self, name: str, content: bytes | None) -> bytes | None:
        """The golden of this name in which everything stands whole; as it is where its templates cannot be read."""
        if content is None or not is_folded(content):
            return content
        try:
            return unfolded(content.decode("utf-8"), lambda template: self._find(name, template), name).encode("utf-8")
        except (GoldenFormatError, UnicodeDecodeError):
            return content  # parsing it says what is wrong

    def _find(self, name: str, template: str) -> Template:
        for place in (*map(str, places(PurePosixPath(name), template)), f"{_ABOVE}/{template}{SUFFIX}"):
            if place in self.files:
                return parse_template(self.files[place], place)
        raise missing(name, template)


def is_folded(content: bytes) -> bool:
    """Whether a golden leaves templates out."""
    return content.startswith(b"kernelsnap 2\n")


def templates_above(folder: Path) -> dict[str, str]:
    """The templates that goldens in this folder find in it and in the folders above it; the nearest of each name."""
    found: dict[str, str] = {}
    for parent in (folder.absolute(), *folder.absolute().parents):
        for path in sorted((parent / FOLDER).glob(f"*{SUFFIX}")):
            found.setdefault(f"{_ABOVE}/{path.name}", path.read_bytes().decode("utf-8", "replace"))
    return found
