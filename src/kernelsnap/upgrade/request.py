"""What a user asks `kernelsnap upgrade` for: the command line as typed data."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from kernelsnap.bisect.request import CasesRequest


@dataclass(frozen=True, kw_only=True)
class UpgradeRequest(CasesRequest):
    """What `kernelsnap upgrade` takes."""

    old: tuple[str, ...]  # an environment: the path of a Python, or exact versions; () for the goldens as they are
    new: tuple[str, ...]
    shard: str
    merge: tuple[Path, ...]  # states of shards, to be put together
    commit: bool
    reason: str
    reasons: Path | None
    json: bool
    html: Path | None
