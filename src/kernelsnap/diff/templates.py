"""The templates of one side of a comparison: what goldens are read with, each found and parsed once."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import PurePath

from kernelsnap.errors import GoldenFormatError
from kernelsnap.golden.folding import templates_named, unfolded
from kernelsnap.golden.template import Template
from kernelsnap.golden.template_store import missing, parse_template, places


def is_folded(content: bytes) -> bool:
    """Whether a golden leaves templates out; after `Templates.whole`, whether they could not be read."""
    return content.startswith(b"kernelsnap 2\n")


@dataclass(frozen=True)
class Templates:
    """Where the templates of one side are."""

    read: Callable[[str], bytes | None] = field(repr=False)  # a template's file by its path; None where there is none
    base: str = ""  # what the names of goldens are relative to, in the paths of `read`
    keys: Mapping[str, str] = field(default_factory=dict)  # path: the id of the content, where that is known
    _found: dict[tuple[PurePath, str], Template | GoldenFormatError] = field(default_factory=dict, repr=False)

    def whole(self, name: str, content: bytes | None) -> bytes | None:
        """The golden of this name in which everything stands whole; as it is where its templates cannot be read."""
        if content is None or not is_folded(content):
            return content
        try:
            return unfolded(content.decode("utf-8"), lambda template: self._lookup(name, template), name).encode(
                "utf-8"
            )
        except (GoldenFormatError, UnicodeDecodeError):
            return content  # parsing it says what is wrong

    def used_by(self, name: str, content: bytes) -> tuple[object, ...]:
        """What the golden of this name leaves out: where both sides leave out the same, equal files say the same."""
        if not is_folded(content):
            return ()
        return tuple(
            self._find(name, template) for template in sorted(templates_named(content.decode("utf-8", "replace")))
        )

    def _lookup(self, name: str, template: str) -> Template:
        found = self._find(name, template)
        if isinstance(found, GoldenFormatError):
            raise found
        return found

    def _find(self, name: str, template: str) -> Template | GoldenFormatError:
        key = (PurePath(self.base, name)).parent, template
        if key not in self._found:
            try:
                self._found[key] = self._read(name, template)
            except GoldenFormatError as error:
                self._found[key] = error
        return self._found[key]

    def _read(self, name: str, template: str) -> Template:
        for path in places(PurePath(self.base, name), template):
            if (content := self.read(path.as_posix())) is not None:
                return parse_template(content.decode("utf-8", "replace"), path.as_posix())
        raise missing(name, template)
