"""Which local name of one piece of code means what a local name of another means.

Two names mean the same when they are computed from the same (their definition, and all that it rests on, is equal) or
when the same is computed from them. A change spoils the first for everything after it and the second for everything
before it; names that are matched already stand for themselves, so that both close in on the change from its two sides.
What is still open then is matched by the form of the lines around it, in order.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Hashable, Iterator, Mapping, Sequence

from kernelsnap.diff.lines import common
from kernelsnap.diff.skeleton import Atom, Row, Skeleton

#: Names read in all rounds together; past it, as in a kernel of many thousand lines, what is open is left open.
BUDGET = 4_000_000

_Keys = Mapping[Atom, Hashable]


def correspond(old: Skeleton, new: Skeleton) -> dict[Atom, Atom]:
    """For names of `new` the name of `old` that means the same: one-to-one, within families; not every name has one.

    Meaning first is right where little changed, form first where lines moved: the one that leaves more lines equal is
    taken.
    """
    if old.key == new.key:
        rows = zip(old.rows, new.rows, strict=True)
        return {b: a for row, other in rows for a, b in zip(row.atoms, other.atoms, strict=True)}
    by_meaning = _search(old, new, (_by_meaning, _by_form))
    equal = len(_lines_of_one_form(by_meaning, old, new))
    if equal == len(common([row.shape for row in old.rows], [row.shape for row in new.rows])):
        return by_meaning.old_of
    by_form = _search(old, new, (_by_form, _by_meaning))
    return (by_form if len(_lines_of_one_form(by_form, old, new)) > equal else by_meaning).old_of


def _search(old: Skeleton, new: Skeleton, steps: Sequence[Callable[[_Found, Skeleton, Skeleton], bool]]) -> _Found:
    found = _Found()
    size = 1 + sum(len(row.atoms) for piece in (old, new) for row in piece.rows)
    for _ in range(max(2, BUDGET // size)):
        if not any(step(found, old, new) for step in steps):
            break
    _in_place(found, old, new)
    return found


class _Found:
    """The names matched so far."""

    def __init__(self) -> None:
        self.old_of: dict[Atom, Atom] = {}
        self.new_of: dict[Atom, Atom] = {}

    def add(self, old: Atom, new: Atom) -> bool:
        """Match two names; False if one of them is matched already or they are of two families."""
        if old in self.new_of or new in self.old_of or old.family != new.family:
            return False
        self.old_of[new] = old
        self.new_of[old] = new
        return True

    def anchors(self, of_new: bool) -> dict[Atom, Hashable]:
        """What stands for each matched name: its name in the old piece, on both sides."""
        return {new if of_new else old: ("same", old) for new, old in self.old_of.items()}


def _by_meaning(found: _Found, old: Skeleton, new: Skeleton) -> bool:
    """Match names by what they are computed from and what is computed from them, the surest first."""
    numbers: dict[Hashable, int] = {}
    from_old, from_new = (_definitions(p, found.anchors(p is new), numbers) for p in (old, new))
    to_old, to_new = (_uses(p, found.anchors(p is new), numbers) for p in (old, new))
    both_old = {atom: (from_old[atom], to_old[atom]) for atom in from_old}
    both_new = {atom: (from_new[atom], to_new[atom]) for atom in from_new}
    sides: tuple[tuple[_Keys, _Keys, bool], ...] = (
        (both_old, both_new, True),
        (from_old, from_new, True),
        (to_old, to_new, True),
        (both_old, both_new, False),
    )
    return any(_equal_keys(found, a, b, once) for a, b, once in sides)


def _equal_keys(found: _Found, old: _Keys, new: _Keys, once: bool) -> bool:
    """Match names whose keys are equal: keys that occur once on each side, or else as often on both, in order."""
    names_old, names_new = _by_key(old, found.new_of), _by_key(new, found.old_of)
    added = False
    for key, names in names_new.items():
        others = names_old.get(key, [])
        if len(others) == len(names) and (len(names) == 1 or not once):
            for a, b in zip(others, names, strict=True):
                added |= found.add(a, b)
    return added


def _by_key(keys: _Keys, matched: Mapping[Atom, Atom]) -> dict[Hashable, list[Atom]]:
    names: dict[Hashable, list[Atom]] = {}
    for atom, key in keys.items():
        if atom not in matched:
            names.setdefault((atom.family, key), []).append(atom)
    return names


def _definitions(
    piece: Skeleton, anchors: Mapping[Atom, Hashable], numbers: dict[Hashable, int]
) -> dict[Atom, Hashable]:
    """For each name what it is computed from: equal numbers for equal computations."""
    known: dict[Atom, Hashable] = {atom: anchors.get(atom, atom.family) for atom in piece.atoms}
    for row in piece.rows:
        if row.signature:
            continue
        inputs = tuple(known[atom] for atom, assigned in zip(row.atoms, row.assigns, strict=True) if not assigned)
        place = 0
        for atom, assigned in zip(row.atoms, row.assigns, strict=True):
            if assigned and atom not in anchors:
                known[atom] = _number(numbers, ("from", row.shape, inputs, place, known[atom]))
                place += 1
    return known


def _uses(piece: Skeleton, anchors: Mapping[Atom, Hashable], numbers: dict[Hashable, int]) -> dict[Atom, Hashable]:
    """For each name what is computed from it, down to what is stored."""
    uses: defaultdict[Atom, list[int]] = defaultdict(list)

    def use(atom: Atom) -> Hashable:
        return anchors.get(atom) or _number(numbers, ("to", tuple(sorted(uses[atom]))))

    for row in reversed(piece.rows):
        if row.signature:
            continue
        results = tuple(use(atom) for atom, assigned in zip(row.atoms, row.assigns, strict=True) if assigned)
        beside = tuple(
            None if assigned else anchors.get(atom) for atom, assigned in zip(row.atoms, row.assigns, strict=True)
        )
        for place, (atom, assigned) in enumerate(zip(row.atoms, row.assigns, strict=True)):
            if not assigned:
                uses[atom].append(_number(numbers, (row.shape, results, beside, place)))
    return {atom: use(atom) for atom in piece.atoms}


def _number(numbers: dict[Hashable, int], key: Hashable) -> int:
    return numbers.setdefault(key, len(numbers))


def _by_form(found: _Found, old: Skeleton, new: Skeleton) -> bool:
    """Match the names of lines of one form, in order; the declarations of arguments, all of one form, last."""
    lines = _lines_of_one_form(found, old, new)
    for arguments in (False, True):
        votes: Counter[tuple[Atom, Atom]] = Counter()
        for i, j in lines:
            if old.rows[i].shape.startswith("arg ") == arguments:
                votes.update(zip(old.rows[i].atoms, new.rows[j].atoms, strict=True))
        if any([found.add(a, b) for (a, b), _ in votes.most_common()]):  # noqa: C419 - all of them, not the first
            return True
    return False


def _lines_of_one_form(found: _Found, old: Skeleton, new: Skeleton) -> list[tuple[int, int]]:
    anchors_old, anchors_new = found.anchors(of_new=False), found.anchors(of_new=True)
    return common([_form(row, anchors_old) for row in old.rows], [_form(row, anchors_new) for row in new.rows])


def _form(row: Row, anchors: Mapping[Atom, Hashable]) -> Hashable:
    return (row.shape, *(anchors.get(atom) for atom in row.atoms))


def _in_place(found: _Found, old: Skeleton, new: Skeleton) -> None:
    """Where as many lines were replaced as came in their place, what they assign keeps its name."""
    i = j = 0
    for i_next, j_next in [*_lines_of_one_form(found, old, new), (len(old.rows), len(new.rows))]:
        if i_next - i == j_next - j:
            for a, b in zip(_assigned(old.rows[i:i_next]), _assigned(new.rows[j:j_next]), strict=False):
                found.add(a, b)
        i, j = i_next + 1, j_next + 1


def _assigned(rows: Sequence[Row]) -> Iterator[Atom]:
    for row in rows:
        yield from (atom for atom, assigned in zip(row.atoms, row.assigns, strict=True) if assigned)
