"""Tests and assertions that were renamed or moved: a case without a golden is compared with the one that fits best.

That is one of the goldens that no test has any more (see `gone`). Which one fits best is asked twice. A failure names
the closest of all. At the end of the run, when all cases without a golden are known, each is given one at most, and
what is pending for it becomes a move.
"""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING

from kernelsnap.diff.match.assignment import best_pairs
from kernelsnap.diff.match.fit import LEAST_FIT, Meaning
from kernelsnap.diff.match.similarity import Bag
from kernelsnap.golden import sharing, store
from kernelsnap.golden.canonical import canonical
from kernelsnap.golden.files import flushed_together, read_text
from kernelsnap.golden.format import parse, render
from kernelsnap.golden.variants import label_of, most_specific, target_in
from kernelsnap.golden.why_section import without_why
from kernelsnap.model.golden import Golden
from kernelsnap.pending.entry import Pending
from kernelsnap.pending.folder import PendingFolder
from kernelsnap.pending.moving import moved
from kernelsnap.plugin.failed import folder_of
from kernelsnap.plugin.gone import ASSERTION, Owners, whose
from kernelsnap.plugin.run import GoldenRun
from kernelsnap.plugin.syrupy import aligned
from kernelsnap.shared.wording import counted

if TYPE_CHECKING:
    from kernelsnap.diff.compare import Diff

#: How well two goldens fit that differ in the names of their tests only.
_SAME = 1000
#: Of goldens that fit equally well, the one whose test has the most similar name is taken: names add less than one.
_UNIT = 1000
_WORD = re.compile(r"[^\W_]+")


class Compared:
    """A golden as it is compared with others; what takes long is done when it is first asked for."""

    def __init__(self, text: str, parsed: Callable[[], Golden]) -> None:
        """What a file says of it, and how that is read."""
        _, case, _, self.body = without_why(text).split("\n", 3)
        self.words = Bag(Counter(_WORD.findall(case.removeprefix("case "))))
        # Canonical names neither move a line nor change what is counted.
        self._counted = self.body.count("\n"), self.body.partition("\nmetrics\n")[2].partition("\n\n")[0]
        self._parsed = parsed

    @classmethod
    def of(cls, golden: Golden) -> Compared:
        """A golden that was read already."""
        return cls(render(golden), lambda: golden)

    @cached_property
    def golden(self) -> Golden:
        """The golden itself."""
        return self._parsed()

    @cached_property
    def content(self) -> str:
        """Its text, which is equal for two goldens that differ in their tests and targets only."""
        return render(canonical(replace(self.golden, case="a::a", target="any", shared_with=(), why=())))

    @cached_property
    def meaning(self) -> Meaning:
        """What it computes."""
        return Meaning(self.golden)

    def is_same(self, other: Compared) -> bool:
        """Whether both differ in their tests and targets only."""
        return self.body == other.body or (self._counted == other._counted and self.content == other.content)

    def fit(self, other: Compared, *, same: bool = False) -> int:
        """How well another golden fits it, in units; 0 where it is another test's, or with `same` not the same."""
        fit = _SAME if self.is_same(other) else 0 if same else self.meaning.fit(other.meaning, LEAST_FIT)
        return _UNIT * fit + int(self.words.share(other.words) * (_UNIT - 1)) if fit >= LEAST_FIT else 0


@dataclass
class Former:
    """The golden of a case whose test, or whose assertion in it, is gone."""

    path: Path
    case: str
    labels: tuple[str, ...]
    gone: str
    _moves: dict[tuple[str, str, str], tuple[Golden, Diff]] = field(default_factory=dict)

    @cached_property
    def text(self) -> str:
        """What its file says."""
        return store.golden_text(self.path)

    @cached_property
    def compared(self) -> Compared:
        """What it holds."""
        return Compared(self.text, lambda: store.parse_golden(self.text, self.path, self.case))

    def moved(self, new: Compared, case: str, target: str) -> tuple[Golden, Diff]:
        """The golden of another case, as it is recorded in place of this one, and what differs."""
        from kernelsnap.diff.compare import compare

        key = case, target, new.body
        if key not in self._moves:
            golden = replace(new.golden, target=target)
            old = golden if new.body == self.compared.body else replace(self.compared.golden, case=case)
            recorded = golden if old is golden else aligned(golden, old)
            self._moves[key] = recorded, compare(old, recorded)
        return self._moves[key]


