"""What every axis of a bisection has to do: name its steps' identity, make a step ready, and search.

A new axis is one module with a class that implements `Axis`, and one entry in `run.AXES`.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from contextlib import AbstractContextManager
from dataclasses import dataclass
from pathlib import Path
from typing import ClassVar, Self

from kernelsnap.bisect.observe.observe import Workspace
from kernelsnap.bisect.outcome import AxisStep, Findings
from kernelsnap.bisect.request import BisectRequest
from kernelsnap.bisect.session import CaseSession


@dataclass(frozen=True, kw_only=True)
class Axis(ABC):
    """Steps at which a case can be run, and the order in which they are asked."""

    kind: ClassVar[str]  # what reports call it
    start_known: bool  # whether the user named its first step, which is then what conditions compare with by default

    @classmethod
    @abstractmethod
    def identity(cls, request: BisectRequest, test: Path) -> dict[str, str]:
        """What a step generates depends on this, besides its key and the case; states are kept apart by it.

        Args:
            request: what the user asks for.
            test: the file that the case is in.
        """

    @classmethod
    @abstractmethod
    def opened(cls, request: BisectRequest, state: Path) -> AbstractContextManager[Self]:
        """The axis that a user asks for; what it keeps on the disk has the name of the state's file, and a suffix.

        Raises:
            BisectError: there is no such axis.
        """

    @abstractmethod
    def prepare(self, step: AxisStep) -> AbstractContextManager[Workspace]:
        """Make a step ready to run a case in.

        Raises:
            SkipStepError: that fails, in a way that leaves other steps to be asked.
            BisectError: it fails for every step, as with a full disk.
        """

    @abstractmethod
    def search(self, session: CaseSession) -> Findings:
        """Ask steps until it is known where the answer changes, as far as it can be known.

        Raises:
            NoChangeError: the answer is the same everywhere.
            BisectError: an end has no answer, or there is nothing to search.
        """
