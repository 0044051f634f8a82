"""Names of the goldens of a case that may have one of several: each is an ordinary golden of its own.

test_x.h100.ksnap           the first
test_x@or-2.h100.ksnap      another one that is allowed
test_x@again-or-2.h100.ksnap  of the assertion named "again"
"""

from __future__ import annotations

import re
from collections.abc import Iterator

_MARK = "or-"
# test_a.py::test_x@or-2 and test_a.py::test_x@again-or-2
_NUMBERED = re.compile(rf"(@)(?:([^@]*)-)?{_MARK}[1-9][0-9]{{0,3}}\Z")


def numbered(assertion: str, number: int) -> str:
    """What the assertion is called for the allowed golden of this number, from 2 on."""
    return f"{assertion}-{_MARK}{number}" if assertion else f"{_MARK}{number}"


def first_of(case: str) -> str:
    """The case whose allowed golden this is by its name; "" where it is a case of its own."""
    found = _NUMBERED.search(case)
    return "" if found is None else case[: found.start()] + (f"@{found[2]}" if found[2] else "")


def others(stem: str, most: int) -> Iterator[str]:
    """The names of the other goldens that may be allowed, of a case whose first has this name without target."""
    joined = f"{stem}-" if "@" in stem else f"{stem}@"
    yield from (f"{joined}{_MARK}{number}" for number in range(2, most + 1))
