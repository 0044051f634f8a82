"""The golden of an error: what torch says when it rightly refuses to compile a function."""

from __future__ import annotations

import pytest

pytest.importorskip("triton")

import torch

from kernelsnap import capture_refusal, virtual_device
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
