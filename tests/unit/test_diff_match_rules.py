"""What holds of matching any two goldens: no pair is lost by not looking at all of them, and names decide nothing."""

from __future__ import annotations

import random

import pytest
from hypothesis import given
from hypothesis import strategies as st

import labelled_pairs
import sweeps
from kernelsnap.diff.match import matching, pairs, similarity
from kernelsnap.diff.match.items import items
from kernelsnap.diff.match.pairs import match
from kernelsnap.diff.match.similarity import CLOSEST, BlockingIndex, Similarity, blocking_keys
from kernelsnap.golden.canonical import kernel_names, rename_graph
from plans import extern, golden, kernel


class Everything(BlockingIndex):
    """Every item is a candidate."""

    def __init__(self, keys):
        super().__init__(keys)
        self.positions = sorted(keys)

    def sharing(self, keys, near):
        return self.positions


def every_pair_looked_at(old, new):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(pairs, "BlockingIndex", Everything)
        patch.setattr(matching, "BlockingIndex", Everything)
        return match(old, new)


LINES = [f"tmp{n} = {text}" for n, text in enumerate(("tl.load(in_ptr0)", "tl.exp(tmp0)", "tl.sum(tmp1)", "-tmp2"))]
OPS = ["exp: exp", "exp.1: exp", "sum: sum", "softmax: exp sum", "softmax.1: exp sum", "exp, sum: exp sum", "mul: mul"]


@st.composite
def plans(draw):
    """A graph of some kernels and library calls, often alike: of few operations, lines, types and buffers."""
    run = []
    for place in range(draw(st.integers(0, 7))):
        ops = "; ".join(draw(st.lists(st.sampled_from(OPS), max_size=3, unique=True)))
        reads = tuple(draw(st.lists(st.sampled_from(["arg0", *(f"buf{n}" for n in range(place))]), max_size=2)))
        writes = (f"buf{place}",)
        shape = (draw(st.sampled_from(["64", "8"])),)
        if draw(st.integers(0, 3)) == 0:
            run.append(extern(draw(st.sampled_from(["mm", "addmm"])), ops, reads, writes, shape))
        else:
            lines = draw(st.lists(st.sampled_from(LINES), max_size=4))
            kind = draw(st.sampled_from(["pointwise", "reduction"]))
            run.append(kernel(f"k{place}", ops, lines, reads, writes, kind, shape))
    return golden(*run)


@given(plans(), plans())
def test_no_pair_is_lost_by_looking_at_those_with_something_in_common(old, new):
    assert match(old, new) == every_pair_looked_at(old, new)


@given(plans(), plans())
def test_items_with_nothing_in_common_are_not_alike(old, new):
    sides = [items(side, side.plan[0]) for side in (old, new)]
    similarity = Similarity(*sides)
    for i, item in enumerate(sides[0]):
        for j, other in enumerate(sides[1]):
            if similarity.of(i, j):
                assert set(blocking_keys(item)) & set(blocking_keys(other))


@sweeps.over(labelled_pairs.every_second())
def test_in_real_pairs_those_that_are_closest_are_enough(name):
    """Four are, though some pairs have many times as many kernels to choose from."""
    old, new = labelled_pairs.goldens(name)
    forward, backward = every_pair_looked_at(old, new), every_pair_looked_at(new, old)
    for closest in (4, CLOSEST):
        with pytest.MonkeyPatch.context() as patch:
            patch.setattr(similarity, "CLOSEST", closest)
            assert match(old, new) == forward
            assert match(new, old) == backward


def renamed(golden, seed):
    """The golden with its kernels and buffers under each other's names, and under names of their own."""
    choose = random.Random(seed)
    for plan in golden.plan:
        kernels = list(kernel_names(golden, plan))
        written = [buffer.name for step in plan.steps for buffer in step.writes]
        buffers = list(dict.fromkeys([*(buffer.name for buffer in plan.inputs), *written]))
        mapping = {}
        for names in (kernels, [name for name in buffers if name.isidentifier()]):
            others = [*names, *(f"{name}_other" for name in names)]
            mapping |= zip(names, choose.sample(others, len(names)), strict=True)
        golden = rename_graph(golden, plan.graph, mapping)
    return golden