def formers(run: GoldenRun, *, anew: bool = False) -> dict[tuple[str, str], Former]:
    """The goldens that no test of this run has, as far as they would be read here, by case and label.

    Where single tests were asked for, nobody knows which others are gone, but what these no longer compare is known.
    What was found is kept; with `anew` it is found again, because by now more tests ran to their end.
    """
    if run.formers is None or anew:
        whole, owners = not any("::" in argument for argument in run.config.args), Owners(run)
        known = {former.path: former for former in (run.formers or {}).values()}
        there: defaultdict[str, dict[str, Former]] = defaultdict(dict)
        for path, case, labels in sharing.heads_below(run.goldens) if run.goldens.is_dir() else ():
            gone = owners.gone(case, labels)
            if gone == ASSERTION or (gone and whole):
                former = known.get(path) or Former(path, case, labels, gone)
                there[case] |= dict.fromkeys(labels, former)
        run.formers = {
            (case, label): found[label]
            for case, found in there.items()
            for target in {*map(target_in, found)}
            if (label := most_specific(found, label_of(target, run.versions)))
        }
    return run.formers


def closest(run: GoldenRun, golden: Golden) -> tuple[Former, Diff] | None:
    """Of the goldens whose test or assertion is gone, the one that fits a case without a golden best, if one does.

    And what differs between both.
    """
    new = Compared.of(golden)
    target = target_in(golden.target)
    there = [former for (_, label), former in formers(run).items() if target_in(label) == target]
    for same in (True, False):
        fits = [(new.fit(former.compared, same=same), former) for former in there]
        best, former = max(fits, key=lambda found: found[0], default=(0, None))
        if best and former:
            return former, former.moved(new, golden.case, golden.target)[1]
    return None


def settle(run: GoldenRun) -> None:
    """Make moves of what is pending for cases without a golden, as far as goldens fit whose test or assertion is gone.

    Each of these goldens is moved once, so that all moves together fit best.

    Raises:
        GoldenError: a golden cannot be read, or what is pending cannot be written.
    """
    folder = folder_of(run) if run.missing and formers(run, anew=True) else None
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
    generated = {entry.golden: _generated(folder, entry) for found in new.values() for entry in found.values()}
    gone = []
    with flushed_together():
        for case, former_case in _paired(new, old, generated):
            for target in new[case].keys() & old[former_case].keys():
                entry, former = new[case][target], old[former_case][target]
                folder.remove(entry.golden)
                folder.write(*_as_move(run, entry, generated[entry.golden], former, labels[former_case, target]))
                gone.append(former.gone)
    if gone:
        run.notes.append(f"{counted(len(gone), 'golden')} {whose(gone)} will be moved to what fits: kernelsnap pending")


def _generated(folder: PendingFolder, entry: Pending) -> Compared:
    text = read_text(folder.text_path(entry))
    return Compared(text, lambda: parse(text, entry.golden))


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


def _as_move(run: GoldenRun, entry: Pending, new: Compared, former: Former, label: str) -> tuple[Pending, str]:
    """What is pending, as a move from a golden whose test or assertion is gone, and its text."""
    from kernelsnap.diff.tree.change import changed

    recorded, diff = former.moved(new, str(entry.case), label)
    own = PurePosixPath(entry.golden).with_name(store.file_name(entry.case, label))
    entry = replace(entry, target=label, golden=str(own))
    text = store.checked_text(recorded, run.goldens / own)
    file = former.path.relative_to(run.goldens).as_posix()
    change = changed(entry.golden, diff, recorded)
    return moved(entry, run.config.rootpath, former.case, file, former.text, text, change), text
