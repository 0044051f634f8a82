"""Where Inductor would choose by timing: each place is reached by a real capture, and refused or decided by rule."""

from __future__ import annotations

import multiprocessing
import re

import pytest

pytest.importorskip("triton")

import torch
import torch.distributed as dist
import torch.distributed._functional_collectives as collectives
from torch._inductor.runtime import benchmarking

from kernelsnap import capture, virtual_device
from kernelsnap.capture import timed
from kernelsnap.capture.session import virtual_session
from kernelsnap.errors import CaptureError
from kernelsnap.shared.private_names import release_of

AUTOTUNE = "max-autotune-no-cudagraphs"
OVERLAP = "aten_distributed_optimizations."


@pytest.fixture
def h100():
    with virtual_device("h100"):
        yield


@pytest.fixture
def group():
    """Two ranks, of which this is one and the other answers nothing."""
    from torch.testing._internal.distributed.fake_pg import FakeStore

    dist.init_process_group("fake", store=FakeStore(), rank=0, world_size=2)
    yield
    dist.destroy_process_group()


def cuda(*shape, **options):
    return torch.randn(*shape, device="cuda", **options)


def product(**options):
    a, b = (cuda(4095, 4095, dtype=torch.bfloat16) for _ in "ab")
    return capture(lambda a, b: (a @ b).relu(), a, b, **options)


def two_outputs(**options):
    return capture(lambda a: (a.sum(dim=1), a.cos()), cuda(100, 100), **options)


def two_kernels(**options):
    return capture(lambda a, b: (a.sin(), b.cos()), cuda(100), cuda(200), **options)


def norm(**options):
    def rms_norm(x, weight):
        return torch.nn.functional.rms_norm(x, (512,), weight)

    x, weight = cuda(32768, 512, requires_grad=True), cuda(512, requires_grad=True)
    return capture(rms_norm, x, weight, backward=True, **options)


def gathered(**options):
    def gather(x, weight):
        return collectives.all_gather_tensor(x, 0, dist.group.WORLD), weight @ weight

    return capture(gather, cuda(128, 128), cuda(512, 512), allow_no_kernels=True, **options)


def only_gathered(**options):
    def gather(x):
        return collectives.all_gather_tensor(x, 0, dist.group.WORLD) + 1

    return capture(gather, cuda(128, 128), **options)


def saved(config, **options):
    def chain(x, weight):
        return torch.tanh(torch.tanh(x @ weight) @ weight) @ weight

    x, weight = (cuda(64, 64, requires_grad=True) for _ in "xw")
    with torch._functorch.config.patch({"activation_memory_budget": 0.5, **config}):
        return capture(chain, x, weight, backward=True, **options)


# The setting of a place, what reaches it, and the settings that do.
REACHED = {
    "shape_padding": (product, {"shape_padding": True}),
    "benchmark_fusion": (two_outputs, {"benchmark_fusion": True}),
    "benchmark_combo_kernel": (two_kernels, {"combo_kernels": True, "benchmark_combo_kernel": True}),
    "combo_kernel_compile_time_autotune": (
        two_kernels,
        {
            "combo_kernels": True,
            "combo_kernel_per_subkernel_blocks": True,
            "combo_kernel_compile_time_autotune": True,
        },
    ),
    "runtime_estimations_mms_benchmark": (
        gathered,
        {
            "reorder_for_compute_comm_overlap": True,
            "reorder_for_compute_comm_overlap_passes": ["reorder_compute_for_overlap"],
            "runtime_estimations_mms_benchmark": True,
        },
    ),
    f"{OVERLAP}enable_overlap_scheduling": (gathered, {f"{OVERLAP}enable_overlap_scheduling": True}),
    f"{OVERLAP}collective_estimator": (
        only_gathered,
        {f"{OVERLAP}enable_overlap_scheduling": True, f"{OVERLAP}collective_estimator": "benchmark"},
    ),
    "activation_memory_budget_runtime_estimator": (saved, {"activation_memory_budget_runtime_estimator": "profile"}),
}
REFUSED = {place.setting: place for place in timed.PLACES if place.instead}
BY_RULE = {place.setting for place in timed.PLACES} - set(REFUSED)


@pytest.fixture(params=REACHED)
def place(request):
    place = REFUSED[request.param]
    if not place.at.exists_in(release_of("torch")):
        pytest.skip(f"this torch has no {place.at}")
    if REACHED[request.param][0] in (gathered, only_gathered):
        request.getfixturevalue("group")
    # After the group: torch makes real tensors for it.
    request.getfixturevalue("h100")
    return place


def test_each_place_has_a_test():
    assert set(REACHED) == set(REFUSED)
    assert {"pipeline_max_autotune_gemm", "triton.mix_order_reduction"} == BY_RULE


def test_a_choice_by_timing_is_refused_with_the_setting(place):
    reach, settings = REACHED[place.setting]
    with pytest.raises(CaptureError) as raised:
        reach(config=settings)
    assert str(raised.value) == str(place)
    assert place.setting in str(place)


