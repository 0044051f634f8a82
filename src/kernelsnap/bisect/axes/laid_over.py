"""Lays the Python part of a checkout over an installed package: its commits then run with nothing compiled.

A checkout of PyTorch has the Python files of `torch` and neither its libraries nor its generated files, which an
installed wheel has. Here a folder is made that has both, by links: from it, `torch` is imported.
"""

from __future__ import annotations

import filecmp
import os
import shutil
from collections.abc import Mapping
from pathlib import Path

from kernelsnap.bisect.errors import BisectError, SkipStepError
from kernelsnap.bisect.observe.process import ask_python

# Without importing it: an import of torch takes seconds.
_WHERE = """
import importlib.util
found = importlib.util.find_spec({package!r})
print("kernelsnap", next(iter(found.submodule_search_locations or ()), "") if found else "")
"""
# What Python compiled from the files of a checkout may be of another commit.
_COMPILED = "__pycache__"


def installed_folder(package: str, python: str, environment: Mapping[str, str]) -> Path:
    """The folder of a package that an interpreter imports.

    Raises:
        BisectError: it has no such package, or not as a folder.
    """
    code = _WHERE.format(package=package)
    # Not from the working directory, which may be the checkout.
    variables = {**environment, "PYTHONSAFEPATH": "1"}
    found = ask_python(python, code, variables, BisectError, f"{python} cannot look for {package}").strip()
    if not found:
        raise BisectError(f"--over {package}: {python} has no such package to lay the checkout's files over")
    return Path(found)


def lay_over(checkout: Path, installed: Path, folder: Path) -> None:
    """Make a folder that has the files of a package's checkout, and of the installed package what the checkout lacks.

    Raises:
        SkipStepError: the checkout has no such package.
    """
    if not checkout.is_dir():
        raise SkipStepError(f"the checkout has no folder {checkout.name} to lay over the installed one")
    shutil.rmtree(folder, ignore_errors=True)
    _merge(checkout, installed, folder)


def _merge(above: Path, below: Path, folder: Path) -> None:
    folder.mkdir(parents=True)
    chosen = {entry.name: below for entry in os.scandir(below)}
    chosen |= {entry.name: above for entry in os.scandir(above) if entry.name != _COMPILED}
    for name, side in chosen.items():
        upper, lower = above / name, below / name
        if side is above and upper.is_dir() and lower.is_dir():
            _merge(upper, lower, folder / name)
        else:
            # Of a file that both have alike, Python has compiled the installed one already.
            same = side is above and upper.is_file() and lower.is_file() and filecmp.cmp(upper, lower, shallow=False)
            (folder / name).symlink_to(lower if same else side / name)
