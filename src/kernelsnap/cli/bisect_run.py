"""`kernelsnap bisect`: from the command line to a bisection, and from its outcome to a report."""

from __future__ import annotations

import argparse
import shlex
import shutil
import sys
from collections.abc import Callable, Mapping, Sequence
from contextlib import ExitStack
from importlib.metadata import version
from pathlib import Path
from tempfile import TemporaryDirectory

from kernelsnap.bisect.axes.config import bisect_config, both_known, read_settings
from kernelsnap.bisect.axes.environments import Environments
from kernelsnap.bisect.axes.git import git_axis, is_dirty
from kernelsnap.bisect.axes.passes import bisect_passes
from kernelsnap.bisect.axes.passes_place import Compile
from kernelsnap.bisect.axes.wheels import parse_range, what_it_takes, wheels_axis
from kernelsnap.bisect.axis import Axis
from kernelsnap.bisect.errors import BisectError
from kernelsnap.bisect.grammar import parse_predicate
from kernelsnap.bisect.many import Result, bisect_cases
from kernelsnap.bisect.observe.collect import is_single
from kernelsnap.bisect.observe.observe import FIRST_ABORT, SKIP, Case, Job, Place, observe
from kernelsnap.bisect.observe.state import State, bisect_folder, digest, locked, state_path
from kernelsnap.bisect.observe.stored import stored_goldens
from kernelsnap.bisect.observe.tool import make_tool_folder
from kernelsnap.bisect.outcome import Outcome
from kernelsnap.bisect.propose import gather, propose
from kernelsnap.bisect.question import Question, reply
from kernelsnap.bisect.report import as_json, markdown
from kernelsnap.bisect.search import Answer, Options
from kernelsnap.bisect.session import Settings, bisect_axis
from kernelsnap.cli.bisect_many import merge_reports, run_cases
from kernelsnap.errors import KernelsnapError

#: Exit statuses: a single culprit, several candidates; with `--exec` those of a step of `git bisect run`.
FOUND, CANDIDATES = 0, 1
#: Stopped by the keyboard.
INTERRUPTED = 130
_STATUS = {Answer.NO: 0, Answer.YES: 1, Answer.UNKNOWN: SKIP}


def run(options: argparse.Namespace) -> int:
    """Run the command; its exit status."""
    return until_stopped(_run, options)


def until_stopped(command: Callable[[argparse.Namespace], int], options: argparse.Namespace) -> int:
    """Run a command that keeps what it has seen; its exit status, or that of one which Ctrl-C stopped."""
    try:
        return command(options)
    except KeyboardInterrupt:
        say("stopped. What was seen is kept: the same command goes on from there")
        return INTERRUPTED


def _run(options: argparse.Namespace) -> int:
    options.many = None
    if options.merge:
        return merge_reports(options)
    single = is_single(options.case, options.select) and not options.shard
    if not single and (options.exec or options.axis is None):
        raise BisectError(f"{'--exec' if options.exec else 'without --axis, it'} takes a single node id")
    if single:
        (options.case,) = options.case
    if options.exec:
        return _step_of_git(options)
    if options.axis is None:
        return _propose(options)
    if "=" not in options.axis and options.axis not in AXES:
        raise BisectError(f"--axis {options.axis}: there are {', '.join(AXES)}, and PACKAGE=FIRST..LAST")
    search = _wheels if "=" in options.axis else AXES[options.axis]
    return search(options) if single else run_cases(options, search, together=search in _TOGETHER)


def _step_of_git(options: argparse.Namespace) -> int:
    """Answer for the tree as it is, with the exit status that `git bisect run` reads."""
    try:
        question = _question(options)
        with TemporaryDirectory(prefix="kernelsnap-bisect-") as name:
            seen = observe(_job(options, Path(name, "step")), Place(Path.cwd(), options.python))
        reference = stored_goldens(options.goldens, seen)
        if question.condition and question.condition.needs_reference and not reference and not seen.skipped:
            raise BisectError(f"the predicate compares with a golden, and {options.goldens} has none of this case")
        answered = reply(question, seen, reference)
    except KernelsnapError as error:
        # git takes any status below this one for an answer.
        sys.stderr.write(f"kernelsnap: {error}\n")
        return FIRST_ABORT
    sys.stderr.write(f"{answered.answer}  {answered.reason}".rstrip() + "\n")
    return _STATUS[answered.answer]


