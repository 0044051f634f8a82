"""Causes: what a careful reviewer says of real changes, and what no change may be called."""

from __future__ import annotations

import random
import re
from collections import Counter
from dataclasses import replace
from pathlib import Path

import pytest

import labelled_pairs
import stored_goldens
import sweeps
from kernelsnap.diff.causes.ablation import paired_off
from kernelsnap.diff.causes.cause_names import CauseName
from kernelsnap.diff.causes.classify import classify
from kernelsnap.diff.causes.dataflow import same_computation
from kernelsnap.diff.causes.facts import Facts
from kernelsnap.diff.causes.line_forms import read
from kernelsnap.diff.match.alpha_normal_form import kernel_normal_form
from kernelsnap.diff.match.pairs import matched_graphs
from kernelsnap.diff.tree.change import change_of
from kernelsnap.golden.canonical import HOST, canonical
from kernelsnap.golden.format import render
from kernelsnap.golden.why_section import without_why
from kernelsnap.model.golden import with_layers
from kernelsnap.normalize.meta import KEPT

LABELS = labelled_pairs.labels()
GOLDENS = stored_goldens.names()
#: What a change of meaning must never be called.
HARMLESS = {"renumbering", "metadata"}
#: Labelled pairs in which no launch, no instruction and no number changed.
REALLY_HARMLESS = {name for name, label in LABELS.items() if set(label) <= HARMLESS}
SIDES = labelled_pairs.sides()
ACCURACY = Path(__file__).parents[2] / "docs" / "contributing" / "accuracy.md"


def names(old, new):
    change = change_of("case.ksnap", old, new)
    return None if change is None else sorted(change.cause_names)


@pytest.fixture(scope="module")
def found():
    return {name: sorted(labelled_pairs.change(name).cause_names) for name in SIDES}


def test_every_pair_has_a_label_of_known_causes():
    assert set(SIDES) == set(LABELS)
    assert len(LABELS) >= 60
    assert {name for label in LABELS.values() for name in label} <= set(CauseName)
    sets = labelled_pairs.sets()
    assert {sets[name] for name in labelled_pairs.every_second()} == {sets[name] for name in SIDES}


def test_the_accuracy_page_has_how_many_pairs_of_each_set_are_right(found):
    # | ninth: what teams run | 66 | 55 (83 %) | 62 | 62 |
    row = re.compile(r"^\| (\w+)[^|]*\| (\d+) \|[^|]*\| (\d+) \| (\d+) \|$", re.MULTILINE)
    rows = {row[0]: tuple(map(int, row[1:])) for row in row.findall(ACCURACY.read_text(encoding="utf-8"))}
    wrong = {name: (causes, LABELS[name]) for name, causes in found.items() if causes != sorted(LABELS[name])}
    pairs = labelled_pairs.sets()
    right = Counter(kind for name, kind in pairs.items() if name not in wrong)
    # Without a difference of the text there is nothing to infer.
    inferred = Counter(
        kind
        for name, kind in pairs.items()
        if name not in SIDES or labelled_pairs.inferred(name) == sorted(LABELS[name])
    )
    assert {kind: (number, right[kind], inferred[kind]) for kind, number in Counter(pairs.values()).items()} == rows, (
        wrong
    )


def test_no_change_of_meaning_is_called_harmless(found):
    for name, causes in found.items():
        assert causes, name
        assert name in REALLY_HARMLESS or not set(causes) <= HARMLESS, name


@sweeps.over(labelled_pairs.every_second())
def test_both_directions_are_explained(name):
    assert names(SIDES[name]["new"], SIDES[name]["old"])


