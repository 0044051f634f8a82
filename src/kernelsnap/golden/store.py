"""Finds, reads and writes golden files; writing never loses the one before.

    <goldens>/<module, without .py>/<case>.<target>.ksnap

Where a golden is for some releases of torch or triton only, `~` and these follow the target (see `variants`).

The case is the part of the pytest node id after the module: `TestNorms.test_softmax[float32]`. Its file name is
injective, also where the file system ignores case:

- letters, digits and `_-.,=+[]` stay as they are, so that names read well; every other character is written as the
  percent-encoded bytes of its UTF-8 form (`a/b` is `a%2Fb`);
- in the brackets of a parameter id, and in a name given to an assertion, an upper-case letter is written as `^` and
  its lower-case form (`[BF16]` is `[^b^f16]`): ids such as `n` and `N` are common. Class and function names
  keep theirs; where the file system takes two of them for one, the case named in the file decides;
- the second assertion of a test adds `@2`, a named one `@name`;
- a name longer than a file name may be is cut, and ends in `~` and twelve digits of its SHA-256.
"""

from __future__ import annotations

import hashlib
import os
import string
from collections.abc import Callable, Collection, Iterator
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import TypeVar

from kernelsnap.errors import GoldenFormatError, GoldenPathError, HostCodeError
from kernelsnap.golden.canonical import HOST
from kernelsnap.golden.files import read_text, write_text
from kernelsnap.golden.format import parse, render
from kernelsnap.golden.templates.folding import folded, unfolded
from kernelsnap.golden.templates.template import Template
from kernelsnap.golden.templates.template_store import lookup_near
from kernelsnap.golden.variants import is_label, split_name, target_in
from kernelsnap.model.golden import Golden
from kernelsnap.normalize.names import host_locals

SUFFIX = ".ksnap"

_Found = TypeVar("_Found")

# What common file systems allow, in bytes.
_LONGEST_NAME = 255
_DIGITS_OF_HASH = 12
_LOWER_AND_MARKS = frozenset(string.ascii_lowercase + string.digits + "_-.,=+[]")


@dataclass(frozen=True)
class Case:
    """What a golden is of: one assertion of one test."""

    module: str  # "tests/corpus/test_norms.py": how pytest names it
    test: str  # "TestNorms::test_softmax[float32]": the node id after the module, without the target
    assertion: str = ""  # "2" for the second assertion of the test, or the name it was given

    def __str__(self) -> str:
        """The form that a golden's header shows: a node id, printable in one line."""
        text = f"{self.module}::{self.test}" + (f"@{self.assertion}" if self.assertion else "")
        if text.isprintable():
            return text
        return "".join(char if char.isprintable() else ascii(char)[1:-1] for char in text)

    @property
    def stem(self) -> str:
        """The case's file name up to the target."""
        path, bracket, parameters = self.test.partition("[")
        name = _encode(path.replace("::", "."), keep_case=True) + _encode(bracket + parameters)
        return f"{name}@{_encode(self.assertion)}" if self.assertion else name


def readings(case: str) -> Iterator[Case]:
    """The cases that a golden's head may name so: an @ belongs to the test's name, or ends it."""
    module, _, test = case.partition("::")
    yield Case(module, test)
    for at, character in enumerate(test):
        if character == "@":
            yield Case(module, test[:at], test[at + 1 :])


def _encode(text: str, *, keep_case: bool = False) -> str:
    def char(value: str) -> str:
        if value in _LOWER_AND_MARKS or (keep_case and value in string.ascii_uppercase):
            return value
        if value in string.ascii_uppercase:
            return f"^{value.lower()}"
        return "".join(f"%{byte:02X}" for byte in value.encode("utf-8", "surrogatepass"))

    return "".join(map(char, text))


def file_name(case: Case, target: str) -> str:
    """The name of the file of a case's golden: different for every case and target, and never too long.

    Raises:
        GoldenPathError: no target can have this name.
    """
    ending = f".{target}{SUFFIX}"
    if not is_label(target) or not set(target_in(target)) <= _LOWER_AND_MARKS - set(".[]"):
        raise GoldenPathError(f"a target's name is lower-case letters, digits and dashes, not {target!r}")
    stem = case.stem
    room = _LONGEST_NAME - len(ending)
    if len(stem) > room:
        digest = hashlib.sha256(stem.encode()).hexdigest()[:_DIGITS_OF_HASH]
        stem = f"{stem[: room - len(digest) - 1]}~{digest}"
    return stem + ending


def label_in(name: str) -> str:
    """The label (see `variants`) in the name of a golden's file."""
    return split_name(name.removesuffix(SUFFIX))[1]


