"""What `kernel_snapshot` is: equal to a capture whose golden says the same, and able to say how another differs."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field, replace
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from syrupy.assertion import AssertionResult, SnapshotAssertion
from syrupy.types import SnapshotIndex

from kernelsnap.errors import GoldenError, GoldenPathError, KernelsnapError
from kernelsnap.golden import files, sharing, store, toolchain
from kernelsnap.golden.build import build_golden
from kernelsnap.golden.canonical import canonical
from kernelsnap.golden.digests import digest_of
from kernelsnap.golden.format import parse
from kernelsnap.golden.store import Case
from kernelsnap.golden.templates.settle import changed_templates, templates_used, unstored_templates
from kernelsnap.golden.templates.template_store import template_path
from kernelsnap.golden.toolchain import golden_name
from kernelsnap.golden.variants import is_of, label_of, most_specific, target_in
from kernelsnap.golden.versions import ComparedGolden
from kernelsnap.golden.why_section import without_why
from kernelsnap.model.capture import Capture
from kernelsnap.model.golden import LAYERS, Golden, checked_layers, with_layers
from kernelsnap.plugin.allowed import MARKER, Choice, choose, of_marker
from kernelsnap.plugin.allowed import OPTION as ALLOW
from kernelsnap.plugin.budgets import check_capture
from kernelsnap.plugin.failed import Commands, Failed, FailedComparison, forget, keep
from kernelsnap.plugin.gone import whose
from kernelsnap.plugin.private import after_assertion, expected_to_fail, given_name
from kernelsnap.plugin.resources import Assertion, are_asked_for, compare_resources
from kernelsnap.plugin.run import RUN, GoldenRun, in_ci
from kernelsnap.plugin.syrupy import CaseLocation, aligned
from kernelsnap.plugin.variants import of_command_line
from kernelsnap.report.visible import visible, visible_lines
from kernelsnap.targets.lookup import NATIVE

if TYPE_CHECKING:
    from kernelsnap.diff.tree.change import Change


@dataclass
class Comparisons:
    """What one test compared so far."""

    paths: set[Path] = field(default_factory=set)
    failures: list[FailedComparison] = field(default_factory=list)


COMPARISONS = pytest.StashKey[Comparisons]()
#: The target that the update command has to name; None where the test runs for it anyway.
ASKED_TARGET = pytest.StashKey[str | None]()
#: Where the goldens of the test are.
LOCATION = pytest.StashKey[CaseLocation]()


class KernelSnapshot(SnapshotAssertion):
    """Equal to a capture whose golden file says the same: `assert capture(f, x) == kernel_snapshot`."""

    _unnamed = 0
    _assertion: str | None = None  # which of several allowed goldens is compared, where that is not the first
    _layers: tuple[str, ...] = LAYERS
    _resources: bool | None = None
    failure: FailedComparison | None = None

    def __call__(
        self, *, layers: Collection[str] = LAYERS, resources: bool | None = None, **options: Any
    ) -> SnapshotAssertion:
        """Options for the next assertion only: `assert capture(f, x) == kernel_snapshot(layers=("plan", "metrics"))`.

        Args:
            layers: the layers that the golden holds and compares, of `plan`, `metrics`, `config` and `code`.
            resources: True compares the numbers of the machine code too, False does not; None does as the run was
                started (`--kernelsnap-resources`).
            options: those of syrupy's snapshots; of use here is `name`, for a test with several assertions.

        Raises:
            GoldenError: there is no layer of this name.
        """
        self._layers, self._resources = checked_layers(layers), resources
        after_assertion(self, self._forget_options)
        return super().__call__(**options)

    def _forget_options(self) -> None:
        self._layers, self._resources = LAYERS, None

    def __repr__(self) -> str:
        """Which test's goldens these are."""
        return f"<kernel_snapshot of {self.test_location.nodeid}>"

    @property
    def index(self) -> SnapshotIndex:
        """The name given to the next assertion, or how many without one came before."""
        if self._assertion is not None:
            return self._assertion
        name = given_name(self)
        return self._unnamed if name is None else name

    def __eq__(self, other: object) -> bool:
        """Compare a `Capture` or a `Golden` with its golden file, or record it where that was asked for."""
        __tracebackhide__ = True
        try:
            return self._compare(other)
        except KernelsnapError as error:
            # What went on in here does not help the reader of the message.
            error.args = (visible_lines(str(error)),)
            raise error.with_traceback(None) from None

    def get_assert_diff(self, *, diff_mode: object = None) -> list[str]:
        """Nothing: pytest's message comes from `failure`."""
        return []

    @property
    def executions(self) -> dict[int, AssertionResult]:
        """None, for syrupy's summary: it counts what several targets share more than once (see `summary`)."""
        return {}

    @property
    def _location(self) -> CaseLocation:
        assert isinstance(self.test_location, CaseLocation)
        return self.test_location

    def _compare(self, other: object) -> bool:
        item = self._location.item
        run, comparisons = item.config.stash[RUN], item.stash[COMPARISONS]
        keeps = expected_to_fail(item)
        case, golden, choice = self._chosen(run, other)
        self.test_location = _resolved(run, self._location, self.index, records=run.updates and not keeps)
        golden = replace(golden, target=self._location.label)
        path = self._location.path(self.index)
        if path in comparisons.paths:
            raise GoldenPathError(
                f"{case} is compared twice in one run of the test: give each assertion a name of its own"
            )
        comparisons.paths.add(path)

        if isinstance(other, Capture):
            check_capture(item, str(case), other)
        capture = self._to_compile(other, str(case))
        self.update_snapshots = run.updates and not keeps
        self.update_new_snapshots_only = run.creates
        unnamed = given_name(self) is None
        run.unjudged |= set(golden.unjudged)
        equal = super().__eq__(golden)
        self._unnamed += unnamed
        self._assertion = None
        result = super().executions[self.num_executions - 1]
        if result.exception:
            raise _told(result.exception, path)
        compared = _compared(run, path, golden, result)
        run.remember(str(case), golden.target, compared)
        if run.creates and not keeps:
            run.templates |= templates_used(golden)
        own = path.relative_to(run.goldens)
        if equal:
            forget(run, own, str(case))
            if run.fills_why and not keeps:
                self._fill_why(run, path, case, golden)
        if choice:
            _remember_others(run, self._location, choice, golden.target, compared)
        self.failure = None if equal else _failure(run, self._location, case, compared, golden, result, keeps=keeps)
        if self.failure and choice:
            self.failure = _of_several(self.failure, choice, run, self._location)
        if equal and capture:
            # Looked for when it is read: recording may have moved it.
            standing = partial(sharing.golden_file, path.parent, case, golden.target)
            target = item.stash[ASKED_TARGET]
            assertion = Assertion(case, item.path, self._location.test, path, standing, golden.target, target, keeps)
            self.failure = compare_resources(run, assertion, capture)
        if self.failure:
            comparisons.failures.append(self.failure)
        return self.failure is None

    def _chosen(self, run: GoldenRun, other: object) -> tuple[Case, Golden, Choice | None]:
        """The case that is compared, its golden as it is generated, and which of several allowed ones it is."""
        item, self._assertion = self._location.item, None
        case = self._location.case(self.index)
        golden = _golden(other, str(case), self._location.target, self._layers)
        if golden.target != self._location.target:
            self.test_location = replace(self._location, target=golden.target)
        allowed = of_marker(item.get_closest_marker(MARKER))
        if allowed is None:
            return case, golden, None
        run.allowed[str(case)] = allowed.reason
        adds = run.updates and bool(item.config.getoption(ALLOW))
        choice = choose(self._location, case.assertion, golden, allowed, run.versions, adds=adds)
        if choice.assertion != case.assertion:
            self._assertion = choice.assertion
            case = replace(case, assertion=choice.assertion)
        return case, replace(golden, case=str(case)), choice

    def _fill_why(self, run: GoldenRun, path: Path, case: Case, golden: Golden) -> None:
        """Put the reasons into the golden's own file; another target's that shares it has its own."""
        standing = sharing.golden_file(path.parent, case, golden.target)
        if standing == path and golden.why:
            sharing.write_why(run.goldens, path, case, golden.why)

    def _to_compile(self, value: object, case: str) -> Capture | None:
        """The capture whose resources are compared; None where nobody asked for that.

        Raises:
            GoldenError: this assertion asks for it, and what it compares is no capture.
        """
        if self._resources and not isinstance(value, Capture):
            raise GoldenError(f"{case}: resources=True needs what kernelsnap.capture(...) returns, to compile it")
        asked = are_asked_for(self._location.item.config) if self._resources is None else self._resources
        return value if asked and isinstance(value, Capture) else None


