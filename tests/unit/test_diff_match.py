"""Kernels are matched by what they compute, wherever they stand."""

from __future__ import annotations

from dataclasses import replace

from kernelsnap.diff.match.pairs import match, match_graphs
from kernelsnap.model.capture import LaunchConfig
from kernelsnap.model.golden import Golden, Plan
from plans import extern, golden, kernel


def fates(old, new):
    """Each pair as "status old -> new"."""
    return [
        f"{pair.status} {' '.join(p.name for p in pair.old)} -> {' '.join(p.name for p in pair.new)}"
        for pair in match(old, new)
    ]


EXP = ("exp: exp", ("tmp0 = tl.load(in_ptr0 + (x0))", "tmp1 = libdevice.exp(tmp0)"))
SUM = ("sum: sum", ("tmp0 = tl.load(in_ptr0 + (x0))", "tmp1 = tl.sum(tmp0, 1)"))
SIN = ("sin: sin", ("tmp0 = tl.load(in_ptr0 + (x0))", "tmp1 = tl_math.sin(tmp0)", "tmp2 = tmp1 * tmp1"))


def test_unchanged():
    old = golden(kernel("k0", *EXP), kernel("k1", *SUM))
    assert fates(old, old) == ["unchanged k0 -> k0", "unchanged k1 -> k1"]


def test_other_numbers_are_no_change():
    new = golden(kernel("k0", EXP[0], ("tmp7 = tl.load(in_ptr0 + (x3))", "tmp2 = libdevice.exp(tmp7)")))
    assert fates(golden(kernel("k0", *EXP)), new) == ["unchanged k0 -> k0"]


def test_a_kernel_inserted_first_leaves_the_rest_matched():
    old = golden(kernel("k0", *EXP), kernel("k1", *SUM))
    new = golden(kernel("k0", *SIN), kernel("k1", *EXP), kernel("k2", *SUM))
    assert fates(old, new) == ["new  -> k0", "renamed k0 -> k1", "renamed k1 -> k2"]
    assert fates(new, old) == ["renamed k1 -> k0", "renamed k2 -> k1", "gone k0 -> "]


def test_order():
    old = golden(kernel("k0", *EXP), kernel("k1", *SUM), kernel("k2", *SIN))
    new = golden(kernel("k0", *SUM), kernel("k1", *SIN), kernel("k2", *EXP))
    assert sorted(fates(old, new)) == ["renamed k1 -> k0", "renamed k2 -> k1", "reordered k0 -> k2"]


def test_kernels_that_only_their_code_tells_apart_are_found_in_another_order():
    one, other = ("exp: exp", EXP[1]), ("exp: exp", (*EXP[1], "tmp2 = -tmp1"))
    old = golden(kernel("k0", *one), kernel("k1", *other))
    for names in (("k1", "k0"), ("k0", "k1")):
        new = golden(kernel(names[0], *other), kernel(names[1], *one))
        assert {(pair.old[0].step, pair.new[0].step) for pair in match(old, new)} == {(0, 1), (1, 0)}


def test_a_changed_kernel_is_found_between_others_like_it():
    old = golden(kernel("k0", *EXP), kernel("k1", *SUM), kernel("k2", *SIN))
    changed = (SUM[0], (*SUM[1], "tmp2 = tmp1 / 64"))
    new = golden(kernel("k0", *SIN), kernel("k1", *changed), kernel("k2", *EXP))
    assert "changed k1 -> k1" in fates(old, new)


def test_a_changed_launch_configuration_is_a_change():
    old = golden(kernel("k0", *EXP))
    launch = LaunchConfig((("XBLOCK", 64),), 4, 1)
    assert fates(old, replace(old, config=(replace(old.config[0], configs=(launch,)),))) == ["changed k0 -> k0"]


def test_split_and_merged():
    whole = ("exp: exp; sum: sum", (*EXP[1], "tmp2 = tl.sum(tmp1, 1)"))
    one = golden(kernel("k0", *whole, writes=("buf1",)))
    two = golden(kernel("k0", *EXP), kernel("k1", *SUM, reads=("buf0",), writes=("buf1",)))
    assert [fate.split()[0] for fate in fates(one, two)] == ["split"]
    assert [fate.split()[0] for fate in fates(two, one)] == ["merged"]
    (pair,) = match(one, two)
    assert {part.name for part in pair.new} == {"k0", "k1"}


def test_of_a_kernel_that_was_split_no_twin_is_left_out():
    """The lost `mean` is in one of the pieces; the other is as much a part of the whole as the one most like it."""
    var = ("tmp0 = tl.sum(b, 1)", "tmp1 = tmp0 * tmp0", "tmp2 = tmp0 / tmp1")
    old = golden(kernel("k0", "mean: mean; std: var", (*var, "tmp3 = tl.sum(a, 1)"), writes=("a", "b", "c")))
    parts = [("mean: mean", ("tmp0 = tl.sum(a, 1)",)), ("std: var", var), ("std: var", (*var, "tmp3 = -tmp2"))]
    new = golden(*(kernel(f"k{n}", *part, writes=(f"buf{n}",)) for n, part in enumerate(parts)))
    (pair,) = match(old, new)
    assert (pair.status, [part.name for part in pair.new]) == ("split", ["k1", "k0", "k2"])


