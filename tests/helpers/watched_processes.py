"""The processes of steps, with a note of how each was started."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from kernelsnap.bisect.observe.forked import StepProcesses


class WatchedProcesses(StepProcesses):
    """Notes for each step how many servers there were, and what of torch it had imported when its test began."""

    def __init__(self) -> None:
        super().__init__()
        self.shared: list[tuple[int, Sequence[str]]] = []

    def remember(
        self, command: Sequence[str], folder: Path, environment: Mapping[str, str], modules: Sequence[str]
    ) -> None:
        super().remember(command, folder, environment, modules)
        self.shared.append((len(self._servers), modules))
