"""Tests that were renamed or moved: a case without a golden is compared with the golden, of those gone, that fits best.

Which one fits best is asked twice. A failure names the closest of all goldens that no test has. At the end of the run,
when all cases without a golden are known, each is given one at most, and what is pending for it becomes a move.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path, PurePosixPath

from kernelsnap.diff.match.assignment import best_pairs
from kernelsnap.diff.match.fit import LEAST_FIT, Meaning
from kernelsnap.diff.match.similarity import Bag
from kernelsnap.golden import sharing, store
from kernelsnap.golden.canonical import canonical
from kernelsnap.golden.files import flushed_together, read_text
from kernelsnap.golden.format import parse, render
from kernelsnap.golden.variants import label_of, most_specific, target_in
from kernelsnap.golden.versions import goldens as goldens_in_words
from kernelsnap.model.golden import Golden
from kernelsnap.pending.entry import Pending
from kernelsnap.pending.moving import moved
from kernelsnap.plugin.failed import folder_of
from kernelsnap.plugin.orphans import is_owned
from kernelsnap.plugin.run import GoldenRun
from kernelsnap.plugin.syrupy import aligned

#: How well two goldens fit that differ in the names of their tests only.
_SAME = 1000
#: Of goldens that fit equally well, the one whose test has the most similar name is taken: names add less than one.
_UNIT = 1000
_WORD = re.compile(r"[^\W_]+")


@dataclass
class Compared:
    """A golden as it is compared with others; what takes long is done when it is first asked for."""

    golden: Golden

    @cached_property
    def content(self) -> str:
        """Its text, which is equal for two goldens that differ in their tests and targets only."""
        return render(canonical(replace(self.golden, case="a::a", target="any", shared_with=(), why=())))

    @cached_property
    def meaning(self) -> Meaning:
        """What it computes."""
        return Meaning(self.golden)

    @cached_property
    def words(self) -> Bag[str]:
        """The words in the name of its case."""
        return Bag(Counter(_WORD.findall(self.golden.case)))

    def fit(self, other: Compared, *, same: bool = False) -> int:
        """How well another golden fits it, in units; 0 where it is another test's, or with `same` not the same."""
        fit = _SAME if self.content == other.content else 0 if same else self.meaning.fit(other.meaning)
        return _UNIT * fit + int(self.words.share(other.words) * (_UNIT - 1)) if fit >= LEAST_FIT else 0


@dataclass
class Former:
    """The golden of a case whose test is gone."""

    path: Path
    case: str
    labels: tuple[str, ...]

    @cached_property
    def compared(self) -> Compared:
        """What it holds."""
        return Compared(store.read_golden(self.path, self.case))


def formers(run: GoldenRun) -> dict[tuple[str, str], Former]:
    """The goldens that no test of this run has, as far as they would be read here, by case and label.

    None where single tests were asked for, so that nobody knows.
    """
    if any("::" in argument for argument in run.config.args):
        return {}
    if run.formers is None:
        modules = run.modules()
        heads = list(sharing.heads_below(run.goldens)) if run.goldens.is_dir() else []
        there: defaultdict[str, dict[str, Former]] = defaultdict(dict)
        for former in (Former(*head) for head in heads if not is_owned(run, modules, head[1], head[2])):
            there[former.case] |= dict.fromkeys(former.labels, former)
        run.formers = {
            (case, label): found[label]
            for case, found in there.items()
            for target in {*map(target_in, found)}
            if (label := most_specific(found, label_of(target, run.versions)))
        }
    return run.formers


def closest(run: GoldenRun, golden: Golden) -> Former | None:
    """The golden of a test that is gone which fits a case without a golden best; None where none fits it."""
    new = Compared(golden)
    target = target_in(golden.target)
    there = [former for (_, label), former in formers(run).items() if target_in(label) == target]
    for same in (True, False):
        fits = [(new.fit(former.compared, same=same), former) for former in there]
        best = max(fits, key=lambda found: found[0], default=(0, None))
        if best[0]:
            return best[1]
    return None


def settle(run: GoldenRun) -> None:
    """Make moves of what is pending for cases without a golden, as far as goldens of tests that are gone fit them.

    Each of these goldens is moved once, so that all moves together fit best.

    Raises:
        GoldenError: a golden cannot be read, or what is pending cannot be written.
    """
    folder = folder_of(run) if run.missing and formers(run) else None
    if folder is None:
        return
    entries = folder.entries()
    new: defaultdict[str, dict[str, Pending]] = defaultdict(dict)
    for entry in entries:
        if entry.golden in run.missing and not entry.replaces:
            new[str(entry.case)][target_in(entry.target)] = entry
    taken = {entry.moved_from for entry in entries if entry.golden not in run.missing}
    old: defaultdict[str, dict[str, Former]] = defaultdict(dict)
    labels = {}
    for (case, label), former in formers(run).items():
        if case not in taken:
            old[case][target_in(label)] = former
            labels[case, target_in(label)] = label
    texts = {entry.golden: read_text(folder.text_path(entry)) for found in new.values() for entry in found.values()}
    generated = {golden: Compared(parse(text, golden)) for golden, text in texts.items()}
    number = 0
    with flushed_together():
        for case, former_case in _paired(new, old, generated):
            for target in new[case].keys() & old[former_case].keys():
                entry = new[case][target]
                folder.remove(entry.golden)
                golden = replace(generated[entry.golden].golden, target=labels[former_case, target])
                folder.write(*_as_move(run, entry, golden, old[former_case][target]))
                number += 1
    if number:
        run.notes.append(
            f"{goldens_in_words(number)} of tests that are gone will be moved to those that fit: kernelsnap pending"
        )


def _paired(
    new: Mapping[str, dict[str, Pending]], old: Mapping[str, dict[str, Former]], generated: Mapping[str, Compared]
) -> Iterator[tuple[str, str]]:
    """Each new case with the one that is gone whose goldens fit its own best, over the targets that both have."""
    cases, gone = sorted(new), sorted(old)

    def fits(case: str, *, same: bool) -> Iterator[tuple[int, int]]:
        for column, name in enumerate(gone):
            both = new[case].keys() & old[name].keys()
            found = [generated[new[case][it].golden].fit(old[name][it].compared, same=same) for it in both]
            if found and all(found):
                yield column, sum(found) // len(found)

    # What is the same is moved from nothing else: comparing it with all others would only take time.
    values = [dict(fits(case, same=True)) or dict(fits(case, same=False)) for case in cases]
    yield from ((cases[row], gone[column]) for row, column in best_pairs(values))


def _as_move(run: GoldenRun, entry: Pending, new: Golden, former: Former) -> tuple[Pending, str]:
    """What is pending, as a move from a golden whose test is gone, and its text."""
    from kernelsnap.diff.compare import compare
    from kernelsnap.diff.tree.change import changed

    old = former.compared.golden
    recorded = aligned(new, replace(old, case=new.case))
    own = PurePosixPath(entry.golden).with_name(store.file_name(entry.case, new.target))
    entry = replace(entry, target=new.target, golden=str(own))
    text = store.checked_text(recorded, run.goldens / own)
    file = former.path.relative_to(run.goldens).as_posix()
    change = changed(entry.golden, compare(old, recorded), recorded)
    return moved(entry, run.config.rootpath, former.case, file, store.golden_text(former.path), text, change), text
