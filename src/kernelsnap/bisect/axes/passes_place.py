"""The places of the axis "passes": the user's own tree, in a process that refuses some of the compiler's decisions."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from kernelsnap.bisect.axes.decisions import CUT, DECISIONS, Cut, Decided, Decision, cut_of, decided_of, read_decided
from kernelsnap.bisect.axis import SkipStepError, Step
from kernelsnap.bisect.errors import BisectError
from kernelsnap.bisect.observe.observe import Place
from kernelsnap.golden.store import write_text

#: The plugin that a step's process needs besides the recorder.
PLUGIN = "kernelsnap.bisect.axes.passes_recorder"

#: The step that refuses nothing.
WHOLE = Step("the whole compile", Cut().key)


class Compile:
    """The compile that is searched: where its steps run, and what is decided at each."""

    def __init__(self, folder: Path, python: str, log: Path) -> None:
        """Decisions are kept in the file `log`, so that a search that is killed knows them when it goes on."""
        self._folder, self._python, self._log = folder, python, log
        self._whole: Decided | None = None
        self._others: dict[str, Mapping[str, Sequence[Decision]]] = {}
        self._read()

    @contextmanager
    def place(self, step: Step) -> Iterator[Place]:
        """Where a step runs. Raises `SkipStepError` where its first decisions were not those of the whole compile."""
        cut = cut_of(step.key)
        with tempfile.TemporaryDirectory(prefix="kernelsnap-bisect-") as name:
            Path(name, CUT).write_text(step.key, encoding="utf-8")
            yield Place(self._folder, self._python, (), cut.settings, {DECISIONS: name})
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
        """The subsystems of the case's torch, and what is set to refuse one; empty for one that is asked each time."""
        return self._known().settings

    def decisions(self, subsystem: str) -> Sequence[Decision]:
        """What a subsystem does when nothing is refused, in order."""
        return self._known().made.get(subsystem, ())

    def instead(self, step: Step, subsystem: str) -> Sequence[Decision]:
        """What a subsystem does at a step, and does not do when nothing is refused."""
        return self._others.get(step.key, {}).get(subsystem, ())

    def _known(self) -> Decided:
        if self._whole is None:
            raise BisectError(f"{self._log} is gone, in which the decisions were kept; `--fresh` begins anew")
        return self._whole

    def _new(self, decided: Decided) -> Mapping[str, Sequence[Decision]]:
        known = {name: {one.key for one in self.decisions(name)} for name in decided.made}
        new = {name: [one for one in made if one.key not in known[name]] for name, made in decided.made.items()}
        return {name: made for name, made in new.items() if made}

    def _check(self, cut: Cut, decided: Decided) -> None:
        """Raise `SkipStepError` where what stands before the cut is not what the whole compile decides there."""
        checked: dict[str, int | None] = {cut.subsystem: cut.first} if cut.first is not None else {}
        if cut == Cut():
            checked = dict.fromkeys({**decided.made, **self._known().made})
        for name, first in checked.items():
            made, expected = (
                [one.key for one in both][:first] for both in (decided.made.get(name, ()), self.decisions(name))
            )
            if made != expected:
                raise SkipStepError(
                    f"the decisions of {name} that stand are not those of the whole compile: the case does not compile "
                    "alike on every run"
                )

    def _read(self) -> None:
        try:
            content = json.loads(self._log.read_text(encoding="utf-8"))
            self._whole = decided_of(content["whole"])
            self._others = {key: decided_of({"settings": {}, "made": made}).made for key, made in content["others"]}
        except FileNotFoundError:
            return
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise BisectError(f"{self._log} holds no decisions ({error}); `--fresh` begins anew") from None

    def _write(self) -> None:
        others = [[key, Decided({}, made).as_json()["made"]] for key, made in self._others.items()]
        write_text(self._log, json.dumps({"whole": self._known().as_json(), "others": others}) + "\n")