def _golden(value: object, case: str, target: str, layers: tuple[str, ...]) -> Golden:
    """The golden of what a test compares."""
    if isinstance(value, Capture):
        golden = build_golden(value, case)
    elif isinstance(value, Golden):
        golden = replace(value, case=case)
    else:
        raise GoldenError(
            f"kernel_snapshot compares what kernelsnap.capture(...) returns, not {type(value).__name__}; "
            f"for other values use syrupy's `snapshot`"
        )
    if not golden.plan and not golden.refusal:
        raise GoldenError(f"{case}: nothing was compiled, so there is nothing to compare")
    if target not in (NATIVE, golden.target):
        raise GoldenError(f"{case}: the code was generated for {golden.target}, but the test runs for {target}")
    # Without its code, a golden's names are numbered by the plan.
    return canonical(with_layers(golden, layers))


def _resolved(run: GoldenRun, location: CaseLocation, index: SnapshotIndex, *, records: bool) -> CaseLocation:
    """The location with what the golden is compared with and recorded for; notes the variants of other releases.

    Compared is the most specific golden that there is. What is asked for is recorded, unless that one is more specific.
    """
    case, target = location.case(index), location.target
    folder = location.goldens / location.folder
    there = sharing.labels(folder, case, run.names_of(folder, case))
    machine = label_of(target, run.versions)
    standing = most_specific(there, machine) or target
    asked = label_of(target, run.versions, of_command_line(run.config))
    run.unchecked |= {f"{name} {case}" for name in there if target_in(name) == target and not is_of(name, run.versions)}
    label = most_specific({asked, standing}, machine) or asked
    return replace(location, label=label, standing=standing, records=records)