def mutated(golden, seed):
    """The golden with another constant, operator, or operand in one line of one kernel; None where it has none."""
    choose = random.Random(seed)
    pieces = [piece for piece in golden.code if piece.name != HOST and " = tl" in piece.text]
    if not pieces:
        return None
    piece = choose.choice(pieces)
    lines = piece.text.split("\n")
    places = [n for n, line in enumerate(lines) if re.match(r"\s+tmp\d+ = ", line)]
    if not places:
        return None
    place = choose.choice(places)
    line = lines[place]
    changes = [
        re.sub(r" \+ ", " - ", line, count=1),
        re.sub(r"(?<=[ (])(\d+)(?=[,)*])", r"\g<1>7", line, count=1),
        re.sub(r"libdevice\.\w+|tl_math\.\w+", "libdevice.tan", line, count=1),
        re.sub(r"(?<= = tl\.load\()in_ptr\d+", "in_ptr99", line, count=1),
        re.sub(r"= (.*)$", r"= -(\1)", line),
    ]
    lines[place] = choose.choice([change for change in changes if change != line])
    code = tuple(replace(other, text="\n".join(lines)) if other is piece else other for other in golden.code)
    return replace(golden, code=code)


@sweeps.over(GOLDENS[::3])
def test_a_changed_instruction_is_never_the_same_nor_harmless(name):
    old = stored_goldens.golden(name)
    for seed in range(2):
        new = mutated(old, seed)
        if new is not None and canonical(new) != canonical(old):
            causes = names(render(old).encode(), render(new).encode())
            assert causes
            assert not set(causes) <= HARMLESS


KERNEL = """\
arg in_ptr0  *fp32 align 16
arg in_ptr1  *fp32 align 16
arg out_ptr0  *fp32 align 16
@triton.jit
def k0(in_ptr0, in_ptr1, out_ptr0, XBLOCK : tl.constexpr):
    xindex = tl.program_id(0) * XBLOCK + tl.arange(0, XBLOCK)[:]
    x0 = xindex
    tmp0 = tl.load(in_ptr0 + (x0), None)
    tmp1 = tl.load(in_ptr1 + (x0), None)
    tmp2 = tl_math.sin(tmp0)
    tmp3 = tl_math.cos(tmp1)
    tmp4 = tmp2 - tmp3
    tl.store(out_ptr0 + (x0), tmp4, None)
"""


def moved(text, line, to):
    lines = text.splitlines(keepends=True)
    lines.insert(to, lines.pop(line))
    return "".join(lines)


def same(old, new):
    return same_computation(kernel_normal_form(old, "k0"), kernel_normal_form(new, "k0"))


def test_independent_lines_in_another_order_compute_the_same():
    assert same(KERNEL, moved(KERNEL, 9, 10))
    assert same(KERNEL, moved(KERNEL, 8, 7))
    assert same(KERNEL, moved(KERNEL, 8, 7).replace("tmp1", "tmp9"))


def test_what_depends_on_the_order_does_not():
    assert not same(KERNEL, KERNEL.replace("tmp2 - tmp3", "tmp3 - tmp2"))
    assert not same(KERNEL, KERNEL.replace("cos(tmp1)", "cos(tmp0)"))
    exchanged = KERNEL.replace("in_ptr0 + (x0)", "in_ptr8 + (x0)").replace("in_ptr1 +", "in_ptr0 +")
    assert not same(KERNEL, exchanged.replace("in_ptr8", "in_ptr1"))
    stored = KERNEL + "    tmp5 = tl.load(out_ptr0 + (x0), None)\n    tl.store(in_ptr0 + (x0), tmp5, None)\n"
    lines = stored.splitlines(keepends=True)
    assert not same(stored, "".join([*lines[:12], lines[13], lines[12], lines[14]]))


def test_a_value_that_is_updated_is_not_the_one_before():
    updated = KERNEL.replace("    tmp4 = tmp2 - tmp3\n", "    tmp4 = tmp2 - tmp3\n    tmp2 += tmp3\n")
    assert not same(updated, moved(updated, 11, 12))


def test_a_line_that_moves_into_a_loop_is_another_computation():
    loop = KERNEL.replace("    tmp4 =", "    for r0_offset in range(4):\n        tmp3 = tl_math.exp(tmp3)\n    tmp4 =")
    assert not same(loop, loop.replace("        tmp3 = tl_math.exp", "        pass\n    tmp3 = tl_math.exp"))


