"""`--kernelsnap-virtual`: tests that were written for a GPU, in the style of torch's own, without a GPU."""

from __future__ import annotations

import pytest

pytest.importorskip("triton")
pytest.importorskip("expecttest", reason="torch.testing._internal needs it")

# What they ask is rows of the seed cases: bytes accessed / 4, as torch's own tests count.
STYLE_OF_TORCH = '''
import re
import unittest

import pytest
import torch
from torch._inductor import config, metrics
from torch._inductor.test_case import TestCase
from torch._inductor.utils import run_and_get_code, run_and_get_triton_code
from torch.testing import FileCheck
from torch.testing._internal import common_cuda, common_utils, inductor_utils
from torch.testing._internal.common_device_type import dtypes, instantiate_device_type_tests, onlyCUDA
from torch.testing._internal.inductor_utils import GPU_TYPE, HAS_CUDA_AND_TRITON, HAS_GPU, requires_gpu

torch._logging.set_logs(inductor_metrics=True)

if HAS_GPU:
    from torch.testing._internal.triton_utils import add_kernel


def T(*size, grad=False):
    return torch.randn(size, device=GPU_TYPE, requires_grad=grad)


def numel(f, *inputs, train=False):
    metrics.reset()
    outputs = torch.compile(f)(*inputs)
    if train:
        sum(out.mean() for out in outputs).backward()
    return str(metrics.num_bytes_accessed // 4)


@unittest.skipIf(not HAS_GPU, "needs a GPU")
class NumBytesTests(TestCase):
    def test_pointwise(self):
        self.assertExpectedInline(numel(torch.cos, T(10)), """20""")
        self.assertExpectedInline(numel(torch.add, T(10, 10), T(10)), """210""")

    def test_reduction(self):
        self.assertEqual(numel(lambda x: (x.sum(1), x.amax(1)), T(10, 10)), "120")

    def test_extern(self):
        self.assertExpectedInline(numel(lambda x: torch.mm(x.cos(), x.sin()), T(10, 10)), """600""")

    def test_training(self):
        self.assertExpectedInline(numel(lambda x: x.cos().cos().cos(), T(10, grad=True), train=True), """50""")

    @requires_gpu()
    def test_a_triton_kernel(self):
        def f(x, y):
            out = torch.zeros_like(x)
            add_kernel[(x.numel(),)](x, y, out, x.numel(), BLOCK_SIZE=16)
            return out

        self.assertExpectedInline(numel(f, T(10), T(10)), """50""")

    def test_a_wrong_number_fails(self):
        self.assertExpectedInline(numel(torch.cos, T(10)), """30""")


class CodeTests(common_utils.TestCase):
    @unittest.skipIf(not HAS_CUDA_AND_TRITON, "needs CUDA and Triton")
    def test_code(self):
        f = torch.compile(lambda x: torch.softmax(x, -1), fullgraph=True)
        result, (code,) = run_and_get_code(f, T(64, 64))
        self.assertEqual(result.shape, (64, 64))
        self.assertEqual(result.device.type, "cuda")
        FileCheck().check("@triton.jit").check_count("tl.store(", 1, exactly=True).run(code)
        self.assertEqual(len(re.findall(r"empty_strided_cuda\\(", code)), 1)

    @unittest.skipIf(not common_utils.TEST_CUDA, "needs CUDA")
    def test_triton_code(self):
        FileCheck().check("triton_poi_fused_sin").run(run_and_get_triton_code(torch.compile(torch.sin), T(8)))

    @unittest.skipIf(not common_cuda.SM90OrLater, "needs an H100")
    def test_a_setting(self):
        with config.patch(max_fusion_size=1):
            _, (code,) = run_and_get_code(torch.compile(lambda x: (x.sum(1), x.cos())), T(10, 10))
        self.assertEqual(code.count("@triton.jit"), 2)


class DeviceTests(common_utils.TestCase):
    @onlyCUDA
    @dtypes(torch.float32, torch.bfloat16)
    def test_device(self, device, dtype):
        x = torch.ones(8, device=device, dtype=dtype)
        _, (code,) = run_and_get_code(torch.compile(lambda x: x + 1), x)
        self.assertIn("*bf16" if dtype is torch.bfloat16 else "*fp32", code)


instantiate_device_type_tests(DeviceTests, globals())


def test_streams():
    stream, event = torch.cuda.Stream(), torch.cuda.Event()
    assert isinstance(stream, torch.cuda.Stream)
    with torch.cuda.stream(stream):
        x = torch.ones(8, device="cuda")
    event.record(stream)
    stream.record_event().wait(torch.cuda.current_stream())
    torch.cuda.current_stream().wait_stream(stream)
    torch.cuda.default_stream().wait_event(event)
    x.record_stream(stream)
    assert stream.query() and event.query()


@pytest.mark.skipif(not torch.cuda.is_available(), reason="needs a GPU")
@pytest.mark.skipif(torch.cuda.get_device_capability() != (9, 0), reason="needs an H100")
def test_plain():
    module = torch.nn.Sequential(torch.nn.Linear(8, 8), torch.nn.BatchNorm1d(8)).cuda()
    out = torch.compile(module)(torch.randn(4, 8).cuda())
    out.sum().backward()
    assert all(parameter.grad.is_cuda for parameter in module.parameters())
'''

