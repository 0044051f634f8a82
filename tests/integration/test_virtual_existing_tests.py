"""`--kernelsnap-virtual`: tests that were written for a GPU, in the style of torch's own, without a GPU."""

from __future__ import annotations

import sys

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


def test_tests_in_the_style_of_torch_pass(existing):
    (existing.root / "conftest.py").write_text(CONFTEST)
    existing.ini(python_classes="*Tests *TestsCUDA", addopts="-rf")
    (existing.root / "test_existing.py").write_text(STYLE_OF_TORCH)
    result = existing.subprocess("--kernelsnap-virtual", "h100")
    # Skipped: the two of DeviceTests that are for the CPU.
    result.assert_outcomes(passed=12, failed=1, skipped=2)
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
    result.assert_outcomes(passed=1)


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
    result.assert_outcomes(passed=1, failed=2)


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
    result.assert_outcomes(passed=2)
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
    values |= {str(p.at): vars(p.at.find_owner()).get(p.at.name) for p in patches.PATCHES}
    values |= {"driver": triton.runtime.driver._active, "settings": torch._inductor.config.save_config()}
    return values


from torch._inductor import graph

before = state()
for name in sys.argv[1:]:
    code = pytest.main(["-q", "-p", "no:cacheprovider", "--kernelsnap-virtual", "h100", name])
    after = state()
    changed = [name for name in after if name not in before or after[name] is not before[name]]
    assert set(changed) <= {"settings"}, changed
    assert after["settings"] == before["settings"]
    assert before.keys() == after.keys()
    assert active_target() is None
    assert torch.ones(3).sum().item() == 3
    print(name, "undone after exit code", int(code))
"""


@pytest.mark.starts_processes
def test_the_device_is_gone_with_the_run(existing):
    for name, body in (("test_ends.py", "pass"), ("test_stopped.py", "raise KeyboardInterrupt")):
        source = f"""
            import pytest, torch

            def test_a():
                torch.compile(torch.sin)(torch.ones(64, device="cuda"))
                {body}
        """
        existing.test(source, name)
    (existing.root / "run.py").write_text(UNDONE)
    result = existing.pytester.run(sys.executable, "run.py", "test_stopped.py", "test_ends.py")
    assert result.ret == 0, result.stdout.str() + result.stderr.str()
    result.stdout.fnmatch_lines(["test_stopped.py undone after exit code 2", "test_ends.py undone after exit code 0"])
