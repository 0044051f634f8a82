"""`--kernelsnap-virtual`: what torch shows of generated code is as on a GPU; what only running code shows is skipped.

Each test of the inner runs is in the style of torch's own tests, which look at logs, files, counters and launches.
"""

from __future__ import annotations

import pytest

pytest.importorskip("triton")
pytest.importorskip("expecttest", reason="torch.testing._internal needs it")

IMPORTS = """
import glob, logging, os, subprocess, sys
from unittest import mock

import pytest
import torch
import torch._functorch.config as functorch_config
import torch.multiprocessing as mp
from torch._dynamo.utils import counters
from torch._inductor import config
from torch._inductor.codecache import PyCodeCache
from torch._inductor.codegen.multi_kernel import MultiKernelCall
from torch._inductor.runtime.triton_heuristics import CachingAutotuner
from torch._inductor.test_case import TestCase
from torch._inductor.utils import fresh_cache, run_and_get_code, run_and_get_cpp_code, run_and_get_kernels
from torch.profiler import ProfilerActivity, profile
from torch.testing import FileCheck
from torch.testing._internal.logging_utils import LoggingTestCase, make_logging_test


@pytest.fixture(autouse=True)
def compiles_anew():
    torch._dynamo.reset()


def softmax(x):
    return torch.softmax(x, -1)


def randn(*shape):
    return torch.randn(*shape or (64, 128), device="cuda")
"""

