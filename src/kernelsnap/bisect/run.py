"""`kernelsnap bisect`: from what a user asks for to a report."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterator, Mapping, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any, TypeVar

from kernelsnap.bisect.axes.config import ConfigAxis
from kernelsnap.bisect.axes.git import GitAxis
from kernelsnap.bisect.axes.passes import PassesAxis
from kernelsnap.bisect.axes.wheels import WheelsAxis
from kernelsnap.bisect.axis import Axis
from kernelsnap.bisect.dialog import say
from kernelsnap.bisect.errors import BisectError
from kernelsnap.bisect.line import LineAxis
from kernelsnap.bisect.many import CaseResult, bisect_cases, result_of
from kernelsnap.bisect.observe.collect import check_words, collect_cases, shard_of
from kernelsnap.bisect.observe.forked import StepProcesses
from kernelsnap.bisect.observe.observe import FIRST_ABORT, SKIP, CaseFile, Observation, Workspace, observe
from kernelsnap.bisect.observe.state import StateFile, locked
from kernelsnap.bisect.observe.tool import make_tool_folder
from kernelsnap.bisect.outcome import Outcome
from kernelsnap.bisect.predicate.grammar import parse_predicate
from kernelsnap.bisect.predicate.question import Predicate, reply, stored_goldens
from kernelsnap.bisect.propose import gather, other_versions, propose
from kernelsnap.bisect.report import all_found, as_json, case_json, case_markdown, many_data, many_markdown, merge
from kernelsnap.bisect.request import BisectRequest, Finished
from kernelsnap.bisect.search import Answer, Options
from kernelsnap.bisect.session import CaseSession, Settings
from kernelsnap.errors import KernelsnapError

#: The axes, by what `--axis` takes for each. The last one is any that has a `=`.
AXES: Mapping[str, type[Axis]] = {
    "git": GitAxis,
    "config": ConfigAxis,
    "passes": PassesAxis,
    "PACKAGE=FIRST..LAST": WheelsAxis,
}
#: Exit statuses: a single culprit, several candidates; with `--exec` those of a step of `git bisect run`.
FOUND, CANDIDATES = 0, 1
_AxisT = TypeVar("_AxisT", bound=Axis)
_STATUS = {Answer.NO: 0, Answer.YES: 1, Answer.UNKNOWN: SKIP}


def run_bisect(request: BisectRequest) -> Finished:
    """Do what a user asks for.

    Raises:
        BisectError: it cannot be done, or there is no change to find.
    """
    if request.merge:
        return _many_report(request, merge([Path(name) for name in request.cases]))
    # A node id by itself needs no pytest to know which case it is.
    single = len(request.cases) == 1 and "::" in request.cases[0] and not request.select and not request.shard
    if not single and (request.exec or request.axis is None):
        raise BisectError(f"{'--exec' if request.exec else 'without --axis, it'} takes a single node id")
    if request.exec:
        return _step_of_git(request)
    if request.axis is None:
        return _propose(request)
    axis = _axis(request.axis)
    if not single:
        return _bisect_many(request, axis, request.axis)
    outcome = _bisect_case(request, axis, request.cases[0])
    report = (case_json if request.json else case_markdown)(outcome, request.command)
    return Finished(report, FOUND if outcome.certain else CANDIDATES)


def _axis(name: str) -> type[Axis]:
    *words, versions = AXES
    if "=" in name:
        return AXES[versions]
    if name not in words:
        raise BisectError(f"--axis {name}: there are {', '.join(words)}, and {versions}")
    return AXES[name]


def _step_of_git(request: BisectRequest) -> Finished:
    """Answer for the tree as it is, with the exit status that `git bisect run` reads."""
    try:
        predicate = _predicate(request)
        seen = _here_and_now(request)
        reference = stored_goldens(request.goldens, seen)
        if predicate.needs_reference and not reference and not seen.skipped:
            raise BisectError(f"the predicate compares with a golden, and {request.goldens} has none of this case")
        answered = reply(predicate, seen, reference)
    except KernelsnapError as error:
        # git takes any status below this one for an answer.
        sys.stderr.write(f"kernelsnap: {error}\n")
        return Finished("", FIRST_ABORT)
    say(f"{answered.answer}  {answered.reason}".rstrip())
    return Finished("", _STATUS[answered.answer])


def _propose(request: BisectRequest) -> Finished:
    """Name the axes to search, without searching them."""
    symptoms, differs = gather(request.goldens, _here_and_now(request))
    lines = [differs, *([f"cause: {', '.join(symptoms.causes)}"] if symptoms.causes else []), ""]
    proposals = propose(symptoms)
    if not proposals:
        lines += ["Nothing shows where it comes from: no commit and no other version since the golden was recorded."]
    for proposal in proposals:
        words = ["kernelsnap", *request.words, *proposal.arguments]
        lines += [f"Because {proposal.because}:", f"    {shlex.join(words)}"]
    if len(versions := other_versions(symptoms)) > 1:
        factors = [f"{name}={old},{new}" for name, (old, new) in versions.items()]
        lines += ["Which of these versions it is, or only several together:"]
        lines += [f"    {shlex.join(['kernelsnap', 'attribute', *request.cases, *factors])}"]
    return Finished("\n".join(lines) + "\n", FOUND)


def _here_and_now(request: BisectRequest) -> Observation:
    """What the case generates in the user's own tree and environment."""
    with TemporaryDirectory(prefix="kernelsnap-bisect-") as name:
        job = request.job(make_tool_folder(Path(name, "step.tool")), request.cases[0], request.script)
        return observe(job, Workspace(Path.cwd(), request.python))