# The conftest.py is imported before the tests, and asks too.
CONFTEST = """
import pytest
import torch

GPU_AT_IMPORT = torch.cuda.is_available()

@pytest.fixture(autouse=True, scope="session")
def gpu():
    if not GPU_AT_IMPORT:
        pytest.skip("no GPU")
    return torch.cuda.get_device_name()
"""

# Each line needs a real GPU, and how it is told.
NEEDS = {
    "x.sum().item()": "Tensor.item()",
    "float(x[0])": "Tensor.item()",
    "bool((x == x).all())": "Tensor.item()",
    "f'{x[0]:.2f}'": "Tensor.item()",
    "x.tolist()": "Tensor.item()",
    "[1, 2][x.int()[0]]": "Tensor.item()",
    "x.cpu().numpy()": "Tensor.numpy()",
    "numpy.asarray(x.cpu())": "Tensor.__array__()",
    "torch.equal(x, x)": "aten.equal.default",
    "torch.allclose(x, x)": "aten.allclose.default",
    "torch.testing.assert_close(x, x)": "Tensor.item()",
    "torch.testing.assert_close(torch.compile(torch.sin)(x), x.sin())": "Tensor.item()",
    "unittest.TestCase().assertEqual(x[0], x[0])": "Tensor.item()",
    "x.nonzero()": "aten.nonzero.default",
    "x[x > 0]": "aten.nonzero.default",
    "torch._dynamo.utils.same(x, x)": "ref should not be a FakeTensor",
    "x.data_ptr() == x.clone().data_ptr()": "Tensor.data_ptr()",
    "torch.utils.dlpack.to_dlpack(x)": "torch.utils.dlpack.to_dlpack()",
    "x.__cuda_array_interface__": "Tensor.__cuda_array_interface__",
    "x.untyped_storage()[0]": "Not available for 'meta' device type",
    "torch.save(x, io.BytesIO())": "saving or pickling a tensor",
    "torch.cuda.max_memory_allocated()": "a statistic of torch.cuda's memory",
    "torch.cuda.memory_snapshot()": "torch._C._cuda_memorySnapshot",
    "torch.cuda.synchronize()": "torch.cuda.synchronize()",
    "event.elapsed_time(event)": "torch.cuda.Event.elapsed_time()",
    "torch.cuda.CUDAGraph()": "torch.cuda.CUDAGraph",
    "copy_kernel[(1,)](x, x, BLOCK=16)": "launching the Triton kernel copy_kernel",
    "torch.compile(torch.mm, mode='max-autotune-no-cudagraphs')(m, m)": "max-autotune chooses",
    "torch.compile(torch.sin, options={'cpp_wrapper': True})(x)": "`cpp_wrapper` is on",
}

TESTS_OF_NEEDS = """
import io
import unittest

import numpy
import torch
import triton
import triton.language as tl


@triton.jit
def copy_kernel(x, y, BLOCK: tl.constexpr):
    offsets = tl.arange(0, BLOCK)
    tl.store(y + offsets, tl.load(x + offsets))


event = torch.cuda.Event(enable_timing=True)
x, m = torch.ones(16, device="cuda"), torch.ones(512, 512, device="cuda")
"""