def places(old, new):
    """Which parts are paired, by where they stand: the graph, and the position among what it runs."""
    where_old, where_new = (
        {item.ref: (plan.graph, place) for plan in side.plan for place, item in enumerate(items(side, plan))}
        for side in (old, new)
    )
    return [
        ([where_old[part] for part in pair.old], [where_new[part] for part in pair.new]) for pair in match(old, new)
    ]


@given(plans(), plans(), st.integers(0, 9))
def test_names_decide_nothing(old, new, seed):
    expected = places(old, new)
    assert places(old, renamed(new, seed)) == expected
    assert places(renamed(old, seed), new) == expected


@sweeps.over(list(enumerate(labelled_pairs.every_second())), name=lambda pair: pair[1])
def test_names_decide_nothing_in_real_pairs(pair):
    seed, name = pair
    old, new = labelled_pairs.goldens(name)
    expected = places(old, new)
    assert places(old, renamed(new, seed)) == expected
    assert places(renamed(old, seed), new) == expected


def test_a_thing_that_many_have_finds_those_that_stand_closest():
    index = BlockingIndex({place: ["common", *(["rare"] if place == 900 else [])] for place in range(1000)})
    assert index.sharing(["common"], near=500) == list(range(500 - CLOSEST // 2, 500 + CLOSEST // 2))
    assert index.sharing(["common"], near=0) == list(range(CLOSEST))
    assert index.sharing(["common"], near=2000) == list(range(1000 - CLOSEST, 1000))
    assert 900 in index.sharing(["common", "rare"], near=0)
    assert index.sharing(["unheard of"], near=0) == []


def many(numbers, dtype):
    """Kernels that differ from one another in one line, and write another type with another `dtype`."""
    lines = [(f"tmp0 = tl.load(in_ptr0 + {number})", f"tmp1 = tmp0.to(tl.{dtype})") for number in numbers]
    return golden(*(kernel(f"k{n}", "exp: exp", each, kind=dtype) for n, each in enumerate(lines)))


def test_what_others_hide_is_found_in_the_end():
    """Of those that are alike the closest are all the first ones; the last are found when these have their partners."""
    exp = [kernel(f"e{n}", "exp: exp", (f"tmp0 = tl_math.exp(x0 + {n})",), writes=("a",)) for n in range(2 * CLOSEST)]
    sin = [kernel(f"s{n}", "sin: sin", (f"tmp0 = tl_math.sin(x0 + {n})",), writes=("b",)) for n in range(2 * CLOSEST)]
    fast = [kernel(f"f{n}", "exp: exp", (f"tmp0 = fast_exp({n} * x0)",), shape=("8",)) for n in range(2 * CLOSEST)]
    slow = [kernel(f"c{n}", "sin: sin", (f"tmp0 = slow_sin({n} * x0)",), shape=("8",)) for n in range(2 * CLOSEST)]
    found = match(golden(*exp, *sin), golden(*slow, *fast))
    assert {(pair.old[0].name[0], pair.new[0].name[0]) for pair in found} == {("e", "f"), ("s", "c")}
    assert len(found) == 4 * CLOSEST


def test_more_kernels_than_are_looked_at_are_paired_by_what_few_others_have():
    numbers = list(range(4 * CLOSEST))
    random.Random(0).shuffle(numbers)
    found = match(many(sorted(numbers), "float32"), many(numbers, "bfloat16"))
    assert {pair.status for pair in found} == {"changed"}
    assert {(pair.old[0].name, pair.new[0].name) for pair in found} == {
        (f"k{number}", f"k{place}") for place, number in enumerate(numbers)
    }
