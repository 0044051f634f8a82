"""Finds which lines of host code belong to which kernels: those that name the kernel, or a tensor that it uses."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping, Sequence

from kernelsnap.diff.causes.line_forms import input_taken, takes_inputs
from kernelsnap.diff.match.alpha_normal_form import AlphaNormalForm, NormalLine

_WORD = re.compile(r"[^\W\d]\w*")
# k0.run(buf0, 64)   k0,   the first line of: multi_kernel_0 = async_compile.multi_kernel('multi_kernel_0', [
_LAUNCHES = re.compile(r"\.run\(|\A\s*k\d+,\Z")
#: Variables of every host code, which are about no kernel.
_COMMON = {"self", "args"}


class HostLines:
    """The lines of the host code of a graph, each with the pairs of kernels, by place, that it is about."""

    def __init__(self, form: AlphaNormalForm, owners: Mapping[str, Collection[int]]) -> None:
        """Read the code; `owners`: the pairs that have to do with a kernel or tensor of the plan, by its name."""
        self._owners = {name: set(places) for name, places in owners.items()}
        statements = [(statement, _names(statement)) for statement in _statements(_one_a_tensor(form.lines))]
        for statement, names in statements:  # a view of a tensor, or one of those that a call returned
            known = self._of(names)
            for atom in (atom for line in statement for atom in line.atoms):
                if atom.number not in owners and atom.number not in _COMMON:
                    self._owners.setdefault(atom.number, set()).update(known)
        self._statements = [(statement, self._of(names)) for statement, names in statements]

    def owners(self, name: str) -> Collection[int]:
        """The pairs that have to do with a tensor, or are given it."""
        return self._owners.get(name, ())

    def about(self, wanted: Callable[[Collection[int]], bool]) -> AlphaNormalForm:
        """The lines whose owners are wanted."""
        kept = (statement for statement, owners in self._statements if wanted(owners))
        return AlphaNormalForm(tuple(line for statement in kept for line in statement))

    def _of(self, names: Iterable[str]) -> set[int]:
        return set[int]().union(*(self._owners[name] for name in names if name in self._owners))


def _names(statement: Sequence[NormalLine]) -> frozenset[str]:
    """The tensors and kernels that a statement names."""
    words = [word for line in statement if _LAUNCHES.search(line.shape) for word in _WORD.findall(line.shape)]
    return frozenset((*words, *(atom.number for line in statement for atom in line.atoms)))


def _one_a_tensor(lines: Iterable[NormalLine]) -> Iterator[NormalLine]:
    """The lines, with one for each tensor that the graph takes."""
    for line in lines:
        if takes_inputs(line.shape):
            for atom in line.atoms[:-1]:
                yield NormalLine(input_taken(atom.family), (atom,), (True,))
        else:
            yield line


def _statements(lines: Iterable[NormalLine]) -> Iterator[tuple[NormalLine, ...]]:
    """The lines, those within one bracket together."""
    waiting: list[NormalLine] = []
    depth = 0
    for line in lines:
        waiting.append(line)
        depth += sum(map(line.shape.count, "([{")) - sum(map(line.shape.count, ")]}"))
        if depth <= 0:
            yield tuple(waiting)
            waiting, depth = [], 0
    if waiting:
        yield tuple(waiting)
