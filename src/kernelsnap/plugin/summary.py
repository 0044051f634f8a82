"""The end of a run of pytest: what became of the goldens, what failed, in groups, and what waits for a decision."""

from __future__ import annotations

from collections.abc import Iterator

from kernelsnap.errors import KernelsnapError
from kernelsnap.golden import sharing, store
from kernelsnap.golden.toolchain import golden_name
from kernelsnap.pending.ledger import read_ledger
from kernelsnap.plugin import allowed, budgets, orphans, variants
from kernelsnap.plugin.failed import accept_command, folder_of, keeps_pending
from kernelsnap.plugin.run import GoldenRun
from kernelsnap.shared.wording import counted, number_of_goldens, spaced

#: Groups that are listed.
_GROUPS = 20


def lines(run: GoldenRun) -> Iterator[str]:
    """What concerns the goldens as a whole."""
    option = run.config.getoption
    yield from compared(run)
    yield from failures(run)
    yield from pending(run)
    yield from variants.summary(run.unchecked)
    yield from allowed.summary(run.allowed)
    if option(orphans.OPTION):
        yield from run.undefined_targets()
    asked = bool(option(orphans.OPTION) or option(orphans.STRICT))
    if run.orphans is not None:
        yield from orphans.summary(run.orphans, by_name=asked)
    elif asked:
        yield f"{orphans.OPTION}: not looked for, because this was not a whole and passing run"
    if option(budgets.OPTION):
        yield from budgets.table(run.budgets, list(budgets.of_ini(run.config)))


def compared(run: GoldenRun) -> Iterator[str]:
    """How many goldens were compared, and what became of them, counted as everywhere: what targets share is one."""
    heads = [head for of_test in run.failed.values() for head in of_test]
    failing = {(head.compared_with or head.golden).removesuffix(store.SUFFIX) for head in heads}
    found: dict[str, set[str]] = {"rewritten": set(), "recorded": set(), "unchanged": set()}
    for key, golden in run.compared.items():
        if golden.written:
            found["recorded" if golden.new else "rewritten"].add(_file_now(run, key, golden.name))
        elif golden.agrees and golden.file not in failing:
            found["unchanged"].add(golden.file)
    found["recorded"] -= found["rewritten"]
    found["unchanged"] -= found["rewritten"] | found["recorded"]
    numbers = {"unchanged": len(found["unchanged"]), "recorded": len(found["recorded"])}
    numbers |= {"rewritten": len(found["rewritten"]), "failing": number_of_goldens(heads)}
    told = [(number, what) for what, number in numbers.items() if number]
    if told:
        first, what = told[0]
        yield ", ".join([f"{counted(first, 'golden')} {what}", *(f"{spaced(number)} {it}" for number, it in told[1:])])


def _file_now(run: GoldenRun, key: str, name: str) -> str:
    """The file of a golden that was written: another target's, where both have the same."""
    own = run.goldens / (name + store.SUFFIX)
    label, _, case = key.partition(" ")
    cases = (it for it in store.readings(case) if store.file_name(it, label) == own.name) if not own.is_file() else ()
    there = next((sharing.golden_file(own.parent, it, label) for it in cases), own)
    return golden_name(there, run.goldens)


def failures(run: GoldenRun) -> Iterator[str]:
    """How many tests failed, and for which causes: a line for each group, the worst first, and what accepts it."""
    if not any(run.failed.values()):
        return
    # Imported late: most runs need nothing of what compares goldens.
    from kernelsnap.pending.groups import pending_groups
    from kernelsnap.pending.listing import headings_of
    from kernelsnap.report import words

    folder = folder_of(run) if keeps_pending(run) else None
    there = folder.entries() if folder else []
    # As it is kept: what is new may have been found to be a move at the end of the run.
    kept = {entry.golden: entry for entry in there}
    heads = [kept.get(head.golden, head) for of_test in run.failed.values() for head in of_test]
    groups = pending_groups(heads)
    called = headings_of(groups)
    number = counted(sum(map(bool, run.failed.values())), "failure")
    goldens = counted(number_of_goldens(heads), "golden")
    yield f"{number}, {counted(len(groups), 'cause')}, in {goldens}; the worst first:"
    for group in groups[:_GROUPS]:
        line = words.group_line(called[group.fingerprint], group.size, group.cost)
        more = number_of_goldens(entry for entry in there if entry.group == group.fingerprint) - group.size
        earlier = f" (and {more} of earlier runs)" if more > 0 else ""
        accept = f":  {accept_command(run, folder, '--group', group.fingerprint)}" if folder else ""
        yield f"  {line}{earlier}{accept}"
    if len(groups) > _GROUPS:
        yield f"  and {len(groups) - _GROUPS} more: kernelsnap pending"


def pending(run: GoldenRun) -> Iterator[str]:
    """What waits for a decision, and what was accepted for now, in a run that compared goldens."""
    if not run.compared:
        return
    try:
        folder = folder_of(run)
        if folder and (number := number_of_goldens(folder.entries())):
            yield f"{number} pending: kernelsnap review, or kernelsnap accept CASE"
        for sentence in read_ledger(run.goldens).for_now:
            yield f"accepted for now: {sentence}"
    except (OSError, KernelsnapError) as error:
        yield str(error)
