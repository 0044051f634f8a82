"""Which axis is proposed, by what differs first."""

from __future__ import annotations

import pytest

from kernelsnap.bisect.propose import Symptoms, propose


def symptoms(causes=(), recorded="2.13.0", commits=3, variables=(), layer=""):
    commit = "abc1234" if commits else ""
    return Symptoms(causes, {"torch": recorded, "triton": "3.7.1"}, {"torch": "2.13.0", "triton": "3.7.1"}, commit,
                    commits, variables, layer)  # fmt: skip


GIT = ("--axis", "git", "--range", "abc1234..")
WHEELS = ("--axis", "torch=2.11.0..2.13.0")
PASSES = ("--axis", "passes")
FUSIONS = ("--axis", "passes", "--subsystem", "fusions")


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (symptoms(), [GIT]),
        (symptoms(recorded="2.11.0"), [WHEELS, GIT]),
        (symptoms(("operations",), recorded="2.11.0"), [GIT, WHEELS]),
        (symptoms(("fusion-split",), recorded="2.11.0"), [WHEELS, GIT]),
        (symptoms(("fusion-split",), recorded="2.11.0", commits=0), [WHEELS]),
        (symptoms(commits=0, variables=("TORCHINDUCTOR_MAX_AUTOTUNE",)), [("--axis", "config")]),
        (symptoms(commits=0), []),
        # Who changed it first, then where in the compiler it shows.
        (symptoms(("operations", "fusion-split"), recorded="2.11.0", commits=0, layer="plan"), [WHEELS, PASSES]),
        (symptoms(("template",), commits=0, layer="plan"), [PASSES]),
        (symptoms(("fusion-split", "indexing"), commits=0, layer="plan"), [FUSIONS]),
        (symptoms(("fusion-split",), layer="plan"), [GIT, FUSIONS]),
        # What Triton is given differs, and the plan does not: no decision is behind it.
        (symptoms(("intrinsic",), recorded="2.11.0", commits=0, layer="code"), [WHEELS]),
        (symptoms(("launch",), commits=0, layer="config", variables=("TRITON_X",)), [("--axis", "config")]),
    ],
)
def test_the_likeliest_axis_comes_first(given, expected):
    assert [proposal.arguments for proposal in propose(given)] == expected


def test_a_library_whose_version_differs_is_proposed_after_torch():
    recorded = {"transformers": "5.23.0", "torch": "2.13.0", "einops": "0.8.1", "gone": "1.0"}
    present = {"transformers": "5.24.0", "torch": "2.14.1", "einops": "0.8.1", "triton": "3.8.0"}
    found = propose(Symptoms((), recorded, present, "", 0, ()))
    assert [proposal.arguments for proposal in found] == [
        ("--axis", "torch=2.13.0..2.14.1"),
        ("--axis", "transformers=5.23.0..5.24.0"),
    ]
    assert found[1].because == "the golden was recorded with transformers 5.23.0, and this is 5.24.0"
