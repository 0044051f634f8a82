"""A comparison that failed: its message, and both sides of it in pytest's cache, for `kernelsnap diff --failed`."""

from __future__ import annotations

import os
import shlex
import warnings
from dataclasses import dataclass
from pathlib import Path, PurePath

import pytest

from kernelsnap.diff.sides.folders import CACHE, EXPECTED, GOT, NAME
from kernelsnap.golden.resources import resources_path
from kernelsnap.golden.store import SUFFIX


@dataclass(frozen=True)
class FailedComparison:
    """A comparison that failed, in words."""

    headline: str  # follows pytest's `assert`
    lines: tuple[str, ...]


def keep(config: pytest.Config, golden: PurePath, case: str, expected: str, got: str) -> str:
    """Keep what a golden says and what was generated; the command that explains the difference.

    `golden` is the path of the test's own golden, or of its resources, below the folder of the goldens. The command is
    "" where nothing could be kept: pytest runs without its cache (`-p no:cacheprovider`), or cannot write it, of which
    it warns.
    """
    try:
        folder = _folder(config)
        if folder is None:
            return ""
        for side, text in ((EXPECTED, expected), (GOT, got)):
            path = folder / side / golden
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(text, encoding="utf-8")
            if golden.suffix == SUFFIX:
                # Of another run: they would be taken for this one's.
                resources_path(path).unlink(missing_ok=True)
    except OSError as error:
        warnings.warn(
            pytest.PytestCacheWarning(f"kernelsnap diff --failed will not find {case}: {error}"), stacklevel=2
        )
        return ""
    cache = folder.parent.parent
    usual = cache == config.rootpath / CACHE
    failed = "--failed" if usual else f"--failed={os.path.relpath(cache, config.invocation_params.dir)}"
    return shlex.join(["kernelsnap", "diff", failed, "--explain", case])


def forget(config: pytest.Config, golden: PurePath, case: str) -> None:
    """Drop what was kept of a comparison that no longer fails, and of its resources."""
    try:
        if folder := _folder(config):
            for side in (EXPECTED, GOT):
                (folder / side / golden).unlink(missing_ok=True)
                resources_path(folder / side / golden).unlink(missing_ok=True)
    except OSError as error:
        warnings.warn(pytest.PytestCacheWarning(f"kernelsnap diff --failed still finds {case}: {error}"), stacklevel=2)


def _folder(config: pytest.Config) -> Path | None:
    cache = getattr(config, "cache", None)
    return None if cache is None else Path(cache.mkdir(NAME))
