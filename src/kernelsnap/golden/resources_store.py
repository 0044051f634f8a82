"""Reads, compares and writes resources files: `<case>.<target>.kres`, next to the golden.

Each target has a file of its own, also where targets share a golden: they compile the same Triton code to different
machine code. Kernels are in launch order and have the names that the golden gives them. Comparing ignores these names,
for a golden that is updated without its resources may rename its kernels.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

from kernelsnap.errors import GoldenFormatError, GoldenPathError
from kernelsnap.golden.canonical import kernel_names, rename_resources
from kernelsnap.golden.files import read_text, write_text
from kernelsnap.golden.resources_format import parse_resources, render_resources
from kernelsnap.golden.store import SUFFIX as GOLDEN_SUFFIX
from kernelsnap.model.golden import Golden
from kernelsnap.model.resources import Resources

SUFFIX = ".kres"

# What is no call into a library: extern_kernels.mm, torch.ops.aten.sort.stable
_KERNEL = re.compile(r"k\d+\Z")


def resources_path(golden: Path) -> Path:
    """The resources file of a target, from the path that the target's own golden has or would have."""
    return golden.with_name(f"{golden.name.removesuffix(GOLDEN_SUFFIX)}{SUFFIX}")


def resources_files(goldens: Path) -> Iterator[Path]:
    """Every resources file below the folder of the goldens, sorted."""
    return iter(sorted(path for path in goldens.rglob(f"*{SUFFIX}") if path.is_file()))


def resources_head(path: Path) -> tuple[str, str]:
    """The case and the target that the head of a resources file names; "" where it names none."""
    with path.open(encoding="utf-8", errors="replace") as file:
        _, case, target = (file.readline().rstrip("\n") for _ in range(3))
    return case.removeprefix("case "), target.removeprefix("target ") if target.startswith("target ") else ""


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


__all__ = [
    "SUFFIX",
    "named_like",
    "read_resources",
    "resources_files",
    "resources_head",
    "resources_path",
    "same_resources",
    "write_resources",
]
