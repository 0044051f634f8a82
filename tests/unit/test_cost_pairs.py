"""The estimate against times of a real H200: what Inductor's byte count has wrong is right, and so are most others."""

from __future__ import annotations

import math
import sys
from functools import cache
from pathlib import Path

import pytest

from kernelsnap.cost.compare import compare
from kernelsnap.cost.estimate import estimate_on
from kernelsnap.diff.tree.cost import Time
from kernelsnap.report.words import estimate
from kernelsnap.shared.wording import direction

TOOLS = Path(__file__).parents[2] / "tools"
sys.path.insert(0, str(TOOLS))
try:
    import cost_accuracy
    from cost_pairs.split import half, half_by_program
finally:
    sys.path.remove(str(TOOLS))


@cache
def recorded(path):
    """The pairs of a file, which several tests read."""
    return cost_accuracy.recorded(path)


@cache
def estimates(path):
    """The estimates of all sides of a file."""
    machine = cost_accuracy.h200()
    return {side: estimate_on(golden, machine) for side, golden in recorded(path).goldens.items()}


def wrong_among_sure(pairs, costs):
    """How many pairs reports call slower or faster without doubt, and how many of them are not."""
    called = [(pair, compare(*(costs[side] for side in pair.sides)).direction) for pair in pairs]
    sure = [(pair, word) for pair, word in called if word in ("slower", "faster")]
    right = sum((pair.ratio > 1.03) if word == "slower" else (pair.ratio < 0.97) for pair, word in sure)
    return len(sure), len(sure) - right


@pytest.fixture(scope="module")
def found():
    return recorded(cost_accuracy.RECORDED)


@pytest.fixture(scope="module")
def costs(found):
    """The estimates of all sides of the half that nothing was fitted on."""
    machine = cost_accuracy.h200()
    sides = {side for pair in found.pairs if half(pair.name) == "held out" for side in pair.sides}
    return {side: estimate_on(found.goldens[side], machine) for side in sides}


def change(found, name):
    pair = next(pair for pair in found.pairs if pair.name == name)
    machine = cost_accuracy.h200()
    return pair, compare(*(estimate_on(found.goldens[side], machine) for side in pair.sides))


@pytest.mark.parametrize(
    ("name", "measured"),
    [
        # "Bytes accessed" went down, and the time up by as much.
        ("no_split.batch_norm", 10.5),
        # The same bytes.
        ("no_split.sum_square_all", 46.0),
        ("one_tile.add_transposed", 2.7),
        ("nd_tiling.max_pool", 5.8),
        ("combo.small_24", 0.2),
    ],
)
def test_what_bytes_have_wrong(found, name, measured):
    pair, estimated = change(found, name)
    assert pair.ratio == pytest.approx(measured, rel=0.25)
    assert estimated.direction == ("slower" if measured > 1 else "faster")
    assert measured / 2.5 < estimated.ratio < measured * 2.5


def test_accuracy_on_what_was_held_out(found, costs):
    result = cost_accuracy.accuracy((pair for pair in found.pairs if half(pair.name) == "held out"), costs)
    assert result.pairs > 200
    assert result.right >= 0.94 * result.changed, result
    assert result.rank >= 0.93
    assert result.alarms <= 0.02 * result.unchanged
    assert result.unknown <= 0.01 * result.pairs
    assert result.within >= 0.95 * result.sides


def test_a_mask_that_depends_on_data_is_no_number(found):
    machine = cost_accuracy.h200()
    cost = estimate_on(found.goldens["flex_documents"], machine)
    assert cost.time == 0
    assert "which blocks its mask leaves out depends on data" in cost.unknown
    other = estimate_on(found.goldens["flex_causal"], machine)
    assert str(compare(cost, other)).startswith("est. cannot tell: ")
    assert str(compare(cost, cost)) == "est. as before"


def test_the_line_of_a_comparison(found):
    _, estimated = change(found, "broadcast_row.to.broadcast_full")
    assert estimated.low < estimated.ratio < estimated.high
    assert str(estimated).startswith("est. ")
    assert "slower (memory: 1.5 x the sectors)" in str(estimated)


def test_equal_goldens_are_about_the_same(found):
    machine = cost_accuracy.h200()
    cost = estimate_on(found.goldens["softmax"], machine)
    same = compare(cost, cost)
    assert (same.direction, same.ratio, same.reason) == ("about the same", 1.0, "")
    assert (same.low, same.high) == (1.0, 1.0)