def _propose(options: argparse.Namespace) -> int:
    """Say which axis to search, without searching it."""
    with TemporaryDirectory(prefix="kernelsnap-bisect-") as name:
        seen = observe(_job(options, Path(name, "step")), Place(Path.cwd(), options.python))
    evidence, differs = gather(options.goldens, seen)
    lines = [differs, *([f"cause: {', '.join(evidence.causes)}"] if evidence.causes else []), ""]
    found = propose(evidence)
    if not found:
        lines += ["Nothing tells where it comes from: no commit and no other version since the golden was recorded."]
    for proposal in found:
        words = ["kernelsnap", *options.words, *proposal.arguments]
        lines += [f"Because {proposal.because}:", f"    {shlex.join(words)}"]
    sys.stdout.write("\n".join(lines) + "\n")
    return FOUND


def _git(options: argparse.Namespace) -> int:
    start, dots, end = options.range.rpartition("..")
    # What besides a commit's tree decides what it generates.
    identity = _identity(options) | {
        "axis": "git",
        "repository": str(options.repository.resolve()),
        "build": options.build,
        "python": options.python,
        "overlay": " ".join(f"{name} {digest(Path(name))}" for name in options.overlay),
    }
    path = _path(options, identity)
    with locked(path):
        work = path.with_suffix(".work")
        axis = git_axis(
            options.repository, Path.cwd(), work,
            start=start or None, end=end or "HEAD", all_parents=options.all_parents, build=options.build,
            python=options.python, overlay=options.overlay,
        )  # fmt: skip
        if is_dirty(axis.repository):
            say("the working tree has changes that are not committed: they are no part of any step")
        try:
            return _search(options, axis, path, identity, start_known=bool(dots and start))
        finally:
            # What was built is worth more than the room it takes.
            if not options.build:
                shutil.rmtree(work, ignore_errors=True)


def _config(options: argparse.Namespace) -> int:
    old, new = read_settings(options.old), read_settings(options.new)
    old, new = both_known(old, new, [*options.old, *options.new], options.python)
    identity = _identity(options) | {"axis": "config", "python": options.python, "test": _test_digest(options)}
    path = _path(options, identity)
    with locked(path):
        outcome = bisect_config(
            old, new,
            folder=Path.cwd(), python=options.python, job=_job(options, path), question=_question(options),
            state=_state(options, path, identity), settings=_settings(options, start_known=True),
        )  # fmt: skip
        return _report(options, outcome)


def _passes(options: argparse.Namespace) -> int:
    identity = _identity(options) | {"axis": "passes", "python": options.python, "test": _test_digest(options)}
    path = _path(options, identity)
    with locked(path):
        state = _state(options, path, identity)
        log = path.with_suffix(".decisions.json")
        if options.fresh:
            log.unlink(missing_ok=True)
        compiled = Compile(Path.cwd(), options.python, log)
        outcome = bisect_passes(
            compiled, options.subsystem, _job(options, path), _question(options), state,
            _settings(options, start_known=False),
        )  # fmt: skip
        return _report(options, outcome)


def _wheels(options: argparse.Namespace) -> int:
    package, _, _ = parse_range(options.axis)
    environments = Environments(bisect_folder() / "environments", options.python, tuple(options.requirement))
    identity = _identity(options) | {
        "axis": package,
        "requirements": " ".join(options.requirement),
        "python": options.python,
        "test": _test_digest(options),
    }
    path = _path(options, identity)
    with locked(path):
        axis = wheels_axis(options.axis, Path.cwd(), environments, options.env)
        if missing := axis.missing():
            agreement(what_it_takes(environments, {package: missing}), yes=options.yes)
        return _search(options, axis, path, identity, start_known=axis.start_known)


