"""`kernelsnap upgrade`: from what a user asks for to what changes, why, and, where that is asked for, commits."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack
from dataclasses import asdict, dataclass
from functools import cached_property
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

from kernelsnap.bisect.axes.environments import environments_of
from kernelsnap.bisect.dialog import say
from kernelsnap.bisect.errors import BisectError, SkipStepError
from kernelsnap.bisect.observe.collect import cases_of, check_words, collection, shard_of
from kernelsnap.bisect.observe.forked import StepProcesses
from kernelsnap.bisect.observe.observe import CaseFile, Job, Workspace
from kernelsnap.bisect.observe.state import locked, state_path
from kernelsnap.bisect.observe.tool import make_tool_folder
from kernelsnap.bisect.request import Finished, UpgradeRequest
from kernelsnap.doctor.check import asked
from kernelsnap.golden import toolchain
from kernelsnap.golden.toolchain import Toolchain
from kernelsnap.pending.entry import Pending
from kernelsnap.shared.places import cache_folder
from kernelsnap.shared.wording import own_version
from kernelsnap.upgrade.conclude import About, check_commit, conclude
from kernelsnap.upgrade.environment import Asked, Environment, mixture
from kernelsnap.upgrade.record import Recorder
from kernelsnap.upgrade.split import Mixture, Splitter
from kernelsnap.upgrade.state import NEW, OLD, Result, State, case_of, check_identity, merge, seen_of


def run_upgrade(request: UpgradeRequest) -> Finished:
    """Do what a user asks for.

    Raises:
        BisectError: it cannot be done.
    """
    root, goldens = project(Path.cwd())
    if request.merge:
        path = (request.state or _usual_state({"merged": " ".join(map(str, request.merge))})).absolute()
        with locked(path / "upgrade.json"):
            about = About(**merge([source.absolute() for source in request.merge], path))
            state = State(path, root)
            state.write_about(asdict(about))
            check_commit(request, state, goldens, about)
            return conclude(request, state, goldens, about)
    if not request.new:
        raise BisectError("--to is missing: name the environment to upgrade to, by its Python or as torch==2.14.1")
    check_words(request.cases)
    with ExitStack() as stack:
        work = Path(stack.enter_context(TemporaryDirectory(prefix="kernelsnap-upgrade-")))
        job = request.job(make_tool_folder(work / "tool"), processes=stack.enter_context(StepProcesses()))
        sides = Sides(request, toolchain.read(goldens) or Toolchain(), job)
        identity = sides.identity
        path = (request.state or _usual_state(identity, request.shard)).absolute()
        stack.enter_context(locked(path / "upgrade.json"))
        if request.fresh:
            State.clear(path)
        state = State(path, root)
        check_identity(path, identity)
        report = collection(request.cases, request.select, job, sides.new_workspace)
        everything = cases_of(report, sides.new_workspace)
        cases = shard_of(everything, request.shard) if request.shard else everything
        about = sides.about(everything, report.messages)
        state.write_about(asdict(about))
        check_commit(request, state, goldens, about)
        _record(sides, state, goldens, about, cases, work)
        return conclude(request, state, goldens, about, [case.name for case in cases])


def project(folder: Path) -> tuple[Path, Path]:
    """The root of the project that a folder belongs to, as pytest sees it, and the folder of its goldens.

    Raises:
        BisectError: pytest does not start, or does not know kernelsnap.
    """
    answers, ended = asked("kernelsnap.plugin.probe", (), folder)
    answer: dict[str, Any] = answers[0] if answers else {"error": ended}
    if "goldens" not in answer:
        raise BisectError(f"pytest does not start here: {answer.get('error') or 'it does not load kernelsnap'}")
    return Path(answer["rootdir"]), Path(answer["goldens"])


def _usual_state(identity: Mapping[str, str], shard: str = "") -> Path:
    return cache_folder() / "upgrade" / f"{state_path(identity).stem}{f'-{shard}'.replace('/', 'of') if shard else ''}"


@dataclass(frozen=True)
class Sides:
    """Both environments, and what the goldens of the old side are."""

    request: UpgradeRequest
    recorded: Toolchain  # of the project's goldens
    job: Job

    def _asked(self, option: str, words: tuple[str, ...]) -> Asked:
        return Asked(option, words, self.recorded, environments_of(self.request))

    @cached_property
    def new(self) -> Environment:
        """The environment that is upgraded to."""
        return self._asked("--to", self.request.new).opened(yes=self.request.yes)

    @cached_property
    def old(self) -> Environment:
        """The environment that is upgraded from; by default one with what the goldens were recorded with."""
        if self.request.old:
            return self._asked("--from", self.request.old).opened(yes=self.request.yes)
        here = self._asked("--python", (self.request.python,)).opened(yes=True)
        if here.of(self.recorded.versions) == dict(self.recorded.versions):
            return here
        words = tuple(f"{name}=={version}" for name, version in self.recorded.versions.items())
        return self._asked("--from", words).opened(yes=self.request.yes)

    @cached_property
    def records(self) -> bool:
        """Whether the old side has to be recorded: the project's goldens are of other versions."""
        lines = {name: {version} for name, version in self.recorded.versions.items()}
        lines |= {name: set(versions) for name, versions in self.recorded.packages.items()}
        # Of an upgrade that is accepted in part, some goldens are of the new versions already.
        either = ({self.old.version(name), self.new.version(name)} >= found for name, found in lines.items())
        return bool(self.request.old) and not all(either)

    @cached_property
    def names(self) -> list[str]:
        """The packages whose versions goldens name, or the user."""
        named = self._asked("--to", self.request.new).named
        return list(dict.fromkeys((*self.recorded.versions, *self.recorded.packages, *named)))

    @property
    def moved(self) -> dict[str, tuple[str, str]]:
        """Those that differ: old and new version."""
        packages = {name: " and ".join(its) for name, its in self.recorded.packages.items()}
        known = {**self.recorded.versions, **packages}
        pairs = {}
        for name in self.names:
            old = known[name] if name in known and not self.records else self.old.version(name)
            pairs[name] = old, self.new.version(name)
        return {name: (old, new) for name, (old, new) in pairs.items() if old != new}

    @property
    def new_workspace(self) -> Workspace:
        """Where cases run on the new side."""
        return _workspace(self.new)

    @property
    def identity(self) -> dict[str, str]:
        """What the state depends on."""
        return {
            "kernelsnap": own_version(),
            "folder": str(Path.cwd()),
            "arguments": " ".join(self.job.arguments),
            "new": self.new.key,
            "old": self.old.key if self.records else "goldens",
        }

    def about(self, cases: Sequence[CaseFile], messages: Sequence[tuple[str, str]]) -> About:
        """What the state is of; with the packages that differ besides, where both environments are at hand."""
        moved = self.moved
        also = []
        if self.request.old or len(moved) > 1:
            both = sorted(self.old.versions.keys() & self.new.versions.keys() - moved.keys())
            pairs = ((name, self.old.versions[name], self.new.versions[name]) for name in both)
            also = [f"{name} {old} -> {new}" for name, old, new in pairs if old != new]
        unnamed = [name for name in moved if name not in {*self.recorded.versions, *self.recorded.packages}]
        return About(
            moved={name: list(pair) for name, pair in moved.items()},
            also=also,
            versions=self.new.of(self.recorded.versions or toolchain.COMPILERS),
            named={name: moved[name][1] for name in unnamed},
            before={name: moved[name][0] for name in unnamed},
            records=self.records,
            identity=self.identity,
            shard=self.request.shard,
            cases=[case.name for case in cases],
            messages=[list(message) for message in messages],
        )


