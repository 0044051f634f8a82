"""What a bisection moves along: a line of steps, each of which can be made ready to run a case in."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Protocol

from kernelsnap.bisect.observe.observe import Place


@dataclass(frozen=True)
class Step:
    """One step of an axis."""

    name: str  # what its user calls it: a commit's abbreviated hash, a version
    key: str  # steps with the same key generate the same: a commit's tree
    title: str = ""  # a commit's subject


class SkipStepError(Exception):
    """A step cannot be made ready: a build fails, a version does not import."""


class Axis(Protocol):
    """A line of steps in order. A new axis is one class with this form, and one entry in `command.AXES`."""

    @property
    def kind(self) -> str:
        """What it is called on the command line."""

    @property
    def steps(self) -> Sequence[Step]:
        """The steps, oldest first."""

    @property
    def offset(self) -> int:
        """The number of the first step on the whole line that this is a part of."""

    @property
    def probes(self) -> tuple[int, ...]:
        """Steps at which something speaks for a change: a revert, say."""

    def is_cheap(self, step: Step) -> bool:
        """Whether the step is ready already."""

    def place(self, step: Step) -> AbstractContextManager[Place]:
        """Make a step ready. Raises `SkipStepError` where that fails."""
