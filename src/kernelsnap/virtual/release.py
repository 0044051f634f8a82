"""Whether the installed torch and triton can be used: a checked release, a newer one with all that is needed, or not.

The virtual device and a capture read and replace private names of torch. Which of them a release has is known for the
releases that were checked (`kernelsnap.shared.supported`). Of a newer one, such as a nightly build, each name is looked
up.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable, Iterator

import torch

from kernelsnap.errors import UnsupportedTorchError, UnsupportedTritonError
from kernelsnap.shared.private_names import Name, is_missing, names_in, release_of
from kernelsnap.shared.supported import TORCH_SUPPORTED, TRITON_FOR_TORCH, checked_releases
from kernelsnap.virtual import caches, patches, private

# The newer releases in which all names of a list were found, and those that were warned of.
_complete: set[tuple[str, Callable[[], Iterable[Name]]]] = set()
_warned: set[str] = set()


def names_of_device() -> Iterator[Name]:
    """The private names of torch and triton that the virtual device reads and replaces."""
    # Inductor's modules import each other in circles: beginning with this one, all of them can be imported.
    private.COMPILE_FX.is_there()
    yield from names_in(vars(private))
    yield from (patch.at for patch in patches.PATCHES)
    yield from caches.CACHES


def check_torch(names: Callable[[], Iterable[Name]] = names_of_device) -> None:
    """Raise `UnsupportedTorchError` for a torch that is too old, or too new: one that lacks some of these names.

    A release newer than any that was checked is warned of, once in a process.
    """
    first, beyond = TORCH_SUPPORTED
    release = release_of("torch")
    if release < first:
        raise UnsupportedTorchError(
            f"torch {torch.__version__} is not supported: kernelsnap needs torch {first} or newer, and was checked "
            f"with {checked_releases()}"
        )
    if release >= beyond:
        if (torch.__version__, names) not in _complete:
            _check_newer(names())
            _complete.add((torch.__version__, names))
        if torch.__version__ not in _warned:
            warnings.warn(
                f"torch {torch.__version__} is newer than any release that kernelsnap was checked with "
                f"({checked_releases()}). It has all the private names that kernelsnap uses, so it is used; "
                f"one that works differently now can make a golden wrong",
                stacklevel=2,
            )
            _warned.add(torch.__version__)


def _check_newer(names: Iterable[Name]) -> None:
    missing = sorted({str(name) for name in names if is_missing(name)})
    if missing:
        raise UnsupportedTorchError(
            f"torch {torch.__version__} is newer than any release that kernelsnap was checked with "
            f"({checked_releases()}), and lacks {len(missing)} of the private names that kernelsnap uses: "
            f"{', '.join(missing)}. Install a release that was checked, or a newer kernelsnap; "
            f"`kernelsnap doctor --verbose` lists all names"
        )


def check_triton() -> None:
    """Raise `UnsupportedTritonError`, with the command that helps, where triton cannot be imported."""
    try:
        import triton  # noqa: F401
    except ImportError as error:
        release = release_of("torch")
        version = TRITON_FOR_TORCH.get(f"{release.major}.{release.minor}")
        requirement = f"triton=={version}" if version else "triton"
        raise UnsupportedTritonError(
            f"generating GPU code needs triton, which cannot be imported ({error}): pip install {requirement}"
        ) from error
