"""Where templates stand, once for all goldens that use them: `<goldens>/templates/<name>.ktemplate`.

    kernelsnap template 1
    name flex_attention

    text
      {{def_kernel("Q", "K", "V")}}
          ...

    end

A golden's template is looked for in the folder `templates` beside it, then in those above: a golden needs no more to be
read than the path that it stands at.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from functools import lru_cache
from pathlib import Path, PurePath

from kernelsnap.errors import GoldenFormatError
from kernelsnap.golden import files
from kernelsnap.golden.lines import Lines
from kernelsnap.golden.templates.folding import Lookup
from kernelsnap.golden.templates.template import Template, read_template
from kernelsnap.golden.templates.template_text import UnknownTemplateError

FOLDER = "templates"
SUFFIX = ".ktemplate"
_FORMAT = 1
_NAME = re.compile(r"[\w-][\w.-]*\Z", re.ASCII)


def can_be_stored(template: Template) -> bool:
    """Whether a template's name can be a file's, and its text is read back as it is."""
    try:
        return bool(_NAME.match(template.name)) and parse_template(render_template(template), "") == template
    except GoldenFormatError:
        return False


def render_template(template: Template) -> str:
    """The text of a template's file."""
    lines = (f"  {line}" if line else "" for line in template.text.split("\n")[:-1])
    return "\n".join([f"kernelsnap template {_FORMAT}", f"name {template.name}", "", "text", *lines, "", "end"]) + "\n"


@lru_cache(maxsize=256)
def parse_template(text: str, where: str) -> Template:
    """The template in the text of a file.

    Raises:
        GoldenFormatError: the text is cut off, of a newer format, in a merge conflict, or not a template.
    """
    lines = Lines(text, where, _FORMAT, "template")
    name = lines.take("name ")
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


def places(golden: PurePath, name: str) -> Iterator[PurePath]:
    """Where the template of a golden may stand, the nearest place first."""
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


def templates_near(golden: Path) -> list[Template]:
    """The templates that a golden at this path may leave out: those of the nearest folder that has any.

    Raises what `stored_template` raises.
    """
    for folder in golden.parents:
        if found := stored_templates(folder):
            return found
    return []


def lookup_near(golden: Path) -> Lookup:
    """Where the templates of a golden at this path are found."""

    def lookup(name: str) -> Template:
        for path in places(golden.absolute(), name):
            if template := stored_template(Path(path)):
                return template
        raise missing(str(golden), name)

    return lookup


def missing(golden: str, name: str) -> GoldenFormatError:
    """What to say where a golden's template is nowhere."""
    return GoldenFormatError(
        f"{golden}: the template that it was made with is missing: {FOLDER}/{name}{SUFFIX}, in the folder of the "
        f"goldens; restore it from version control"
    )


def write_template(goldens: Path, template: Template) -> bool:
    """Write a template to its file, whole or not at all; whether the file changed. Raises `GoldenWriteError`."""
    return files.write_text(template_path(goldens, template.name), render_template(template))
