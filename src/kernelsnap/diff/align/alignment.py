"""Which local name of one piece of code means what a local name of another means.

Two names mean the same when they are computed from the same (their definition, and all that it rests on, is equal) or
when the same is computed from them. A change spoils the first for everything after it and the second for everything
before it; names that are matched already stand for themselves, so that both close in on the change from its two sides.
What is still open then is matched by the form of the lines around it, in order.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

from kernelsnap.diff.match.alpha_normal_form import AlphaNormalForm, Atom, NormalLine
from kernelsnap.diff.text.lines import common

#: Names read in all rounds together; past it, as in a kernel of many thousand lines, what is open is left open.
BUDGET = 1_000_000
_64_BITS = (1 << 64) - 1

_Keys = Mapping[Atom, Hashable]


def align_names(old: AlphaNormalForm, new: AlphaNormalForm) -> dict[Atom, Atom]:
    """For names of `new` the name of `old` that means the same: one-to-one, within families; not every name has one.

    Meaning first is right where little changed, form first where lines moved: the one that leaves more lines equal is
    taken.
    """
    if old.key == new.key:
        return dict(zip(new.atoms, old.atoms, strict=True))
    by_meaning = _search(old, new, (_by_meaning, _by_form))
    equal = len(by_meaning.equal_lines())
    if equal == len(common([row.shape for row in old.lines], [row.shape for row in new.lines])):
        return by_meaning.old_of
    by_form = _search(old, new, (_by_form, _by_meaning))
    return (by_form if len(by_form.equal_lines()) > equal else by_meaning).old_of


class _Side:
    """One of the two pieces: its names that are matched, and the lines where others are left."""

    def __init__(self, piece: AlphaNormalForm) -> None:
        self.piece = piece
        self.pair: dict[Atom, int] = {}  # the number, below 0, of the pair that a name belongs to
        self.open = list(piece.lines)

    def close(self) -> None:
        """Drop the lines whose names are all matched."""
        self.open = [row for row in self.open if any(atom not in self.pair for atom in row.atoms)]

    def form(self, row: NormalLine) -> Hashable:
        """A line with its matched names."""
        return (row.shape, *(self.pair.get(atom) for atom in row.atoms))


class _Found:
    """The names matched so far."""

    def __init__(self, old: AlphaNormalForm, new: AlphaNormalForm) -> None:
        self.old, self.new = _Side(old), _Side(new)
        self.old_of: dict[Atom, Atom] = {}

    def add(self, old: Atom, new: Atom) -> bool:
        """Match two names; False if one of them is matched already or they are of two families."""
        if old in self.old.pair or new in self.new.pair or old.family != new.family:
            return False
        self.old_of[new] = old
        self.old.pair[old] = self.new.pair[new] = -len(self.old_of)
        return True

    def equal_lines(self) -> list[tuple[int, int]]:
        """Lines that are equal but for names not matched yet."""
        return common(*([side.form(row) for row in side.piece.lines] for side in (self.old, self.new)))


def _search(old: AlphaNormalForm, new: AlphaNormalForm, steps: Sequence[Callable[[_Found], bool]]) -> _Found:
    found = _Found(old, new)
    left = BUDGET
    while left > 0 and any(step(found) for step in steps):
        left -= sum(len(row.atoms) for side in (found.old, found.new) for row in side.open)
        found.old.close()
        found.new.close()
    _in_place(found)
    return found


def _by_meaning(found: _Found) -> bool:
    """Match names by what they are computed from and what is computed from them, the surest first."""
    numbers: dict[Hashable, int] = {}
    from_old, from_new = (_definitions(side, numbers) for side in (found.old, found.new))
    to_old, to_new = (_uses(side, numbers) for side in (found.old, found.new))
    both_old = {atom: (key, to_old[atom]) for atom, key in from_old.items()}
    both_new = {atom: (key, to_new[atom]) for atom, key in from_new.items()}
    unique = [
        _equal_keys(found, both_old, both_new, most=1),
        _equal_keys(found, from_old, from_new, most=1),
        _equal_keys(found, to_old, to_new, most=1),
    ]
    return any(unique) or _equal_keys(found, both_old, both_new, most=len(both_new))


def _equal_keys(found: _Found, old: _Keys, new: _Keys, most: int) -> bool:
    """Match names whose keys occur as often on both sides, `most` times at most: in order."""
    names_old, names_new = _by_key(old, found.old), _by_key(new, found.new)
    added = False
    for key, names in names_new.items():
        others = names_old.get(key, [])
        if len(others) == len(names) <= most:
            for a, b in zip(others, names, strict=True):
                added |= found.add(a, b)
    return added


def _by_key(keys: _Keys, side: _Side) -> dict[Hashable, list[Atom]]:
    names: dict[Hashable, list[Atom]] = {}
    for atom, key in keys.items():
        if atom not in side.pair:
            names.setdefault((atom.family, key), []).append(atom)
    return names


def _definitions(side: _Side, numbers: dict[Hashable, int]) -> dict[Atom, Hashable]:
    """For each open name what it is computed from: equal numbers for equal computations."""
    known: dict[Atom, Hashable] = {}

    def value(atom: Atom) -> Hashable:
        return side.pair.get(atom) or known.setdefault(atom, atom.family)

    for row in side.open:
        values = tuple(map(value, row.atoms))
        if row.signature:
            continue
        inputs = tuple(v for v, assigned in zip(values, row.assigns, strict=True) if not assigned)
        for place, (atom, assigned) in enumerate(zip(row.atoms, row.assigns, strict=True)):
            if assigned and atom in known:
                known[atom] = _number(numbers, ("from", row.shape, inputs, place, known[atom]))
    return known


def _uses(side: _Side, numbers: dict[Hashable, int]) -> dict[Atom, Hashable]:
    """For each open name what is computed from it, down to what is stored."""
    # How many uses, and a sum that does not depend on their order. A sorted list of them, made anew for every line that
    # assigns the name again, is quadratic; two sums that are equal by chance match names that read worse, no more.
    uses: defaultdict[Atom, tuple[int, int]] = defaultdict(lambda: (0, 0))

    def use(atom: Atom) -> Hashable:
        return side.pair.get(atom) or _number(numbers, ("to", uses[atom]))

    for row in reversed(side.open):
        if row.signature:
            continue
        results = tuple(use(atom) for atom, assigned in zip(row.atoms, row.assigns, strict=True) if assigned)
        beside = tuple(map(side.pair.get, row.atoms))
        for place, (atom, assigned) in enumerate(zip(row.atoms, row.assigns, strict=True)):
            if not assigned and atom not in side.pair:
                count, total = uses[atom]
                uses[atom] = count + 1, total + _mixed(_number(numbers, (row.shape, results, beside, place)))
    return {atom: use(atom) for atom in dict.fromkeys(a for row in side.open for a in row.atoms)}


def _number(numbers: dict[Hashable, int], key: Hashable) -> int:
    return numbers.setdefault(key, len(numbers))


def _mixed(number: int) -> int:
    """A number of 64 bits that looks random, so that sums of them differ where the numbers do (SplitMix64's finish).

    Sums of the numbers themselves, or of their Python hashes, are equal for 1 and 4 and for 2 and 3.
    """
    number = (number + 1) * 0x9E3779B97F4A7C15 & _64_BITS
    number = (number ^ number >> 30) * 0xBF58476D1CE4E5B9 & _64_BITS
    number = (number ^ number >> 27) * 0x94D049BB133111EB & _64_BITS
    return number ^ number >> 31


def _by_form(found: _Found) -> bool:
    """Match the names of lines of one form, in order; the declarations of arguments, all of one form, last."""
    lines = [(found.old.piece.lines[i], found.new.piece.lines[j]) for i, j in found.equal_lines()]
    for arguments in (False, True):
        votes: Counter[tuple[Atom, Atom]] = Counter()
        for row, other in lines:
            if row.shape.startswith("arg ") == arguments:
                votes.update((a, b) for a, b in zip(row.atoms, other.atoms, strict=True) if a not in found.old.pair)
        added = [found.add(a, b) for (a, b), _ in votes.most_common()]
        if any(added):
            return True
    return False


def _in_place(found: _Found) -> None:
    """Where as many lines were replaced as came in their place, what they assign keeps its name."""
    old, new = found.old.piece.lines, found.new.piece.lines
    i = j = 0
    for i_next, j_next in [*found.equal_lines(), (len(old), len(new))]:
        if i_next - i == j_next - j:
            for a, b in zip(_assigned(old[i:i_next]), _assigned(new[j:j_next]), strict=False):
                found.add(a, b)
        i, j = i_next + 1, j_next + 1


def _assigned(rows: Sequence[NormalLine]) -> Iterator[Atom]:
    for row in rows:
        yield from (atom for atom, assigned in zip(row.atoms, row.assigns, strict=True) if assigned)
