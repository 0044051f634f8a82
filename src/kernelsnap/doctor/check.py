"""One line of the report of `kernelsnap doctor`, and how a question is asked of another process."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, Literal

#: `warning`: goldens can be captured, but not all of them, or not as they were recorded. `missing`: none can.
Status = Literal["ok", "warning", "missing"]

#: Seconds. Building the C++ part on a slow machine takes longest.
_TIMEOUT = 600


@dataclass(frozen=True)
class Check:
    """One line of the report."""

    name: str
    status: Status
    says: str
    do: str = ""  # the command or the step that helps
    details: tuple[str, ...] = ()  # what was looked at, one by one: only on request


def can_capture(checks: Sequence[Check]) -> bool:
    """Whether goldens can be captured here."""
    return not any(check.status == "missing" for check in checks)


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


def private_names_check(name: str, found: Sequence[Mapping[str, Any]], do: str) -> Check:
    """Whether the private names that kernelsnap uses of some libraries are there; `do` helps where one is missing."""
    counts = Counter(entry["library"] for entry in found)
    says = "private names: " + ", ".join(f"{number} of {library}" for library, number in counts.items())
    details = tuple(
        entry["name"] + (f" ({entry['note']})" if entry["note"] else "") + _not_there(entry) for entry in found
    )
    missing = [entry["name"] for entry in found if entry["missing"]]
    if not missing:
        return Check(name, "ok", f"{says}: all there", details=details)
    says += f"; not here: {', '.join(missing)}"
    return Check(name, "warning", says, do, details)


def _not_there(entry: Mapping[str, Any]) -> str:
    return ": missing" if entry["missing"] else ": not here" if entry["absent"] else ""
