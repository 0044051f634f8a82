"""Canonical names over a whole golden: the same in every layer, and nothing else changes."""

from __future__ import annotations

import random
import re
from dataclasses import replace
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import stored_goldens
import sweeps
from kernelsnap.capture.read.parse import read_graph
from kernelsnap.golden.build import build_golden
from kernelsnap.golden.canonical import HOST, canonical
from kernelsnap.golden.format import parse, render
from kernelsnap.model.capture import Buffer, Capture, GraphCounts
from kernelsnap.model.golden import Code, Golden, KernelConfig, Plan, PlanStep

ROOT = Path(__file__).parents[2]
TEXTS = [path.read_text() for path in sorted((ROOT / "tests" / "data").glob("*.txt"))]


def golden_of(text):
    return build_golden(Capture("h100", (read_graph(text, "forward", GraphCounts(1, 2, 3, 4, 5)),)), "case")


def small(first="k7", second="k3"):
    """A golden of two kernels under given names."""
    steps = (
        PlanStep(first, "pointwise", reads=("arg5",), writes=(Buffer("buf9", "f32", ("s3", "2*s3")),)),
        PlanStep("extern_kernels.mm", "extern", reads=("buf9",), writes=(Buffer("buf4"),)),
        PlanStep(second, "user Triton", reads=("buf4",), writes=(Buffer("buf9"),)),
    )
    host = f"arg5, s3 = args\nbuf9 = f(s3)\n{first}.run(arg5, buf9)\nbuf4 = mm(buf9)\n{second}.run(buf4, buf9)\n"
    return Golden(
        "case",
        "h100",
        (Plan("forward", (Buffer("arg5", "f32", ("s3",)),), steps, ("buf9",)),),
        (),
        (KernelConfig("forward", first, (), ()), KernelConfig("forward", second, (), ())),
        (
            Code("forward", first, f"def {first}(in_ptr3):\n    tmp4 = tl.load(in_ptr3)\n"),
            Code("forward", second, "def mine(x7):\n    tmp4 = x7\n"),
            Code("forward", HOST, host),
        ),
    )


def test_kernels_are_numbered_by_launch_in_every_layer():
    golden = canonical(small())
    assert [step.name for step in golden.plan[0].steps] == ["k0", "extern_kernels.mm", "k1"]
    assert [config.kernel for config in golden.config] == ["k0", "k1"]
    assert [code.name for code in golden.code] == ["k0", "k1", HOST]
    assert "k0.run(arg0, buf0)" in golden.code[2].text
    assert golden.code[0].text == "def k0(in_ptr0):\n    tmp0 = tl.load(in_ptr0)\n"


def test_names_that_are_exchanged_do_not_collide():
    assert canonical(small("k1", "k0")) == canonical(small())


def test_the_names_in_a_users_kernel_are_the_users():
    assert canonical(small()).code[1].text == "def mine(x7):\n    tmp4 = x7\n"


def test_buffers_and_sizes_have_one_name_in_plan_and_code():
    (plan,) = canonical(small()).plan
    assert plan.inputs == (Buffer("arg0", "f32", ("s0",)),)
    assert plan.steps[0].writes == (Buffer("buf0", "f32", ("s0", "2*s0")),)
    assert plan.outputs == ("buf0",)


def test_the_names_of_one_graph_are_not_those_of_another():
    golden = small()
    two = replace(
        golden,
        plan=(*golden.plan, replace(golden.plan[0], graph="backward")),
        config=(*golden.config, *(replace(config, graph="backward") for config in golden.config)),
        code=(*golden.code, *(replace(code, graph="backward") for code in golden.code)),
    )
    alone = canonical(golden)
    both = canonical(two)
    assert both.code[:3] == alone.code
    assert both.code[3:] == tuple(replace(code, graph="backward") for code in alone.code)


@pytest.mark.parametrize("text", TEXTS)
def test_a_golden_is_canonical_when_it_is_built(text):
    golden = golden_of(text)
    assert canonical(golden) == golden
    assert parse(render(golden)) == golden


@sweeps.over(stored_goldens.names())
def test_canonical_twice_changes_nothing_more(name):
    once = canonical(stored_goldens.golden(name))
    assert canonical(once) == once


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(TEXTS), st.integers())
def test_a_module_that_differs_in_counters_has_the_same_golden(text, seed):
    shuffle = random.Random(seed)

    def renumbered(pattern, text):
        numbers = sorted(set(re.findall(pattern, text)))
        new = dict(zip(numbers, map(str, shuffle.sample(range(1000), len(numbers))), strict=True))
        return re.sub(pattern, lambda match: new[match.group()], text)

    other = renumbered(r"(?<=\btmp)\d+|(?<=\b_tmp)\d+", text)
    other = renumbered(r"(?<=\bbuf)\d+", other)
    other = renumbered(r"(?<=\barg)\d+(?=_1\b)", other)
    other = re.sub(
        r"\b(triton_\w+?_)(\d+)(?=\b|_\w*numel\b)", lambda match: f"{match.group(1)}{int(match.group(2)) + 7}", other
    )
    assert render(golden_of(other)) == render(golden_of(text))
