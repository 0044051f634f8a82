"""Splits the change of each golden by the packages that made it: by what is generated with some of them changed.

A package made a change if it alone, while the others are as they were, gives the new golden. Where no single one does,
all mixtures are generated, and the table of `kernelsnap.bisect.attribute` tells for each layer which packages change
it, and whether each by itself or only several together.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from itertools import chain, combinations
from pathlib import Path

from kernelsnap.bisect.attribute.attribution import Attribution, CellValues, Verdict
from kernelsnap.bisect.axes.environments import TORCH
from kernelsnap.golden.digests import digest_of
from kernelsnap.golden.files import read_text
from kernelsnap.golden.format import parse, render_layer
from kernelsnap.golden.store import SUFFIX, golden_text
from kernelsnap.golden.toolchain import Toolchain
from kernelsnap.golden.variants import label_of, target_in
from kernelsnap.pending.entry import Pending
from kernelsnap.pending.standing import Standing
from kernelsnap.upgrade.state import State, case_of


@dataclass(frozen=True)
class Mixture:
    """Both environments mixed: some packages as in the new one, the others as in the old one."""

    taken: frozenset[str]
    others: frozenset[str]

    @property
    def cell(self) -> str:
        """Its name in the state."""
        return f"{'+'.join(sorted(self.taken))}-{'-'.join(sorted(self.others))}"

    def __str__(self) -> str:
        """`new torch, old triton`."""
        return ", ".join([*(f"new {name}" for name in sorted(self.taken)), *(f"old {n}" for n in sorted(self.others))])


@dataclass(frozen=True)
class Origin:
    """Which packages made the change of a golden."""

    words: str  # "torch", "torch (plan, code), triton (config)"; why nothing can be said where it is not known
    known: bool = True


@dataclass(frozen=True)
class Splitter:
    """Knows which packages differ for each golden, and what was generated with some of them changed."""

    state: State
    standing: Standing  # the goldens of the old side
    recorded: Toolchain  # of these
    named: Mapping[str, str] = field(default_factory=dict)  # packages that the user named, and their new versions
    before: Mapping[str, str] = field(default_factory=dict)  # the old versions of these

    def moved(self, entry: Pending) -> dict[str, tuple[str, str]]:
        """The packages that a golden needs and that differ between both sides, torch first: old and new version."""
        old = {**self.before, **self.recorded.of(entry.golden.removesuffix(SUFFIX))}
        new = {**self.named, **entry.versions, **entry.packages}
        names = sorted({name for name in new if old.get(name, "") != new[name]}, key=lambda name: (name != TORCH, name))
        return {name: (old.get(name, ""), new[name]) for name in names}

    def next_mixture(self, entries: Iterable[Pending], tried: Collection[Mixture]) -> Mixture | None:
        """What to run next for the goldens of a case: with the fewest packages that it can be; None for nothing."""
        wanted = [
            mixture
            for entry in entries
            if not self._alone(entry, tried)
            for mixture in self._mixtures(entry)
            if mixture not in tried
        ]
        return min(wanted, key=lambda mixture: len(mixture.taken), default=None)

    def origin(self, entry: Pending) -> Origin:
        """Which packages made the change of a golden."""
        packages = list(self.moved(entry))
        if not (entry.replaces or entry.replaces_resources):
            return Origin("there was no golden", known=False)
        if not packages:
            return Origin("no package that the golden names has another version", known=False)
        mixtures = self._mixtures(entry)
        if len(packages) == 1 or (alone := self._alone(entry, mixtures)):
            return Origin(either(packages if len(packages) == 1 else alone))
        return _by_layer(packages, dict(self._texts(entry, mixtures)))

    def _mixtures(self, entry: Pending) -> list[Mixture]:
        """All mixtures of the packages that differ for a golden, those with the fewest new ones first."""
        packages = [*self.moved(entry)] if entry.replaces or entry.replaces_resources else []
        chosen = (taken for size in range(1, len(packages)) for taken in combinations(packages, size))
        return [Mixture(frozenset(taken), frozenset(packages) - frozenset(taken)) for taken in chosen]

    def _alone(self, entry: Pending, tried: Collection[Mixture]) -> list[str]:
        """The packages each of which gives the new golden while the others are as they were."""
        new = entry.text, entry.resources
        alone = (mixture for mixture in self._mixtures(entry) if len(mixture.taken) == 1 and mixture in tried)
        return [*chain.from_iterable(mixture.taken for mixture in alone if self._generated(entry, mixture) == new)]

    def _generated(self, entry: Pending, mixture: Mixture) -> tuple[str, str] | None:
        """The digests of what was generated in a mixture; None where that is not known."""
        if found := self._there(mixture).get(_read_as(entry)):
            return found.text, found.resources
        path = self._agrees(entry, mixture)
        return (digest_of(golden_text(path)), entry.replaces_resources) if path else None

    def _agrees(self, entry: Pending, mixture: Mixture) -> Path | None:
        """The golden that a mixture gives, if nothing is pending there: the one that its versions read."""
        result = self.state.result(mixture.cell, case_of(entry))
        compared = result is not None and result.outcome == "compared"
        return self._old(entry, mixture.taken) if compared else None

    def _old(self, entry: Pending, taken: Collection[str]) -> Path | None:
        """The golden that is read where these packages are new and the others old: there may be variants for some."""
        before = {name: old for name, (old, _) in self.moved(entry).items() if name not in taken}
        label = label_of(target_in(entry.target), {**entry.versions, **before})
        return self.standing.file_for(entry, label) or self.standing.file(entry)

    @cached_property
    def _pending(self) -> dict[Mixture, dict[tuple[str, str], Pending]]:
        return {}

    def _there(self, mixture: Mixture) -> dict[tuple[str, str], Pending]:
        if mixture not in self._pending:
            self._pending[mixture] = {_read_as(entry): entry for entry in self.state.folder(mixture.cell).entries()}
        return self._pending[mixture]

    def forget(self, mixture: Mixture) -> None:
        """Read again what is pending in a mixture: more was run there."""
        self._pending.pop(mixture, None)

    def _texts(self, entry: Pending, mixtures: Sequence[Mixture]) -> Iterator[tuple[frozenset[str], str]]:
        """The text of a golden on both sides and in each mixture in which it is known, by what is new."""
        path = self._old(entry, ())
        if path is None:
            return
        yield frozenset(), golden_text(path)
        yield frozenset(self.moved(entry)), read_text(self.state.folder().text_path(entry))
        for mixture in mixtures:
            if found := self._there(mixture).get(_read_as(entry)):
                yield mixture.taken, read_text(self.state.folder(mixture.cell).text_path(found))
            elif path := self._agrees(entry, mixture):
                yield mixture.taken, golden_text(path)


def _read_as(entry: Pending) -> tuple[str, str]:
    """The case and the target of a golden: with other versions its variant is another one."""
    return str(entry.case), target_in(entry.target)


def either(names: Sequence[str]) -> str:
    """`torch`, or `torch and triton, each alone`."""
    return names[0] if len(names) == 1 else f"{' and '.join(names)}, each alone"


def _by_layer(packages: Sequence[str], texts: Mapping[frozenset[str], str]) -> Origin:
    """Which packages change which layer, by the texts of the mixtures; all texts have the names of the old golden."""
    goldens = {tuple(int(name in taken) for name in packages): parse(text, "") for taken, text in texts.items()}
    made: defaultdict[str | None, list[str]] = defaultdict(list)
    for layer in goldens[(1,) * len(packages)].layers if goldens else ():
        lines = {cell: Counter(render_layer(golden, layer).splitlines()) for cell, golden in goldens.items()}
        found = Attribution(CellValues((2,) * len(packages), lines))
        if found.verdict is not Verdict.NONE:
            made[_words(found, packages)].append(layer)
    if None in made or not made:
        return Origin(f"not known: {' or '.join(packages)}", known=False)
    named = [(str(words), its) for words, its in made.items()]
    return Origin(named[0][0] if len(named) == 1 else ", ".join(f"{words} ({', '.join(its)})" for words, its in named))


def _words(found: Attribution, packages: Sequence[str]) -> str | None:
    """Which packages change a layer; None where that is not known."""
    names = [packages[number] for number in found.changing]
    match found.verdict:
        case Verdict.ALONE:
            return names[0]
        case Verdict.EACH:
            return f"{' and '.join(names)}, each by itself"
        case Verdict.TOGETHER:
            return f"only {' and '.join(names)} together"
        case Verdict.MIXED:
            return f"{' and '.join(names)}, what one changes depending on the other"
        case _:
            return None
