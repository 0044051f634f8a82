"""Runs cases in an environment, a few at a time, and keeps what became of each: what differs is then pending there."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from kernelsnap.bisect.observe.observe import NO_CACHE, CaseFile, Job, PytestRun, Workspace, run_pytest
from kernelsnap.bisect.observe.recorder import CASES
from kernelsnap.upgrade.state import OLD, Became, Result, State, case_of

#: Cases that run together: what a kill loses at most. Each run imports torch, unless it can share that with others.
_AT_ONCE = 16


@dataclass(frozen=True)
class Recorder:
    """Runs the cases of an upgrade."""

    job: Job
    state: State
    goldens: Path  # of the old side, which the others are compared with
    seen: Mapping[str, str]  # see `state.seen_of`
    say: Callable[[str], None]

    def run(self, cell: str, name: str, workspace: Workspace, cases: Sequence[CaseFile]) -> None:
        """Run the cases of which the state knows nothing in a cell, and keep what became of them.

        Args:
            cell: see `Result`; in `OLD`, goldens are recorded, in others compared.
            name: what the user calls its environment.
            workspace: where to run them.
            cases: all that are wanted.

        Raises:
            BisectError: the disk is full.
        """
        left = [case for case in cases if not self.state.is_known(cell, case.name, self.seen[case.name])]
        if known := len(cases) - len(left):
            self.say(f"{name}: {known} of {len(cases)} cases are known")
        while left:
            found = list(self._run(cell, workspace, left[:_AT_ONCE]))
            self.state.add(found)
            done = {result.case for result in found}
            left = [case for case in left if case.name not in done]
            self.say(f"{name}: {len(cases) - len(left)} of {len(cases)} cases, {self._changed(cell, cases)}")

    def _changed(self, cell: str, cases: Sequence[CaseFile]) -> str:
        if cell == OLD:
            return "recorded"
        return f"{len({case_of(entry) for entry in self.state.entries({case.name for case in cases}, cell)})} differ"

    def _run(self, cell: str, workspace: Workspace, cases: Sequence[CaseFile]) -> Iterator[Result]:
        """What becomes of the cases: of one of them at least."""
        with tempfile.TemporaryDirectory(prefix="kernelsnap-upgrade-") as name:
            wanted = Path(name, "cases.json")
            wanted.write_text(json.dumps([case.name for case in cases]), encoding="utf-8")
            files = list(dict.fromkeys(case.file for case in cases))
            arguments = [*self._arguments(cell), *self.job.arguments, "--continue-on-collection-errors", *files]
            run = run_pytest(self.job, workspace, Path(name, "report.jsonl"), arguments, {CASES: str(wanted)})
        if isinstance(run, str):
            yield from (self._result(cell, case, "failed", run) for case in cases)
            return
        names = {case.name for case in cases}
        differing = {case_of(entry) for entry in self.state.entries(names, cell)} if cell != OLD else set()
        ended = [case for case in cases if not run.ended or case.name in run.report.finished]
        # A case that ends the process leaves those that did not come to their turn: they run again.
        stopped = [case for case in cases if case not in ended and case.name in run.report.running]
        if not (ended or stopped):
            stopped = list(cases)
        yield from (self._of_case(cell, case, run, differing) for case in ended)
        yield from (self._result(cell, case, "failed", run.ended) for case in stopped)

    def _arguments(self, cell: str) -> list[str]:
        goldens = f"kernelsnap_goldens={self.goldens}"
        if cell == OLD:
            return [*NO_CACHE, "--snapshot-update", "-o", goldens]
        return ["-o", f"cache_dir={self.state.cache(cell)}", "--kernelsnap-pending", "-o", goldens]

    def _of_case(self, cell: str, case: CaseFile, run: PytestRun, differing: Collection[str]) -> Result:
        report = run.report
        outcome, broken = report.outcomes.get(case.name), report.broken.get(case.name, "")
        if outcome == "skipped":
            return self._result(cell, case, "skipped", report.message(case.name))
        if outcome is None:
            module = case.name.partition("::")[0]
            return self._result(cell, case, "failed", report.message(module) or "pytest did not run it")
        if outcome == "failed" and case.name not in differing:
            return self._result(cell, case, "failed", broken or "a golden differs, and what was generated is not kept")
        return self._result(cell, case, "compared", broken)

    def _result(self, cell: str, case: CaseFile, outcome: Became, reason: str) -> Result:
        return Result(cell, case.name, outcome, " ".join(reason.split()), self.seen[case.name])
