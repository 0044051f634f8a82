"""A setting that was asked for is in force while code is generated, or the capture is an error that says why not."""

from __future__ import annotations

import logging
import subprocess
import warnings

import pytest

pytest.importorskip("triton")

import torch

from kernelsnap import capture, virtual_device
from kernelsnap.capture.settings import settings_of_command_line
from kernelsnap.errors import CaptureError, UnreadableCodeError
from kernelsnap.golden.build import build_golden
from kernelsnap.model.why import SETTING

AUTOTUNE = "max-autotune-no-cudagraphs"


@pytest.fixture
def h100():
    with virtual_device("h100"):
        yield


@pytest.fixture
def cpu():
    with virtual_device("cpu"):
        yield


def two_outputs(x):
    return x.sum(dim=1), x.cos()


def kernels(fn=two_outputs, shape=(10, 10), dtype=torch.float32, **options):
    captured = capture(fn, torch.randn(shape, device="cuda", dtype=dtype), allow_no_kernels=True, **options)
    return sum(len(graph.kernels) for graph in captured.graphs)


def padded(**options):
    return kernels(lambda x: x @ x, (4095, 4095), torch.bfloat16, **options) > 0


def test_the_command_line_overrides_the_test_which_overrides_what_every_capture_has(h100):
    assert kernels() == 1
    assert kernels(config={"max_fusion_size": 1}) == 2
    with settings_of_command_line({"max_fusion_size": 1}):
        assert kernels() == 2
        assert kernels(config={"max_fusion_size": 64}) == 2
    with settings_of_command_line({"max_fusion_size": 64}):
        assert kernels(config={"max_fusion_size": 1}) == 1
    assert kernels() == 1


def test_a_setting_that_a_capture_has_otherwise_can_be_asked_for_in_each_place(h100):
    assert not padded()
    assert padded(config={"force_shape_pad": True})
    with settings_of_command_line({"force_shape_pad": True}):
        assert padded()
        assert not padded(config={"shape_padding": False})
    with torch._inductor.config.patch({"force_shape_pad": True}):
        assert padded()
    with settings_of_command_line({"shape_padding": True}), pytest.raises(CaptureError, match="shape_padding chooses"):
        padded()


@pytest.mark.parametrize(
    "options",
    [
        {"mode": AUTOTUNE, "config": {"max_autotune": False}},
        {"mode": "max-autotune", "config": {"triton.cudagraphs": False}},
        {"mode": AUTOTUNE, "config": {"coordinate_descent_tuning": False}},
    ],
)
def test_a_mode_that_sets_it_otherwise_is_an_error(h100, options):
    (name,) = options["config"]
    with pytest.raises(CaptureError, match=rf"`{name}` was to be False, but .* compiled with True"):
        kernels(**options)
    with settings_of_command_line(options["config"]), pytest.raises(CaptureError, match=f"`{name}` was to be False"):
        kernels(mode=options["mode"])
    # As the message advises: in one place only.
    assert kernels(mode=options["mode"]) == 1
    assert kernels(config=options["config"]) == 1


@pytest.mark.parametrize(("name", "given"), [("compile_threads", 2), ("max_fusion_size", 1)])
def test_options_of_torch_compile_that_set_it_otherwise_are_an_error(h100, name, given):
    compiled = torch.compile(two_outputs, options={name: given})
    with pytest.raises(CaptureError, match=rf"`{name}` was to be .*, but .* compiled with {given}"):
        kernels(compiled, config={"max_fusion_size": 64})


def test_options_of_torch_compile_alone_are_followed(h100):
    assert kernels(torch.compile(two_outputs, options={"max_fusion_size": 1})) == 2


def test_a_function_that_changes_it_while_it_is_compiled_is_an_error(h100):
    class Change(torch._inductor.custom_graph_pass.CustomGraphPass):
        def __call__(self, graph):
            torch._inductor.config.max_fusion_size = 1

        def uuid(self):
            return None

    with (
        torch._inductor.config.patch({"max_fusion_size": 64}),
        pytest.raises(CaptureError, match="`max_fusion_size` was to be 8"),
    ):
        kernels(config={"post_grad_custom_post_pass": Change(), "max_fusion_size": 8})


def test_the_setting_that_torch_sets_back_before_a_backward_is_a_warning_whose_advice_is_right(h100):
    def step():
        x = torch.randn(50, 60, device="cuda", requires_grad=True)
        graphs = capture(torch.cos, x, backward=True, config={"deterministic": True}).graphs
        return [dict(kernel.meta).get("deterministic") for graph in graphs for kernel in graph.kernels]

    with pytest.warns(UserWarning, match="`deterministic` was to be True, but torch sets it to False after tracing"):
        assert step() == ["True", "False"]
    torch.use_deterministic_algorithms(True)
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("error")
            assert step() == ["True", "True"]
    finally:
        torch.use_deterministic_algorithms(False)


