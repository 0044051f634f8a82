"""Predicates: what may be written, what it means, and what a typo is told."""

from __future__ import annotations

import contextlib
from dataclasses import replace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelsnap.bisect.errors import PredicateError
from kernelsnap.bisect.predicate.conditions import Subject
from kernelsnap.bisect.predicate.grammar import parse_predicate
from kernelsnap.model.capture import Buffer, FusedOp
from kernelsnap.model.golden import Code, Golden, Metric, Plan, PlanStep
from kernelsnap.model.metrics import METRICS


def golden(kernels=1, accessed=1000, code="tl.load(in_ptr0)"):
    values = {"kernels": kernels, "bytes accessed": accessed}
    step = PlanStep("k0", "pointwise", (("x", "64"),), (), ("arg0",), (Buffer("buf0"),))
    return Golden(
        case="test_a.py::test_a",
        target="h100",
        plan=(Plan("inference", (Buffer("arg0"),), (step,), ("buf0",)),),
        metrics=tuple(Metric("total", metric.name, values.get(metric.name, 0)) for metric in METRICS),
        config=(),
        code=(Code("inference", "k0", f"def k0(in_ptr0):\n    {code}\n"), Code("inference", "host", "k0.run()\n")),
    )


OLD = golden()
NEW = golden(kernels=2, accessed=1101, code="tl.load(in_ptr0) # online_softmax")


@pytest.mark.parametrize(
    ("text", "old", "new"),
    [
        ("differs", False, True),
        ("differs(metrics)", False, True),
        ("differs(code)", False, True),
        ("differs(plan)", False, False),
        ("not differs(config)", True, True),
        ("kernels > 1", False, True),
        ("1 < kernels", False, True),
        ("kernels==1", True, False),
        ("kernels != 1", False, True),
        ("bytes_accessed > 1.1 * golden", False, True),
        ("bytes_accessed > 1.101*golden", False, False),
        ("1.1 * golden < bytes_accessed", False, True),
        ("bytes_accessed >= 500 * kernels", True, True),
        ('contains("online_softmax")', False, True),
        ("contains('online_softmax', code)", False, True),
        ("contains('online_softmax', plan)", False, False),
        ("kernels > 1 and not contains('online')", False, False),
        ("kernels > 5 or (differs and kernels <= 2)", False, True),
        ("fails", False, False),
    ],
)
def test_a_predicate_holds(text, old, new):
    condition = parse_predicate(text)
    assert [condition.holds(Subject(value, OLD)) for value in (OLD, NEW)] == [old, new]


@pytest.mark.parametrize(
    ("text", "needs"), [("differs", True), ("kernels > 1", False), ("kernels > golden", True), ("not fails", False)]
)
def test_only_a_comparison_with_a_golden_needs_one(text, needs):
    condition = parse_predicate(text)
    assert condition.needs_reference is needs
    if needs:
        with pytest.raises(PredicateError, match="no golden to compare"):
            condition.holds(Subject(OLD, None))
    else:
        condition.holds(Subject(OLD, None))


def test_a_broken_budget_is_a_failure_of_the_test():
    assert parse_predicate("fails").holds(Subject(OLD, None, failed=True))


@pytest.mark.parametrize(
    ("text", "says"),
    [
        ("kernel > 1", "no condition is called 'kernel'; did you mean 'kernels'?"),
        ("difers", "did you mean 'differs'?"),
        ("differs(cod)", "did you mean 'code'? There are: plan, metrics, config, code"),
        ("kernels", "expected a comparison: =="),
        ("kernels = 1", "or a comparison: == !="),
        ("kernels > 1 kernels", "invalid syntax; expected a condition: differs"),
        ("contains(online)", "in quotes"),
        ('contains("")', "is empty"),
        ("(kernels > 1", "'(' was never closed"),
        ("", "expected a condition: differs"),
        ("1 < 2", "needs a metric on one side"),
        ("golden < golden", "needs a metric on one side"),
        ("__import__('os')", "no condition is called '__import__'"),
        ("kernels > 1 and", "expected a condition"),
        ("1 < kernels < 3", "no condition is called '1 < kernels < 3'"),
        ("kernels > True", "no condition is called 'True'"),
        ("kernels > 0x10", "no condition is called '0x10'"),
        ("kernels + 1 > 2", "no condition is called 'kernels + 1'"),
        ("differs(layer=plan)", "no condition is called 'differs'"),
        ("differs(plan, code)", "no condition is called 'differs'"),
        ("contains(b'x')", "in quotes"),
        ("(lambda: 1)()", "no condition is called"),
        ("not " * 5000 + "differs", "it cannot be read"),
        ("kernels > 1\0", "null bytes"),
    ],
)
def test_a_typo_is_told_what_there_is(text, says):
    with pytest.raises(PredicateError) as raised:
        parse_predicate(text)
    assert says in str(raised.value)
    assert f"\n  {text}\n" in str(raised.value)


def test_a_backslash_is_one():
    """As in a shell's quotes; Python would take it for the start of an escape, and warn of those it does not know."""
    condition = parse_predicate(r"""contains("\d\n")""")
    assert condition.holds(Subject(golden(code=r"x = '\d\n'"), None))
    assert not condition.holds(Subject(golden(code="x = 1"), None))


def test_the_message_points_at_the_place():
    with pytest.raises(PredicateError) as raised:
        parse_predicate("kernels > 1 and kernls > 2")
    assert str(raised.value).splitlines()[-1] == "  " + " " * len("kernels > 1 and ") + "^"


@given(st.text(alphabet="kernels golden diff()<>=*!0.1,\"'andort_", max_size=30))
def test_any_text_is_a_predicate_or_an_error(text):
    with contextlib.suppress(PredicateError):
        parse_predicate(text).holds(Subject(NEW, OLD))


def test_a_metric_of_a_layer_left_out_is_an_error():
    with pytest.raises(PredicateError, match="has no metric 'kernels'"):
        parse_predicate("kernels > 1").holds(Subject(replace(OLD, metrics=()), None))


@pytest.mark.parametrize("name", ["operations", "other operations"])
def test_a_cause_is_asked_for_by_its_name_or_title(name):
    step = OLD.plan[0].steps[0]
    other = replace(step, ops=(FusedOp("sin", ("sin",)),))
    new = replace(NEW, plan=(replace(OLD.plan[0], steps=(other,)),))
    assert parse_predicate(f'cause == "{name}"').holds(Subject(new, OLD))
    assert not parse_predicate(f'cause == "{name}"').holds(Subject(OLD, OLD))
    assert parse_predicate(f'cause != "{name}"').holds(Subject(OLD, OLD))


def test_an_unknown_cause_is_told_the_closest():
    with pytest.raises(PredicateError, match="did you mean 'fusion split'"):
        parse_predicate('cause == "fusion splt"')