def test_the_advice_of_a_refusal_is_right(place):
    reach, settings = REACHED[place.setting]
    followed = [advice for advice in place.instead if advice.is_known()]
    assert followed
    for advice in followed:
        assert repr(advice.settings) in str(place)
        assert reach(config={**settings, **advice.settings}).graphs


def test_multiplications_are_padded_where_that_is_asked_for():
    with virtual_device("h100"):
        assert len(product().graphs[0].kernels) == 1
        padded = product(config={"force_shape_pad": True})
        assert len(padded.graphs[0].kernels) > 1
        # What torch answered for other settings is not remembered.
        assert len(product().graphs[0].kernels) == 1
        with pytest.raises(CaptureError, match="shape_padding chooses"):
            product(config={"shape_padding": True})
        # As torch itself has it: nothing is padded while `shape_padding` is off.
        assert len(product(config={"force_shape_pad": True, "shape_padding": False}).graphs[0].kernels) == 1


@pytest.mark.parametrize(
    "options",
    [{"mode": AUTOTUNE}, {"config": {"coordinate_descent_tuning": True}}],
    ids=["max_autotune", "coordinate_descent"],
)
def test_a_reduction_in_mixed_order_is_split_as_the_heuristics_do(h100, options):
    def splits(captured):
        return re.findall(r"'RSPLIT_SIZE': (\d+)", captured.text)

    plain = norm()
    assert splits(plain) == ["16"]
    assert splits(norm(**options)) == splits(plain)


def test_no_process_is_started_for_candidates(h100):
    a = cuda(512, 512, dtype=torch.bfloat16)
    settings = {"pipeline_max_autotune_gemm": True, "benchmark_epilogue_fusion": False}
    captured = capture(lambda a: (a @ a).relu(), a, mode=AUTOTUNE, config=settings)
    assert len(captured.graphs[0].choices) == 1
    assert not multiprocessing.active_children()


def test_an_error_that_inductor_swallows_ends_the_capture(h100, monkeypatch):
    # Without these entries the place is one that the table lacks: Inductor takes the failure for an infinite time.
    # torch 2.15 comes past that of `benchmark_fusion` first.
    known = [place for place in timed.PLACES if place.setting not in ("benchmark_combo_kernel", "benchmark_fusion")]
    monkeypatch.setattr(timed, "PLACES", tuple(known))
    with pytest.raises(CaptureError, match=r"times something in .*benchmark_codegened_module.*please report this"):
        two_kernels(config={"combo_kernels": True, "benchmark_combo_kernel": True, "compile_threads": 1})


@pytest.mark.parametrize("method", ["benchmark", "benchmark_cpu", "benchmark_gpu", "benchmark_gpu_with_cuda_graph"])
def test_a_benchmark_is_noted_whoever_enters_it(h100, method):
    if not hasattr(benchmarking.Benchmarker, method):
        pytest.skip("not in this torch")

    def impatient(graph):
        try:
            getattr(benchmarking.benchmarker, method)(lambda: None)
        except Exception:
            return

    with pytest.raises(CaptureError, match=rf"times something in .*Benchmarker\.{method},"):
        two_outputs(config={"post_grad_custom_post_pass": Pass(impatient)})


class Pass(torch._inductor.custom_graph_pass.CustomGraphPass):
    """A pass of a user's own."""

    def __init__(self, run):
        self.run = run

    def __call__(self, graph):
        self.run(graph)

    def uuid(self):
        return None


def test_every_class_that_times_is_watched(h100):
    watched = {str(name) for name in timed._watched()}
    waiting = [benchmarking.Benchmarker]
    while waiting:
        cls = waiting.pop()
        waiting += cls.__subclasses__()
        if "benchmark_gpu" in vars(cls):
            assert f"{cls.__module__}.{cls.__qualname__}.benchmark_gpu" in watched


def test_a_test_for_a_real_gpu_is_told_also_where_the_error_is_swallowed():
    settings = {"combo_kernels": True, "benchmark_combo_kernel": True}
    with virtual_session("h100") as session, torch._inductor.config.patch(settings):
        with pytest.raises(Exception, match="benchmark_combo_kernel chooses"):
            torch.compile(lambda a, b: (a.sin(), b.cos()))(cuda(100), cuda(200))
        (error,) = {str(error) for error in session.refusals.errors}
        assert error == str(REFUSED["benchmark_combo_kernel"])
        session.forget()
        assert session.refusals.errors == []


def test_padding_that_a_test_for_a_real_gpu_asks_for_is_done():
    with virtual_session("h100") as session:
        a = cuda(4095, 4095, dtype=torch.bfloat16)
        with torch._inductor.config.patch({"force_shape_pad": True}):
            torch.compile(lambda a: (a @ a).relu())(a)
        assert session.refusals.errors == []
        assert "4096" in session.graphs[-1].text
