"""What PyTorch decides about a program can be counted and refused, and each refusal has its effect and no other."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

pytest.importorskip("triton")
torch = pytest.importorskip("torch")

from torch._inductor import compiler_bisector, scheduler  # noqa: E402

from kernelsnap import capture, virtual_device  # noqa: E402
from kernelsnap.bisect.axes.decisions import Cut, Judge  # noqa: E402
from kernelsnap.capture.decisions import deciding, subsystems  # noqa: E402
from kernelsnap.errors import NoKernelsError  # noqa: E402
from kernelsnap.golden.build import build_golden  # noqa: E402
from kernelsnap.virtual import UnsupportedTorchError  # noqa: E402


@pytest.fixture(autouse=True)
def _device():
    with virtual_device("h100"):
        yield


def soft(x):
    return (x.softmax(-1) * 2).sum(0), x.cumsum(0)


def golden(cut=None, fn=soft, shape=(64, 1024), **options):
    """The golden of a function with what a cut leaves of its decisions, and the decisions."""
    x = torch.randn(*shape, device="cuda", requires_grad=options.get("backward", False))
    if cut is None:
        return build_golden(capture(fn, x, **options), "case"), None
    judge = Judge(cut)
    with deciding(judge):
        return build_golden(capture(fn, x, **options), "case"), judge.made


def total(golden, name):
    return next(metric.value for metric in golden.metrics if (metric.graph, metric.name) == ("total", name))


def words(made, subsystem):
    return [decision.words for decision in made[subsystem]]


def holds_from(subsystem, holds):
    """For how many of the first decisions of a subsystem the condition changes, and the decision that changes it."""
    _, made = golden(Cut())
    answers = [holds(golden(Cut(subsystem, first=count))[0]) for count in range(len(made[subsystem]) + 1)]
    changes = [count for count in range(1, len(answers)) if answers[count] is not answers[count - 1]]
    return [made[subsystem][count - 1].words for count in changes]


def test_looking_at_decisions_changes_nothing():
    assert golden(Cut())[0] == golden()[0]


def test_a_pass_is_found():
    assert holds_from("post_grad_passes", lambda golden: has(golden, "prepare_softmax_online")) == ["pass_pattern_1"]


def test_a_pattern_is_found_by_the_function_that_describes_it():
    found = holds_from("patterns", lambda golden: has(golden, "prepare_softmax_online"))
    assert found == ["prepare_softmax_pattern on amax, sub, exp, sum_1"]


def test_a_decomposition_is_found():
    assert holds_from("decomposition", lambda golden: total(golden, "extern calls") > 0) == ["aten._softmax.default"]


def test_a_lowering_is_found():
    found = holds_from("lowerings", lambda golden: has(golden, "aten.cumsum"))
    # Until it is reached, it is a library call.
    assert found == ["aten.cumsum.default at cumsum"]


def test_a_fusion_is_found():
    (found,) = holds_from("fusions", lambda golden: total(golden, "kernels") > 2)
    assert found.startswith("fuse buf3 (cumsum) into buf2 (")
    assert found.endswith("), horizontal, score 262144")


def has(golden, text):
    return any(text in code.text for code in golden.code) or any(
        text in str(step) for plan in golden.plan for step in plan.steps
    )


def chain(x):
    y = x.softmax(-1)
    return y, y.sum(0), x.amax(1), (x.relu() * 2).sum(1)


def test_what_stands_before_a_cut_is_what_stood_there_without_it():
    _, made = golden(Cut(), chain)
    expected = [decision.key for decision in made["fusions"]]
    assert len(expected) > 2
    for count in range(len(expected) + 1):
        _, cut = golden(Cut("fusions", first=count), chain)
        assert [decision.key for decision in cut["fusions"]] == expected[:count]
        # The same decisions, named instead of counted.
        assert (
            golden(Cut("fusions", allowed=tuple(expected[:count])), chain)[0]
            == golden(Cut("fusions", first=count), chain)[0]
        )


def test_a_vertical_fusion_is_called_so_and_another_takes_its_place():
    _, made = golden(Cut(), chain)
    vertical = next(decision for decision in made["fusions"] if ", vertical, " in decision.words)
    _, without = golden(Cut("fusions", refused=(vertical.key,)), chain)
    keys = {decision.key for decision in made["fusions"]}
    assert vertical.key not in {decision.key for decision in without["fusions"]}
    assert {decision.key for decision in without["fusions"]} - keys


def test_an_epilogue_of_a_matrix_multiplication_is_a_fusion():
    def linear(x):
        return ((x @ x.T) + 1).relu().to(torch.float16)

    config = {"deterministic": True, "max_autotune_gemm": True, "max_autotune_gemm_backends": "TRITON"}
    found, made = golden(Cut(), linear, config=config)
    (words,) = [decision.words for decision in made["fusions"]]
    assert ", epilogue of a template, " in words
    assert total(found, "kernels") == 1
    without, _ = golden(Cut("fusions", first=0), linear, config=config)
    assert total(without, "kernels") == 2


def test_decisions_of_a_backward_graph_are_not_those_of_its_forward():
    def norm(x):
        return (torch.nn.functional.layer_norm(x, (1024,)).relu() * x).sum()

    _, made = golden(Cut(), norm, backward=True)
    for subsystem, decisions in made.items():
        keys = [decision.key for decision in decisions]
        assert len(set(keys)) == len(keys), subsystem
    assert "remove_noop_ops #2" in [decision.key for decision in made["post_grad_passes"]]
    assert {decision.key.split(":")[0] for decision in made["fusions"]} <= {"graph 1", "graph 2"}


def test_without_lowerings_a_case_is_library_calls_and_no_error():
    found, _ = golden(Cut("lowerings", first=0))
    assert total(found, "kernels") == 0
    assert total(found, "extern calls") > 3
    # Only then: a capture that finds no kernel is an error otherwise.
    with pytest.raises(NoKernelsError):
        golden(None, lambda x: x @ x.T)


@pytest.mark.parametrize("subsystem", ["patterns", "post_grad_passes"])
def test_what_a_custom_operator_that_mutates_needs_is_never_refused(subsystem):
    with torch.library._scoped_library("kernelsnap_decisions", "FRAGMENT") as library:
        library.define("fill_(Tensor(a!) x) -> ()")
        library.impl("fill_", lambda x: None, "CompositeExplicitAutograd")
        library.impl("fill_", lambda x: None, "Meta")

        def fill(x):
            y = x.softmax(-1)
            torch.ops.kernelsnap_decisions.fill_(y)
            return y.sum(0)

        found, made = golden(Cut(), fill)
        assert "prepare_softmax_pattern on amax, sub, exp, sum_1" in words(made, "patterns")
        without, _ = golden(Cut(subsystem, first=0), fill)
        assert has(found, "prepare_softmax_online")
        assert not has(without, "prepare_softmax_online")
        assert has(without, "kernelsnap_decisions.fill_")


def test_one_fusion_of_many_captures_in_a_test_is_refused():
    judge = Judge(Cut("fusions", first=2))
    counts = []
    with deciding(judge):
        for _ in range(2):
            x = torch.randn(64, 1024, device="cuda")
            counts.append(len(capture(soft, x).graphs[0].kernels))
    assert counts == [2, 4]


_PRINT = """
import torch
from kernelsnap import capture, virtual_device
from kernelsnap.bisect.axes.decisions import Cut, Judge
from kernelsnap.capture.decisions import deciding