def moved_otherwise(found, pair):
    """Whether bytes accessed went against the time, or not at all, in a pair of settings."""
    sides = [found.goldens[side].metrics for side in pair.sides]
    old, new = (next(m.value for m in side if (m.graph, m.name) == ("total", "bytes accessed")) for side in sides)
    return (new - old) * (pair.ratio - 1) <= 0


def test_settings_whose_bytes_go_the_wrong_way_or_not_at_all(found):
    """Of all settings that changed the time by more than 10 %: right, but for those that docs/cost.md lists."""
    machine = cost_accuracy.h200()
    pairs = [
        pair
        for pair in found.pairs
        if "=" in pair.sides[1] and abs(math.log(pair.ratio)) > math.log(1.1) and moved_otherwise(found, pair)
    ]
    assert len(pairs) == 64
    found_out = {
        pair.name: compare(*(estimate_on(found.goldens[side], machine) for side in pair.sides)) for pair in pairs
    }
    right = {pair.name for pair in pairs if cost_accuracy.same_direction(pair.ratio, found_out[pair.name].ratio)}
    unknown = {name for name, estimated in found_out.items() if estimated.direction == "cannot tell"}
    assert found_out.keys() - right - unknown == {
        "cooperative.sum_few_rows",
        "fast_math.softmax",
        "no_split.normalize_first",
        "realize_early.rope",
        "tiled_reductions.batch_norm_2d",
    }


def test_the_second_set():
    second, costs = recorded(cost_accuracy.SECOND), estimates(cost_accuracy.SECOND)
    result = cost_accuracy.accuracy(second.pairs, costs)
    assert result.pairs == 130
    assert result.right >= 0.94 * result.changed, result
    assert result.rank >= 0.92
    assert result.alarms <= 0.05 * result.unchanged
    assert result.unknown <= 0.02 * result.pairs
    assert result.within >= 0.9 * result.sides
    # What reports call slower or faster without doubt is so.
    sure, wrong = wrong_among_sure(second.pairs, costs)
    assert sure > 60
    assert wrong <= 1


def test_the_third_set():
    third, costs = recorded(cost_accuracy.THIRD), estimates(cost_accuracy.THIRD)
    result = cost_accuracy.accuracy(third.pairs, costs)
    assert result.pairs == 161
    assert result.right >= 0.94 * result.changed, result
    assert result.rank >= 0.94
    assert result.alarms <= 0.08 * result.unchanged
    assert result.unknown <= 0.02 * result.pairs
    assert result.within >= 0.94 * result.sides


def test_the_fourth_set_of_which_one_half_was_never_learned_from():
    fourth, costs = recorded(cost_accuracy.FOURTH), estimates(cost_accuracy.FOURTH)
    clean = [pair for pair in fourth.pairs if half_by_program(pair.name) == "fourth, clean"]
    result = cost_accuracy.accuracy(clean, costs)
    assert (len(fourth.pairs), result.pairs) == (289, 146)
    assert result.right >= 0.95 * result.changed, result
    assert result.rank >= 0.92
    assert result.alarms <= 0.03 * result.unchanged
    assert result.unknown <= 0.03 * result.pairs
    assert result.within >= 0.92 * result.sides
    sure, wrong = wrong_among_sure(clean, costs)
    assert sure > 70
    assert wrong <= 3


def test_an_index_that_nothing_asserts_is_inside_of_its_tensor():
    """A table of 16 elements, which was taken for reads all over memory: x2.21, measured x1.00."""
    fourth, machine = recorded(cost_accuracy.FOURTH), cost_accuracy.h200()
    sides = ("fourth_looked_up", "fourth_looked_up assert_indirect_indexing=False")
    old, new = (estimate_on(fourth.goldens[side], machine) for side in sides)
    assert 0.97 < new.time / old.time < 1.03


def test_what_programs_in_step_with_a_period_leave_out_is_loaded():
    """Of both parts of a `cat` along rows: 67 MB are read; of a padding: all but its edges."""
    fourth, machine = recorded(cost_accuracy.FOURTH), cost_accuracy.h200()
    for side, bytes_moved in (("fourth_append", 134e6), ("fourth_zero_pad", 138e6)):
        (step,) = estimate_on(fourth.goldens[side], machine).steps
        assert abs(step.dram_bytes / bytes_moved - 1) < 0.1, side


