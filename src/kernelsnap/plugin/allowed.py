"""`@pytest.mark.kernelsnap_allowed(2, reason="...")`: a case whose golden may be one of several.

For code that is not the same twice, for a reason that is known. Each allowed golden is an ordinary one (see
`kernelsnap.golden.allowed`); a comparison passes where it equals any of them. Recording replaces the closest one, and
adds one only where that is asked for.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass

import pytest

from kernelsnap.errors import GoldenError, KernelsnapError
from kernelsnap.golden import sharing, store
from kernelsnap.golden.allowed import numbered
from kernelsnap.golden.variants import label_of, most_specific
from kernelsnap.model.golden import Golden
from kernelsnap.plugin.syrupy import CaseLocation

MARKER = "kernelsnap_allowed"
OPTION = "--kernelsnap-allow"
#: More goldens than this of one case describe nothing.
MOST = 100


class AllowedError(KernelsnapError):
    """The goldens that a test may have are not declared as they have to be."""


@dataclass(frozen=True)
class Allowed:
    """How many goldens a case may have, and why."""

    number: int
    reason: str


def add_option(group: pytest.OptionGroup) -> None:
    """Add the option."""
    group.addoption(
        OPTION,
        action="store_true",
        help=f"with --snapshot-update: record what differs beside the other goldens of tests marked {MARKER}",
    )


def of_marker(marker: pytest.Mark | None) -> Allowed | None:
    """What a test's marker allows; None where it has none.

    Raises:
        AllowedError: it has no number of goldens, or no reason.
    """
    if marker is None:
        return None
    reason = marker.kwargs.get("reason")
    number = marker.args[0] if len(marker.args) == 1 else None
    if set(marker.kwargs) - {"reason"} or not isinstance(number, int) or not 2 <= number <= MOST:
        raise AllowedError(
            f'the marker {MARKER} takes the number of goldens, 2 to {MOST}, and a reason: {MARKER}(2, reason="...")'
        )
    if not isinstance(reason, str) or not reason.strip():
        raise AllowedError(f"the marker {MARKER} needs a reason: why does the code of this test have several forms?")
    return Allowed(number, " ".join(reason.split()))


@dataclass(frozen=True)
class Choice:
    """Which of the allowed goldens is compared."""

    assertion: str  # see `kernelsnap.golden.store.Case`
    there: tuple[str, ...]  # the assertions of all that are recorded


def choose(
    location: CaseLocation, assertion: str, golden: Golden, allowed: Allowed, versions: Mapping[str, str], *, adds: bool
) -> Choice:
    """The allowed golden that equals this one, else the closest one; with `adds`, in its place the first free one.

    Raises:
        GoldenError: a golden cannot be read, or there is no free one.
    """
    from kernelsnap.plugin.moves import Compared

    names = [assertion, *(numbered(assertion, number) for number in range(2, allowed.number + 1))]
    there = {name: old for name in names for old in _golden(location, name, versions)}
    new = Compared.of(golden)
    if there and (adds or len(there) > 1):
        compared = {name: Compared.of(old) for name, old in there.items()}
        same = [name for name, old in compared.items() if old.content == new.content]
        free = [name for name in names if name not in there]
        if adds and not same:
            if not free:
                raise GoldenError(
                    f"{golden.case}: there are {len(there)} goldens, all that the marker {MARKER} allows: raise its "
                    f"number, or delete one"
                )
            return Choice(free[0], tuple(there))
        best = (same or sorted(there, key=lambda name: (-compared[name].meaning.fit(new.meaning), name)))[0]
        return Choice(best, tuple(there))
    return Choice(next(iter(there), assertion), tuple(there))


def _golden(location: CaseLocation, assertion: str, versions: Mapping[str, str]) -> Iterator[Golden]:
    """The golden that is read for an assertion; none where there is none."""
    folder, case = location.goldens / location.folder, store.Case(location.module, location.test, assertion)
    label = most_specific(sharing.labels(folder, case), label_of(location.target, versions))
    if label:
        yield store.read_golden(sharing.golden_file(folder, case, label), str(case))


def summary(reasons: Mapping[str, str]) -> Iterator[str]:
    """What to tell at the end of a run: for each reason how many cases may have one of several goldens."""
    for reason in sorted(set(reasons.values())):
        cases = [case for case, why in reasons.items() if why == reason]
        what = f"the golden of {cases[0]} is" if len(cases) == 1 else f"the goldens of {len(cases)} cases are"
        yield f"{what} one of several that are allowed: {reason}"