AS_ON_A_GPU = """
class Logs(LoggingTestCase):
    @make_logging_test(output_code=True)
    def test_output_code(self, records):
        torch.compile(softmax)(randn())
        texts = [record.getMessage() for record in records]
        self.assertEqual(sum("Output code: " in text and "@triton.jit" in text for text in texts), 1)
        (path,) = {text.partition("written to: ")[2] for text in texts if "Output code written to: " in text}
        self.assertTrue(os.path.isfile(path))

    @make_logging_test(kernel_code=True)
    def test_kernel_code(self, records):
        torch.compile(softmax)(randn())
        (record,) = records
        FileCheck().check("Triton Kernel:").check("@triton.jit").run(record.getMessage())

    @make_logging_test(kernel_code=True)
    def test_kernel_code_of_two_graphs(self, records):
        torch.compile(lambda x: softmax(x).sum(0))(randn().requires_grad_()).sum().backward()
        self.assertGreater(len(records), 2)

    @make_logging_test(fusion=True)
    def test_fusion(self, records):
        torch.compile(lambda x: (x.sum(1), x.cos()))(randn())
        self.assertTrue(any("fus" in record.getMessage() for record in records))

    @make_logging_test(schedule=True)
    def test_schedule(self, records):
        torch.compile(softmax)(randn())
        self.assertGreater(len(records), 0)


class Code(TestCase):
    def test_cpp_code_is_the_log(self):
        _, code = run_and_get_cpp_code(torch.compile(softmax), randn())
        FileCheck().check("@triton.jit").check("def call(").run(code)

    def test_code_and_kernels(self):
        _, (code,) = run_and_get_code(torch.compile(softmax), randn())
        _, (kernel,) = run_and_get_kernels(torch.compile(softmax), randn())
        self.assertIn(kernel, code)

    def test_loaded_modules(self):
        PyCodeCache.cache_clear()
        torch.compile(softmax)(randn())
        (module,) = [module for module in PyCodeCache.modules if hasattr(module, "call")]
        FileCheck().check("def call(").run(open(module.__file__).read())
        (kernel,) = [value for value in vars(module).values() if isinstance(value, CachingAutotuner)]
        self.assertGreater(len(kernel.configs), 0)

    def test_debug_folder(self):
        with fresh_cache() as _, config.patch({"trace.enabled": True, "trace.debug_dir": self.folder()}):
            torch.compile(softmax)(randn())
            files = {os.path.basename(p): p for p in glob.glob(config.trace.debug_dir + "/**", recursive=True)}
            text = open(files["output_code.py"]).read()
        self.assertTrue({"fx_graph_readable.py", "ir_pre_fusion.txt", "ir_post_fusion.txt"} <= files.keys())
        FileCheck().check("@triton.jit").run(text)

    def folder(self):
        import tempfile

        folder = tempfile.TemporaryDirectory()
        self.addCleanup(folder.cleanup)
        return folder.name

    def test_counts_kernels(self):
        counters.clear()
        torch.compile(softmax)(randn())
        self.assertEqual(counters["inductor"]["async_compile_cache_miss"], 1)

    @config.patch({"max_autotune_gemm": True})
    def test_counts_choices(self):
        counters.clear()
        x = randn(256, 256)
        torch.compile(lambda x: x @ x)(x)
        self.assertEqual(counters["inductor"]["select_algorithm_autotune"], 1)
        torch._dynamo.reset()
        # Timed before: torch keeps what it timed.
        torch.compile(lambda x: (x @ x, x @ x.t() + 1))(x)
        self.assertEqual(counters["inductor"]["select_algorithm_autotune"], 2)

    @config.patch({"max_autotune_gemm": True, "deterministic": True})
    def test_counts_no_choice_that_nothing_timed(self):
        counters.clear()
        torch.compile(lambda x: x @ x)(randn(256, 256))
        self.assertEqual(counters["inductor"]["select_algorithm_autotune"], 0)

    @config.patch({"graph_partition": False})
    def test_counts_cuda_graphs_that_were_not_made(self):
        counters.clear()
        torch.compile(lambda x, y: (x + 1, y + 1), mode="reduce-overhead")(randn(), torch.ones(3, device="cpu"))
        self.assertEqual(counters["inductor"]["cudagraph_skips"], 1)

    def test_counts_no_cuda_graph_without_one(self):
        counters.clear()
        torch.compile(softmax)(randn())
        self.assertEqual(counters["inductor"]["cudagraph_skips"], 0)
        self.assertEqual(counters["inductor"].get("cudagraph_skips", 0), 0)

    @config.patch({"fx_graph_cache": True})
    def test_counts_what_the_cache_has(self):
        with fresh_cache():
            counters.clear()
            first, second = randn(), randn()
            for x in (first, second):
                torch._dynamo.reset()
                self.assertEqual(torch.compile(softmax)(x).shape, (64, 128))
            self.assertEqual(counters["inductor"]["fxgraph_cache_miss"], 1)
            self.assertEqual(counters["inductor"]["fxgraph_cache_hit"], 1)

    @config.patch({"fx_graph_cache": True})
    @functorch_config.patch({"enable_autograd_cache": True})
    def test_counts_what_the_cache_of_aot_autograd_has(self):
        with fresh_cache():
            counters.clear()
            for _ in range(2):
                torch._dynamo.reset()
                x = randn().requires_grad_()
                torch.compile(softmax)(x).sum().backward()
                self.assertEqual(x.grad.shape, (64, 128))
            self.assertEqual(counters["aot_autograd"]["autograd_cache_miss"], 1)
            self.assertEqual(counters["aot_autograd"]["autograd_cache_hit"], 1)

    @config.patch({"freezing": True})
    def test_freezing_keeps_two_parameters_apart(self):
        linear = lambda: torch.nn.Linear(16, 16)
        module = torch.nn.Sequential(linear(), torch.nn.ReLU(), linear()).cuda().eval()
        with torch.no_grad():
            _, (code,) = run_and_get_code(torch.compile(module), randn(4, 16))
        self.assertEqual(code.count("rand_strided((16, 16), (1, 16)"), 2)

    def test_processes_that_are_no_python(self):
        self.assertEqual(subprocess.run(["true"]).returncode, 0)
        self.assertEqual(subprocess.check_output("echo a", shell=True), b"a\\n")

    @config.patch({"triton.multi_kernel": 1})
    def test_multi_kernel(self):
        _, (code,) = run_and_get_code(torch.compile(softmax), randn())
        FileCheck().check("async_compile.multi_kernel").run(code)


def test_structured_trace():
    records, trace = [], logging.getLogger("torch.__trace")

    class Kept(logging.Handler):
        def emit(self, record):
            records.append(record)

    handler = Kept()
    trace.addHandler(handler)
    try:
        torch.compile(softmax)(randn())
    finally:
        trace.removeHandler(handler)
    (record,) = [record for record in records if "inductor_output_code" in record.metadata]
    assert "@triton.jit" in record.payload
    assert os.path.isfile(record.metadata["inductor_output_code"]["file_path"])


def test_device_mesh():
    import torch.distributed as dist
    from torch.distributed.device_mesh import DeviceMesh, init_device_mesh
    from torch.testing._internal.distributed.fake_pg import FakeStore

    dist.init_process_group(backend="fake", rank=1, world_size=4, store=FakeStore())
    try:
        mesh = init_device_mesh("cuda", (2, 2), mesh_dim_names=("dp", "tp"))
        assert (mesh.size(), mesh.get_coordinate(), mesh["tp"].get_local_rank()) == (4, (0, 1), 1)
        assert mesh.mesh.tolist() == [[0, 1], [2, 3]]
        assert DeviceMesh("cuda", [0, 1, 2, 3]).mesh.tolist() == [0, 1, 2, 3]
        assert mesh._flatten("all").size() == 4
    finally:
        dist.destroy_process_group()
"""

