"""The virtual device on the torch that is installed: what is true inside, and who may enter."""

from __future__ import annotations

import contextlib
import threading
from unittest import mock

import pytest
import torch
import torch._dynamo.device_interface
import torch._inductor.config
import triton
from torch._inductor.compile_fx import compile_fx, compile_fx_inner
from torch._inductor.graph import GraphLowering
from torch._subclasses.fake_tensor import FakeTensor

from kernelsnap.errors import UnsupportedLibraryError
from kernelsnap.targets import lookup as targets
from kernelsnap.targets.lookup import TARGETS
from kernelsnap.virtual import (
    UnsupportedTorchError,
    UnsupportedTritonError,
    VirtualDeviceError,
    active_target,
    patches,
    require_autograd,
    virtual_device,
)
from torch_state import torch_state

GPUS = [name for name, entry in TARGETS.items() if entry.is_gpu]


@pytest.fixture(scope="module", autouse=True)
def _shim_cache(tmp_path_factory):
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("KERNELSNAP_CACHE", str(tmp_path_factory.mktemp("cache")))
        yield


class _Generated(BaseException):
    """Leaves Inductor once the code is there."""


def generated_code(function, inputs, *, backward=False):
    """The source of every graph of a function; the FX graph runs in place of the kernels."""
    sources = []

    def stop(self):
        sources.append(self.codegen()[0].value)
        raise _Generated

    def inner_compile(graph, example_inputs, **kwargs):
        with mock.patch.object(GraphLowering, "compile_to_module", stop), contextlib.suppress(_Generated):
            compile_fx_inner(graph, example_inputs, **kwargs)
        return graph

    def backend(graph, example_inputs):
        return compile_fx(graph, example_inputs, inner_compile=inner_compile)

    torch._dynamo.reset()
    with (
        torch._inductor.config.patch(force_disable_caches=True, compile_threads=1),
        torch.set_grad_enabled(backward),
    ):
        out = torch.compile(function, backend=backend)(*inputs)
        if backward:
            out.sum().backward()
    return sources


def norm_softmax(x, w):
    return torch.softmax(torch.nn.functional.layer_norm(x, (x.shape[-1],), w).relu(), -1).sum(0)


def norm_inputs(device="cuda"):
    return [
        torch.randn(64, 1024, device=device, requires_grad=True),
        torch.randn(1024, device=device, requires_grad=True),
    ]


def device_properties_in(code):
    return [line for line in code.splitlines() if "DeviceProperties(type=" in line]


# --- inside


@pytest.mark.parametrize("name", GPUS)
def test_torch_describes_the_target(name):
    entry = targets.target(name)
    with virtual_device(name) as active:
        assert active is entry
        assert active_target() is entry
        assert torch.cuda.is_available()
        assert torch.cuda.device_count() == 1
        assert torch.cuda.current_device() == 0
        assert torch.cuda.get_device_name() == entry.device_name
        assert torch.cuda.get_device_capability("cuda:0") == (entry.major, entry.minor)
        assert torch.cuda.get_device_properties(0).multi_processor_count == entry.multi_processor_count
        assert torch.cuda.mem_get_info() == (entry.total_memory, entry.total_memory)
        assert torch.cuda.memory_allocated() == torch.cuda.max_memory_reserved() == 0
        assert torch.cuda.is_bf16_supported()
        assert not torch.cuda.is_current_stream_capturing()
        assert torch.accelerator.current_accelerator() == torch.device("cuda")
        assert (torch.version.hip is not None) is (entry.backend == "hip")
        target = triton.runtime.driver.active.get_current_target()
        assert (target.backend, target.arch, target.warp_size) == (entry.backend, entry.arch, entry.warp_size)
        torch.cuda.synchronize()
        torch.cuda.empty_cache()
        torch.cuda.set_device(0)
        with torch.cuda.device(0):
            assert torch.cuda.current_device() == 0