def block(x, w):
    y = torch.nn.functional.layer_norm((x @ w).softmax(-1), (256,))
    return y.relu().sum(0), y.amax(1), torch.cat([x, x * 2]).sum(1), x.sigmoid()

judge = Judge(Cut())
with virtual_device("h100"), deciding(judge):
    x = torch.randn(64, 128, device="cuda")
    w = torch.randn(128, 256, device="cuda", requires_grad=True)
    capture(lambda *args: sum(out.sum() for out in block(*args)), x, w, backward=True)
for name in sorted(judge.made):
    print(name, [(decision.key, decision.words) for decision in judge.made[name]])
"""


def test_decisions_come_in_the_same_order_and_words_on_every_run():
    def decide(seed):
        environment = os.environ | {"PYTHONHASHSEED": seed}
        command = [sys.executable, "-W", "ignore", "-c", _PRINT]
        return subprocess.run(command, env=environment, capture_output=True, text=True, check=True).stdout

    first = decide("0")
    assert "graph 2: " in first
    assert first == decide("1") == decide("12345")


def test_subsystems_are_those_of_torchs_own_bisector_and_two_more():
    found = subsystems()
    names = [subsystem.name for subsystem in found]
    assert set(names) >= {"decomposition", "joint_graph_passes", "post_grad_passes", "patterns", "lowerings", "fusions"}
    assert names.index("decomposition") < names.index("patterns") < names.index("lowerings") < names.index("fusions")
    settings = {subsystem.setting: subsystem.value for subsystem in found if subsystem.setting}
    assert settings["functorch.cse"] is False
    assert settings["comprehensive_padding"] is False


@pytest.mark.parametrize(
    ("owner", "name"),
    [
        (compiler_bisector.CompilerBisector, "disable_subsystem"),
        (compiler_bisector, "BACKENDS"),
        (scheduler.Scheduler, "fuse_two_nodes"),
        (scheduler.MixOrderReduction, "are_mix_order_reductions"),
    ],
)
def test_a_missing_internal_is_named(monkeypatch, owner, name):
    monkeypatch.delattr(owner, name)
    with pytest.raises(UnsupportedTorchError, match=rf"torch {torch.__version__.split('+')[0]}.*\.{name},"):
        golden(Cut())


def test_everything_is_as_before_afterwards():
    before = {name: getattr(scheduler.Scheduler, name) for name in ("fuse_nodes", "fuse_two_nodes", "fuse_if_speedup")}
    golden(Cut("fusions", first=0))
    assert {name: getattr(scheduler.Scheduler, name) for name in before} == before
    assert Path(compiler_bisector.CompilerBisector.disable_subsystem.__func__.__code__.co_filename).parts[-3:] == (
        "torch", "_inductor", "compiler_bisector.py",
    )  # fmt: skip