def test_a_combo_kernel_is_what_several_were_merged_into():
    """It names all expressions for each of its operations, and runs over no fixed number of elements."""
    apart = [kernel(f"k{n}", *code, writes=(f"buf{n}",)) for n, code in enumerate((EXP, SUM, SIN))]
    together = kernel("k0", "exp, sum, sin: exp sum sin", ("pid = tl.program_id(0)",), writes=("buf0", "buf1", "buf2"))
    (pair,) = match(golden(*apart), golden(together))
    assert (pair.status, [part.name for part in pair.old]) == ("merged", ["k0", "k1", "k2"])
    (pair,) = match(golden(together), golden(*apart))
    assert (pair.status, [part.name for part in pair.new]) == ("split", ["k0", "k1", "k2"])


def test_how_often_a_kernel_runs_makes_it_no_other_kernel():
    """It is found by what it is, not one that also writes three buffers."""
    step, code = kernel("k0", *EXP)
    old = golden((step, code), (step, None), (step, None))
    other = kernel("k0", "exp: exp; cos: cos", (*EXP[1], "tmp2 = tl_math.cos(tmp1)"), writes=("a", "b", "c"))
    new = golden(other, kernel("k1", EXP[0], (*EXP[1], "tmp2 = -tmp1")))
    assert fates(old, new) == ["new  -> k0", "changed k0 -> k1"]


def test_standing_in_the_same_place_makes_no_two_kernels_alike():
    lines = [f"tmp{n} = libdevice.exp(tmp{n - 1} + {n})" for n in range(1, 9)]
    other = [f"tmp{n} = libdevice.exp(x0 * {n})" for n in range(1, 9)]
    old = golden(kernel("k0", "exp: exp", lines))
    new = golden(kernel("k0", "exp: exp", other, shape=("8",)), kernel("k1", "exp: exp", lines[:-1], shape=("8",)))
    assert fates(old, new) == ["new  -> k0", "changed k0 -> k1"]


def test_of_equals_those_that_stand_close_and_in_order():
    """Two pairs that cross are together no further apart than two that do not."""
    others = [("sin: sin", (*SIN[1], f"tmp3 = tmp2 + {n}")) for n in range(3)]
    twins = [("exp: exp", (*EXP[1], "tmp2 = -tmp1")) for _ in range(2)]
    old = golden(*(kernel(f"k{n}", *code) for n, code in enumerate((*others, *twins))))
    changed = [kernel(f"c{n}", *EXP, shape=("8",)) for n in range(2)]
    new = golden(*changed, *(kernel(f"k{n}", *code) for n, code in enumerate(others)))
    for before, after in ((old, new), (new, old)):
        found = [(pair.old[0].step, pair.new[0].step) for pair in match(before, after) if pair.status == "changed"]
        assert found == sorted(found)


def test_a_new_kernel_that_took_nothing_from_another_is_new():
    old = golden(kernel("k0", *EXP))
    again = kernel(
        "k1", "exp: exp", ("tmp0 = tl.load(in_ptr1 + (2*x0))", "tmp1 = libdevice.exp2(tmp0)"), reads=("buf0",)
    )
    assert fates(old, golden(kernel("k0", *EXP), again)) == ["unchanged k0 -> k0", "new  -> k1"]


def test_nothing_alike_is_gone_and_new():
    old = golden(kernel("k0", *EXP))
    other = kernel(
        "k0", "topk: sort gather", ("tmp9 = sort(a)", "tmp8 = tmp9 + b"), writes=("a", "b"), shape=("7", "9")
    )
    assert fates(old, golden(other)) == ["new  -> k0", "gone k0 -> "]


def test_library_calls_are_matched_in_order():
    old = golden(extern(), extern())
    new = golden(extern(), extern("extern_kernels.addmm", "linear: addmm"), extern())
    assert fates(old, new)[::2] == ["unchanged extern_kernels.mm -> extern_kernels.mm"] * 2
    assert fates(old, new)[1] == "new  -> extern_kernels.addmm"


def test_a_library_call_that_became_a_template_is_one_pair():
    old = golden(extern())
    new = golden(kernel("k0", "linear: mm", ("acc += tl.dot(a, b)",), kind="template"))
    assert fates(old, new) == ["changed extern_kernels.mm -> k0"]


def test_a_kernel_launched_twice_is_one_part():
    step, code = kernel("k0", *EXP)
    old = golden((step, code), (step, None))
    (pair,) = match(old, old)
    assert pair.old[0].step == 0


def test_equal_kernels_pair_in_order():
    twins = golden(kernel("k0", *EXP), kernel("k1", *EXP), kernel("k2", *EXP))
    assert [pair.old[0].name for pair in match(twins, twins)] == ["k0", "k1", "k2"]


def graphs(*names):
    return Golden("case", "h100", tuple(Plan(name, (), (), ()) for name in names), (), (), ())


def test_graphs_are_matched_by_name_then_in_order():
    def names(old, new):
        return [(a and a.graph, b and b.graph) for a, b in match_graphs(graphs(*old), graphs(*new))]

    assert names(["forward", "backward"], ["backward", "forward"]) == [("backward",) * 2, ("forward",) * 2]
    assert names(["forward"], ["forward.0", "forward.1"]) == [("forward", "forward.0"), (None, "forward.1")]
    assert names(["forward", "backward"], ["inference"]) == [("forward", "inference"), ("backward", None)]
