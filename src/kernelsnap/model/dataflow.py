"""What must hold for every plan: each name in it comes from somewhere. Imports no torch."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import Protocol

from kernelsnap.model.capture import Buffer

# arg0 or buf1: one of several, by the branch that was taken.
_OR = " or "
# s0  u3  zf1  None  True: a size or another value that is no tensor.
_NO_TENSOR = re.compile(r"(?:(?:s|u|zf|zuf)_?\d*|None|True|False)\Z")


class Step(Protocol):
    """A step of a plan, or a call of a graph."""

    @property
    def name(self) -> str:
        """The kernel, or the callee."""

    @property
    def reads(self) -> tuple[str, ...]:
        """The names of the buffers that it reads."""

    @property
    def writes(self) -> tuple[Buffer, ...]:
        """The buffers that it writes."""


def from_nowhere(given: Iterable[Buffer], steps: Iterable[Step], outputs: Iterable[str]) -> Iterator[tuple[str, str]]:
    """Each name that a step reads, or that the graph returns, though nothing above makes it: the step, and the name.

    `given` is what is there before anything runs: inputs, constants, allocated memory.
    """
    known = {buffer.name for buffer in given}
    for step in steps:
        yield from ((step.name, name) for name in step.reads if name not in known)
        known |= {buffer.name for buffer in step.writes}
    returned = (name for output in outputs for name in output.split(_OR))
    yield from (
        ("return", name) for name in returned if name.isidentifier() and not _NO_TENSOR.match(name) if name not in known
    )