def _workspace(environment: Environment) -> Workspace:
    return Workspace(Path.cwd(), environment.interpreter.python, environment.interpreter.path)


def _record(sides: Sides, state: State, goldens: Path, about: About, cases: Sequence[CaseFile], work: Path) -> None:
    """Run the cases on both sides, and those that differ in the mixtures that tell packages apart."""
    if about.records:
        goldens = state.old_goldens
        recorder = Recorder(sides.job, state, goldens, seen_of(cases, Path.cwd(), None), say)
        recorder.run(OLD, "from", _workspace(sides.old), cases)
    recorder = Recorder(sides.job, state, goldens, seen_of(cases, Path.cwd(), goldens), say)
    recorder.run(NEW, "to", sides.new_workspace, cases)
    splitter = about.splitter(state, goldens)
    for number, (mixed, its) in enumerate(_mixtures(splitter, state, cases)):
        try:
            environment = mixture(sides.old, sides.new, mixed.taken, mixed.others, work / f"links{number}")
        except SkipStepError as error:
            say(f"{mixed}: {error}")
            seen = recorder.seen
            state.add(Result(mixed.cell, case.name, "failed", str(error), seen[case.name]) for case in its)
            continue
        recorder.run(mixed.cell, str(mixed), _workspace(environment), its)
        splitter.forget(mixed)


def _mixtures(splitter: Splitter, state: State, cases: Sequence[CaseFile]) -> Iterator[tuple[Mixture, list[CaseFile]]]:
    """What to run to tell packages apart, and for which cases: those of which the mixtures before did not tell it."""
    entries: defaultdict[str, list[Pending]] = defaultdict(list)
    for entry in state.entries({case.name for case in cases}):
        entries[case_of(entry)].append(entry)
    tried: defaultdict[str, set[Mixture]] = defaultdict(set)
    while True:
        wanted: defaultdict[Mixture, list[CaseFile]] = defaultdict(list)
        for case in cases:
            if mixed := splitter.next_mixture(entries[case.name], tried[case.name]):
                wanted[mixed].append(case)
        if not wanted:
            return
        for mixed, its in wanted.items():
            yield mixed, its
            for case in its:
                tried[case.name].add(mixed)
