"""Which torch and triton the virtual device was checked with. Imports neither."""

from __future__ import annotations

from packaging.version import Version

# First release checked, and the first one that was not.
TORCH_SUPPORTED = (Version("2.11"), Version("2.16"))

# The triton that each torch release was built and tested against.
TRITON_FOR_TORCH = {"2.11": "3.6.0", "2.12": "3.7.1", "2.13": "3.7.1", "2.14": "3.8.0", "2.15": "3.9.0"}


def checked_releases() -> str:
    """The releases of torch that were checked, for messages: "2.11 to 2.15"."""
    first, *_, last = TRITON_FOR_TORCH
    return f"{first} to {last}"
