"""Causes that are read from the host code of graphs whose kernels are the same."""

from __future__ import annotations

import re
from collections.abc import Iterator

from kernelsnap.diff.causes.kinds import Finding
from kernelsnap.diff.facts import Facts, read

# assert_size_stride(arg1, (64, 128), (1, 64), 'input')
_SIZE_STRIDE = re.compile(r"assert_size_stride\((\S+), (\([^)]*\)), (\([^)]*\)), 'input'\)")
_CALL = re.compile(r"[A-Za-z_][\w.]*(?=\()|^\w+ = ")


def input_strides(facts: Facts) -> Iterator[Finding]:
    """An input of the same size with other strides."""
    before, after = ([_SIZE_STRIDE.search(read(row)) for row in rows] for rows in facts.host_rows)
    for old in before:
        for new in after:
            if old and new and old.group(2) == new.group(2) and old.group(3) != new.group(3):
                change = f"an input {new.group(2)} has strides {new.group(3)}, had {old.group(3)}"
                yield Finding("indexing", "host", change, "input strides")


def host(facts: Facts) -> Iterator[Finding]:
    """Lines of host code that only one side has; checks of strides that `input_strides` has named are none."""
    removed, added = facts.host_rows
    if list(input_strides(facts)):
        removed, added = (tuple(row for row in rows if not _SIZE_STRIDE.search(read(row))) for rows in (removed, added))
        if not removed and not added:
            return
    for sign, rows in (("gone", removed), ("new", added)):
        for row in rows:
            called = " ".join(_CALL.findall(read(row))) or "line"
            yield Finding("host", "host", f"{sign}: {read(row)}", f"{sign} {called}")
    if not removed and not added and facts.host_reordered:
        yield Finding("host", "host", "the same lines in another order or on other variables", "order")