def module_folder(path: Path, tests: Path) -> PurePosixPath:
    """The folder below the goldens folder that mirrors a test module: its path below `tests`, without `.py`.

    Raises:
        GoldenPathError: the module is not below `tests`.
    """
    for module, root in ((path, tests), (path.resolve(), tests.resolve())):
        with suppress(ValueError):
            relative = module.relative_to(root)
            if ".." not in relative.parts:
                return PurePosixPath(relative.with_suffix("") if relative.suffix == ".py" else relative)
    raise GoldenPathError(
        f"the test module {path} is not below {tests}, whose folders the goldens mirror: move it there, or set "
        f"kernelsnap_tests in pytest's configuration to a folder that holds it"
    )


def golden_path(goldens: Path, folder: PurePosixPath, case: Case, target: str) -> Path:
    """The file of a case's golden for one target.

    Raises:
        GoldenPathError: the path would leave the goldens folder (by `..`, absolute, or through a symbolic link), or no
            target can have this name.
    """
    path = goldens / folder / file_name(case, target)
    if folder.is_absolute() or ".." in folder.parts or not path.resolve().is_relative_to(goldens.resolve()):
        raise GoldenPathError(f"the golden of {case} would be {path}, which leaves the goldens folder {goldens}")
    return path


def golden_files(goldens: Path) -> Iterator[Path]:
    """Every golden below the folder, sorted."""
    return (goldens / name for name in names_below(goldens))


def names_below(goldens: Path) -> list[str]:
    """The paths of the goldens below the folder, relative to it, sorted as paths are."""
    there = (f"{folder}/{name}" for folder, _, names in os.walk(goldens) for name in names if name.endswith(SUFFIX))
    start = len(str(goldens)) + 1
    found = (path[start:] for path in there if os.path.isfile(path))  # noqa: PTH113  ten thousand of them, as text
    return sorted(found, key=lambda name: name.split("/"))


def with_each(goldens: Path, read: Callable[[Path], _Found]) -> Iterator[tuple[Path, _Found]]:
    """Every golden below the folder and what `read` gives for it, sorted; one that is removed meanwhile is left out."""
    for path in golden_files(goldens):
        with suppress(FileNotFoundError):
            yield path, read(path)


def golden_text(path: Path) -> str:
    """The text of a golden file in format 1: with what its templates give (see `folding`).

    Raises:
        FileNotFoundError: there is no such file.
        GoldenFormatError: it, or the file of a template that it names, is missing or damaged.
        GoldenError: it cannot be read at all.
    """
    text = read_text(path)
    while True:
        try:
            return unfolded(text, lookup_near(path), str(path))
        except GoldenFormatError:
            # Another process may have written this file and a template in between.
            before, text = text, read_text(path)
            if text == before:
                raise


def parse_golden(text: str, path: Path, case: str) -> Golden:
    """The golden in the text of a file, which must be the golden of this case.

    Raises:
        GoldenFormatError: the file cannot be read (see `parse`).
        GoldenPathError: it is the golden of another case, or of another target than its name has.
    """
    golden = parse(text, str(path))
    try:
        for code in golden.code:
            if code.name == HOST:
                host_locals(code.text)
    except HostCodeError as error:
        raise GoldenFormatError(f"{path}: {error}; restore it from version control") from None
    target = label_in(path.name)
    if golden.target != target:
        raise GoldenPathError(
            f"{path} is the golden of another target: it is {golden.target}'s by its third line, and {target}'s by its "
            f"name; restore it from version control, or delete it and record it again"
        )
    if golden.case != case:
        raise GoldenPathError(
            f"{path} is the golden of another case: it names {golden.case}, and this is {case}. If the test was "
            f"moved or renamed, correct the file's second line; if the two names differ in upper and lower case "
            f"only, rename one"
        )
    return golden


def read_golden(path: Path, case: str) -> Golden:
    """The golden of this case in a file (see `golden_text` and `parse_golden`)."""
    return parse_golden(golden_text(path), path, case)


def write_golden(path: Path, golden: Golden, templates: Collection[Template] = ()) -> bool:
    """Write a golden to its file, complete or not at all; whether the file changed.

    What one of these templates, those of its tree, gives is left out (see `folding`).

    Raises:
        GoldenFormatError: the golden would not be read back as it is; nothing is written.
        GoldenWriteError: the file could not be written; what was there before is unchanged.
    """
    return write_folded(path, checked_text(golden, path), templates)


def checked_text(golden: Golden, path: Path) -> str:
    """The text of a golden in format 1. Raises `GoldenFormatError` if it would not be read back as it is."""
    text = render(golden)
    if parse_golden(text, path, golden.case) != golden:
        raise GoldenFormatError(f"{path}: the golden of {golden.case} holds text that its format cannot carry")
    return text


def write_folded(path: Path, text: str, templates: Collection[Template]) -> bool:
    """Write a golden in format 1 to its file, without what these templates give. Raises what `write_golden` raises."""
    stored = folded(text, templates)
    if unfolded(stored, {template.name: template for template in templates}.__getitem__, str(path)) != text:
        raise GoldenFormatError(f"{path}: the golden and the templates do not give it again")
    return write_text(path, stored)
