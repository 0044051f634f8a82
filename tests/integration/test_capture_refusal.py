"""The golden of an error: what torch says when it rightly refuses to compile a function."""

from __future__ import annotations

import pytest

pytest.importorskip("triton")

import torch
from torch._inductor.lowering import lowerings

import refusing
from kernelsnap import capture, capture_refusal, virtual_device
from kernelsnap.capture.refusal import refusal_text
from kernelsnap.diff.compare import compare
from kernelsnap.errors import CaptureError, NoCompileError
from kernelsnap.golden.build import build_golden
from kernelsnap.golden.format import parse, render
from kernelsnap.report.diff_text import failure_lines


def refused(x):
    raise ValueError(f"not for {x.dtype}\nFound in file x.py, line 3")


def test_a_refusal_is_the_first_line_and_round_trips():
    with virtual_device("h100"):
        captured = capture_refusal(refused, torch.randn(4, device="cuda"))
    golden = build_golden(captured, "case")
    assert golden.refusal.startswith("ValueError: not for torch.float32")
    assert "\n" not in golden.refusal
    assert parse(render(golden)) == golden
    assert (golden.plan, golden.metrics, golden.code) == ((), (), ())


def test_another_message_and_no_refusal_are_both_seen():
    x = torch.randn(4, device="cpu")
    with virtual_device("cpu"):
        old = build_golden(capture_refusal(refused, x), "case")
        new = build_golden(capture_refusal(refused, x.double()), "case")
    diff = compare(old, new)
    assert diff.layers == ("plan",)
    text = "\n".join(failure_lines(diff, color=False))
    assert "float32" in text
    assert "float64" in text


def test_a_function_that_compiles_is_no_refusal():
    with virtual_device("h100"), pytest.raises(CaptureError, match="a refusal was expected"):
        capture_refusal(torch.cos, torch.randn(4, device="cuda"))


def test_our_own_errors_pass_through():
    with virtual_device("h100"), pytest.raises(NoCompileError):
        capture_refusal(lambda x: 3, torch.randn(4, device="cuda"))


@pytest.fixture
def refusal(monkeypatch):
    """The refusal of a function that calls an operator which is lowered by another one."""
    library = torch.library.Library("kernelsnap_refused", "DEF")

    def refusal(lower, name):
        library.define(f"{name}(Tensor x) -> Tensor")
        library.impl(name, torch.clone, "CompositeExplicitAutograd")
        operator = getattr(torch.ops.kernelsnap_refused, name).default
        torch.library.register_fake(operator)(torch.empty_like)
        monkeypatch.setitem(lowerings, operator, lower)
        with virtual_device("h100"):
            return capture_refusal(lambda x: operator(x), torch.randn(4, device="cuda")).refusal

    yield refusal
    library._destroy()


@pytest.mark.parametrize(
    ("lower", "text"),
    [
        (refusing.on_two_dimensions, "AssertionError; operator {op}; assert len(x.get_size()) == 2 in {lower}"),
        (refusing.on_nothing, "AssertionError; operator {op}; assert x is None in {lower}"),
        (refusing.never, "NotImplementedError; operator {op}; raise NotImplementedError in {lower}"),
        (refusing.with_a_message, "ValueError: [4] at 0x... in y.py, line ...; operator {op}"),
    ],
)
def test_a_refusal_names_the_operator_and_the_assertion(refusal, lower, text):
    # torch remembers an operator of a name for ever.
    name = lower.__name__
    expected = text.format(op=f"kernelsnap_refused.{name}.default", lower=f"refusing.{name}")
    assert refusal(lower, name) == f"InductorError: LoweringException: {expected}"


def test_another_operator_with_the_same_assertion_is_another_refusal(refusal):
    assert refusal(refusing.on_nothing, "one") != refusal(refusing.on_nothing, "other")


@pytest.mark.parametrize("place", ["post_grad_custom_post_pass", "joint_custom_post_pass", "_pre_fusion_custom_pass"])
def test_an_assertion_anywhere_in_the_compiler_is_told(place):
    with virtual_device("h100"):
        captured = capture_refusal(torch.cos, torch.randn(4, device="cuda"), config={place: refusing.Pass()})
    assert captured.refusal.endswith("AssertionError; assert graph is None in refusing.Pass.__call__")


def raised(error):
    try:
        raise error
    except Exception as caught:
        return caught


def caused(error, cause):
    error.__cause__ = cause
    return raised(error)


@pytest.mark.parametrize(
    ("error", "text"),
    [
        (raised(ValueError("no")), "ValueError: no"),
        (raised(ValueError("\n  no  \nyes")), "ValueError: no"),
        (raised(ValueError()), f"ValueError; raise error in {__name__}.raised"),
        (ValueError(), "ValueError"),
        (caused(ValueError("it failed"), KeyError("x")), "ValueError: it failed; from KeyError: 'x'"),
        (caused(ValueError("failed: KeyError: 'x'"), KeyError("x")), "ValueError: failed: KeyError: 'x'"),
        (raised(OSError("/home/me/a b/c.py is gone")), "OSError: c.py is gone"),
        (raised(OSError("a/b/c and 1/2 stay")), "OSError: a/b/c and 1/2 stay"),
        (raised(OSError("File x.py:31 and line 4")), "OSError: File x.py and line ..."),
    ],
)
def test_what_a_refusal_holds_of_an_error(error, text):
    assert refusal_text(error) == text


def test_what_merely_happened_before_is_not_a_reason():
    error = ValueError("no")
    error.__context__ = KeyError("unrelated")
    assert refusal_text(error) == "ValueError: no"


def test_an_error_of_the_users_code_is_no_graph_break():
    """Dynamo breaks the graph at it at first, and then raises it."""

    def add(x, y):
        return x + y

    with virtual_device("h100"):
        inputs = torch.ones(3, 4, device="cuda"), torch.ones(5, device="cuda")
        with pytest.raises(Exception, match="broadcast a dimension of length 5"):
            capture(add, *inputs)
        refusal = capture_refusal(add, *inputs).refusal
    assert refusal.startswith("TorchRuntimeError: ")
    assert "got RuntimeError('Attempting to broadcast a dimension of length 5" in refusal
