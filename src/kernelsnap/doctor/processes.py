"""Questions that another process answers, so that this one can always report."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

#: Seconds. Building the C++ part on a slow machine takes longest.
_TIMEOUT = 600


def asked(module: str, arguments: Sequence[str], folder: Path) -> tuple[list[dict[str, Any]], str]:
    """Run a module that adds lines of JSON to the file it is given; those lines, and how it ended if not well."""
    with TemporaryDirectory(prefix="kernelsnap-doctor-") as name:
        results = Path(name, "results")
        # Safe path: a folder named torch where this is started is not torch.
        command = [sys.executable, "-P", "-m", module, str(results), *arguments]
        try:
            done = subprocess.run(
                command, cwd=folder, capture_output=True, text=True, errors="replace", timeout=_TIMEOUT, check=False
            )
        except subprocess.TimeoutExpired:
            ended = f"it took more than {_TIMEOUT} seconds"
        else:
            ended = _ended(done)
        lines = results.read_text(encoding="utf-8").splitlines() if results.exists() else []
    return [json.loads(line) for line in lines], ended


def _ended(done: subprocess.CompletedProcess[str]) -> str:
    if done.returncode == 0:
        return ""
    last = next((line.strip() for line in reversed(done.stderr.splitlines()) if line.strip()), "")
    if done.returncode < 0:
        number = -done.returncode
        return f"the process was ended by signal {number} ({signal.strsignal(number)})" + (f": {last}" if last else "")
    return last or f"exit status {done.returncode}"
