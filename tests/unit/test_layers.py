"""Goldens of some layers: their own canonical names, and how they compare with goldens that hold more."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kernelsnap.diff.align.align import align
from kernelsnap.diff.compare import compare
from kernelsnap.errors import GoldenError
from kernelsnap.golden.canonical import canonical
from kernelsnap.golden.format import parse, render
from kernelsnap.model.capture import Buffer, FusedOp
from kernelsnap.model.golden import LAYERS, Golden, Metric, Plan, PlanStep, checked_layers, with_layers
from kernelsnap.model.metrics import METRICS

SOME = ("plan", "metrics")
OPS = ("cos", "sin", "exp", "log", "tan", "abs")


def chain(*ops: str, first_buffer: int = 0) -> Golden:
    """One kernel for each operation, each reading what the one before it wrote."""
    names = ["arg0_1", *(f"buf{first_buffer + index}" for index in range(len(ops)))]
    steps = tuple(
        PlanStep(
            f"triton_poi_fused_{op}_{index}",
            "pointwise",
            (("x", "64"),),
            (FusedOp(op, (op,)),),
            (names[index],),
            (Buffer(names[index + 1], "f32", ("64",)),),
        )
        for index, op in enumerate(ops)
    )
    plan = Plan("inference", (Buffer(names[0], "f32", ("64",)),), steps, (names[-1], "None"))
    metrics = tuple(Metric("total", kind.name, len(ops)) for kind in METRICS)
    return Golden("case", "h100", (plan,), metrics, (), (), layers=SOME)


def test_names_are_numbered_by_the_plan():
    golden = canonical(chain(*OPS, first_buffer=7))
    assert golden == canonical(chain(*OPS)) == canonical(golden)
    (plan,) = golden.plan
    assert [step.name for step in plan.steps] == [f"k{index}" for index in range(len(OPS))]
    assert [buffer.name for step in plan.steps for buffer in step.writes] == [f"buf{i}" for i in range(len(OPS))]
    assert plan.inputs[0].name == "arg0"
    assert plan.outputs == ("buf5", "None")


def test_one_kernel_more_is_its_own_lines_only():
    old, new = canonical(chain(*OPS)), canonical(chain("cos", "relu", *OPS[1:]))
    aligned = align(new, old)
    assert canonical(aligned) == new
    before, after = render(old).splitlines(), render(aligned).splitlines()
    layer = before.index("metrics")
    added = [line for line in after[: after.index("metrics")] if line not in before[:layer]]
    # The kernel, its operation, what it reads and writes, what the next one reads, and the heading of the graph.
    assert len(added) <= 6


def test_the_diff_of_two_plans_names_what_is_new():
    diff = compare(canonical(chain(*OPS)), canonical(chain("cos", "relu", *OPS[1:])))
    assert diff.layers == SOME
    assert [pair.status for pair in diff.pairs].count("new") == 1
    assert compare(canonical(chain(*OPS)), canonical(chain(*OPS, first_buffer=3))).same


def test_a_layer_left_out_is_not_an_empty_one():
    some = canonical(chain(*OPS))
    every = replace(some, layers=LAYERS)
    assert compare(every, some).layers == ("config", "code")
    assert parse(render(every)) != parse(render(some))


def test_layers_come_in_the_order_of_a_golden_and_with_the_plan():
    assert checked_layers(["metrics"]) == SOME
    assert checked_layers(["code", "plan"]) == ("plan", "code")
    assert checked_layers(LAYERS) == LAYERS
    assert with_layers(replace(chain("cos"), layers=LAYERS), ("plan",)).metrics == ()


@pytest.mark.parametrize("names", ["plan", ["beauty"]])
def test_what_is_no_layer(names):
    with pytest.raises(GoldenError, match="layer"):
        checked_layers(names)