def agreement(what: str, *, yes: bool) -> None:
    """Ask whether to go on.

    Raises:
        BisectError: no, or there is nobody to ask.
    """
    if yes:
        say(what)
        return
    if not sys.stdin.isatty():
        raise BisectError(f"{what}. Say --yes to go on")
    sys.stderr.write(f"{what}. Go on? [y/N] ")
    sys.stderr.flush()
    if sys.stdin.readline().strip().lower() not in ("y", "yes"):
        raise BisectError("nothing was installed")


#: What each axis is called, and what runs it; `PACKAGE=FIRST..LAST` is another.
AXES: Mapping[str, Callable[[argparse.Namespace], int]] = {"git": _git, "config": _config, "passes": _passes}
# Those that end in `_search`, which takes many cases at once.
_TOGETHER = (_git, _wheels)


def _search(options: argparse.Namespace, axis: Axis, path: Path, identity: dict[str, str], *, start_known: bool) -> int:
    settings = _settings(options, start_known=start_known)
    job, question = _job(options, path), _question(options)
    if options.many:
        return _search_many(options, axis, job, question, settings, identity)
    return _report(options, bisect_axis(axis, job, question, _state(options, path, identity), settings))


def _search_many(
    options: argparse.Namespace,
    axis: Axis,
    job: Job,
    question: Question,
    settings: Settings,
    identity: dict[str, str],
) -> int:
    cases: Sequence[Case] = options.many.cases
    with ExitStack() as stack:
        states = {}
        for case in cases:
            own = identity | {"case": case.name}
            if "test" in identity:
                own["test"] = digest(Path(case.file))
            path = _path(options, own)
            # Each case has a state of its own, which another selection of cases finds again.
            stack.enter_context(locked(path))
            states[case.name] = _state(options, path, own)
        options.many.add(bisect_cases(axis, job, cases, question, states, settings))
    return FOUND


def _path(options: argparse.Namespace, identity: dict[str, str]) -> Path:
    """Where to keep what was seen; with many cases `--state` is a folder."""
    usual, chosen = state_path(identity), options.state
    if chosen is None:
        return usual
    return Path(chosen, usual.name) if options.many else Path(chosen)


def _state(options: argparse.Namespace, path: Path, identity: dict[str, str]) -> State:
    if options.fresh:
        path.unlink(missing_ok=True)
    return State(path, identity)


def _settings(options: argparse.Namespace, *, start_known: bool) -> Settings:
    return Settings(
        options=Options(repeats=options.repeats, sweep=options.sweep, limit=options.limit),
        start_known=start_known,
        reference=options.reference or ("first" if start_known else "stored"),
        stored=lambda seen: stored_goldens(options.goldens, seen),
        say=say,
    )


def _report(options: argparse.Namespace, outcome: Outcome) -> int:
    if options.many:
        options.many.add([Result(outcome.case, outcome)])
        return FOUND
    command = shlex.join(["kernelsnap", *options.words])
    sys.stdout.write(as_json(outcome, command) if options.json else markdown(outcome, command))
    return FOUND if outcome.certain else CANDIDATES


def _question(options: argparse.Namespace) -> Question:
    if options.script:
        return Question(options.script, None)
    return Question(options.predicate, parse_predicate(options.predicate))


def _job(options: argparse.Namespace, state: Path) -> Job:
    target = ["--kernelsnap-target", options.target] if options.target else []
    tool = make_tool_folder(state.with_suffix(".tool"))
    return Job(options.case, tool, (*target, *options.pytest), options.script, options.timeout)


def _identity(options: argparse.Namespace) -> dict[str, str]:
    return identity_of(options, options.case) | {"script": options.script}


def identity_of(options: argparse.Namespace, case: str) -> dict[str, str]:
    """What decides what a step generates, besides the axis."""
    return {
        "kernelsnap": version("kernelsnap"),
        "case": case,
        "folder": str(Path.cwd()),
        "arguments": shlex.join([options.target or "", *options.pytest]),
    }


def _test_digest(options: argparse.Namespace) -> str:
    """What tells one content of the test from another, where it is not a commit that does."""
    return digest(Path(options.case.partition("::")[0]))


def say(line: str) -> None:
    """Tell how far it is, apart from the report."""
    sys.stderr.write(f"{line}\n")
    sys.stderr.flush()