@sweeps.over(GOLDENS[::4])
def test_independent_lines_reordered_are_renumbering_only(name):
    golden = stored_goldens.golden(name)
    pieces = [piece for piece in golden.code if re.search(r"^    tmp0 = .*\n    tmp1 = tl.load", piece.text, re.M)]
    if not pieces or "tmp0" in (found := re.search(r"^    tmp1 = (.*)\n", pieces[0].text, re.M)).group(1):
        return
    piece = pieces[0]
    text = re.sub(r"^(    tmp0 = .*\n)(    tmp1 = .*\n)", r"\2\1", piece.text, count=1, flags=re.M)
    assert found
    new = replace(golden, code=tuple(replace(p, text=text) if p is piece else p for p in golden.code))
    if canonical(new) != canonical(golden):
        assert names(render(golden).encode(), render(new).encode()) == ["renumbering"]


def row(line):
    return kernel_normal_form(line, "k0").lines[0].shape


@pytest.mark.parametrize(
    ("old", "new", "causes"),
    [
        ("tmp0 = tl.load(in_ptr0 + (x0), xmask, eviction_policy='evict_last')", "tmp0 = tl.load(in_ptr0 + (x0), xmask)",
         ("caching",)),
        ("tmp0 = tl.load(in_ptr0 + (x0), xmask)", "tmp0 = tl.load(in_ptr0 + (x0), None)", ("mask",)),
        ("tmp0 = tl.load(in_ptr0 + (x0 + y0), xmask)", "tmp0 = tl.load(in_ptr0 + (y0 + x0*y0), xmask)", ("indexing",)),
        ("tl.store(out_ptr0 + (x0), tmp0, xmask)", "tl.store(out_ptr0 + (x0), tmp0, xmask & ymask)", ("mask",)),
        ("tmp1 = tmp0.to(tl.float32)", "tmp1 = tmp0.to(tl.float16)", ("dtype",)),
        ("tmp1 = tl.full([1], 1.0, tl.float32)", "tmp1 = tl.full([1], 2.5e-05, tl.float32)", ("constants",)),
        ("tmp1 = tl.full([1], 2.0, tl.float32)", "tmp1 = tl.full([1, 1], 2.0, tl.float32)", ("indexing",)),
        ("tmp1 = sort(tmp0, descending=False)", "tmp1 = sort(tmp0, descending=True)", ("constants",)),
        ("tmp1 = tl.full([1], 0, tl.int64)", "tmp1 = tl.full([1], -1, tl.int64)", ("constants",)),
        ("tmp2 = tmp0 + tmp1", "tmp2 = tmp0 - tmp1", ("intrinsic",)),
        ("tl.atomic_add(out_ptr0 + (x0), tmp0, xmask, sem='relaxed')", "tl.store(out_ptr0 + (x0), tmp0, xmask)",
         ("intrinsic",)),
        ("tmp1 = f(tmp0) if (tmp0).dtype is tl.float32 else tmp0 < 0",
         "tmp1 = f(tmp0) if (tmp0).dtype is tl.float32 or (tmp0).dtype is tl.float64 else tmp0 < 0", ("intrinsic",)),
        ("tmp0 = tl.load(in_ptr0 + (x0), xmask)",
         "tmp0 = tl.make_tensor_descriptor(in_ptr0, shape=[35], strides=[1], block_shape=[XBLOCK]).load([xoffset])",
         ("mask", "indexing")),
        ("tmp1 = libdevice.exp(tmp0)", "tmp1 = tl_math.exp(tmp0)", ("intrinsic",)),
        ("tmp0 = tl.load(in_ptr0 + (x0), xmask)", "tmp0 = tl.load(in_ptr0 + (2*x0), ymask)", ("mask", "indexing")),
    ],
)  # fmt: skip
def test_what_two_lines_differ_in(old, new, causes):
    removed, added = [row(old)], [row(new)]
    ((said, before, after),) = paired_off(removed, added)
    assert (set(said), read(before), read(after)) == (set(causes), read(row(old)), read(row(new)))
    assert removed == added == []


