"""`kernelsnap attribute`: from the command line to a table of observations, and from that to a report."""

from __future__ import annotations

import argparse
import shlex
import sys
from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from kernelsnap.bisect.attribute.attribute import observe_table
from kernelsnap.bisect.attribute.attribute_report import as_json, markdown
from kernelsnap.bisect.attribute.factors import Cells, Factor, check_factors, is_factor, parse_factor
from kernelsnap.bisect.axes.environments import TORCH, Environments, available_versions
from kernelsnap.bisect.axes.git import GitAxis, git_axis, git_commits, is_dirty
from kernelsnap.bisect.axes.wheels import check_prepared, position_of, what_it_takes
from kernelsnap.bisect.axis import SkipStepError
from kernelsnap.bisect.errors import BisectError, DoesNotCollectError
from kernelsnap.bisect.observe.collect import check_words, collect_cases
from kernelsnap.bisect.observe.observe import Case, Job
from kernelsnap.bisect.observe.state import State, bisect_folder, digest, locked, state_path
from kernelsnap.bisect.observe.tool import make_tool_folder
from kernelsnap.cli.bisect_run import agreement, identity_of, say, until_stopped

#: Exit statuses: everything is known, or some cells are not.
KNOWN, OPEN = 0, 1


def run(options: argparse.Namespace) -> int:
    """Run the command; its exit status."""
    return until_stopped(_run, options)


def _run(options: argparse.Namespace) -> int:
    factors = tuple(parse_factor(word) for word in options.words_given if is_factor(word))
    words = [word for word in options.words_given if not is_factor(word)]
    check_factors(factors)
    if not words:
        raise BisectError("name at least one case: a pytest node id, a test module or a folder")
    check_words(words)
    arguments = [*(["--kernelsnap-target", options.target] if options.target else []), *options.pytest]
    prepared = _prepared(options.env, factors)
    with ExitStack() as stack:
        tool = make_tool_folder(Path(stack.enter_context(TemporaryDirectory(prefix="kernelsnap-attribute-")), "tool"))
        job = Job("", tool, tuple(arguments), "", options.timeout)
        environments = Environments(bisect_folder() / "environments", options.python, tuple(options.requirement))
        commits = _commits(options, factors)
        if commits:
            stack.enter_context(locked(commits.clone.parent))
            if is_dirty(commits.repository):
                say("the working tree has changes that are not committed: they are no part of any cell")
        cells = Cells(factors, Path.cwd(), environments, prepared, commits)
        if missing := cells.missing():
            _check_known(missing)
            agreement(what_it_takes(environments, missing, search=False), yes=options.yes)
        cases = _collect(cells, words, options.select, job)
        states = {}
        for case in cases:
            own = {
                **identity_of(options, case.name),
                "test": digest(Path(case.file)),
                "python": options.python,
                "requirements": " ".join(options.requirement),
                "repository": str(commits.repository) if commits else "",
                "build": options.build,
                "overlay": " ".join(f"{name} {digest(Path(name))}" for name in options.overlay),
                "axis": "attribute",
            }
            usual = state_path(own)
            path = options.state / usual.name if options.state else usual
            stack.enter_context(locked(path))
            if options.fresh:
                path.unlink(missing_ok=True)
            states[case.name] = State(path, own)
        tables = observe_table(cells, job, cases, states, repeats=options.repeats, say=say)
    command = shlex.join(["kernelsnap", *options.words])
    sys.stdout.write(as_json(tables, command) if options.json else markdown(tables, command))
    return KNOWN if all(table.whole for table in tables) else OPEN


def _collect(cells: Cells, words: Sequence[str], selection: str, job: Job) -> list[Case]:
    """The cases, as the first cell tells them in which they collect: the interpreter at hand may have no torch.

    Raises:
        BisectError: they collect in none.
    """
    told = []
    for cell in cells.all:
        try:
            with cells.place(cell) as place:
                return collect_cases(words, selection, job, place)
        except (SkipStepError, DoesNotCollectError) as error:
            told.append(f"{cells.name(cell)}: {error}")
    raise BisectError(f"no cell can run the cases. {told[0]}")


def _prepared(given: Sequence[str], factors: Sequence[Factor]) -> dict[str, str]:
    """The user's interpreters by the version of torch that each has."""
    levels = next((factor.levels for factor in factors if factor.name == TORCH), ())
    prepared = {}
    for text in given:
        name, _, rest = text.partition("=")
        version, _, python = rest.partition("=")
        if name != TORCH or not python:
            raise BisectError(f"--env {text}: expected torch=VERSION=PYTHON, such as torch=2.13.0=/path/to/bin/python")
        if version not in levels:
            raise BisectError(f"--env {text}: {version} is no level of torch; those are {', '.join(levels) or 'none'}")
        check_prepared(text, TORCH, version, python)
        prepared[version] = python
    return prepared


def _check_known(missing: dict[str, list[str]]) -> None:
    """Refuse a version that the index does not have, before anything is installed.

    Raises:
        BisectError: there is one, or the index cannot be reached.
    """
    for package, versions in missing.items():
        known = available_versions(package)
        for version in versions:
            position_of(version, package, known)


def _commits(options: argparse.Namespace, factors: Sequence[Factor]) -> GitAxis | None:
    revisions = next((factor.levels for factor in factors if factor.kind == "git"), None)
    if revisions is None:
        return None
    # A clone that the next run finds again.
    name = _digest_of([str(options.repository.resolve()), options.build, *options.overlay])
    axis = git_axis(
        options.repository, Path.cwd(), bisect_folder() / f"{name}.work",
        start=revisions[-1], end=revisions[-1], build=options.build, python=options.python, overlay=options.overlay,
    )  # fmt: skip
    return git_commits(axis, revisions)


def _digest_of(parts: Sequence[str]) -> str:
    """A name for these."""
    return state_path({str(number): part for number, part in enumerate(parts)}).stem
