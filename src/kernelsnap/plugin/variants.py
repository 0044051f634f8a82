"""`--kernelsnap-variant`: record a golden for the releases of torch or triton here, beside that of all others."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator

import pytest

from kernelsnap.errors import KernelsnapError
from kernelsnap.golden.variants import PACKAGES
from kernelsnap.shared.wording import counted

OPTION = "--kernelsnap-variant"


class VariantError(KernelsnapError):
    """A variant is asked for that there is none of."""


def add_option(group: pytest.OptionGroup) -> None:
    """Add the option."""
    group.addoption(
        OPTION,
        metavar="PACKAGES",
        default="",
        help="record what differs as goldens for the releases of torch, triton or torch,triton that are here only",
    )


def of_command_line(config: pytest.Config) -> tuple[str, ...]:
    """The packages for whose releases goldens are recorded; none where that is not asked for.

    Raises:
        VariantError: one of them is neither torch nor triton.
    """
    asked = str(config.getoption(OPTION) or "")
    names = tuple(name.strip() for name in asked.split(",")) if asked else ()
    for name in names:
        if name not in PACKAGES:
            raise VariantError(f"{OPTION} {asked}: a golden may be for releases of {' and '.join(PACKAGES)} only")
    return names


def summary(unchecked: Collection[str]) -> Iterator[str]:
    """What to tell about variants that were not compared, because they are for other releases; each by label and case.

    They are never changed by a run, nor removed.
    """
    count = Counter(name.partition(" ")[0] for name in unchecked)
    for label, number in sorted(count.items()):
        yield f"not compared, for it takes other releases than those here: {label} ({counted(number, 'golden')})"