def _remember_others(
    run: GoldenRun, location: CaseLocation, choice: Choice, label: str, compared: ComparedGolden
) -> None:
    """Note the other allowed goldens of a case: what was compared is compared for all of them."""
    for assertion in choice.there:
        if assertion != choice.assertion:
            case = Case(location.module, location.test, assertion)
            own = store.golden_path(location.goldens, location.folder, case, label)
            name = golden_name(own, run.goldens)
            other = replace(compared, name=name, file=name, written=False, new=False, digest="")
            run.remember(str(case), label, other)


def _of_several(failure: FailedComparison, choice: Choice, run: GoldenRun, location: CaseLocation) -> FailedComparison:
    """The failure of a case that may have one of several goldens."""
    if not choice.there:
        return failure
    number = len(choice.there)
    what = f"None of its {number} allowed goldens is the same; this is the closest." if number > 1 else ""
    more = run.update_command(location.item.path, location.test, location.item.stash[ASKED_TARGET], ALLOW)
    lines = [*([what, ""] if what else []), *failure.lines, f"To allow it beside the others:  {more}"]
    return replace(failure, lines=tuple(lines))


def _compared(run: GoldenRun, path: Path, golden: Golden, result: AssertionResult) -> ComparedGolden:
    packages = toolchain.packages_needed(
        without_why(str(result.asserted_data)), golden.files, run.packages_named, run.config.rootpath
    )
    written = result.created or result.updated
    digest = digest_of(str(result.recalled_data)) if result.success and not written else ""
    name, file = (golden_name(one, run.goldens) for one in (path, Path(result.snapshot_location)))
    return ComparedGolden(name, packages, result.success, written, digest, result.created, file)