def test_tensors_on_cuda_are_fake_and_weigh_nothing():
    with virtual_device("h100"):
        huge = torch.randn(1 << 20, 1 << 20, device="cuda")
        assert isinstance(huge, FakeTensor)
        with torch.device("cuda"):
            assert torch.zeros(3).device == torch.device("cuda", 0)


def test_seeds_are_taken():
    with virtual_device("h100"):
        torch.manual_seed(1)
        torch.cuda.manual_seed(2)
        assert torch.cuda.initial_seed() == 2
        torch.cuda.set_rng_state(torch.cuda.get_rng_state())


@pytest.mark.parametrize("made", ["outside", "inside"])
def test_a_module_moves_to_cuda_and_keeps_tied_parameters_tied(made):
    def module():
        first, second = torch.nn.Linear(8, 8), torch.nn.Linear(8, 8)
        if made == "inside":
            second.weight = first.weight
        return torch.nn.Sequential(first, second, torch.nn.BatchNorm1d(8))

    outside = module() if made == "outside" else None
    with virtual_device("h100"):
        moved = (outside or module()).to("cuda").to(torch.bfloat16)
        assert all(p.device.type == "cuda" and isinstance(p, torch.nn.Parameter) for p in moved.parameters())
        assert all(p.dtype == torch.bfloat16 and p.requires_grad for p in moved.parameters())
        if made == "inside":
            assert moved[0].weight is moved[1].weight
        assert moved(torch.randn(4, 8, device="cuda", dtype=torch.bfloat16)).shape == (4, 8)
        assert torch.nn.Linear(8, 8, device="cuda").weight.is_cuda


@pytest.mark.parametrize("name", GPUS)
def test_forward_and_backward_code_is_for_the_target(name):
    entry = targets.target(name)
    with virtual_device(name):
        require_autograd()
        code = generated_code(norm_softmax, norm_inputs(), backward=True)
    assert len(code) == 2
    for graph in code:
        assert "async_compile.triton(" in graph
        for line in device_properties_in(graph):
            assert f"type='{entry.backend}'" in line
            assert f"multi_processor_count={entry.multi_processor_count}" in line
            assert f"warp_size={entry.warp_size}" in line


def test_code_does_not_depend_on_what_was_captured_before():
    def capture(name):
        with virtual_device(name):
            code = generated_code(norm_softmax, norm_inputs(), backward=True)
        return [line for graph in code for line in graph.splitlines() if not line.lstrip().startswith("#")]

    first = capture("a100")
    other = capture("h100")
    assert capture("a100") == first
    assert other != first


def test_convolutions_are_lowered_as_with_cudnn():
    with virtual_device("h100"):
        conv = torch.nn.Conv2d(8, 8, 3, device="cuda").to(memory_format=torch.channels_last)
        x = torch.randn(2, 8, 16, 16, device="cuda")
        assert conv(x).is_contiguous(memory_format=torch.channels_last)


def test_a_shape_that_depends_on_data_runs_on_fake_tensors():
    with virtual_device("h100"), torch._dynamo.config.patch(capture_dynamic_output_shape_ops=True):
        code = generated_code(lambda x: x[x > 0].sin(), [torch.randn(64, device="cuda")])
    assert len(code) == 1


def test_the_cpu_needs_fake_mode_only():
    before = torch_state()
    with virtual_device("cpu"):
        assert isinstance(torch.randn(3), FakeTensor)
        assert torch.nn.Linear(2, 2).half().weight.dtype == torch.float16
        assert torch.version.cuda is before[("torch.version", "cuda")]
        # Any vector width will do; looking for the machine's own compiles and runs a C++ program.
        with torch._inductor.config.patch({"cpp.simdlen": 1}):
            code = generated_code(norm_softmax, norm_inputs("cpu"), backward=True)
    assert len(code) == 2
    assert all("async_compile.cpp" in graph for graph in code)


# --- entering


def test_the_same_target_nests():
    with virtual_device("h100") as outer:
        x = torch.randn(3, device="cuda")
        with virtual_device(targets.target("h100")) as inner:
            assert inner is outer
            assert (x + torch.randn(3, device="cuda")).is_cuda
        assert torch.cuda.is_available()
        assert torch.randn(3, device="cuda").is_cuda
    assert active_target() is None


