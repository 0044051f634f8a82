"""The end of a run of pytest: what failed, in groups, each with what accepts it, and what waits for a decision."""

from __future__ import annotations

from collections.abc import Iterator

from kernelsnap.errors import KernelsnapError
from kernelsnap.golden.counting import number_of_goldens
from kernelsnap.pending.ledger import read_ledger
from kernelsnap.plugin.failed import accept_command, folder_of, keeps_pending
from kernelsnap.plugin.run import GoldenRun

#: Groups that are listed.
_GROUPS = 20


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
    number = words.counted(sum(map(bool, run.failed.values())), "failure")
    goldens = words.counted(number_of_goldens(heads), "golden")
    yield f"{number}, {words.counted(len(groups), 'cause')}, in {goldens}; the worst first:"
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
