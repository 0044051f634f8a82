"""Reads and writes the files of templates, one for all goldens that use it: `<goldens>/templates/<name>.ktemplate`.

    kernelsnap template 1
    name flex_attention

    text
      {{def_kernel("Q", "K", "V")}}
          ...

    end

A golden's template is looked for in the folder `templates` next to it, then in those of the folders above, up to the
folder of its tree, which has a `toolchain.toml`: the path of a golden is enough to read it.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path, PurePath, PurePosixPath

from kernelsnap.errors import GoldenFormatError
from kernelsnap.golden import files
from kernelsnap.golden.lines import Lines
from kernelsnap.golden.templates.folding import NAME, Lookup, unfolded
from kernelsnap.golden.templates.template import Template, read_template
from kernelsnap.golden.templates.template_text import UnknownTemplateError

FOLDER = "templates"
SUFFIX = ".ktemplate"
_FORMAT = 1
#: Where, for the goldens of a folder, the templates of the folders above it are kept in `Templates`.
_ABOVE = f"../{FOLDER}"


def can_be_stored(template: Template) -> bool:
    """Whether a template's name can be the name of a file, and its text is read back as it is."""
    try:
        return bool(NAME.match(template.name)) and parse_template(render_template(template), "") == template
    except GoldenFormatError:
        return False


def render_template(template: Template) -> str:
    """The text of a template's file."""
    lines = (f"  {line}" if line else "" for line in template.text.split("\n")[:-1])
    return "\n".join([f"kernelsnap template {_FORMAT}", f"name {template.name}", "", "text", *lines, "", "end"]) + "\n"


@lru_cache(maxsize=256)
def parse_template(text: str, where: str) -> Template:
    """The template in the text of a file; `where` is its path, if it has one, which ends in the template's name.

    Raises:
        GoldenFormatError: the text is cut off, of a newer format, in a merge conflict, or not a template, or it is
            another template than the file is called after.
    """
    lines = Lines(text, where, _FORMAT, "template")
    name = lines.take("name ")
    if not NAME.match(name):
        lines.fail(f"no template can be called {name!r}")
    if where.endswith(SUFFIX) and PurePosixPath(where).name != name + SUFFIX:
        lines.fail(f"this is the text of another template, {name!r}, than the file is called after")
    lines.heading("text")
    source = lines.block(indent=1)
    lines.end()
    try:
        template = read_template(name, source)
    except UnknownTemplateError as error:
        raise GoldenFormatError(f"{where}: {error}; restore it from version control") from None
    lines.check(render_template(template))
    return template


def template_path(goldens: Path, name: str) -> Path:
    """The file of a template in a tree of goldens."""
    return goldens / FOLDER / f"{name}{SUFFIX}"


def template_paths(golden: PurePath, name: str) -> Iterator[PurePath]:
    """The paths where the template of a golden may be, the nearest first."""
    for folder in golden.parents:
        yield folder / FOLDER / f"{name}{SUFFIX}"


def stored_template(path: Path) -> Template | None:
    """The template in a file; None where there is no file.

    Raises:
        GoldenFormatError: it is damaged (see `parse_template`).
        GoldenError: it cannot be read at all.
    """
    try:
        return parse_template(files.read_text(path), str(path))
    except FileNotFoundError:
        return None


def stored_templates(goldens: Path) -> list[Template]:
    """All templates of a tree of goldens, sorted by name. Raises what `stored_template` raises."""
    found = (stored_template(path) for path in sorted((goldens / FOLDER).glob(f"*{SUFFIX}")))
    return [template for template in found if template]


def lookup_near(golden: Path) -> Lookup:
    """Finds the templates of a golden at this path by their names."""

    def lookup(name: str) -> Template:
        for folder in files.folders_above(golden):
            if template := stored_template(template_path(folder, name)):
                return template
        raise missing_template(str(golden), name)

    return lookup


@dataclass(frozen=True)
class Templates:
    """The texts of the templates of a tree of goldens: plain data, which a process that compares goldens is given."""

    files: Mapping[str, str] = field(default_factory=dict, repr=False)  # the text of each file, by its path in the tree

    def unfold(self, name: str, content: bytes | None) -> bytes | None:
        """A golden in format 1, by its path and content; as it is where its templates cannot be read."""
        if content is None or not content.startswith(b"kernelsnap 2\n"):
            return content
        try:
            return unfolded(content.decode("utf-8"), lambda template: self._find(name, template), name).encode("utf-8")
        except (GoldenFormatError, UnicodeDecodeError):
            return content  # parsing it names what is wrong

    def _find(self, name: str, template: str) -> Template:
        for path in (*map(str, template_paths(PurePosixPath(name), template)), f"{_ABOVE}/{template}{SUFFIX}"):
            if path in self.files:
                return parse_template(self.files[path], path)
        raise missing_template(name, template)


def templates_above(folder: Path) -> dict[str, str]:
    """The templates that goldens in this folder find in it and in the folders above it; the nearest of each name."""
    found: dict[str, str] = {}
    for parent in files.folders_above(folder / FOLDER):
        for path in sorted((parent / FOLDER).glob(f"*{SUFFIX}")):
            found.setdefault(f"{_ABOVE}/{path.name}", files.read_bytes(path).decode("utf-8", "replace"))
    return found


def missing_template(golden: str, name: str) -> GoldenFormatError:
    """The error for a golden whose template is nowhere."""
    return GoldenFormatError(
        f"{golden}: the template that it was made with is missing: {FOLDER}/{name}{SUFFIX}, in the folder of the "
        f"goldens; restore it from version control"
    )


def write_template(goldens: Path, template: Template) -> bool:
    """Write a template to its file; whether the file changed. Raises `GoldenWriteError`."""
    return files.write_text(template_path(goldens, template.name), render_template(template))
