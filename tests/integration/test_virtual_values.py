"""`--kernelsnap-virtual`: what needs a real GPU says so, and what compared nothing never passes."""

from __future__ import annotations

import pytest

pytest.importorskip("triton")

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
    "torch.cuda.host_memory_stats()": "a statistic of torch.cuda's memory",
    "torch.cuda.memory_snapshot()": "a statistic of torch.cuda's memory",
    "torch.cuda.synchronize()": "torch.cuda.synchronize()",
    "event.elapsed_time(event)": "torch.cuda.Event.elapsed_time()",
    "torch.cuda.CUDAGraph()": "torch.cuda.CUDAGraph",
    "copy_kernel[(1,)](x, x, BLOCK=16)": "launching the Triton kernel copy_kernel",
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


def test_what_needs_a_real_gpu_says_what_and_where(existing):
    source, places = TESTS_OF_NEEDS, {}
    for number, line in enumerate(NEEDS):
        source += f"\ndef test_{number:02}():\n    {line}\n"
        places[line] = f"(test_needs.py:{source.count(chr(10))})"
    (existing.root / "test_needs.py").write_text(source)
    result = existing.subprocess("--kernelsnap-virtual", "h100", "-rs")
    result.assert_outcomes(skipped=len(NEEDS))
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
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["needs a real GPU: Tensor.item() needs * (test_a.py:4)"])


def test_a_module_that_needs_values_at_import(existing):
    existing.test("import torch\nTOTAL = torch.ones(3, device='cuda').sum().item()\ndef test_a(): pass\n")
    result = existing.subprocess("--kernelsnap-virtual", "h100", "-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED * needs a real GPU: Tensor.item() needs * (test_a.py:2)"])
    result = existing.subprocess("--kernelsnap-virtual", "h100", "--kernelsnap-virtual-values", "fail")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["needs a real GPU: Tensor.item() needs * (test_a.py:2)"])


def test_what_compared_nothing_never_passes(existing):
    existing.test(NOTHING_COMPARED)
    result = existing.subprocess("--kernelsnap-virtual", "h100", "-rA")
    assert "PASSED" not in result.stdout.str()
    assert "XPASS" not in result.stdout.str()
    assert "XFAIL" not in result.stdout.str()
    assert set(result.parseoutcomes()) <= {"skipped", "warnings", "warning"}
