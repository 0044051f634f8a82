"""What each cause costs: together as much as the kernels that changed."""

from __future__ import annotations

import labelled_pairs
import sweeps

SIDES = labelled_pairs.sides()


def effects(name):
    change = labelled_pairs.change(name)
    return change, {cause.name: cause.effect for cause in change.causes}


@sweeps.over(sorted(SIDES))
def test_the_launches_of_all_causes_are_those_of_the_golden(name):
    change, found = effects(name)
    assert sum(effect.kernels for effect in found.values()) == change.delta("kernels")


@sweeps.over(sorted(SIDES))
def test_the_bytes_of_all_causes_are_those_that_inductor_counts(name):
    change, found = effects(name)
    sizes = [effect.bytes for effect in found.values()]
    if None not in sizes and (moved := change.delta("bytes accessed")) is not None:
        assert sum(sizes) == moved


def test_bytes_are_known_for_nearly_all_changes():
    found = [effect.bytes for name in SIDES for effect in effects(name)[1].values()]
    assert found.count(None) < 0.1 * len(found)


def test_a_kernel_that_was_split_costs_a_launch_and_what_both_read():
    _, found = effects("split-chain")
    assert found["fusion-split"].kernels > 0
    assert found["fusion-split"].bytes > 0


def test_each_of_two_causes_has_its_own_kernels():
    _, found = effects("fifth-two-rope-blocks")
    assert set(found) == {"shapes", "indexing"}
    assert sum(effect.kernels for effect in found.values()) == 1
