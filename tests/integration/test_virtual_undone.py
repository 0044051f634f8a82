"""After any use of the virtual device torch is as it was: however it was used, and however it was left."""

from __future__ import annotations

import contextlib
import threading

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from torch._subclasses.fake_tensor import FakeTensorMode

from kernelsnap import capture
from kernelsnap.capture import session
from kernelsnap.capture.session import virtual_session
from kernelsnap.targets.lookup import TARGETS
from kernelsnap.virtual import (
    NeedsGpuError,
    VirtualDeviceError,
    caches,
    device,
    patches,
    streams,
    triton_driver,
    values,
    virtual_device,
)
from torch_state import torch_state


def train():
    """Capture a training graph on the active device."""
    layer = torch.nn.Linear(8, 8, device="cuda")
    capture(lambda x: layer(x).relu().sum(), torch.ones(4, 8, device="cuda"), backward=True)


@pytest.mark.parametrize("name", TARGETS)
def test_nothing_is_left_behind(name, torch_is_as_before):
    with virtual_device(name):
        pass


def test_nothing_is_left_behind_after_code_generation(torch_is_as_before):
    # Caches of the process are filled the first time.
    with virtual_device("h100"):
        train()
    with virtual_device("a100"):
        train()
    for clear in caches.cache_clearers():
        info = clear.__self__.cache_info()
        assert (info.size if clear.__self__ is FakeTensorMode else info.currsize) == 0


# Ways to enter; each is one of the device, so they nest.
BLOCKS = {
    "device": lambda: virtual_device("h100"),
    "session": lambda: virtual_session("h100"),
    "another": lambda: virtual_device("a100"),
}
# What happens innermost.
EVENTS = {
    "nothing": lambda: None,
    "an error": lambda: (_ for _ in ()).throw(ZeroDivisionError),
    "an interrupt": lambda: (_ for _ in ()).throw(KeyboardInterrupt),
    "an exit": lambda: (_ for _ in ()).throw(SystemExit),
    "a failed capture": lambda: capture(lambda x: torch.mm(x, x).no_such, torch.ones(4, 4, device="cuda")),
    "an interrupted capture": lambda: capture(interrupted, torch.ones(4, device="cuda")),
    "a refusal": lambda: torch.ones(4, device="cuda").numpy(),
    "a capture": lambda: train(),
}


@torch.compiler.disable
def interrupted(x):
    raise KeyboardInterrupt


@settings(max_examples=15, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(blocks=st.lists(st.sampled_from(sorted(BLOCKS)), min_size=1, max_size=3), event=st.sampled_from(sorted(EVENTS)))
def test_nothing_is_left_behind_however_it_is_left(blocks, event, torch_is_as_before):
    ends = (Exception, KeyboardInterrupt, SystemExit)
    with contextlib.suppress(*ends), contextlib.ExitStack() as stack:
        for block in blocks:
            stack.enter_context(BLOCKS[block]())
        EVENTS[event]()
    torch_is_as_before()
    assert torch.ones(3).sum().item() == 3


# Where entering may fail: at each of the steps that come after the first change.
STEPS = [
    (patches, "patched"),
    (triton_driver, "active_driver"),
    (values, "refusing_values"),
    (streams, "harmless_streams"),
]


@pytest.mark.parametrize("error", [ZeroDivisionError, KeyboardInterrupt])
@pytest.mark.parametrize(("module", "name"), STEPS, ids=lambda value: getattr(value, "__name__", value))
def test_an_error_while_entering_undoes_what_was_done(module, name, error, monkeypatch, torch_is_as_before):
    original = getattr(module, name)

    @contextlib.contextmanager
    def failing(*args):
        with original(*args):
            raise error
        yield

    with monkeypatch.context() as patch:
        for user in (device, session, module):
            patch.setattr(user, name, failing, raising=False)
        with pytest.raises(error), virtual_session("h100"):
            pass
    torch_is_as_before()
    with virtual_session("h100"):
        assert torch.cuda.is_available()


def test_a_thread_that_is_refused_changes_nothing(torch_is_as_before):
    errors = []

    def enter():
        try:
            with virtual_session("h100"):
                pass
        except VirtualDeviceError as error:
            errors.append(error)

    with virtual_device("h100"):
        thread = threading.Thread(target=enter)
        thread.start()
        thread.join()
        assert torch.cuda.is_available()
    assert len(errors) == 1


def test_what_is_replaced_inside_is_what_the_table_says():
    absent = object()
    before = torch_state()
    with virtual_device("h100"):
        inside = torch_state()
    changed = {name for name in inside if inside[name] is not before.get(name, absent)}
    named = {
        (patch.at.owner.rpartition(":")[2].removeprefix("torch._dynamo."), patch.at.name) for patch in patches.PATCHES
    }
    allowed = {"multithreading", "triton active", "triton default"} | {str(patch.at) for patch in patches.PATCHES}
    assert {name for name in changed if name not in named | allowed} == set()


def test_cpu_code_still_runs_and_trains_afterwards():
    torch.ones(2, requires_grad=True).sum().backward()
    with virtual_device("h100"):
        train()
        on_cpu = torch.ones(3, requires_grad=True)
        on_cpu.sum().backward()
    torch._dynamo.reset()
    x = torch.randn(4, requires_grad=True)
    torch.compile(lambda x: (x.sin() * 2).sum(), backend="aot_eager")(x).backward()
    torch.testing.assert_close(x.grad, 2 * x.detach().cos())
    assert not torch.compile(lambda: torch.cuda.is_available(), backend="eager")()


def test_real_tensors_on_cuda_go_to_the_cpu_only_inside():
    with virtual_device("h100"), torch.utils._python_dispatch._disable_current_modes():
        assert torch.full((), 2.0, device="cuda").item() == 2.0
    if not torch.cuda.is_available():
        with pytest.raises((AssertionError, RuntimeError)):
            torch.full((), 2.0, device="cuda")


def test_a_session_knows_its_graphs_until_it_forgets():
    with virtual_session("h100") as session:
        assert torch.compile(torch.sin)(torch.ones(64, device="cuda")).is_cuda
        assert len(session.graphs) == 1
        with pytest.raises(NeedsGpuError):
            torch.ones(3, device="cuda").tolist()
        assert len(session.refusals.errors) == 1
        session.forget()
        assert (session.graphs, session.refusals.errors) == ([], [])


def test_a_session_refuses_values_except_inside_compiled_code():
    def masked(x):
        return x[x > 0] + 1

    x = torch.ones(4)
    with virtual_session("h100") as session, torch._dynamo.config.patch(capture_dynamic_output_shape_ops=True):
        assert capture(masked, x.cuda()).kernels > 0
        assert session.refusals.errors == []
        with pytest.raises(NeedsGpuError, match=rf"aten.nonzero.default needs the values .* \({__file__}:"):
            masked(x.cuda())
    with virtual_device("h100"):
        assert masked(x.cuda()).is_cuda