def _told(error: Exception, path: Path) -> Exception:
    """The error of a comparison, in our words where syrupy's own steps failed."""
    return files.write_error(path, error) if isinstance(error, OSError) else error


def _failure(
    run: GoldenRun,
    location: CaseLocation,
    case: Case,
    compared: ComparedGolden,
    new: Golden,
    result: AssertionResult,
    *,
    keeps: bool,
) -> FailedComparison:
    # Imported late, here as below: most runs need nothing of what compares goldens.
    from kernelsnap.diff.tree.change import Change, changed

    path, own = Path(result.snapshot_location), run.goldens / (compared.name + store.SUFFIX)
    # Named where a plain `pytest <node id>` would run for another target, or for several.
    target = location.item.stash[ASKED_TARGET]
    command = run.update_command(location.item.path, location.test, target)
    templates = {name: template.text for name, template in unstored_templates(run.goldens, new).items()}

    def kept(change: Change, golden: Golden, old: str | None) -> Commands:
        if keeps:
            return Commands()
        return keep(run, Failed(case, new.target, own, path, change, golden, old, compared.packages, templates))

    if result.recalled_data is None:
        commands = kept(Change(own.name, "new", new.case, new.target), new, None)
        if commands.accept:
            run.missing.add(own.relative_to(run.goldens).as_posix())
        return _missing(run, path, new, commands, command)

    from kernelsnap.diff.compare import compare
    from kernelsnap.report.diff_text import failure_lines

    stored = str(result.recalled_data)
    old = parse(stored, str(path))
    recorded = aligned(new, old)
    diff = compare(old, recorded)
    versions = run.other_versions(compared)
    lines = [*map(visible, versions), *([""] if versions else []), *failure_lines(diff, run.color)]
    for name in changed_templates(run.goldens, new):
        file = run.shown(template_path(run.goldens, name))
        lines = [*lines, "", f"The template {name} is not the one in {file}: goldens that use it change with it."]
    if keeps:
        lines = [*lines, "", "The test is marked xfail: its golden is never rewritten."]
    commands = kept(changed(own.name, diff, recorded), recorded, stored)
    why = [f"To see why:  {commands.explain}"] if commands.explain else []
    lines = [*lines, "", *why, f"To accept:  {commands.accept or command}"]
    return FailedComparison(f"capture == {run.shown(path)}", tuple(lines), commands.head)


def _missing(run: GoldenRun, path: Path, new: Golden, commands: Commands, command: str) -> FailedComparison:
    lines = [f"There is no golden yet: {run.shown(path)}", *_moved(run, new, commands)]
    if in_ci() and not run.creates:
        lines.append("In CI nothing is recorded: record it on your machine and commit it.")
    lines.append(f"To record it:  {commands.accept or command}")
    return FailedComparison(f"capture == {run.shown(path)} (missing)", tuple(lines), commands.head)


def _moved(run: GoldenRun, new: Golden, commands: Commands) -> list[str]:
    """What to tell where a golden fits whose test or assertion is gone."""
    from kernelsnap.plugin.moves import closest
    from kernelsnap.report.diff_text import failure_lines

    found = closest(run, new)
    if found is None:
        return []
    former, diff = found
    what = "What was generated differs from it:" if diff.layers else "What was generated is the same."
    lines = [f"{run.shown(former.path)} fits it best, {whose({former.gone})}: {former.case}. {what}"]
    if diff.layers:
        lines += ["", *failure_lines(diff, run.color), ""]
    if commands.accept:
        return [
            *lines,
            f"If the {former.gone} was renamed or moved, its golden moves with it, as `kernelsnap accept` will show.",
        ]
    remove = "`kernelsnap prune --remove` removes the former one after a run of all tests"
    return [*lines, f"If the {former.gone} was renamed or moved, record it; {remove}."]
