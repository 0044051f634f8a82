"""What a failing test shows."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest

from kernelsnap.diff.compare import compare
from kernelsnap.golden.canonical import HOST
from kernelsnap.model.capture import Buffer, FusedOp, LaunchConfig
from kernelsnap.model.golden import Code, Golden, KernelConfig, Metric, Plan, PlanStep
from kernelsnap.report.diff_text import failure_lines
from kernelsnap.report.headline import headline

EXP = PlanStep("k0", "pointwise", (("x", "64"),), (FusedOp("exp", ("exp",)),), ("arg0",))
LOAD = "    tmp0 = tl.load(in_ptr0 + (x0))\n"


def golden(*kernels, metrics=(), breaks=(), graph="inference", configs=()):
    """A golden of kernels given as (step, lines of code)."""
    code = [Code(graph, step.name, f"def {step.name}(in_ptr0):\n{LOAD}{lines}") for step, lines in kernels]
    host = "def call(self, args):\n" + "".join(f"    {step.name}.run(arg0)\n" for step, _ in kernels)
    plan = Plan(graph, (), tuple(step for step, _ in kernels), ())
    return Golden("case", "h100", (plan,), metrics, configs, (*code, Code(graph, HOST, host)), breaks)


def sin(name):
    return replace(EXP, name=name, ops=(FusedOp("sin", ("sin",)),))


ONE = golden((EXP, "    tmp1 = exp(tmp0)\n"))
BOTH = replace(EXP, ops=(*EXP.ops, *sin("k0").ops))
FUSED = golden((BOTH, "    tmp1 = exp(tmp0)\n    tmp2 = sin(tmp1)\n"))
SPLIT = golden((EXP, "    tmp1 = exp(tmp0)\n"), (sin("k1"), "    tmp1 = sin(tmp0)\n"))


def words(old, new):
    return headline(compare(old, new))


def test_headlines():
    assert words(ONE, ONE) == "no difference"
    assert words(FUSED, SPLIT) == "plan differs: fusion changed: 1 kernel became 2"
    assert words(SPLIT, FUSED) == "plan differs: fusion changed: 2 kernels became 1"
    assert words(ONE, SPLIT) == "plan differs: k1 is new"
    assert words(SPLIT, ONE) == "plan differs: k1 is gone"
    assert words(ONE, FUSED) == "plan differs: operations of k0 changed"
    assert words(ONE, golden((replace(EXP, kind="template"), "    tmp1 = exp(tmp0)\n"))) == (
        "plan differs: k0 is template, was pointwise"
    )
    assert words(ONE, golden((replace(EXP, sizes=(("x", "65"),)), "    tmp1 = exp(tmp0)\n"))) == (
        "plan differs: iteration space of k0 changed"
    )
    assert words(ONE, golden((replace(EXP, reads=("arg1",)), "    tmp1 = exp(tmp0)\n"))) == (
        "plan differs: inputs, buffers or outputs changed"
    )
    assert words(ONE, golden((EXP, "    tmp1 = exp2(tmp0)\n"))) == "code differs in k0"
    assert words(ONE, replace(ONE, graph_breaks=("print",))) == "plan differs: 1 graph break, was 0"
    assert words(ONE, replace(ONE, metrics=(Metric("total", "loads", 1),))) == "metrics differ: loads"


@pytest.mark.parametrize("changed", [{"reads": ("arg1",)}, {"writes": (Buffer("buf0", "f16", ("64",)),)}])
def test_headline_of_data_that_changed(changed):
    """Only what a step reads or writes is another tensor: the code is the same."""
    assert words(ONE, golden((replace(EXP, **changed), "    tmp1 = exp(tmp0)\n"))) == (
        "plan differs: inputs, buffers or outputs changed"
    )


@pytest.mark.parametrize("changed", [{"inputs": (Buffer("arg0", "f16", ("64",)),)}, {"outputs": ("arg0",)}])
def test_headline_of_inputs_or_outputs_that_changed(changed):
    new = replace(ONE, plan=(replace(ONE.plan[0], **changed),))
    assert words(ONE, new) == "plan differs: inputs, buffers or outputs changed"


def test_headline_of_expressions_in_another_order():
    turned = replace(BOTH, ops=BOTH.ops[::-1])
    code = "    tmp1 = exp(tmp0)\n    tmp2 = sin(tmp1)\n"
    assert words(FUSED, golden((turned, code))) == "plan differs: expressions of k0 in another order"
    assert words(FUSED, golden((turned, code.replace("sin", "cos")))) == (
        "plan differs: expressions of k0 in another order"
    )
    both = [golden((step, code), (replace(step, name="k1"), code)) for step in (BOTH, turned)]
    assert words(*both) == "plan differs: expressions of k0, k1 in another order"


def test_headline_of_expressions_with_other_numbers():
    """`exp.1` in place of `exp`: the second such expression of the graph."""
    other = replace(BOTH, ops=(FusedOp("exp.1", ("exp",)), *BOTH.ops[1:]))
    code = "    tmp1 = exp(tmp0)\n    tmp2 = sin(tmp1)\n"
    twice = [golden((step, code), (replace(EXP, name="k1"), "    tmp1 = exp(tmp0)\n")) for step in (BOTH, other)]
    assert words(*twice) == "plan differs: expressions of k1 have other numbers"


def test_headline_of_a_launch_configuration():
    def with_warps(number):
        launch = LaunchConfig((("XBLOCK", 64),), number, 1)
        return golden((EXP, ""), configs=(KernelConfig("inference", "k0", (), (launch,)),))

    assert words(with_warps(4), with_warps(8)) == "config differs in k0"


def test_headline_of_a_new_graph():
    both = replace(ONE, plan=(*ONE.plan, Plan("backward", (), (EXP,), ())))
    assert words(ONE, both) == "plan differs: graph backward is new"


def metrics(**values):
    return tuple(Metric("total", name.replace("_", " "), value) for name, value in values.items())


def test_metrics_are_columns_with_their_units():
    old = golden(
        (EXP, "    a\n"), metrics=metrics(bytes_accessed=800, loads=2, stores=1, reductions=1, buffers_reused=0)
    )
    new = golden(
        (EXP, "    b\n"), metrics=metrics(bytes_accessed=1200, loads=1, stores=1, reductions=2, buffers_reused=1)
    )
    lines = failure_lines(compare(old, new), color=False)
    assert lines[0] == "metrics differ: bytes accessed, loads, reductions, buffers reused"
    assert [line for line in lines if not line.startswith("cause: ")][1:7] == [
        "",
        "bytes accessed  800 B -> 1 200 B   +50.0 %",
        "loads               2 ->       1   -50.0 %",
        "reductions          1 ->       2  +100.0 %",
        "buffers reused      0 ->       1",
        "",
    ]


def test_a_missing_metric_is_said_to_be_missing():
    old = golden((EXP, ""), metrics=metrics(loads=2))
    new = golden((EXP, ""), metrics=(*metrics(loads=2, stores=1), Metric("forward.1", "loads", 1)))
    lines = failure_lines(compare(old, new), color=False)
    assert "stores  none -> 1" in lines
    assert "forward.1: no metrics in the old golden" in lines


def test_no_metric_changed():
    lines = failure_lines(compare(ONE, golden((EXP, "    tmp1 = exp2(tmp0)\n"))), color=False)
    cause = "cause: instruction: inference k0: tmp = exp(tmp) -> tmp = exp2(tmp)"
    assert lines[:5] == ["code differs in k0", cause, "", "no metric changed", ""]
    assert lines[5] == "code"
    assert lines[6].startswith("@@ ")
    assert lines[6].endswith(" @@ inference k0  pointwise")


def test_the_first_differing_layer_comes_first_and_nothing_is_elided():
    diff = compare(FUSED, SPLIT)
    lines = failure_lines(diff, color=False)
    headings = [line for line in lines if line in ("plan", "metrics", "config", "code")]
    assert headings == ["plan", "code"]
    assert [line for line in lines if line[:1] in "+-" and line] == [
        line for hunk in diff.hunks for line in hunk.lines if line[0] in "+-"
    ]


def test_colour_adds_nothing_but_colour():
    diff = compare(FUSED, SPLIT)
    plain, painted = failure_lines(diff, color=False), failure_lines(diff, color=True)
    assert [re.sub(r"\x1b\[\d+m", "", line) for line in painted] == plain
    assert not any("\x1b" in line for line in plain)
    assert painted[0].startswith("\x1b[1m")
    assert any(line.startswith("\x1b[31m-") for line in painted)
    assert any(line.startswith("\x1b[32m+") for line in painted)
    assert any(line.startswith("\x1b[36m@@ ") for line in painted)