# Nothing here compares what it says, so nothing here may pass.
NOTHING_COMPARED = """
import unittest

import pytest
import torch

ONES = torch.ones(3, device="cuda")


@pytest.fixture
def total():
    return ONES.sum().item()


def test_of_a_fixture(total):
    pass


@pytest.mark.xfail(strict=False)
def test_marked():
    assert ONES.sum().item() == 2


def test_that_goes_on():
    with pytest.raises(Exception):
        ONES.sum().item()


class Tests(unittest.TestCase):
    @unittest.expectedFailure
    def test_expected_failure(self):
        self.assertEqual(ONES.sum().item(), 2)

    def test_subtests(self):
        for number in range(2):
            with self.subTest(number=number):
                self.assertEqual(ONES.sum(), number)


class TestsOfAClass(unittest.TestCase):
    @classmethod
    def setUpClass(cls):
        cls.total = ONES.sum().item()

    def test_total(self):
        pass
"""


@pytest.fixture
def existing(project):
    """A project of existing tests, which knows nothing of goldens."""
    (project.root / "conftest.py").unlink()
    return project


def outcomes(result):
    return {
        name: count
        for name, count in result.parseoutcomes().items()
        if name in ("passed", "failed", "skipped", "errors")
    }


def test_tests_in_the_style_of_torch_pass(existing):
    (existing.root / "conftest.py").write_text(CONFTEST)
    existing.ini(python_classes="*Tests *TestsCUDA", addopts="-rf")
    (existing.root / "test_existing.py").write_text(STYLE_OF_TORCH)
    result = existing.subprocess("--kernelsnap-virtual", "h100")
    # Skipped: the two of DeviceTests that are for the CPU.
    assert outcomes(result) == {"passed": 12, "failed": 1, "skipped": 2}
    result.stdout.fnmatch_lines(
        ["kernelsnap: virtual h100; tests that need a real one are skipped", "FAILED *::test_a_wrong_number_fails *"]
    )


def test_workers_have_the_device_too(existing):
    pytest.importorskip("xdist")
    (existing.root / "conftest.py").write_text(CONFTEST)
    existing.test("""
        import pytest, torch
        from torch._inductor.utils import run_and_get_code

        @pytest.mark.skipif(torch.cuda.get_device_capability() != (8, 0), reason="for the A100")
        def test_code(gpu):
            assert "A100" in gpu
            _, (code,) = run_and_get_code(torch.compile(torch.sin), torch.ones(64, device="cuda"))
            assert "multi_processor_count=108" in code
    """)
    result = existing.subprocess("--kernelsnap-virtual", "a100", "-n", "1")
    assert outcomes(result) == {"passed": 1}


def test_what_needs_a_real_gpu_says_what_and_where(existing):
    source, places = TESTS_OF_NEEDS, {}
    for number, line in enumerate(NEEDS):
        source += f"\ndef test_{number:02}():\n    {line}\n"
        places[line] = f"(test_needs.py:{source.count(chr(10))})"
    (existing.root / "test_needs.py").write_text(source)
    result = existing.subprocess("--kernelsnap-virtual", "h100", "-rs")
    assert outcomes(result) == {"skipped": len(NEEDS)}
    told = [line for line in result.outlines if line.startswith("SKIPPED")]
    for line, what in NEEDS.items():
        # What Inductor refuses names a setting in place of a line.
        place = "" if "options=" in line or "mode=" in line else places[line]
        assert any(f"needs a real GPU: {what}" in text and place in text for text in told), line


def test_it_may_fail_instead(existing):
    existing.test("""
        import torch

        def test_a():
            assert torch.ones(3, device="cuda").sum().item() == 3
    """)
    result = existing.subprocess("--kernelsnap-virtual", "h100", "--kernelsnap-virtual-values", "fail")
    assert outcomes(result) == {"failed": 1}
    result.stdout.fnmatch_lines(["needs a real GPU: Tensor.item() needs * (test_a.py:4)"])


def test_a_module_that_needs_values_at_import(existing):
    existing.test("import torch\nTOTAL = torch.ones(3, device='cuda').sum().item()\ndef test_a(): pass\n")
    result = existing.subprocess("--kernelsnap-virtual", "h100", "-rs")
    assert outcomes(result) == {"skipped": 1}
    result.stdout.fnmatch_lines(["SKIPPED * needs a real GPU: Tensor.item() needs * (test_a.py:2)"])
    result = existing.subprocess("--kernelsnap-virtual", "h100", "--kernelsnap-virtual-values", "fail")
    assert outcomes(result) == {"errors": 1}
    result.stdout.fnmatch_lines(["needs a real GPU: Tensor.item() needs * (test_a.py:2)"])


