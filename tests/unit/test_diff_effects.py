"""What each cause costs: together as much as the kernels that changed."""

from __future__ import annotations

import pytest

import labelled_pairs
from kernelsnap.diff.change import change_of

SIDES = labelled_pairs.sides()


def effects(name):
    change = change_of("case.ksnap", SIDES[name]["old"], SIDES[name]["new"])
    return change, {cause.name: cause.effect for cause in change.causes}


@pytest.mark.parametrize("name", sorted(SIDES))
def test_the_launches_of_all_causes_are_those_of_the_golden(name):
    change, found = effects(name)
    assert sum(effect.kernels for effect in found.values()) == change.delta("kernels")


def test_bytes_are_those_that_inductor_counts_for_nearly_all_changes():
    pairs = [effects(name) for name in SIDES]
    known = [(change, found) for change, found in pairs if None not in [e.bytes for e in found.values()]]
    right = [
        change for change, found in known if sum(e.bytes for e in found.values()) == change.delta("bytes accessed")
    ]
    assert len(known) > 0.7 * len(pairs)
    assert len(right) > 0.85 * len(known)


def test_a_kernel_that_was_split_costs_a_launch_and_what_both_read():
    _, found = effects("split-chain")
    assert found["fusion-split"].kernels > 0
    assert found["fusion-split"].bytes > 0


def test_each_of_two_causes_has_its_own_kernels():
    _, found = effects("fifth-two-rope-blocks")
    assert set(found) == {"shapes", "indexing"}
    assert sum(effect.kernels for effect in found.values()) == 1
