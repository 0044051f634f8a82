"""Whether the virtual device was checked with this torch and triton, and the errors that say so.

What differs between these releases stands in two places and nowhere else: private names in the tables of `patches` and
`caches` (`since`, `until`), and how attention is chosen in `sdpa_rules` and `sdpa`.
"""

from __future__ import annotations

import os

from packaging.version import Version

from kernelsnap.errors import KernelsnapError
from kernelsnap.supported import TORCH_SUPPORTED, TRITON_FOR_TORCH

ALLOW_UNSUPPORTED = "KERNELSNAP_ALLOW_UNSUPPORTED"


class UnsupportedTorchError(KernelsnapError):
    """This torch has no virtual device: a release out of range, or an internal that is missing or changed."""


class UnsupportedTritonError(KernelsnapError):
    """Triton is not installed, or one of its internals is missing or changed."""


def torch_release() -> Version:
    """torch's release without local and development parts: 2.13.0 for ``2.13.0+cpu`` and for its nightlies."""
    import torch

    return Version(Version(torch.__version__).base_version)


def check_torch() -> None:
    """Raise `UnsupportedTorchError` unless this torch is in range or the environment says to try anyway."""
    first, beyond = TORCH_SUPPORTED
    release = torch_release()
    if first <= release < beyond or os.environ.get(ALLOW_UNSUPPORTED) == "1":
        return
    raise UnsupportedTorchError(
        f"torch {release} is not supported: the virtual device patches torch's internals and was checked with "
        f"torch {first} up to, but not including, {beyond}. "
        f"Install one of those, or set {ALLOW_UNSUPPORTED}=1 to try this one"
    )


def check_triton() -> None:
    """Raise `UnsupportedTritonError`, with the command that helps, where triton cannot be imported."""
    try:
        import triton  # noqa: F401
    except ImportError as error:
        release = torch_release()
        version = TRITON_FOR_TORCH.get(f"{release.major}.{release.minor}")
        requirement = f"triton=={version}" if version else "triton"
        raise UnsupportedTritonError(
            f"generating GPU code needs triton, which cannot be imported ({error}): pip install {requirement}"
        ) from error
