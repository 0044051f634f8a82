"""The plan as a graph: what goes where, with how many bytes, and what is drawn of a plan that is too large."""

from __future__ import annotations

from dataclasses import replace

import pytest

import labelled_pairs
import sweeps
from kernelsnap.diff.causes.effects import buffer_bytes
from kernelsnap.diff.compare import compare
from kernelsnap.model.capture import Buffer, FusedOp
from kernelsnap.model.golden import Golden, Plan, PlanStep
from kernelsnap.report.html.picture import HEAD, LINE, WIDTH, picture, size
from kernelsnap.report.html.plan_graph import MOST_CHANGED, MOST_DRAWN, plan_changes, total_bytes


def changes(name):
    return plan_changes(labelled_pairs.diff(name))


@pytest.mark.parametrize(
    ("buffer", "amount"),
    [
        (Buffer("a", "f32", ("10", "10")), 400), (Buffer("a", "bf16", ("3",)), 6), (Buffer("a", "b8", ()), 1),
        (Buffer("a", "uint64", ("2",)), 16), (Buffer("a", "f8e4m3fn", ("8",)), 8), (Buffer("a", "c64", ("1",)), 8),
        (Buffer("a", "f32", ("s0", "10")), None), (Buffer("a", "f32"), None), (Buffer("a", "", ("2",)), None),
    ],
)  # fmt: skip
def test_bytes_of_a_buffer(buffer, amount):
    assert buffer_bytes(buffer) == amount


def test_bytes_of_several_are_known_only_if_each_is():
    known = Buffer("a", "f32", ("256",))
    assert total_bytes([known, known]) == 2048
    assert total_bytes([known, Buffer("b")]) is None
    assert [size(n) for n in (None, 0, 1023, 1024, 1536, 1 << 31)] == ["", "0 B", "1023 B", "1 KiB", "1.5 KiB", "2 GiB"]


def test_a_split_kernel_shows_what_each_part_computes():
    (change,) = changes("split-chain")
    (before,) = change.old.boxes
    assert [(op.text, op.only_here) for op in before.ops] == [
        ("exp", True), ("sum", False), ("cos", True), ("add", True),
    ]  # fmt: skip
    assert before.status == "split"
    assert [[op.text for op in box.ops] for box in change.new.boxes] == [["exp"], ["sum"], ["cos", "add"]]
    assert [str(buffer) for buffer in before.takes] == ["x f32[128, 512]"]
    assert len(before.returns) == 3
    assert change.changed == 4


def test_buffers_go_from_their_last_writer_to_their_readers():
    graphs = {change.graph: change for change in changes("held-swiglu-split")}
    flows = {(f.source, f.target): [str(b) for b in f.buffers] for f in graphs["forward"].new.flows}
    assert flows == {(0, 2): ["buf0 f32[64, 256]"], (1, 2): ["buf1 f32[64, 256]"]}


def chain(length, name="h100"):
    """A golden of so many kernels, each reading what the one before wrote."""
    buffers = [Buffer(f"buf{n}", "f32", ("1024",)) for n in range(length)]
    steps = tuple(
        PlanStep(f"k{n}", "pointwise", (("x", str(1000 + n)),), (FusedOp(f"op{n}", ("add",)),),
             (f"buf{n - 1}" if n else "arg0",), (buffers[n],))
        for n in range(length)
    )  # fmt: skip
    plan = Plan("inference", (Buffer("arg0", "f32", ("1024",)),), steps, (f"buf{length - 1}",))
    return Golden("tests/x.py::test", name, (plan,), (), (), (), layers=("plan",))


def with_steps(golden, edit):
    (plan,) = golden.plan
    return replace(golden, plan=(replace(plan, steps=tuple(edit(n, step) for n, step in enumerate(plan.steps))),))


def other_space(step):
    return replace(step, sizes=(("x", "7"),))


def test_of_a_large_plan_what_changed_and_its_neighbours_are_drawn():
    old = chain(200)
    (change,) = plan_changes(compare(old, with_steps(old, lambda n, s: other_space(s) if n == 100 else s)))
    for side in (change.old, change.new):
        assert [box.index for box in side.boxes] == [99, 100, 101]
        assert [box.status for box in side.boxes] == ["unchanged", "changed", "unchanged"]
        assert [str(b) for b in side.boxes[0].from_hidden] == ["buf98 f32[1024]"]
        assert [str(b) for b in side.boxes[2].to_hidden] == ["buf101 f32[1024]"]
        assert [(f.source, f.target) for f in side.flows] == [(99, 100), (100, 101)]
    assert change.left_out == 2 * 197


def test_a_picture_never_has_more_than_a_number_of_steps():
    old = chain(200)
    (change,) = plan_changes(compare(old, with_steps(old, lambda n, s: other_space(s) if n % 2 else s)))
    assert len(change.old.boxes) == len(change.new.boxes) == MOST_CHANGED
    assert all(box.changed for box in change.new.boxes)
    assert change.left_out == 2 * (200 - MOST_CHANGED)


def test_a_small_plan_is_drawn_whole():
    old = chain(MOST_DRAWN)
    (change,) = plan_changes(compare(old, with_steps(old, lambda n, s: other_space(s) if n == 3 else s)))
    assert len(change.new.boxes) == MOST_DRAWN
    assert change.left_out == 0


def overlap(a, b):
    return abs(a.x - b.x) < WIDTH and a.y < b.y + b.height and b.y < a.y + a.height


@sweeps.over(labelled_pairs.every_second())
def test_boxes_stand_apart_within_the_picture_and_hold_their_lines(name):
    for change in changes(name):
        for side in filter(None, (change.old, change.new)):
            drawn = picture(side)
            assert len(drawn.boxes) == len(side.boxes)
            assert len(drawn.lines) == len(side.flows)
            for number, box in enumerate(drawn.boxes):
                assert 0 <= box.x <= drawn.width - WIDTH
                assert 0 <= box.y <= drawn.height - box.height
                assert box.height >= HEAD + LINE * len(box.lines)
                assert not any(overlap(box, other) for other in drawn.boxes[:number])
