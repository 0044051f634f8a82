"""Folds a golden file: takes out of its kernels what their templates give, and puts it back in.

A golden with kernels of a template is stored in format 2. Its head names each template with the digest of its text. The
heading of such a kernel's code names the template; below it are the kernel's arguments and its values (see
`kernelsnap.golden.templates.template_values`):

    template flex_attention 0b1e4f…

      inference  k2  template flex_attention
        arg arg_Q  *fp16 align 16
        stride("Q") = 131072, 32768, 64, 1

With another text of the template than the one that it was folded with, a golden is an error: it would show code that
nobody recorded. Goldens of an older kernelsnap have no digests, and are read without this check.

`unfolded` turns it into format 1, which has the full code and is what is parsed, compared and shown.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence

from kernelsnap.errors import GoldenFormatError
from kernelsnap.golden.canonical import HOST
from kernelsnap.golden.files import LARGEST
from kernelsnap.golden.lines import Lines
from kernelsnap.golden.templates.template import Template
from kernelsnap.golden.templates.template_values import UnfoldError, fold, unfold
from kernelsnap.model.golden import WHY

#: The newest format of a golden file.
FORMAT = 2
_WHOLE, _FOLDED = "kernelsnap 1\n", f"kernelsnap {FORMAT}\n"
_HEADING = re.compile(r"  (\S+)  (\S+)(?:  template (\S+))?\Z")
_REFERENCE = re.compile(r"^  \S+  \S+  template (\S+)$", re.MULTILINE)
_DIGEST = "template "
#: What a template may be called: the name of a file, and never a path.
NAME = re.compile(r"[\w-][\w.-]*\Z", re.ASCII)
_INDENT = "    "
_REPAIR = "restore both from version control, or delete this file and record it again with --snapshot-update"

#: The template of a name, for one golden. Raises `GoldenFormatError` where it is missing or damaged.
Lookup = Callable[[str], Template]


def is_folded(text: str) -> bool:
    """Whether the text of a golden file is in format 2."""
    return text.startswith(_FOLDED)


def templates_named(text: str) -> frozenset[str]:
    """The names of the templates that a golden file needs to be read; without names that no template can have."""
    return frozenset(filter(NAME.match, _REFERENCE.findall(text))) if is_folded(text) else frozenset()


def fitting(body: str, templates: Collection[Template]) -> tuple[str, Template] | None:
    """A kernel's values, and the template that they are of: the one that leaves least text; None if none fits."""
    found = [(own, template) for template in templates if (own := fold(template, body)) is not None]
    return min(found, key=lambda pair: (pair[0].count("\n  "), len(pair[0]), pair[1].name), default=None)


def body_of(code: str) -> tuple[str, str]:
    """The lines with a kernel's arguments, which no template gives, and the rest of its code."""
    lines = code.split("\n")
    start = next((index for index, line in enumerate(lines) if not line.startswith("arg ")), len(lines))
    return "".join(f"{line}\n" for line in lines[:start]), "\n".join(lines[start:])


def folded(text: str, templates: Collection[Template]) -> str:
    """A golden file in format 2, if one of these templates fits one of its kernels; else as it is."""
    if not templates or not text.startswith(_WHOLE):
        return text
    kept: list[str] = []
    used: dict[str, str] = {}
    for heading, body in _sections(text):
        match = _HEADING.match(heading) if body is not None else None
        kept.append(heading)
        if body is None or match is None or match.group(2) == HOST:
            kept += body or ()
            continue
        arguments, code = body_of("".join(f"{line[len(_INDENT) :]}\n" for line in body))
        if found := fitting(code, templates):
            own, template = found
            kept[-1] = f"{heading}  template {template.name}"
            used[template.name] = template.digest
            kept += _indented(arguments + own)
        else:
            kept += body
    return _FOLDED + "\n".join(_with_digests(kept, used)) if used else text


def _with_digests(lines: Sequence[str], digests: Mapping[str, str]) -> list[str]:
    """The lines of a golden after the first, with the digests of its templates at the end of its head."""
    end = lines.index("")
    return [*lines[:end], *(f"{_DIGEST}{name} {digests[name]}" for name in sorted(digests)), *lines[end:]]