def test_the_training_set():
    training, costs = recorded(cost_accuracy.TRAINING), estimates(cost_accuracy.TRAINING)
    result = cost_accuracy.accuracy(training.pairs, costs)
    assert result.pairs == 221
    assert result.right >= 0.93 * result.changed, result
    assert result.rank >= 0.92
    assert result.alarms <= 0.07 * result.unchanged
    assert result.unknown <= 0.02 * result.pairs
    assert result.within >= 0.94 * result.sides


@pytest.mark.parametrize(
    ("name", "measured"),
    [
        # As many programs as are launched at a time, each of which has little to do.
        ("looped_training.training_sum_24", 9.8),
        # Rows whose length is odd: threads of a warp exchange their sums, one element each.
        ("training_sum_24.to.training_sum_65", 1.4),
        # Rows of few elements: an exponential that is written twice is computed once, so both wait for memory.
        ("training_softmax_20.to.training_softmax_50", 1.1),
        # Addresses that were loaded go through shared memory to the threads that need them.
        ("training_embed.to.training_bag_8", 1.06),
        # The autotuner looks beyond the configurations that the golden has.
        ("descent_training.training_embed", 0.8),
        # Elements that are stored at random columns, and at random rows.
        ("training_scatter_last.to.training_scatter_first", 2.7),
        # The largest of longer rows are selected in fewer passes.
        ("training_topk_wide.to.training_topk_short", 0.42),
    ],
)
def test_what_the_training_set_taught(name, measured):
    training, machine = recorded(cost_accuracy.TRAINING), cost_accuracy.h200()
    pair = next(pair for pair in training.pairs if pair.name == name)
    estimated = compare(*(estimate_on(training.goldens[side], machine) for side in pair.sides))
    assert pair.ratio == pytest.approx(measured, rel=0.03)
    assert measured / 1.5 < estimated.ratio < measured * 1.5


@pytest.mark.parametrize(
    ("name", "measured"),
    [
        # All atomics go to one address of each of a few sectors, one after the other.
        ("third_counts_wide.to.third_counts", 20.0),
        # An index is below the size of a row, which is asserted: rows are read again from L2.
        ("third_select_rows.to.third_select_columns", 1.9),
        # Host code gives a size of 1 that is a constant of the kernel.
        ("no_fusion_third.third_dropout_twice", 1.5),
        # Images whose channels are not last are copied before and behind a convolution.
        ("no_layout.third_conv", 1.4),
        # A radix sort and a selection.
        ("third_softmax_gates.to.third_top_gates", 19.0),
    ],
)
def test_what_the_third_set_taught(name, measured):
    third, machine = recorded(cost_accuracy.THIRD), cost_accuracy.h200()
    pair = next(pair for pair in third.pairs if pair.name == name)
    estimated = compare(*(estimate_on(third.goldens[side], machine) for side in pair.sides))
    assert pair.ratio == pytest.approx(measured, rel=0.25)
    assert estimated.direction in ("slower", "likely slower")
    assert measured / 2 < estimated.ratio < measured * 2


@pytest.mark.parametrize(
    ("ratio", "spread", "word"),
    [
        (1.02, 1.0, "about the same"),
        (1.04, 1.0, "slower"),
        (0.95, 1.0, "faster"),
        # x1.03, from x0.88 to x1.21: that it is slower is hardly more likely than that it is not.
        (1.031, 1.17, "about the same"),
        (1.1, 1.17, "likely slower"),
        (0.9, 1.17, "likely faster"),
        (1.2, 1.17, "slower"),
        (0.8, 1.17, "faster"),
    ],
)
def test_the_word_follows_from_the_interval(ratio, spread, word):
    assert direction(ratio, spread) == word
    assert Time(100.0, 100.0 * ratio, 0.0, (spread - 1) * 100.0 * ratio, told=1).direction == word


def test_a_measured_ratio_needs_no_interval():
    time = Time(100.0, 104.0, 0.0, 50.0, told=1, old_measured=100.0, new_measured=90.0)
    assert (time.direction, time.estimated_direction, time.verdict) == ("faster", "about the same", "better")
    assert estimate(time) == "measured 100 us -> 90 us  x0.90  faster; est. 100 us -> 104 us  x1.04  about the same"