# The name of each test, and what its skip says.
SKIPPED = {
    "test_profiler_events": "what a profiler has recorded needs a GPU on which kernels run*(test_a.py:*)",
    "test_profiler_of_the_gpu_alone": "what a profiler has recorded needs *",
    "test_profiler_averages": "what a profiler has recorded needs *",
    "test_profiler_trace": "what a profiler has recorded needs *",
    "test_profiler_of_autograd": "what a profiler has recorded needs *",
    "test_patched_multi_kernel": "a call of *MultiKernelCall.run, which the test replaces, needs a GPU *(test_a.py:*)",
    "test_patched_autotuner": "a call of *CachingAutotuner.run, which the test replaces, needs *",
    "test_assigned_autotuner": "a call of *CachingAutotuner.bench, which the test replaces, needs *",
    "test_launch_of_a_kernel": "*needs *",
    "test_cuda_graph_manager": "the manager of CUDA graphs needs *",
    "test_cuda_graph_counter": 'the counter "cudagraph_skips" needs CUDA graphs*(test_a.py:*)',
    "test_cuda_graph": "torch.cuda.CUDAGraph needs *",
    "test_subprocess": "starting another Python process needs the GPU in that process*(test_a.py:*)",
    "test_shell": "starting another Python process needs *",
    "test_spawn": "starting a process needs the GPU in that process*",
    "test_helper_of_torch": "starting another Python process needs *",
    "test_aot_inductor": "compiling with AOTInductor needs *(test_a.py:*)",
    "test_aot_inductor_of_a_graph": "compiling with AOTInductor needs *",
    "test_cpp_wrapper": "`cpp_wrapper` is on*(test_a.py:*)",
    "test_freezing_writes_values": "Inductor writes the values of the parameter * of shape (2,)*(test_a.py:*)",
    "test_device_mesh_of_a_tensor": "DeviceMesh(...) reads the ranks in its tensor*(test_a.py:*)",
}

