"""What `capture` says where there is nothing to capture, and that it leaves torch as it was."""

from __future__ import annotations

import contextlib

import pytest
import torch
from torch._inductor import compile_fx
from torch._inductor.graph import GraphLowering

from kernelsnap import capture
from kernelsnap.capture import run
from kernelsnap.errors import (
    CaptureError,
    DataDependentError,
    GraphBreakError,
    NoCompileError,
    NoKernelsError,
    UnreadableCodeError,
)
from on_gpu import randn

pytestmark = pytest.mark.usefixtures("on_h100")


@pytest.fixture(autouse=True)
def _leaves_torch_as_it_was():
    def state():
        return (
            GraphLowering.compile_to_module,
            GraphLowering.save_output_code,
            compile_fx._compile_fx_inner,
            torch._inductor.config.get_config_copy(),
            torch.is_grad_enabled(),
        )

    before = state()
    yield
    assert state() == before
    assert capture(torch.sin, randn(10)).kernels == 1


def broken(x):
    x = x.sin()
    torch._dynamo.graph_break()
    return x.cos()


@pytest.mark.parametrize(
    "fn",
    [lambda x: 3, lambda x: x, torch.compiler.disable(lambda x: x.sin())],
    ids=["no tensor", "no operation", "disabled"],
)
def test_nothing_compiled(fn):
    with pytest.raises(NoCompileError, match="nothing was compiled"):
        capture(fn, randn(10))


def test_another_backend_compiles_nothing_here():
    with pytest.raises(NoCompileError):
        capture(torch.compile(torch.sin, backend="eager"), randn(10))


def test_no_kernel_is_an_error_unless_it_is_right():
    with pytest.raises(NoKernelsError, match="allow_no_kernels=True"):
        capture(torch.mm, randn(16, 16), randn(16, 16))
    captured = capture(torch.mm, randn(16, 16), randn(16, 16), allow_no_kernels=True)
    assert captured.kernels == 0
    assert [call.name for call in captured.graphs[0].calls] == ["extern_kernels.mm"]


def test_a_graph_break_where_a_whole_graph_was_asked_for():
    with pytest.raises(GraphBreakError, match="graph_break"):
        capture(broken, randn(10), fullgraph=True)
    with pytest.raises(GraphBreakError, match="graph_break"):
        capture(torch.compile(broken, fullgraph=True), randn(10))


@pytest.mark.parametrize(
    "fn",
    [lambda x: x + 1 if x.sum().item() > 0 else x - 1, lambda x: x + 1 if x.sum() > 0 else x - 1],
    ids=["item", "branch"],
)
def test_a_value_that_a_fake_tensor_does_not_have(fn):
    with pytest.raises(DataDependentError, match="value of a fake tensor"):
        capture(fn, randn(10, 10))


@pytest.mark.parametrize(
    "fn",
    [lambda x: x.cos() * x.sum().item(), lambda x: x.cos() + (x.argmax().item() + 1)],
    ids=["float", "int"],
)
def test_a_number_that_the_rest_is_compiled_with_on_a_gpu(fn):
    """Dynamo runs what follows as it is, and the golden would lack its kernels."""
    with pytest.raises(DataDependentError, match="is given a number that was read from a tensor"):
        capture(fn, randn(10, 10))


def test_a_number_that_is_only_returned_or_kept_is_no_harm():
    seen = []

    def step(x):
        loss = x.square().sum()
        seen.append(loss.item())
        return x.cos() + 1, loss.item()

    assert [len(graph.kernels) for graph in capture(step, randn(10, 10)).graphs] == [1, 1]
    assert len(seen) == 1


def test_an_unknown_setting_names_a_close_one():
    with pytest.raises(CaptureError, match="no setting 'max_fusion_sise'; did you mean 'max_fusion_size'"):
        capture(torch.sin, randn(10), config={"max_fusion_sise": 1})


def test_caches_stay_off():
    with pytest.raises(CaptureError, match="force_disable_caches"):
        capture(torch.sin, randn(10), config={"force_disable_caches": False})


@pytest.mark.parametrize("name", ["cpp_wrapper", "fx_wrapper"])
def test_another_wrapper_than_pythons(name):
    with pytest.raises(UnreadableCodeError, match=name):
        capture(torch.sin, randn(10), config={name: True})


def test_settings_of_a_compiled_function_are_torchs():
    with pytest.raises(CaptureError, match="compiled already"):
        capture(torch.compile(torch.sin), randn(10), mode="reduce-overhead")


def test_a_gradient_that_nothing_requires():
    with pytest.raises(CaptureError, match="no output requires a gradient"):
        capture(torch.sin, randn(10), backward=True)


class UserError(Exception):
    pass


def test_the_users_own_exceptions_pass_unchanged():
    def fn(x):
        raise UserError("mine")

    with pytest.raises(UserError, match="mine"):
        capture(fn, randn(10))


def test_an_interrupt_passes():
    @torch.compiler.disable
    def interrupted(x):
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        capture(interrupted, randn(10))


def test_padding_by_timing_is_an_error():
    with pytest.raises(CaptureError, match="shape_padding"):
        capture(
            lambda a, b: (a @ b).relu(),
            randn(4095, 4095, dtype=torch.bfloat16),
            randn(4095, 4095, dtype=torch.bfloat16),
            config={"shape_padding": True},
        )


def test_kernels_cannot_be_tuned_while_compiling():
    with pytest.raises(CaptureError, match="autotune_at_compile_time"):
        capture(torch.sin, randn(10), config={"triton.autotune_at_compile_time": True})


def test_causes_in_a_ring_are_walked_once():
    first, second = ValueError("first"), KeyError("second")
    first.__context__, second.__cause__ = second, first
    assert list(run.causes(first)) == [first, second]


def test_an_error_inside_torch_is_the_same_after_a_ring_of_causes():
    ring = ValueError("first")
    ring.__context__ = KeyError("second")
    ring.__context__.__context__ = ring
    with pytest.raises(ValueError, match="first"), run.readable_errors():
        raise ring


def test_graphs_that_were_not_seen_by_both_are_an_error(monkeypatch):
    def lossy(fn):
        return fn(), ["other text"]

    monkeypatch.setattr("torch._inductor.utils.run_and_get_code", lossy)
    with pytest.raises(UnreadableCodeError, match="other code"):
        capture(torch.sin, randn(10))


def test_an_error_of_the_readers_is_no_half_capture(monkeypatch):
    def unreadable(*args):
        raise UnreadableCodeError("no")

    with monkeypatch.context() as patch, contextlib.suppress(UnreadableCodeError):
        patch.setattr(run, "read_graph", unreadable)
        capture(torch.sin, randn(10))
        pytest.fail("a capture came out")
