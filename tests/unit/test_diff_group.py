"""Groups of changes, and what many changes come to in numbers."""

from __future__ import annotations

import math

import pytest

from kernelsnap.diff.causes.cause_names import CauseName
from kernelsnap.diff.causes.finding import Cause, Finding
from kernelsnap.diff.metrics import MetricDelta
from kernelsnap.diff.tree.change import Change, change_of
from kernelsnap.diff.tree.group import grouped
from kernelsnap.diff.tree.summary import summarize


def change(name, cause=CauseName.MASK, pattern="xmask", kernels=(1, 1), loads=(2, 2), status="changed"):
    metrics = (
        MetricDelta("total", "kernels", "", "lower", *kernels),
        MetricDelta("total", "loads", "", "lower", *loads),
    )
    finding = Finding(cause, "forward k0", f"evidence in {name}", pattern)
    return Change(name, status, f"tests/{name}", "h100", ("code",), (Cause(cause, (finding,)),), metrics)


def test_the_same_pattern_in_many_goldens_is_one_group():
    groups = grouped([change("b"), change("a"), change("c", pattern="ymask"), change("d", cause=CauseName.DTYPE)])
    assert [[member.name for member in group.members] for group in groups] == [["a", "b"], ["c"], ["d"]]
    assert groups[0].exemplar.name == "a"


def test_members_whose_effect_goes_another_way_are_exceptions():
    (group,) = grouped([change("a"), change("b"), change("c", kernels=(1, 2)), change("d", kernels=(1, None))])
    assert [member.name for member in group.exceptions] == ["c", "d"]
    assert group.exemplar.name == "a"


def test_unreadable_goldens_are_in_no_group():
    assert grouped([change("a", status="unreadable")]) == ()


def test_a_summary_counts_and_means():
    changes = [change("a", loads=(2, 4)), change("b", loads=(4, 2)), change("c", loads=(8, 2)), change("d")]
    (loads,) = summarize(changes, same=6)
    assert (loads.name, loads.improved, loads.regressed, loads.unchanged, loads.missing) == ("loads", 2, 1, 7, 0)
    assert (loads.old_total, loads.new_total) == (16, 10)
    assert loads.mean_of_changed == pytest.approx(math.pow(2 * 0.5 * 0.25, 1 / 3))
    assert loads.mean_of_all == pytest.approx(math.pow(0.25, 1 / 10))
    assert loads.largest_gain == ("c", 8, 2)
    assert loads.largest_loss == ("a", 2, 4)


def test_missing_numbers_are_missing_and_zeros_have_no_ratio():
    changes = [change("a", loads=(None, 4)), change("b", loads=(0, 3)), change("c", loads=(3, 0))]
    (loads,) = summarize(changes, same=0)
    assert (loads.improved, loads.regressed, loads.missing, loads.zeros) == (1, 1, 1, 2)
    assert (loads.old_total, loads.new_total) == (3, 3)
    assert loads.mean_of_changed is None
    assert loads.mean_of_all is None
    assert loads.largest_gain is None


def test_a_golden_that_only_one_side_has_is_in_no_metric():
    assert summarize([change("a", status="new", loads=(None, 4))], same=3) == ()


def test_an_unreadable_golden_says_why_and_where():
    found = change_of("x.ksnap", b"kernelsnap 1\nnonsense\nend\n", None)
    assert found.status == "unreadable"
    assert found.error.startswith("x.ksnap (old):2:")
    assert change_of("x.ksnap", b"kernelsnap 1\n\xff", None).error.startswith("x.ksnap (old):2: the file is not UTF-8")
    assert change_of("x.ksnap", None, b"kernelsnap 1\ncase\r\n").error.startswith(
        "x.ksnap (new):2: the file has Windows"
    )