NEEDS_ONE = """
def test_profiler_events():
    compiled = torch.compile(softmax)
    with profile(activities=[ProfilerActivity.CPU, ProfilerActivity.CUDA]) as profiler:
        compiled(randn())
    # Without a GPU this would hold because nothing ran.
    assert not [event for event in profiler.events() if event.device_type == torch.autograd.DeviceType.CUDA]


def test_profiler_of_the_gpu_alone():
    with profile(activities=[ProfilerActivity.CUDA]) as profiler:
        torch.compile(softmax)(randn())
    assert not [event for event in profiler.events() if "triton" in event.name]


def test_profiler_averages():
    with profile() as profiler:
        torch.compile(softmax)(randn())
    assert "triton" not in str(profiler.key_averages())


def test_profiler_trace(tmp_path):
    with profile() as profiler:
        torch.compile(softmax)(randn())
    profiler.export_chrome_trace(str(tmp_path / "trace.json"))


def test_profiler_of_autograd():
    with torch.autograd.profiler.profile() as profiler:
        torch.compile(softmax)(randn())
    assert len(profiler.function_events) >= 0


@config.patch({"triton.multi_kernel": 1})
def test_patched_multi_kernel():
    calls = []
    with mock.patch.object(MultiKernelCall, "run", lambda *args, **kwargs: calls.append(args)):
        torch.compile(softmax)(randn())
    assert not calls


def test_patched_autotuner():
    with mock.patch.object(CachingAutotuner, "run") as run:
        torch.compile(softmax)(randn())
    run.assert_not_called()


def test_assigned_autotuner(monkeypatch):
    monkeypatch.setattr(CachingAutotuner, "bench", lambda *args, **kwargs: 1.0)
    torch.compile(softmax)(randn())


def test_launch_of_a_kernel():
    PyCodeCache.cache_clear()
    torch.compile(softmax)(randn())
    (module,) = [module for module in PyCodeCache.modules if hasattr(module, "call")]
    (kernel,) = [value for value in vars(module).values() if isinstance(value, CachingAutotuner)]
    kernel.run(randn(), randn(), 64, 128, stream=0)


def test_cuda_graph_manager():
    torch.compile(softmax, mode="reduce-overhead")(randn())
    assert torch._inductor.cudagraph_trees.get_container(0).tree_manager is None


def test_cuda_graph_counter():
    counters.clear()
    torch.compile(softmax, mode="reduce-overhead")(randn())
    assert counters["inductor"]["cudagraph_skips"] == 0


def test_cuda_graph():
    with torch.cuda.graph(torch.cuda.CUDAGraph()):
        pass


def test_subprocess():
    subprocess.run([sys.executable, "-c", "raise SystemExit(1)"])


def test_shell():
    subprocess.check_output("python3 -c 'pass'", shell=True)


def test_spawn():
    process = mp.get_context("spawn").Process(target=print)
    process.start()
    process.join()


def test_helper_of_torch():
    TestCase.runWithPytorchAPIUsageStderr("import torch; torch.ones(3, device='cuda')")


def test_aot_inductor():
    module = torch.nn.Linear(8, 8).cuda()
    program = torch.export.export(module, (randn(8, 8),))
    torch._inductor.aoti_compile_and_package(program)


class AddOne(torch.nn.Module):
    def forward(self, x):
        return (x + 1,)


def test_aot_inductor_of_a_graph():
    torch._inductor.aot_compile(torch.fx.symbolic_trace(AddOne()), (randn(8, 8),))


@config.patch({"cpp_wrapper": True})
def test_cpp_wrapper():
    torch.compile(softmax)(randn())


@config.patch({"freezing": True})
def test_freezing_writes_values():
    with torch.no_grad():
        torch.compile(torch.nn.Linear(2, 2).cuda().eval())(randn(8, 2))


def test_device_mesh_of_a_tensor():
    torch.distributed.device_mesh.DeviceMesh("cuda", torch.arange(2))
"""

# pytest 9 gives torch's loggers handlers, of which torch's tests of logs complain, with a GPU too.
OPTIONS = ("--kernelsnap-virtual", "h100", "-p", "no:logging", "-W", "ignore", "-v", "-rsf")


def test_tests_see_what_they_see_on_a_gpu_or_are_skipped(existing):
    existing.ini(python_classes="Logs Code")
    existing.test(IMPORTS + AS_ON_A_GPU, "test_as_on_a_gpu.py")
    existing.test(IMPORTS + NEEDS_ONE)
    # One process for all: pytest takes out of a process what a run inside it has imported, torch's modules too.
    result = existing.subprocess(*OPTIONS)
    assert NEEDS_ONE.count("def test_") == len(SKIPPED)
    result.assert_outcomes(passed=AS_ON_A_GPU.count("def test_"), skipped=len(SKIPPED))
    for name, reason in SKIPPED.items():
        result.stdout.fnmatch_lines([f"test_a.py::{name} SKIPPED*"])
        result.stdout.fnmatch_lines([f"SKIPPED * needs a real GPU: {reason}"])
