"""Where kernelsnap keeps what would be slow to make again: the built device guard, states of bisections."""

from __future__ import annotations

import os
from pathlib import Path


def cache_folder() -> Path:
    """The folder of all of kernelsnap's caches: $KERNELSNAP_CACHE, else `kernelsnap` in $XDG_CACHE_HOME or ~/.cache."""
    if chosen := os.environ.get("KERNELSNAP_CACHE"):
        return Path(chosen).expanduser()
    base = os.environ.get("XDG_CACHE_HOME")
    return (Path(base) if base else Path("~/.cache").expanduser()) / "kernelsnap"
