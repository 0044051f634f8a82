"""Where the tools find the cases of tests/fidelity."""

from __future__ import annotations

import fnmatch
import importlib.util
import sys
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parent.parent
_PACKAGE = "fidelity_set"


def all_cases() -> dict[str, Any]:
    """Every case by its unique name. Imports torch."""
    if _PACKAGE not in sys.modules:
        # By path: a folder called `tests` may be any package's, and this tool is called `fidelity` itself.
        folder = ROOT / "tests" / "fidelity"
        spec = importlib.util.spec_from_file_location(
            _PACKAGE, folder / "__init__.py", submodule_search_locations=[str(folder)]
        )
        assert spec is not None
        assert spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        sys.modules[_PACKAGE] = module
        spec.loader.exec_module(module)
    return sys.modules[_PACKAGE].all_cases()


def selected(patterns: list[str]) -> list[str]:
    """The names of the cases that the patterns mean, all without patterns; those that take longest first."""
    names = list(all_cases())
    if patterns:
        globs = [pattern if "/" in pattern else f"{pattern}/*" for pattern in patterns]
        names = [name for name in names if any(fnmatch.fnmatchcase(name, glob) for glob in globs)]
    return sorted(names, key=lambda name: not name.startswith(("models/", "modes/")))


def exceptions() -> dict[str, str]:
    """The cases, as globs, that are known to differ on a real GPU, and why."""
    all_cases()
    return dict(sys.modules[_PACKAGE].EXCEPTIONS)
