"""The cause that the same Triton source became other machine code: another Triton or ptxas compiled it.

Named only where a kernel's own code is the same on both sides: that a changed kernel needs something else follows.
"""

from __future__ import annotations

from collections.abc import Iterator

from kernelsnap.diff.causes.cause_names import CauseName, Phase
from kernelsnap.diff.causes.facts import Facts, KernelPair
from kernelsnap.diff.causes.family import CauseKind, CauseSearch, Family
from kernelsnap.diff.causes.finding import Finding
from kernelsnap.diff.match.items import EXTERN
from kernelsnap.golden.lines import render_launch
from kernelsnap.golden.resources import same_resources
from kernelsnap.model.capture import LaunchConfig
from kernelsnap.model.golden import Golden
from kernelsnap.model.resources import MIX, NEEDS, KernelResources, NotCompiled

_Entry = KernelResources | NotCompiled
_UNCHANGED = ("unchanged", "renamed", "reordered")


def moved(search: CauseSearch) -> Iterator[Finding]:
    """What moved in kernels whose code is the same; nothing for a target that only one side was recorded for."""
    facts = search.facts
    for target in sorted(_targets(facts.old) & _targets(facts.new)):
        for pair in facts.pairs:
            if pair.one_to_one and pair.pair.status in _UNCHANGED and pair.old[0].ref.kind != EXTERN:
                yield from _of_kernel(pair, _entries(facts.old, pair, target, 0), _entries(facts.new, pair, target, 1))


def recorded(facts: Facts) -> Iterator[Finding]:
    """Resources that only one side has, where that is all that there is to say."""
    old, new = _targets(facts.old), _targets(facts.new)
    for target in sorted(new - old):
        yield Finding(CauseName.RESOURCES, "", f"resources are recorded now, for {target}", "recorded")
    for target in sorted(old - new):
        yield Finding(CauseName.RESOURCES, "", f"resources are no longer recorded, for {target}", "not recorded")
    if old == new and not all(map(same_resources, facts.old.resources, facts.new.resources)):
        yield Finding(
            CauseName.RESOURCES, "", "other kernels are listed: one side was recorded from other code", "other kernels"
        )


def _targets(golden: Golden) -> set[str]:
    return {found.target for found in golden.resources}


def _entries(golden: Golden, pair: KernelPair, target: str, side: int) -> dict[LaunchConfig | None, _Entry]:
    part = (pair.old, pair.new)[side][0].ref
    return {
        entry.launch: entry
        for found in golden.resources
        if found.target == target
        for entry in found.entries
        if (entry.graph, entry.kernel) == (part.graph, part.name)
    }


def _of_kernel(
    pair: KernelPair, old: dict[LaunchConfig | None, _Entry], new: dict[LaunchConfig | None, _Entry]
) -> Iterator[Finding]:
    for launch in [launch for launch in old if launch in new]:
        where = f" ({render_launch(launch)})" if launch else ""
        before, after = _numbers(old[launch]), _numbers(new[launch])
        if not (before and after):
            if old[launch] != new[launch]:
                words = f"{_compiles(old[launch])} -> {_compiles(new[launch])}"
                yield Finding.of(pair, CauseName.RESOURCES, f"{words}{where}", words)
            continue
        names = [name for name in {**before, **after} if before.get(name) != after.get(name)]
        if names:
            words = ", ".join(f"{name} {before.get(name, 'none')} -> {after.get(name, 'none')}" for name in names)
            ways = ", ".join(f"{name} {_way(before.get(name), after.get(name))}" for name in names)
            yield Finding.of(pair, CauseName.RESOURCES, f"{words}{where}", ways)


def _compiles(entry: _Entry) -> str:
    return entry.reason if isinstance(entry, NotCompiled) else "compiled"


def _numbers(entry: _Entry) -> dict[str, int]:
    """The numbers of a kernel by name; classes of instructions that do not occur are 0. Empty: not compiled."""
    if isinstance(entry, NotCompiled):
        return {}
    needs = {line.name: value for line in NEEDS if (value := getattr(entry, line.field)) is not None}
    mix = {line.name: getattr(entry.instructions, line.field) for line in MIX}
    return {**needs, "instructions": entry.instructions.total, **mix}


def _way(old: int | None, new: int | None) -> str:
    if old is None or new is None:
        return "other"
    return "up" if new > old else "down"


FAMILY = Family(
    kinds=(CauseKind(CauseName.RESOURCES, "machine code", "the same Triton source became other machine code"),),
    finders={Phase.MACHINE_CODE: (moved,)},
)