def without_digests(text: str) -> str:
    """The text of a golden file as it was before templates had digests."""
    head, end, rest = text.partition("\n\n")
    return "\n".join(line for line in head.split("\n") if not line.startswith(_DIGEST)) + end + rest


def _digests(text: str, where: str) -> dict[str, str]:
    """The digest of each template that a golden's head names; none where it names none.

    Raises:
        GoldenFormatError: the lines are not as they are written, or are not of the templates of its kernels.
    """
    named = frozenset(_REFERENCE.findall(text))
    if odd := sorted(named - templates_named(text)):
        raise GoldenFormatError(f"{where}: a kernel is of the template {odd[0]!r}, which no template can be called")
    head = text.partition("\n\n")[0].split("\n")
    found = {
        name: digest
        for name, _, digest in (it.removeprefix(_DIGEST).partition(" ") for it in head[3:] if it.startswith(_DIGEST))
    }
    lines = [f"{_DIGEST}{name} {found[name]}" for name in sorted(found)]
    if lines and (lines != head[-len(lines) :] or found.keys() != named):
        raise GoldenFormatError(
            f"{where}:{len(head)}: its head does not name each template of its kernels once, sorted and with a digest: "
            f"{_REPAIR}"
        )
    return found


def unfolded(text: str, lookup: Lookup, where: str, *, strict: bool = True) -> str:
    """A golden file in format 1; for `strict` see `unfold`.

    Raises:
        GoldenFormatError: the file or a template that it names is damaged, or the template is missing, or is not
            the one that the file was made with.
    """
    if not is_folded(text):
        return text
    Lines(text, where, FORMAT)  # a damaged file is reported as such, not as a template that does not fit
    digests = _digests(text, where)
    kept: list[str] = []
    size = 0
    for heading, body in _sections(without_digests(text)):
        match = _HEADING.match(heading) if body is not None else None
        name = match.group(3) if match else None
        if body is None or match is None or name is None:
            kept += [heading, *(body or ())]
            continue
        arguments, own = body_of("".join(f"{line[len(_INDENT) :]}\n" for line in body))
        template = lookup(name)
        if strict and template.digest != digests.get(name, template.digest):
            raise GoldenFormatError(
                f"{where}: the template {name} is not the one that this golden was recorded with: its text has the "
                f"digest {template.digest}, and the golden names {digests[name]}; {_REPAIR}"
            )
        try:
            code = unfold(template, own, strict=strict)
        except UnfoldError as error:
            raise GoldenFormatError(
                f"{where}: {match.group(1)} {match.group(2)} {error}: it and the template {name} do not belong "
                f"together; {_REPAIR}"
            ) from None
        kept.append(f"  {match.group(1)}  {match.group(2)}")
        kept += _indented(arguments + code)
        size += len(arguments) + len(code)
        if size > LARGEST:
            raise GoldenFormatError(
                f"{where}: its templates give more than {LARGEST >> 20} Mi characters, the most that a golden may have"
            )
    return _WHOLE + "\n".join(kept)


def _sections(text: str) -> Iterator[tuple[str, Sequence[str] | None]]:
    """The lines after the first: each heading of the code layer with the lines below it, any other line with None."""
    lines = text.split("\n")[1:]
    index, layer = 0, ""
    while index < len(lines):
        heading = lines[index]
        index += 1
        layer = heading if heading and not heading.startswith(" ") else layer
        if layer != "code" or not heading.startswith("  "):
            yield heading, None
            continue
        start = index
        while index < len(lines) and (lines[index].startswith(_INDENT) or _is_inside(lines, index)):
            index += 1
        yield heading, lines[start:index]


def _is_inside(lines: Sequence[str], index: int) -> bool:
    """Whether this is an empty line of code, and not the one before the end of the file."""
    return not lines[index] and lines[index + 1 : index + 2] not in ([], ["end"], [WHY])


def _indented(text: str) -> Iterator[str]:
    for line in text.split("\n")[:-1]:
        yield f"{_INDENT}{line}" if line else ""
