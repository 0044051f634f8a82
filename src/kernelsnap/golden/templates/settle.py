"""Writes the files of templates at the end of a run that records, and folds the goldens that use them.

A new template is written. One that has changed replaces its file only when every golden that uses it was compared in
this run; until then goldens that are recorded store their kernels in full. Each step leaves every golden with its
content, so that a run that is killed here loses nothing, and the result does not depend on the order of the tests.
"""

from __future__ import annotations

from collections.abc import Callable, Collection
from dataclasses import dataclass
from pathlib import Path

from kernelsnap.errors import GoldenFormatError
from kernelsnap.golden import store
from kernelsnap.golden.canonical import HOST
from kernelsnap.golden.files import read_text, write_text
from kernelsnap.golden.format import parse
from kernelsnap.golden.templates.folding import body_of, fitting, folded, templates_named, unfolded, without_digests
from kernelsnap.golden.templates.template import Template, read_template
from kernelsnap.golden.templates.template_store import (
    can_be_stored,
    lookup_near,
    stored_template,
    stored_templates,
    template_path,
    write_template,
)
from kernelsnap.golden.templates.template_text import UnknownTemplateError
from kernelsnap.model.golden import Golden
from kernelsnap.shared.wording import listed

#: How many goldens a message names.
_NAMED = 3


@dataclass(frozen=True)
class OutdatedTemplate:
    """A template that has changed, while its file stayed as it is: these goldens use it and were not compared."""

    name: str
    goldens: tuple[Path, ...]


def templates_used(golden: Golden) -> dict[str, Template]:
    """The templates of a golden's kernels, by name: of those that its capture used, the ones that fit a kernel."""
    known = []
    for name, source in golden.templates:
        try:
            template = read_template(name, source)
        except UnknownTemplateError:
            continue  # its kernels are stored in full
        if can_be_stored(template):
            known.append(template)
    bodies = (body_of(code.text)[1] for code in golden.code if known and code.name != HOST)
    return {found[1].name: found[1] for body in bodies if (found := fitting(body, known))}


def changed_templates(goldens: Path, golden: Golden) -> list[str]:
    """The names of those templates of a golden's kernels of which the tree has another text."""
    return [name for name in unstored_templates(goldens, golden) if template_path(goldens, name).exists()]


def unstored_templates(goldens: Path, golden: Golden) -> dict[str, Template]:
    """Those templates of a golden's kernels that the tree lacks, or has with another text; in order of their names."""
    used = sorted(templates_used(golden).items())
    return {name: new for name, new in used if stored_template(template_path(goldens, name)) != new}


def settle(
    goldens: Path, used: Collection[Template], was_compared: Callable[[Path], bool], replaces: bool
) -> tuple[list[str], list[OutdatedTemplate]]:
    """Bring the files of templates up to date, and fold every golden of the tree.

    Args:
        goldens: the folder of the goldens.
        used: the templates of the kernels of this run, as they are now.
        was_compared: whether the golden in a file was compared in this run, for all its targets.
        replaces: whether a template that has changed may be replaced.

    The tree has to be locked (`kernelsnap.golden.lock`): each file is read before it is written.

    Returns:
        The names of the templates that were written, and the templates whose file stayed as it is.

    Raises:
        GoldenFormatError: a template, or a golden that uses a template which has changed, is damaged.
        GoldenWriteError: a file could not be written; every golden still has its content.
    """
    written: list[str] = []
    left: list[OutdatedTemplate] = []
    for template in sorted(used, key=lambda template: template.name):
        stored = stored_template(template_path(goldens, template.name))
        if stored == template:
            continue
        if stored is not None:
            users = [path for path, names in store.with_each(goldens, _templates_of) if template.name in names]
            unseen = tuple(path for path in users if not was_compared(path))
            if unseen or not replaces:
                left.append(OutdatedTemplate(template.name, unseen))
                continue
            for path in users:
                write_text(path, store.golden_text(path))
        write_template(goldens, template)
        written.append(template.name)
    if used:
        templates = stored_templates(goldens)
        for path in store.golden_files(goldens):
            _fold(path, templates)
    return written, left


def keep_templates(
    goldens: Path,
    used: Collection[Template],
    was_compared: Callable[[Path], bool],
    *,
    replaces: bool,
    shown: Callable[[Path], str],
) -> list[str]:
    """`settle`, and what to tell the user about it; `shown` is how messages name a path."""
    written, left = settle(goldens, used, was_compared, replaces)
    notes = []
    for name in written:
        users = sum(name in names for _, names in store.with_each(goldens, _templates_of))
        notes.append(f"{shown(template_path(goldens, name))} was written: {users} goldens use it")
    for template in left:
        names = [path.relative_to(goldens).as_posix() for path in template.goldens]
        why = (
            f"{len(names)} goldens that use it were not compared in this run ({listed(names, _NAMED)}); "
            f"update all of them, for all their targets, in one run"
        )
        notes.append(
            f"{shown(template_path(goldens, template.name))} was left as it is, though the template has changed: "
            f"{why if names else '--snapshot-update replaces it'}"
        )
    return notes


def _templates_of(path: Path) -> frozenset[str]:
    return templates_named(read_text(path))


def _fold(path: Path, templates: Collection[Template]) -> None:
    try:
        text = read_text(path)
        whole = unfolded(text, lookup_near(path), str(path))
        new = folded(whole, templates)
        # A golden without digests keeps its text: nobody knows whether this template is the one it was recorded with.
        if text in (new, without_digests(new)):
            return
        parse(whole, str(path))
    except (GoldenFormatError, FileNotFoundError):
        # A damaged golden stays as it is: its own test reports it. One that is being removed needs nothing.
        return
    write_text(path, new)
