"""Reads and writes the machine-code resources of a golden (registers, spills, memory): a `.kres` file next to it.

Format 1 of `<case>.<target>.kres`, which is read and written without loss:

    kernelsnap resources 1
    case tests/corpus/test_fusion.py::test_softmax_inner
    target h100

    resources
      inference  k0
        launch  XBLOCK 1  warps 8  stages 1
          registers  22
          spill stores  0 B
          spill loads  0 B
          stack  32 B
          shared  32 B
          static shared  1024 B
          instructions  497
            fp32  109
            special  5
      inference  k1
        launch  XBLOCK 1  warps 16  stages 1
          does not compile: OutOfResources: ...
      inference  extern_kernels.mm
        not compiled: a call into a library

    end

A class of instructions that does not occur is left out; so is a number that a backend does not report. In a golden that
is compared together with its resources, the section is at the end, and each line of a kernel begins with its target.

Each target has a file of its own, also where targets share a golden: they compile the same Triton code to different
machine code. Kernels are in launch order and have the names that the golden gives them. Comparing ignores these names,
for a golden that is updated without its resources may rename its kernels.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from itertools import groupby
from pathlib import Path
from typing import Any

from kernelsnap.errors import GoldenFormatError, GoldenPathError
from kernelsnap.golden.canonical import kernel_names, rename_resources
from kernelsnap.golden.files import read_text, write_text
from kernelsnap.golden.lines import Lines, parse_launch, render_launch
from kernelsnap.model.capture import LaunchConfig
from kernelsnap.model.golden import RESOURCES, Golden
from kernelsnap.model.resources import (
    MIX,
    NEEDS,
    InstructionMix,
    KernelResources,
    NotCompiled,
    ResourceField,
    Resources,
)

SUFFIX = ".kres"

# What is no call into a library: extern_kernels.mm, torch.ops.aten.sort.stable
_KERNEL = re.compile(r"k\d+\Z")


def resources_path(golden: Path) -> Path:
    """The resources file of a target, from the path that the target's own golden has or would have."""
    return golden.with_suffix(SUFFIX)


def resources_files(goldens: Path) -> Iterator[Path]:
    """Every resources file below the folder of the goldens, sorted."""
    return iter(sorted(path for path in goldens.rglob(f"*{SUFFIX}") if path.is_file()))


def read_resources(path: Path, case: str, target: str) -> Resources | None:
    """The resources in a file, which must be of this case and target; None where there is no such file.

    Raises:
        GoldenFormatError: the file cannot be read (see `parse_resources`).
        GoldenPathError: it is another case's, or another target's.
        GoldenError: it cannot be read at all.
    """
    try:
        found = parse_resources(read_text(path), str(path))
    except FileNotFoundError:
        return None
    if (found.case, found.target) != (case, target):
        raise GoldenPathError(
            f"{path} holds the resources of another case: it names {found.case} for {found.target}, and this is {case} "
            f"for {target}. If the test was moved or renamed, correct the file's second line"
        )
    return found


def write_resources(path: Path, resources: Resources, golden: Golden | None) -> bool:
    """Write a resources file, completely or not at all, with the names of its golden. Returns whether it changed.

    Raises:
        GoldenFormatError: they would not be read back as they are; nothing is written.
        GoldenWriteError: the file could not be written; what was there before is unchanged.
    """
    named = named_like(resources, golden) if golden else resources
    text = render_resources(named)
    if parse_resources(text, str(path)) != named:
        raise GoldenFormatError(f"{path}: the resources of {named.case} hold text that their format cannot carry")
    return write_text(path, text)


def same_resources(old: Resources, new: Resources) -> bool:
    """Whether both are equal, ignoring the names of kernels."""
    return _numbered(old).entries == _numbered(new).entries


def named_like(resources: Resources, golden: Golden) -> Resources:
    """The resources with the golden's names for their kernels.

    Kernels correspond by launch order. A graph that has another number of kernels in the golden keeps its names.
    """
    found = _numbered(resources)
    for plan in golden.plan:
        names = {number: name for name, number in kernel_names(golden, plan).items()}
        if len(names) == len(_kernels(found, plan.graph)):
            found = rename_resources(found, plan.graph, names)
        else:
            old = dict(zip(_kernels(found, plan.graph), _kernels(resources, plan.graph), strict=True))
            found = rename_resources(found, plan.graph, old)
    return found


def _numbered(resources: Resources) -> Resources:
    """The resources with kernels named `k0`, `k1`, ... per graph, in the order of the file."""
    for graph in dict.fromkeys(entry.graph for entry in resources.entries):
        names = {name: f"k{index}" for index, name in enumerate(_kernels(resources, graph))}
        resources = rename_resources(resources, graph, names)
    return resources


def _kernels(resources: Resources, graph: str) -> list[str]:
    """The kernels of a graph by name, in the order of the file."""
    names = (entry.kernel for entry in resources.entries if entry.graph == graph and _KERNEL.match(entry.kernel))
    return list(dict.fromkeys(names))