@pytest.mark.parametrize(
    ("settings", "error", "instead"),
    [
        ({"force_disable_caches": False}, "`force_disable_caches` stays on", {"force_disable_caches": True}),
        ({"max_fusion_size": "1x"}, "`max_fusion_size` is of type int, and '1x' is a text", {"max_fusion_size": 1}),
        ({"combo_kernels": "true"}, "`combo_kernels` is of type bool", {"combo_kernels": True}),
        ({"max_fusion_sice": 1}, "did you mean 'max_fusion_size'", {"max_fusion_size": 1}),
        (
            {"triton.autotune_at_compile_time": True},
            "capture without it",
            {"triton.autotune_at_compile_time": False},
        ),
        ({"cpp_wrapper": True}, "capture without it", {"cpp_wrapper": False}),
    ],
)
def test_a_setting_that_no_capture_can_have_is_refused_and_the_advice_is_right(h100, settings, error, instead):
    with pytest.raises((CaptureError, UnreadableCodeError), match=error):
        kernels(config=settings)
    with pytest.raises((CaptureError, UnreadableCodeError), match=error), settings_of_command_line(settings):
        kernels()
    assert kernels(config=instead) >= 1
    with settings_of_command_line(instead):
        assert kernels() >= 1


def test_nothing_is_left_behind_where_the_command_line_is_refused():
    before = torch._inductor.config.get_config_copy()
    with pytest.raises(CaptureError), settings_of_command_line({"max_fusion_size": 1, "no_such": 2}):
        pass
    assert torch._inductor.config.get_config_copy() == before


def vectors(**options):
    return capture(lambda x: x.sin() + 1, torch.randn(100), **options).text


def test_the_vectors_of_the_cpu_are_those_that_are_asked_for(cpu):
    assert "static_cast<int64_t>(8)" in vectors()
    assert "static_cast<int64_t>(16)" in vectors(config={"cpp.simdlen": 512})
    assert "at::vec::Vectorized" not in vectors(config={"cpp.simdlen": 1})
    assert vectors(config={"cpp.simdlen": 256}).count("Vectorized") == vectors().count("Vectorized")
    with pytest.raises(CaptureError, match=r"`cpp\.simdlen` is 384"):
        vectors(config={"cpp.simdlen": 384})


def test_the_vectors_of_the_cpu_do_not_depend_on_what_torch_found_on_this_machine(cpu, monkeypatch):
    for name in ("VecAVX2", "VecAVX512"):
        monkeypatch.setattr(getattr(torch._inductor.cpu_vec_isa, name), "__bool__", lambda self: False)
    assert "static_cast<int64_t>(8)" in vectors()
    assert "static_cast<int64_t>(16)" in vectors(config={"cpp.simdlen": 512})


def test_the_threads_of_the_cpu_are_those_that_are_asked_for(cpu):
    def threads(**options):
        return capture(lambda x: x.sin(), torch.randn(1 << 20), **options).text

    assert "num_threads(8)" in threads()
    assert "num_threads(3)" in threads(config={"cpp.threads": 3})
    with settings_of_command_line({"cpp.threads": 5}):
        assert "num_threads(5)" in threads(config={"cpp.threads": 3})


@pytest.mark.parametrize("target", ["h100", "mi300x", "cpu"])
def test_what_torch_and_kernelsnap_set_themselves_is_no_setting_of_a_golden(target):
    def told(captured):
        whys = build_golden(captured, "test_a.py::test_x").why
        return [[decided.text for decided in why.decided if decided.what == SETTING] for why in whys]

    with virtual_device(target):
        x = torch.randn(64, 64, device="cpu" if target == "cpu" else "cuda", requires_grad=True)
        assert told(capture(lambda x: (x.sin() @ x).sum(), x, backward=True)) == [[], []]
        tuned = told(capture(lambda x: x.detach().sin(), x, mode=AUTOTUNE))
    assert tuned == [["coordinate_descent_tuning = True", "max_autotune = True"]]


def test_nothing_is_made_for_logs_that_nobody_reads(h100, monkeypatch):
    """Inductor would ask nvcc for its version, for a script that compiles the graph again."""

    def started(*args, **options):
        raise AssertionError(f"a process was started: {args}")

    assert torch._dynamo.config.run_gc_after_compile
    monkeypatch.setattr(subprocess, "Popen", started)
    assert kernels() == 1
    assert torch._dynamo.config.run_gc_after_compile


def test_a_trace_has_what_compiles_a_graph_again(h100):
    made, trace = [], logging.getLogger("torch.__trace")

    class Kept(logging.Handler):
        def emit(self, record):
            made.append(record.metadata.get("artifact", {}).get("name"))

    handler = Kept()
    trace.addHandler(handler)
    try:
        kernels()
    finally:
        trace.removeHandler(handler)
    assert "fx_graph_runnable" in made


def test_a_failure_of_inductor_leaves_the_script_that_was_asked_for(h100, tmp_path):
    with (
        torch._dynamo.config.patch(repro_after="aot", debug_dir_root=str(tmp_path)),
        pytest.raises(torch._inductor.exc.InductorError, match="NoneType"),
    ):
        kernels(config={"max_fusion_size": None})
    (script,) = tmp_path.rglob("minifier_launcher.py")
    assert "torch.ops.aten.cos" in script.read_text()