def test_what_compared_nothing_never_passes(existing):
    existing.test(NOTHING_COMPARED)
    result = existing.subprocess("--kernelsnap-virtual", "h100", "-rA")
    assert "PASSED" not in result.stdout.str()
    assert "XPASS" not in result.stdout.str()
    assert "XFAIL" not in result.stdout.str()
    assert set(result.parseoutcomes()) <= {"skipped", "warnings", "warning"}


def test_a_real_failure_stays_one(existing):
    existing.test("""
        import pytest, torch
        from torch._dynamo.exc import Unsupported

        def broken(x):
            torch._dynamo.graph_break()
            return x + 1

        def test_a_graph_break():
            torch.compile(broken, fullgraph=True)(torch.ones(3, device="cuda"))

        def test_that_expects_one():
            with pytest.raises(Unsupported):
                torch.compile(broken, fullgraph=True)(torch.ones(3, device="cuda"))

        def test_an_attribute():
            torch.cuda.no_such_function()
    """)
    result = existing.subprocess("--kernelsnap-virtual", "h100")
    assert outcomes(result) == {"passed": 1, "failed": 2}


@pytest.mark.parametrize(
    ("target", "message"),
    [("h101", "*h101*h100*"), ("native", "*: this is no virtual GPU*"), ("cpu", "*: this is no *")],
)
def test_what_is_no_virtual_gpu_is_refused(existing, target, message):
    existing.test("def test_a(): pass")
    result = existing.subprocess("--kernelsnap-virtual", target)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


def test_golden_tests_run_beside_existing_ones(existing):
    existing.test("""
        import torch
        from kernelsnap import capture

        def test_golden(kernel_snapshot):
            assert capture(torch.sin, torch.ones(64, device="cuda")) == kernel_snapshot

        def test_existing():
            assert torch.compile(torch.sin)(torch.ones(64, device="cuda")).is_cuda
    """)
    result = existing.subprocess("--kernelsnap-virtual", "h100", "--snapshot-update")
    assert outcomes(result) == {"passed": 2}
    result = existing.subprocess("--kernelsnap-virtual", "h100", "--kernelsnap-target", "a100")
    result.stdout.fnmatch_lines(["*the virtual device h100 is active: leave it before entering a100"])


UNDONE = """
import sys

import pytest
import torch
import torch._dynamo.device_interface
import torch._inductor.compile_fx
import triton
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

from kernelsnap.virtual import active_target, patches


def state():
    owners = [torch, torch.cuda, torch.version, torch._C, FakeTensor, FakeTensorMode, torch.utils.dlpack,
              torch._inductor.compile_fx, torch._inductor.graph.GraphLowering]
    values = {(str(owner), name): value for owner in owners for name, value in vars(owner).items()}
    values |= {str(p.at): vars(patches._owner(p.at)).get(p.at.name) for p in patches.PATCHES}
    values |= {"driver": triton.runtime.driver._active, "settings": torch._inductor.config.save_config()}
    return values


from torch._inductor import graph

before = state()
code = pytest.main(["-q", "-p", "no:cacheprovider", "--kernelsnap-virtual", "h100", *sys.argv[1:]])
after = state()
assert [name for name in after if name not in before or (after[name] is not before[name] and name != "settings")] == []
assert after["settings"] == before["settings"]
assert before.keys() == after.keys()
assert active_target() is None
assert torch.ones(3).sum().item() == 3
print("undone after exit code", int(code))
"""


@pytest.mark.parametrize(
    ("body", "code"),
    [("pass", 0), ("raise KeyboardInterrupt", 2)],
)
def test_the_device_is_gone_with_the_run(existing, body, code):
    existing.test(f"""
        import pytest, torch

        def test_a():
            torch.compile(torch.sin)(torch.ones(64, device="cuda"))
            {body}
    """)
    (existing.root / "run.py").write_text(UNDONE)
    result = existing.pytester.runpython(existing.root / "run.py")
    assert result.ret == 0, result.stdout.str() + result.stderr.str()
    result.stdout.fnmatch_lines([f"undone after exit code {code}"])