@contextmanager
def _opened(
    request: BisectRequest, kind: type[_AxisT], case: str, *, many: bool
) -> Iterator[tuple[_AxisT, Path, dict[str, str]]]:
    """The axis, the file for what is seen along it, which nobody else then uses, and what that file is for."""
    test = Path(case.partition("::")[0])
    identity = request.identity(case) | {"script": request.script} | kind.identity(request, test)
    path = request.state_file(identity, many=many)
    with locked(path), kind.opened(request, path) as axis:
        yield axis, path, identity


def _bisect_case(request: BisectRequest, kind: type[Axis], case: str, *, many: bool = False) -> Outcome:
    with _opened(request, kind, case, many=many) as (axis, path, identity), StepProcesses() as processes:
        tool = make_tool_folder(path.with_suffix(".tool"))
        job = request.job(tool, case, request.script, processes)
        known = StateFile(path, identity, fresh=request.fresh)
        session = CaseSession(axis.kind, axis.prepare, job, _predicate(request), known, _settings(request, axis))
        return session.outcome(axis.search(session))


def _bisect_many(request: BisectRequest, kind: type[Axis], axis: str) -> Finished:
    """Search for what changed each of many cases."""
    if request.script:
        raise BisectError("--script answers for one case: name a single node id")
    check_words(request.cases)
    with TemporaryDirectory(prefix="kernelsnap-bisect-") as name:
        job = request.job(make_tool_folder(Path(name, "tool")))
        everything = collect_cases(request.cases, request.select, job, Workspace(Path.cwd(), request.python))
    chosen = shard_of(everything, request.shard) if request.shard else everything
    if issubclass(kind, LineAxis):
        results = _together(request, kind, chosen) if chosen else []
    else:
        results = [_one_of_many(request, kind, case) for case in chosen]
    data = many_data(
        results, axis=axis, question=request.predicate, selected=[case.name for case in everything],
        shard=request.shard, command=request.command,
    )  # fmt: skip
    return _many_report(request, data)


def _together(request: BisectRequest, kind: type[LineAxis], cases: Sequence[CaseFile]) -> list[CaseResult]:
    """Search one line for all cases."""
    words = " ".join(request.cases)
    with ExitStack() as stack:
        axis, path, identity = stack.enter_context(_opened(request, kind, words, many=True))
        processes = stack.enter_context(StepProcesses())
        job = request.job(make_tool_folder(path.with_suffix(".tool")), words, processes=processes)
        states = {}
        for case in cases:
            # Each case has a state of its own, which another selection of cases finds again.
            own = identity | {"case": case.name} | kind.identity(request, Path(case.file))
            path = request.state_file(own, many=True)
            stack.enter_context(locked(path))
            states[case.name] = StateFile(path, own, fresh=request.fresh)
        return bisect_cases(axis, job, cases, _predicate(request), states, _settings(request, axis))


def _one_of_many(request: BisectRequest, kind: type[Axis], case: CaseFile) -> CaseResult:
    """Search an axis for one case of many."""
    # A node id for pytest, which the case's name is not from another folder than rootdir.
    node = f"{case.file}::{case.name.partition('::')[2]}"
    try:
        return CaseResult(case.name, _bisect_case(request, kind, node, many=True))
    except BisectError as error:
        return result_of(case.name, error)


def _many_report(request: BisectRequest, data: dict[str, Any]) -> Finished:
    report = (as_json if request.json else many_markdown)(data)
    return Finished(report, FOUND if all_found(data) else CANDIDATES)


def _predicate(request: BisectRequest) -> Predicate:
    if request.script:
        return Predicate(request.script, None)
    return Predicate(request.predicate, parse_predicate(request.predicate))


def _settings(request: BisectRequest, axis: Axis) -> Settings:
    return Settings(
        options=Options(repeats=request.repeats, sweep=request.sweep, limit=request.limit),
        reference=request.reference or ("first" if axis.start_known else "stored"),
        stored=lambda seen: stored_goldens(request.goldens, seen),
        say=say,
    )
