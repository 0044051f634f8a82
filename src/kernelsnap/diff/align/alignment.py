"""Aligns the local names of two versions of a piece of code: which name of the new one means which name of the old one.

Two names are taken for the same when

- they are computed in the same way: the lines that assign them are equal, and so are those that compute their inputs;
- or they are used in the same way: the lines that read them are equal, and so are those that read the results;
- or else they are in lines of the same shape, in the same order.

An edit changes the first for every name computed after it, and the second for every name computed before it. Therefore
the search goes in rounds: a name that is aligned counts as the same name in both versions, in the next round the names
next to it can be compared, and the rounds close in on the edit from both sides.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

from kernelsnap.diff.match.alpha_normal_form import AlphaNormalForm, Atom, NormalLine
from kernelsnap.diff.text.lines import common

#: Names read in all rounds together. In a kernel of many thousand lines that takes more, the rest is not aligned.
BUDGET = 1_000_000
_64_BITS = (1 << 64) - 1


def align_names(old: AlphaNormalForm, new: AlphaNormalForm) -> dict[Atom, Atom]:
    """For names of `new` the name of `old` that means the same: one to one, within families; not every name has one.

    What names compute is the better guide where little changed, the shape of lines where lines moved. Both are tried,
    and the alignment under which more lines are equal is taken.
    """
    if old.key == new.key:
        return dict(zip(new.atoms, old.atoms, strict=True))
    by_computation = _search(old, new, (_align_by_computation, _align_by_shape))
    equal = len(by_computation.equal_lines())
    if equal == len(common([line.shape for line in old.lines], [line.shape for line in new.lines])):
        return by_computation.old_of
    by_shape = _search(old, new, (_align_by_shape, _align_by_computation))
    return (by_shape if len(by_shape.equal_lines()) > equal else by_computation).old_of


class _Version:
    """One version of the code: which of its names are aligned, and the lines in which others are left."""

    def __init__(self, code: AlphaNormalForm) -> None:
        self.code = code
        self.pair_of: dict[Atom, int] = {}  # the number of the pair of each aligned name, below 0
        self.open_lines = list(code.lines)

    def drop_aligned_lines(self) -> None:
        """Keep only the lines with a name that is not aligned."""
        self.open_lines = [line for line in self.open_lines if any(atom not in self.pair_of for atom in line.atoms)]

    def comparable(self, line: NormalLine) -> Hashable:
        """A line with its aligned names; equal in both versions if the lines are, up to names that are not aligned."""
        return (line.shape, *(self.pair_of.get(atom) for atom in line.atoms))


class _Alignment:
    """The names aligned so far."""

    def __init__(self, old: AlphaNormalForm, new: AlphaNormalForm) -> None:
        self.old, self.new = _Version(old), _Version(new)
        self.old_of: dict[Atom, Atom] = {}

    def add(self, old: Atom, new: Atom) -> bool:
        """Align two names; False if one of them is aligned already or their families differ."""
        if old in self.old.pair_of or new in self.new.pair_of or old.family != new.family:
            return False
        self.old_of[new] = old
        self.old.pair_of[old] = self.new.pair_of[new] = -len(self.old_of)
        return True

    def equal_lines(self) -> list[tuple[int, int]]:
        """The positions of lines that are equal up to names that are not aligned."""
        return common(*([version.comparable(line) for line in version.code.lines] for version in (self.old, self.new)))


def _search(old: AlphaNormalForm, new: AlphaNormalForm, ways: Sequence[Callable[[_Alignment], bool]]) -> _Alignment:
    """Align names in rounds; in each by the first way that finds a pair."""
    found = _Alignment(old, new)
    left = BUDGET
    while left > 0 and any(way(found) for way in ways):
        left -= sum(len(line.atoms) for version in (found.old, found.new) for line in version.open_lines)
        found.old.drop_aligned_lines()
        found.new.drop_aligned_lines()
    _align_replaced_lines(found)
    return found


_Keys = Mapping[Atom, Hashable]


def _align_by_computation(found: _Alignment) -> bool:
    """Align names that are computed in the same way, used in the same way, or both; the surest first.

    Surest are names of which no other of their version has the same keys.
    """
    numbers: dict[Hashable, int] = {}
    made_old, made_new = (_computed_how(version, numbers) for version in (found.old, found.new))
    used_old, used_new = (_used_how(version, numbers) for version in (found.old, found.new))
    both_old = {atom: (key, used_old[atom]) for atom, key in made_old.items()}
    both_new = {atom: (key, used_new[atom]) for atom, key in made_new.items()}
    unique = [
        _align_equal_keys(found, both_old, both_new, most=1),
        _align_equal_keys(found, made_old, made_new, most=1),
        _align_equal_keys(found, used_old, used_new, most=1),
    ]
    return any(unique) or _align_equal_keys(found, both_old, both_new, most=len(both_new))


def _align_equal_keys(found: _Alignment, old: _Keys, new: _Keys, most: int) -> bool:
    """Align names with equal keys, in order, where as many have the key in both versions, and no more than `most`."""
    names_old, names_new = _by_key(old, found.old), _by_key(new, found.new)
    added = False
    for key, names in names_new.items():
        others = names_old.get(key, [])
        if len(others) == len(names) <= most:
            for a, b in zip(others, names, strict=True):
                added |= found.add(a, b)
    return added


def _by_key(keys: _Keys, version: _Version) -> dict[Hashable, list[Atom]]:
    """The names that are not aligned, by family and key."""
    names: dict[Hashable, list[Atom]] = {}
    for atom, key in keys.items():
        if atom not in version.pair_of:
            names.setdefault((atom.family, key), []).append(atom)
    return names


def _computed_how(version: _Version, numbers: dict[Hashable, int]) -> dict[Atom, Hashable]:
    """For each name that is not aligned a key of what it is computed from: equal keys for equal computations."""
    known: dict[Atom, Hashable] = {}

    def value(atom: Atom) -> Hashable:
        return version.pair_of.get(atom) or known.setdefault(atom, atom.family)

    for line in version.open_lines:
        values = tuple(map(value, line.atoms))
        if line.signature:
            continue
        inputs = tuple(v for v, assigned in zip(values, line.assigns, strict=True) if not assigned)
        for position, (atom, assigned) in enumerate(zip(line.atoms, line.assigns, strict=True)):
            if assigned and atom in known:
                known[atom] = _number(numbers, ("from", line.shape, inputs, position, known[atom]))
    return known


def _used_how(version: _Version, numbers: dict[Hashable, int]) -> dict[Atom, Hashable]:
    """For each name that is not aligned a key of what is computed from it, down to what is stored."""
    # For each name how many uses it has, and the sum of their numbers, which does not depend on their order. A sorted
    # tuple of them would be made again for every line that assigns the name, in quadratic time. Should two sums be
    # equal by chance, names are aligned that read worse; nothing becomes wrong, for any alignment is only a renaming.
    uses: defaultdict[Atom, tuple[int, int]] = defaultdict(lambda: (0, 0))

    def key(atom: Atom) -> Hashable:
        return version.pair_of.get(atom) or _number(numbers, ("to", uses[atom]))

    for line in reversed(version.open_lines):
        if line.signature:
            continue
        results = tuple(key(atom) for atom, assigned in zip(line.atoms, line.assigns, strict=True) if assigned)
        aligned = tuple(map(version.pair_of.get, line.atoms))
        for position, (atom, assigned) in enumerate(zip(line.atoms, line.assigns, strict=True)):
            if not assigned and atom not in version.pair_of:
                count, total = uses[atom]
                use = _number(numbers, (line.shape, results, aligned, position))
                uses[atom] = count + 1, total + _mixed(use)
    return {atom: key(atom) for atom in dict.fromkeys(a for line in version.open_lines for a in line.atoms)}


def _number(numbers: dict[Hashable, int], key: Hashable) -> int:
    """The number of a key; a new one for a key that has none."""
    return numbers.setdefault(key, len(numbers))


def _mixed(number: int) -> int:
    """The number as 64 bits that look random (the last step of SplitMix64), so that different numbers differ in sum.

    Sums of the numbers themselves, or of their Python hashes, are equal for 1 and 4 and for 2 and 3.
    """
    number = (number + 1) * 0x9E3779B97F4A7C15 & _64_BITS
    number = (number ^ number >> 30) * 0xBF58476D1CE4E5B9 & _64_BITS
    number = (number ^ number >> 27) * 0x94D049BB133111EB & _64_BITS
    return number ^ number >> 31


def _align_by_shape(found: _Alignment) -> bool:
    """Align names in lines of the same shape, in order: the pair that most lines have comes first.

    The declarations of arguments come last, for their shape is the same for all arguments of a type.
    """
    lines = [(found.old.code.lines[i], found.new.code.lines[j]) for i, j in found.equal_lines()]
    for arguments in (False, True):
        votes: Counter[tuple[Atom, Atom]] = Counter()
        for old, new in lines:
            if old.shape.startswith("arg ") == arguments:
                votes.update((a, b) for a, b in zip(old.atoms, new.atoms, strict=True) if a not in found.old.pair_of)
        added = [found.add(a, b) for (a, b), _ in votes.most_common()]
        if any(added):
            return True
    return False


def _align_replaced_lines(found: _Alignment) -> None:
    """Between two equal lines, where as many lines were replaced as came in their place, align what they assign."""
    old, new = found.old.code.lines, found.new.code.lines
    i = j = 0
    for i_next, j_next in [*found.equal_lines(), (len(old), len(new))]:
        if i_next - i == j_next - j:
            for a, b in zip(_assigned(old[i:i_next]), _assigned(new[j:j_next]), strict=False):
                found.add(a, b)
        i, j = i_next + 1, j_next + 1


def _assigned(lines: Sequence[NormalLine]) -> Iterator[Atom]:
    for line in lines:
        yield from (atom for atom, assigned in zip(line.atoms, line.assigns, strict=True) if assigned)
