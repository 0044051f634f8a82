"""The command line in a process of its own, as a user runs it."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

SOURCE = Path(__file__).parents[2] / "src"


def run_command(
    *words: object, cwd: Path, stdin: str | None = None, status: int | None = None
) -> subprocess.CompletedProcess[str]:
    """One command, which shows no traceback and, where one is given, has this exit status."""
    found = subprocess.run(
        [sys.executable, "-m", "kernelsnap", *map(str, words)],
        cwd=cwd, input=stdin, env={**os.environ, "PYTHONPATH": str(SOURCE)},
        capture_output=True, text=True, check=False, encoding="utf-8",
    )  # fmt: skip
    assert "Traceback" not in found.stderr
    assert status is None or found.returncode == status, found.stdout + found.stderr
    return found
