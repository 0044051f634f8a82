"""Checks a whole tree of goldens: that everything in it is read, is where it says that it is, and fits the rest.

A test compares one golden, and only while the test is there. What this finds is what no test would: a golden under a
name that is not its own, a template that a merge took from one side and the goldens from the other, half a
`toolchain.toml`, what a killed process left.
"""

from __future__ import annotations

import stat
from collections import Counter
from collections.abc import Iterator
from pathlib import Path, PurePosixPath

from kernelsnap.errors import GoldenError
from kernelsnap.golden import files, store, toolchain
from kernelsnap.golden.format import parse
from kernelsnap.golden.resources import SUFFIX as RESOURCES_SUFFIX
from kernelsnap.golden.resources import parse_resources
from kernelsnap.golden.store import file_name, readings
from kernelsnap.golden.templates.template_store import SUFFIX as TEMPLATE_SUFFIX
from kernelsnap.golden.templates.template_store import stored_template, template_path
from kernelsnap.golden.variants import split_name
from kernelsnap.golden.why_section import without_why
from kernelsnap.model.consistent import inconsistencies

GOLDEN, TEMPLATE, RESOURCES = "golden", "template", "resources file"
_KINDS = {store.SUFFIX: GOLDEN, TEMPLATE_SUFFIX: TEMPLATE, RESOURCES_SUFFIX: RESOURCES}


class TreeCheck:
    """Reads a tree of goldens; `problems` has a sentence for each thing that is wrong, with its file."""

    def __init__(self, goldens: Path) -> None:
        """Read and check it all.

        Raises:
            GoldenError: there is no such folder.
        """
        if not goldens.is_dir():
            raise GoldenError(f"{goldens}: there is no such folder of goldens")
        self._goldens = goldens
        self._holders: dict[tuple[str, str], Path] = {}  # the file of each golden, by case and target
        self._texts: dict[str, str] = {}  # the text of each golden, by its name in the toolchain
        self.read: Counter[str] = Counter()  # how many files of each kind were read
        self.problems: list[str] = []
        checks = {GOLDEN: self._golden, TEMPLATE: self._template, RESOURCES: self._resources}
        # Resources files come last: each belongs to a golden.
        for kind, path in sorted(self._files(), key=lambda file: (file[0] == RESOURCES, file[1])):
            try:
                self.problems += checks[kind](path)
                self.read[kind] += 1
            except (GoldenError, FileNotFoundError) as error:
                self.problems.append(str(error))
        self.problems += self._toolchain()

    def _files(self) -> Iterator[tuple[str, Path]]:
        for path in self._goldens.rglob("*"):
            kind = _KINDS.get(path.suffix)
            if files.is_leftover(path):
                self.problems.append(f"{path}: a killed process left it; delete it, or record any golden of this tree")
            elif kind and not path.is_dir():
                if stat.S_ISREG(path.lstat().st_mode):
                    yield kind, path
                else:
                    self.problems.append(f"{path}: it is no regular file, so it is no {kind}")

    def _golden(self, path: Path) -> Iterator[str]:
        text = store.golden_text(path)
        golden = parse(text, str(path))
        yield from (f"{path}: {problem}" for problem in inconsistencies(golden))
        yield from self._name(path, golden.case, golden.target, store.SUFFIX)
        case, _ = split_name(toolchain.golden_name(path, self._goldens))
        for target in (golden.target, *golden.shared_with):
            self._texts[f"{case}.{target}"] = without_why(text)
            if other := self._holders.get((golden.case, target)):
                yield f"{path}: {other} is the golden of {golden.case} for {target}, too; delete one of them"
            self._holders[golden.case, target] = path

    def _name(self, path: Path, case: str, target: str, suffix: str) -> Iterator[str]:
        """What is wrong with the name of a golden or resources file, which is that of its case and target."""
        module = case.partition("::")[0]
        folder = PurePosixPath(path.relative_to(self._goldens).parent)
        # Goldens mirror the tests' folder, which may be any folder above the module.
        mirrored = PurePosixPath(module.removesuffix(".py"))
        if folder.parts != mirrored.parts[len(mirrored.parts) - len(folder.parts) :]:
            yield f"{path}: the golden of {case} belongs into the folder of its module, and not into {folder}"
        names = [file_name(it, target).removesuffix(store.SUFFIX) + suffix for it in readings(case)]
        # A character that cannot be printed is not known from the head, which has it escaped.
        if path.name not in names and "\\" not in case:
            yield f"{path}: the golden of {case} for {target} is called {names[0]}; rename it, or correct its head"

    def _template(self, path: Path) -> Iterator[str]:
        template = stored_template(path)
        if template and path != template_path(self._goldens, template.name):
            yield f"{path}: the template {template.name} is stored in {template_path(self._goldens, template.name)}"

    def _resources(self, path: Path) -> Iterator[str]:
        found = parse_resources(files.read_text(path), str(path))
        yield from self._name(path, found.case, found.target, RESOURCES_SUFFIX)
        if (found.case, found.target) not in self._holders:
            yield f"{path}: there is no golden of {found.case} for {found.target}; delete it, or record the golden"

    def _toolchain(self) -> Iterator[str]:
        path = self._goldens / toolchain.FILE
        try:
            recorded = toolchain.read(self._goldens)
        except GoldenError as error:
            yield str(error)
            return
        if recorded is None:
            if self._texts:
                yield f"{path}: there is no such file, so nobody knows what recorded the goldens; restore it"
            return
        missing = [name for name in toolchain.COMPILERS if self._texts and name not in recorded.versions]
        if self.read[RESOURCES] and not recorded.resources:
            missing.append("[resources]")
        yield from (f"{path}: it does not name {name}; restore it from version control" for name in missing)
        for package, mark in toolchain.SHOWN.items():
            # Where no golden names it, it was not installed: not all code that it may change is changed by it.
            if package in recorded.packages:
                for name, text in sorted(self._texts.items()):
                    if mark in text and package not in recorded.packages_of(name):
                        yield f"{path}: it names no version of {package} for {name}, whose code needs it"
