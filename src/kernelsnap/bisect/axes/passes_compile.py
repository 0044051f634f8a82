"""The compile that the axis "passes" searches: runs it with decisions refused, and keeps what was decided."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kernelsnap.bisect.axes.decisions import (
    CUT,
    DECISIONS,
    PLUGIN,
    Cut,
    Decided,
    Decision,
    cut_of,
    decided_of,
    read_decided,
)
from kernelsnap.bisect.errors import BisectError, SkipStepError
from kernelsnap.bisect.observe.observe import Workspace
from kernelsnap.bisect.outcome import AxisStep
from kernelsnap.golden.files import write_text
from kernelsnap.shared.data_files import parsed_json

#: The step that refuses nothing.
WHOLE = AxisStep("the whole compile", Cut().key)


class Compile:
    """The compile of one case, with all decisions and with some refused; a step's key is its `Cut`."""

    def __init__(self, folder: Path, python: str, log: Path) -> None:
        """Read the decisions in the file `log`, if there is one: a search that was killed goes on with them."""
        self._folder, self._python, self._log = folder, python, log
        self._whole: Decided | None = None
        self._others: dict[str, Mapping[str, Sequence[Decision]]] = {}
        self._read()

    @contextmanager
    def prepare(self, step: AxisStep) -> Iterator[Workspace]:
        """Where a step runs, and after that, take what was decided there.

        Raises:
            SkipStepError: the decisions before the cut were others than in the whole compile.
        """
        cut = cut_of(step.key)
        with tempfile.TemporaryDirectory(prefix="kernelsnap-bisect-") as name:
            Path(name, CUT).write_text(step.key, encoding="utf-8")
            yield Workspace(self._folder, self._python, (), cut.settings, {DECISIONS: name}, (PLUGIN,))
            decided = read_decided(Path(name))
        if decided is None:
            return
        if self._whole is None and step.key == WHOLE.key:
            self._whole = decided
        self._others[step.key] = self._new(decided)
        self._check(cut, decided)
        self._write()

    @property
    def settings(self) -> Mapping[str, tuple[str, Any]]:
        """The subsystems of the case's torch, and the setting that refuses each; see `Decided.settings`."""
        return self._known().settings

    def decisions(self, subsystem: str) -> Sequence[Decision]:
        """What a subsystem decides when nothing is refused, in order."""
        return self._known().made.get(subsystem, ())

    def instead(self, step: AxisStep, subsystem: str) -> Sequence[Decision]:
        """What a subsystem decides at a step, and not when nothing is refused."""
        return self._others.get(step.key, {}).get(subsystem, ())

    def _known(self) -> Decided:
        if self._whole is None:
            raise BisectError(f"{self._log} is gone, in which the decisions were kept; `--fresh` begins anew")
        return self._whole

    def _new(self, decided: Decided) -> Mapping[str, Sequence[Decision]]:
        """The decisions of a step that are not in the whole compile, by subsystem."""
        known = {name: {one.key for one in self.decisions(name)} for name in decided.made}
        new = {name: [one for one in made if one.key not in known[name]] for name, made in decided.made.items()}
        return {name: made for name, made in new.items() if made}

    def _check(self, cut: Cut, decided: Decided) -> None:
        """Raise `SkipStepError` where decisions before the first refused one are not those of the whole compile."""
        whole = self._known()
        # By subsystem, how many of its first decisions are to be the same: all of them, where there is no cut.
        same: dict[str, int | None] = {}
        if cut == Cut():
            same = dict.fromkeys({**decided.made, **whole.made})
        elif cut.first is not None:
            same = {cut.subsystem: cut.first}
        for name, count in same.items():
            made, expected = ([one.key for one in side.made.get(name, ())][:count] for side in (decided, whole))
            if made != expected:
                raise SkipStepError(
                    f"the first decisions of {name} are not those of the whole compile: the case does not compile the "
                    f"same on every run"
                )

    def _read(self) -> None:
        try:
            content = parsed_json(self._log.read_text(encoding="utf-8"))
            self._whole = decided_of(content["whole"])
            self._others = {key: decided_of({"settings": {}, "made": made}).made for key, made in content["others"]}
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BisectError(f"{self._log} holds no decisions ({error}); `--fresh` begins anew") from None

    def _write(self) -> None:
        others = [[key, Decided({}, made).as_json()["made"]] for key, made in self._others.items()]
        write_text(self._log, json.dumps({"whole": self._known().as_json(), "others": others}) + "\n")
