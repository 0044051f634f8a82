"""`kernelsnap attribute`: from what a user asks for to a table of observations, and from that to a report."""

from __future__ import annotations

from collections.abc import Sequence
from contextlib import ExitStack
from pathlib import Path
from tempfile import TemporaryDirectory

from kernelsnap.bisect.attribute.cells import observe_table
from kernelsnap.bisect.attribute.factors import Cells, Factor, check_factors, parse_factor
from kernelsnap.bisect.attribute.report import markdown, table_data
from kernelsnap.bisect.axes.environments import TORCH, available_versions, environments_of
from kernelsnap.bisect.axes.git import GitAxis, git_axis, git_commits, is_dirty
from kernelsnap.bisect.axes.wheels import check_prepared, index_of, what_it_takes
from kernelsnap.bisect.dialog import agreement, say
from kernelsnap.bisect.errors import BisectError, DoesNotCollectError, SkipStepError
from kernelsnap.bisect.observe.collect import check_words, collect_cases
from kernelsnap.bisect.observe.forked import StepProcesses
from kernelsnap.bisect.observe.observe import CaseFile, Job
from kernelsnap.bisect.observe.state import StateFile, bisect_folder, digest, locked, state_path
from kernelsnap.bisect.observe.tool import make_tool_folder
from kernelsnap.bisect.report import as_json
from kernelsnap.bisect.request import AttributeRequest, Finished

#: Exit statuses: everything is known, or some cells are not.
KNOWN, OPEN = 0, 1


def run_attribute(request: AttributeRequest) -> Finished:
    """Do what a user asks for.

    Raises:
        BisectError: it cannot be done.
    """
    factors = tuple(parse_factor(word) for word in request.factors)
    check_factors(factors)
    if not request.cases:
        raise BisectError("name at least one case: a pytest node id, a test module or a folder")
    check_words(request.cases)
    prepared = _prepared(request.env, factors)
    with ExitStack() as stack:
        tool = make_tool_folder(Path(stack.enter_context(TemporaryDirectory(prefix="kernelsnap-attribute-")), "tool"))
        environments = environments_of(request)
        commits = _commits(request, factors)
        if commits:
            stack.enter_context(locked(commits.clone.parent))
            if is_dirty(commits.repository):
                say("the working tree has changes that are not committed: they are no part of any cell")
        cells = Cells(factors, Path.cwd(), environments, prepared, commits)
        if missing := cells.missing():
            _check_known(missing)
            agreement(what_it_takes(environments, missing, search=False), yes=request.yes)
        job = request.job(tool, processes=stack.enter_context(StepProcesses()))
        cases = _collect(cells, request.cases, request.select, job)
        states = {}
        for case in cases:
            identity = _identity(request, case, commits)
            path = request.state_file(identity, many=True)
            stack.enter_context(locked(path))
            states[case.name] = StateFile(path, identity, fresh=request.fresh)
        tables = observe_table(cells, job, cases, states, repeats=request.repeats, say=say)
    command = request.command
    report = as_json(table_data(tables, command)) if request.json else markdown(tables, command)
    return Finished(report, KNOWN if all(table.whole for table in tables) else OPEN)


def _identity(request: AttributeRequest, case: CaseFile, commits: GitAxis | None) -> dict[str, str]:
    """What a case generates depends on this, besides the levels of the factors."""
    return {
        **request.identity(case.name),
        "test": digest(Path(case.file)),
        "python": request.python,
        "requirements": " ".join(request.requirement),
        "repository": str(commits.repository) if commits else "",
        "build": request.build,
        "overlay": request.overlay_identity(),
        "over": " ".join(request.over),
        "axis": "attribute",
    }


def _collect(cells: Cells, words: Sequence[str], selection: str, job: Job) -> list[CaseFile]:
    """The cases, from the first cell in which they collect: the interpreter at hand may have no torch.

    Raises:
        BisectError: they collect in none.
    """
    errors = []
    for cell in cells.all:
        try:
            with cells.prepare(cell) as workspace:
                return collect_cases(words, selection, job, workspace)
        except (SkipStepError, DoesNotCollectError) as error:
            errors.append(f"{cells.name(cell)}: {error}")
    raise BisectError(f"no cell can run the cases. {errors[0]}")


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
            index_of(version, package, known)


def _commits(request: AttributeRequest, factors: Sequence[Factor]) -> GitAxis | None:
    revisions = next((factor.levels for factor in factors if factor.kind == "git"), None)
    if revisions is None:
        return None
    # A clone that the next run finds again.
    parts = [str(request.repository.resolve()), request.build, *request.overlay, *request.over]
    name = state_path({str(number): part for number, part in enumerate(parts)}).stem
    axis = git_axis(request, bisect_folder() / f"{name}.work", start=revisions[-1], end=revisions[-1])
    return git_commits(axis, revisions)
