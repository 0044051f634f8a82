"""One thing that was looked at, and what came out."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

#: `warning`: goldens can be captured, but not all of them, or not as they were recorded. `missing`: none can.
Status = Literal["ok", "warning", "missing"]


@dataclass(frozen=True)
class Check:
    """One line of the report."""

    name: str
    status: Status
    says: str
    do: str = ""  # the command or the step that helps


def can_capture(checks: Sequence[Check]) -> bool:
    """Whether goldens can be captured here."""
    return not any(check.status == "missing" for check in checks)