def test_another_target_does_not_nest():
    with virtual_device("h100"):
        with (
            pytest.raises(VirtualDeviceError, match="h100 is active: leave it before entering a100"),
            virtual_device("a100"),
        ):
            pass
        assert torch.cuda.get_device_name() == targets.target("h100").device_name
    with virtual_device("a100"):
        assert torch.cuda.get_device_capability() == (8, 0)


def test_native_is_not_virtual():
    with pytest.raises(VirtualDeviceError, match="real GPU"), virtual_device("native"):
        pass


def test_an_unknown_target_changes_nothing(torch_is_as_before):
    with pytest.raises(targets.UnknownTargetError, match="h100"), virtual_device("h101"):
        pass


def in_thread(function):
    """What the function returns or raises in a thread of its own."""
    results = []

    def run():
        try:
            results.append(function())
        except Exception as error:
            results.append(error)

    thread = threading.Thread(target=run)
    thread.start()
    thread.join()
    return results[0]


def enter_and_capture():
    with virtual_device("h100"):
        return len(generated_code(norm_softmax, norm_inputs(), backward=True))


def test_one_thread_at_a_time_is_inside():
    with virtual_device("h100"):
        refused = in_thread(enter_and_capture)
        assert torch.cuda.is_available()
    assert isinstance(refused, VirtualDeviceError)
    assert "another thread" in str(refused)
    assert in_thread(enter_and_capture) == 2
    assert enter_and_capture() == 2


# --- a torch or triton that is not the one known


REQUIRED = [patch for patch in patches.PATCHES if not patch.at.optional and not patch.cpu_too]


@pytest.mark.parametrize("patch", REQUIRED, ids=lambda patch: str(patch.at))
def test_a_missing_internal_is_named(patch, monkeypatch, torch_is_as_before):
    with monkeypatch.context() as removed:
        removed.delattr(patch.at.find_owner(), patch.at.name)
        with pytest.raises(UnsupportedLibraryError) as raised, virtual_device("h100"):
            pass
    version = {"torch": torch.__version__, "triton": triton.__version__}[patch.at.library]
    assert str(raised.value).startswith(f"{patch.at.library} {version} has no {patch.at}, ")
    torch_is_as_before()
    with virtual_device("h100"):
        assert torch.cuda.is_available()


@pytest.mark.parametrize(
    ("owner", "name", "value"),
    [
        (torch.cuda, "_initialized", lambda: True),
        (torch.cuda, "_exchange_device", 0),
        (torch._dynamo.device_interface, "device_interfaces", ()),
    ],
)
def test_a_changed_internal_is_named(owner, name, value, monkeypatch):
    monkeypatch.setattr(owner, name, value)
    with pytest.raises(UnsupportedTorchError, match=name), virtual_device("h100"):
        pass


def test_an_uncached_function_is_named(monkeypatch):
    monkeypatch.setattr(torch.utils._triton, "has_triton", lambda: False)
    with pytest.raises(UnsupportedTorchError, match=r"has_triton\.cache_clear"), virtual_device("h100"):
        pass


def test_a_wrong_answer_inside_is_an_error(monkeypatch):
    monkeypatch.setattr(torch.cuda, "device_count", lambda: 8)
    with (
        pytest.raises(UnsupportedTorchError, match=r"torch.cuda.device_count\(\).* is 8, not 1"),
        virtual_device("h100"),
    ):
        pass


def test_a_missing_triton_says_what_to_install(monkeypatch):
    monkeypatch.setitem(__import__("sys").modules, "triton", None)
    with pytest.raises(UnsupportedTritonError, match=r"pip install triton"), virtual_device("h100"):
        pass


def test_a_changed_triton_is_named(monkeypatch):
    monkeypatch.delattr(triton.runtime.driver, "_default")
    with pytest.raises(UnsupportedTritonError, match="_default"), virtual_device("h100"):
        pass