FORMAT = 1

_TOTAL = "instructions"
_NEEDS = {line.name: line for line in NEEDS}
_MIX = {line.name: line for line in MIX}


def render_resources(resources: Resources) -> str:
    """The text of a resources file; `parse_resources` gives back an equal one, its names included."""
    head = [f"kernelsnap {RESOURCES} {FORMAT}", f"case {resources.case}", f"target {resources.target}"]
    return "\n".join([*head, "", RESOURCES, *entry_lines(resources, ""), "", "end"]) + "\n"


def parse_resources(text: str, where: str = "resources") -> Resources:
    """The resources in the text of such a file.

    Raises:
        GoldenFormatError: the text is truncated, of another format, in a merge conflict, or no resources file; the
            message names `where` and the line.
    """
    lines = Lines(text, where, FORMAT, f"{RESOURCES} file")
    case, target = lines.take("case "), lines.take("target ")
    if not target or " " in target:
        lines.fail("a resources file is of one target")
    lines.heading(RESOURCES)
    entries = tuple(entry for _, entry in parse_entries(lines, ""))
    lines.end()
    found = Resources(target, entries, case)
    lines.check(render_resources(found))
    return found


def entry_lines(resources: Resources, target: str) -> Iterator[str]:
    """The lines of the section, each kernel's first one beginning with the target, if one is given."""
    prefix = f"{target}  " if target else ""
    for (graph, kernel), group in groupby(resources.entries, key=lambda entry: (entry.graph, entry.kernel)):
        yield f"  {prefix}{graph}  {kernel}"
        for entry in group:
            yield from _entry(entry)


def _entry(entry: KernelResources | NotCompiled) -> Iterator[str]:
    if entry.launch is None:
        assert isinstance(entry, NotCompiled)
        yield f"    {entry.reason}"
        return
    yield f"    launch  {render_launch(entry.launch)}"
    if isinstance(entry, NotCompiled):
        yield f"      {entry.reason}"
        return
    for line in NEEDS:
        if (value := getattr(entry, line.field)) is not None:
            yield f"      {line.name}  {value} {line.unit}".rstrip()
    yield f"      {_TOTAL}  {entry.instructions.total}"
    for line in MIX:
        if value := getattr(entry.instructions, line.field):
            yield f"        {line.name}  {value}"


def parse_entries(lines: Lines, targets: str) -> Iterator[tuple[str, KernelResources | NotCompiled]]:
    """Each entry of a section with its target: one of `targets`, which are separated by spaces; "" if none is named."""
    named = targets.split()
    while (head := lines.at(indent=1)) is not None:
        fields = head.split("  ")
        if len(fields) != 2 + bool(named) or (named and fields[0] not in named):
            lines.fail(f"expected {'a target, ' if named else ''}a graph and a kernel, found {head!r}")
        target = fields[0] if named else ""
        graph, kernel = fields[-2:]
        entries = 0
        while (line := lines.at(indent=2)) is not None:
            entries += 1
            launch = parse_launch(lines, line.removeprefix("launch  ")) if line.startswith("launch  ") else None
            yield target, _parse_entry(lines, graph, kernel, launch, line)
        if not entries:
            lines.fail(f"{kernel} has neither a launch nor a reason why it was not compiled")


def _parse_entry(
    lines: Lines, graph: str, kernel: str, launch: LaunchConfig | None, line: str
) -> KernelResources | NotCompiled:
    if launch is None:
        return NotCompiled(graph, kernel, line)
    numbers: dict[str, Any] = {}
    mix: InstructionMix | None = None
    while (text := lines.at(indent=3)) is not None:
        name = text.partition("  ")[0]
        if name == _TOTAL:
            mix = InstructionMix(total=_number(lines, text, ResourceField(_TOTAL, "", "")))
            while (text := lines.at(indent=4)) is not None:
                kind = _MIX.get(text.partition("  ")[0]) or lines.fail(f"not a class of instructions: {text!r}")
                mix = replace(mix, **{kind.field: _number(lines, text, kind)})
        elif name in _NEEDS:
            numbers[_NEEDS[name].field] = _number(lines, text, _NEEDS[name])
        elif numbers or mix:
            lines.fail(f"not a number of a kernel: {text!r}")
        else:
            return NotCompiled(graph, kernel, text, launch)
    missing = [name for name in ("registers", "stack", "shared") if name not in numbers]
    if mix is None or missing:
        lines.fail(f"{kernel}: {', '.join([*missing, *([] if mix else [_TOTAL])])} missing")
    return KernelResources(graph, kernel, launch, instructions=mix, **numbers)


def _number(lines: Lines, text: str, line: ResourceField) -> int:
    value = text.removeprefix(f"{line.name}  ").removesuffix(f" {line.unit}" if line.unit else "")
    return lines.number("" if value.startswith("-") else value, text, line.unit)
