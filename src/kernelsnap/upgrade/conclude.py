"""Concludes an upgrade from its state alone: groups, report, and the commits that were asked for. Nothing is run."""

from __future__ import annotations

import shlex
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

from kernelsnap.bisect.dialog import say
from kernelsnap.bisect.errors import BisectError
from kernelsnap.bisect.report import as_json
from kernelsnap.bisect.request import Finished, UpgradeRequest
from kernelsnap.diff.tree.kept import Compared
from kernelsnap.diff.tree.many import compared
from kernelsnap.golden import toolchain
from kernelsnap.golden.files import replace_bytes, write_text
from kernelsnap.golden.toolchain import Toolchain
from kernelsnap.pending.agreed import read_agreed
from kernelsnap.pending.entry import Pending
from kernelsnap.pending.ledger import read_ledger, read_reasons
from kernelsnap.pending.sides import sides
from kernelsnap.pending.standing import Standing
from kernelsnap.report.formats import FORMS
from kernelsnap.report.model import Report, View, report_of
from kernelsnap.shared.wording import counted
from kernelsnap.upgrade.commit import Committer, check_clean
from kernelsnap.upgrade.groups import cause_groups
from kernelsnap.upgrade.report import Upgrade, data, markdown
from kernelsnap.upgrade.split import Splitter
from kernelsnap.upgrade.state import NEW, Result, State

#: Exit statuses: nothing is left; something changed and is not committed, or failed.
SAME, CHANGED = 0, 1
#: In the state: the last report.
REPORT = "report.md"


@dataclass(frozen=True)
class About:
    """What a state is of."""

    moved: Mapping[str, Sequence[str]]  # the packages that differ: old and new version
    also: Sequence[str]  # other packages that differ between both environments
    versions: Mapping[str, str]  # of torch and triton, new
    named: Mapping[str, str]  # packages that no golden names and the user did: their new versions
    before: Mapping[str, str]  # and their old ones
    records: bool  # whether the old side was recorded, because the project's goldens are of other versions
    identity: Mapping[str, str]  # see `Sides.identity`
    shard: str
    cases: Sequence[str]  # of all shards
    messages: Sequence[Sequence[str]]  # of modules that do not collect

    @cached_property
    def words(self) -> str:
        """`torch 2.13.0 -> 2.14.1, triton 3.7.1 -> 3.8.0`."""
        pairs = (f"{name} {old or 'none'} -> {new or 'none'}" for name, (old, new) in self.moved.items())
        return ", ".join(pairs) or "an environment with the same versions"

    def splitter(self, state: State, goldens: Path) -> Splitter:
        """What tells apart which packages made a change; `goldens` are those of the old side."""
        recorded = toolchain.read(goldens) if goldens.is_dir() else None
        return Splitter(state, Standing(goldens), recorded or Toolchain(), self.named, self.before)


def conclude(
    request: UpgradeRequest, state: State, goldens: Path, about: About, cases: Collection[str] | None = None
) -> Finished:
    """Report what an upgrade changes, and commit it where that was asked for.

    Args:
        request: what the user asked for.
        state: what was found out.
        goldens: the project's.
        about: what the state is of.
        cases: those that it is about; all of them by default.

    Raises:
        BisectError: it cannot be committed.
    """
    names = frozenset(about.cases if cases is None else cases)
    upgrade = _upgrade(request, state, state.old_goldens if about.records else goldens, about, names)
    if request.html:
        render = FORMS["html"].load()
        text = render(upgrade.report, View(file=str(request.html)))
        replace_bytes(request.html, text.encode("utf-8", "backslashreplace"))
    if request.commit:
        _commit(request, state, goldens, about, upgrade)
        upgrade = _upgrade(request, state, goldens, about, names)
    text = markdown(upgrade)
    write_text(state.path / REPORT, text)
    status = CHANGED if upgrade.groups or upgrade.failed else SAME
    return Finished(as_json(data(upgrade)) if request.json else text, status)


def _upgrade(request: UpgradeRequest, state: State, old: Path, about: About, names: frozenset[str]) -> Upgrade:
    entries = state.entries(names)
    splitter = about.splitter(state, old)
    ledger = read_ledger(old)
    found = compared(sides(state.folder(), entries), every=bool(request.html)) if entries else Compared((), {})
    origins = {entry.golden: splitter.origin(entry) for entry in entries}
    agreed = read_agreed(state.folder(), about.versions).goldens
    number = len(entries) + sum(_is_of(key.partition(" ")[2], names) for key in agreed)
    cache = f"--cache={state.path}"
    results = [state.result(NEW, name) or Result(NEW, name, "failed", "it was not run", "") for name in sorted(names)]
    results = [result for result in results if result.outcome != "compared" or result.reason]
    results += [Result(NEW, name, "failed", f"does not collect: {text}", "") for name, text in about.messages]
    return Upgrade(
        moved=about.words,
        also=about.also,
        compared=number,
        groups=cause_groups(entries, found.changes, origins, ledger),
        results=results,
        report=_report(state, entries, found, number, cache),
        command=_command(request),
        accept=() if about.records or about.shard else ("kernelsnap", "accept", "--all", cache),
        why_not=_why_not(about, state) if about.shard or (about.records and entries) else "",
        moves=not about.records and (toolchain.read(old) or Toolchain()).versions != about.versions,
    )


def _is_of(case: str, names: Collection[str]) -> bool:
    """Whether a case, with the name of an assertion or without, is among these."""
    return case in names or case.rpartition("@")[0] in names


def _report(state: State, entries: Sequence[Pending], found: Compared, number: int, cache: str) -> Report:
    both = sides(state.folder(), entries)
    versions = (both.old.recorded_with(), both.new.recorded_with()) if entries else ("", "")
    command = ("kernelsnap", "diff", cache.replace("--cache", "--failed"))
    return report_of((both.old.label, both.new.label), command, number, found, both, versions=versions)


def _command(request: UpgradeRequest) -> str:
    return shlex.join(["kernelsnap", *(word for word in request.words if word not in ("--commit", "--fresh"))])


def _why_not(about: About, state: State) -> str:
    if about.shard:
        return f"This is shard {about.shard}. When all are done:  kernelsnap upgrade --merge {state.path} ..."
    return (
        "Nothing of this can be accepted: the project's goldens were recorded with other versions than --from has. "
        "Without --from, what they were recorded with is upgraded."
    )


def check_commit(request: UpgradeRequest, state: State, goldens: Path, about: About) -> None:
    """Refuse `--commit`, before anything is run, where nothing can be committed.

    Raises:
        BisectError: the goldens are not those of the old side, all shards are needed, or something is not committed.
    """
    if request.commit and (about.records or about.shard):
        raise BisectError(f"--commit: {_why_not(about, state)}")
    if request.commit:
        check_clean(state.root, goldens)


def _commit(request: UpgradeRequest, state: State, goldens: Path, about: About, upgrade: Upgrade) -> None:
    reasons = read_reasons(request.reasons) if request.reasons else {}
    committer = Committer(state.folder(), goldens, about.words, request.reason, reasons, _command(request), say)
    groups = [group for group in upgrade.groups if group.accepts]
    if left := len(upgrade.groups) - len(groups):
        say(f"{counted(left, 'group')} not committed: not explained, or rejected before")
    say(f"{counted(committer.commit(groups, about.versions), 'commit')} made")