def test_lines_that_have_nothing_in_common_are_left():
    removed, added = [row("tmp0 = tl.load(in_ptr0 + (x0), xmask)")], [row("tl.debug_barrier()")]
    assert list(paired_off(removed, added)) == []
    assert len(removed) == len(added) == 1


def test_what_no_rule_knows_is_unknown():
    old = stored_goldens.golden(GOLDENS[0])
    (config, *rest) = old.config
    new = replace(old, config=(replace(config, meta=(*config.meta, ("triton_of_tomorrow", "1"))), *rest))
    (cause,) = classify(Facts(old, new, matched_graphs(old, new)))
    assert cause.name == "unknown"
    assert "triton_of_tomorrow none -> 1" in cause.findings[0].evidence


def test_another_library_for_attention_hides_no_operation_next_to_it():
    old, new = (without_why(SIDES["eleventh-library-fp32"][side].decode()).encode() for side in ("old", "new"))
    assert new.count(b"relu = relu") == new.count(b"triton_helpers.maximum(tmp1, tmp0)") == 1
    with_tanh = new.replace(b"relu = relu", b"tanh = tanh")
    with_tanh = with_tanh.replace(b"triton_helpers.maximum(tmp1, tmp0)", b"libdevice.tanh(tmp0)")
    assert names(old, new) == ["dtype", "template"]
    assert names(old, with_tanh) == ["dtype", "operations", "template"]


def test_another_exponent_hides_no_other_instruction_of_the_kernel():
    old, new = (SIDES["seventh-focal-gamma"][side] for side in ("old", "new"))
    assert names(old, new) == ["constants"]
    assert names(old, new.replace(b"libdevice.exp(", b"tl_math.exp(")) == ["constants", "intrinsic"]


def test_every_setting_that_a_golden_shows_concerns_the_launch():
    settings = [name for name, meaning in KEPT.items() if meaning.startswith("a setting") and "indirect" not in name]
    old = stored_goldens.golden(GOLDENS[0])
    (config, *rest) = old.config
    for name in settings:
        new = replace(old, config=(replace(config, meta=(*config.meta, (name, "7"))), *rest))
        causes = classify(Facts(old, new, matched_graphs(old, new)))
        assert [cause.name for cause in causes] == ["launch"], name


def with_other_operation(golden):
    (plan, *plans) = golden.plan
    place = next(index for index, step in enumerate(plan.steps) if step.ops)
    step = plan.steps[place]
    (op, *ops) = step.ops
    steps = (*plan.steps[:place], replace(step, ops=(replace(op, aten=("fft", *op.aten[1:])), *ops)))
    return replace(golden, plan=(replace(plan, steps=(*steps, *plan.steps[place + 1 :])), *plans))


def test_another_operation_is_metadata_only_where_the_code_shows_that_nothing_else_changed():
    golden = next(
        golden for golden in map(stored_goldens.golden, GOLDENS) if golden.plan[0].steps[0].ops and golden.code
    )
    plan_only = with_layers(golden, ("plan", "metrics"))
    for old, causes in ((golden, ["metadata"]), (plan_only, ["operations"])):
        assert names(render(old).encode(), render(with_other_operation(old)).encode()) == causes


@sweeps.over(labelled_pairs.every_second())
def test_the_fingerprint_is_the_same_each_time_and_under_any_name(name):
    again = change_of("y", SIDES[name]["old"], SIDES[name]["new"])
    assert again.fingerprint == labelled_pairs.change(name).fingerprint


def test_some_pairs_changed_in_the_same_way():
    groups = Counter(labelled_pairs.change(name).fingerprint for name in SIDES)
    assert max(groups.values()) > 1
