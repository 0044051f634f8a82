"""A golden is hostile input: no text of one is executed by Python, and what one may cost is bounded."""

from __future__ import annotations

import time

import pytest

from kernelsnap.cost import estimate
from kernelsnap.cost.estimate import FAULT, estimate_on
from kernelsnap.cost.machine import machine_for
from kernelsnap.model.capture import LaunchConfig
from kernelsnap.model.golden import Code, Golden, KernelConfig
from kernelsnap.targets.lookup import BUILT_IN

HOST = """def call(self, args):
    arg0, arg1 = args
    assert_size_stride(arg0, (4096, 4096), (4096, 1))
    k0.run(arg0, arg1, 16777216)
"""


def cost(body, host=HOST, blocks=(("XBLOCK", 1024),)):
    """The estimate of a golden whose one kernel has this body."""
    lines = "\n".join(f"    {line}" for line in body.splitlines())
    text = (
        "arg in_ptr0  *fp32 align 16\narg out_ptr0  *fp32 align 16\narg xnumel  i32\narg XBLOCK  constexpr\n"
        f"@triton.jit\ndef k0(in_ptr0, out_ptr0, xnumel, XBLOCK: tl.constexpr):\n    xnumel = 16777216\n{lines}\n"
    )
    golden = Golden(
        case="c",
        target="h200",
        plan=(),
        metrics=(),
        config=(KernelConfig("inference", "k0", (("grid_type", "'Grid1D'"),), (LaunchConfig(blocks, 4, 1),)),),
        code=(Code("inference", "k0", text), Code("inference", "host", host)),
    )
    return estimate_on(golden, machine_for(BUILT_IN.entries["h200"]))


COPY = """xindex = tl.program_id(0) * XBLOCK + tl.arange(0, XBLOCK)[:]
tl.store(out_ptr0 + xindex, tl.load(in_ptr0 + xindex, None), None)"""


def test_what_the_hostile_ones_are_made_of_is_estimated():
    assert not cost(COPY).unknown
    # 64 MiB are read and written, at 4.8 TB/s at the most.
    assert 25 < cost(COPY).time < 60


def test_what_no_compiler_writes_is_no_fault_of_the_estimate():
    """Found by libFuzzer: sizes without strides, more indexes than axes, a mask of too many elements, or of numbers."""
    found = cost(COPY, HOST.replace("(4096, 1))", "(4096, 1, 1))"))
    assert found.unknown == "inference host: a tensor has 2 sizes and 3 strides"
    found = cost(COPY.replace("[:]", "[:, :]"))
    assert found.unknown == "inference k0: a block is indexed along more axes than it has"
    masked = "tl.store(out_ptr0 + tl.full([1], 0, tl.int32), 1.0, tl.arange(0, XBLOCK) < 7)"
    assert not cost(masked).unknown
    numbered = COPY.replace("xindex, None), None)", "xindex, xindex), xindex)")
    assert cost(numbered).time == pytest.approx(cost(COPY).time, rel=0.15)


@pytest.mark.parametrize("how", ["tl.PropagateNan.ALL", "propagate_nan=tl.PropagateNan.ALL"])
def test_a_maximum_that_passes_nan_on(how):
    """torch 2.14 generates it in the place of its own helper, which compares and selects."""
    body = COPY.replace("tl.load(in_ptr0 + xindex, None)", "tl.maximum(tl.load(in_ptr0 + xindex, None), 0.0, {})")
    found = cost(body.format(how))
    assert not found.unknown
    assert found.time == pytest.approx(cost(COPY).time, rel=0.05)


@pytest.mark.parametrize(
    "body",
    [
        "__import__('os').system('touch hacked')",
        "open('hacked', 'w')",
        "().__class__.__bases__[0].__subclasses__()",
        "import os",
        "eval('1')",
        "exec('1')",
        "getattr(tl, 'load')",
        "tl.__dict__",
        "[x for x in range(9)]",
        "while True:\n    pass",
        "(lambda: (yield))()",
        "f = lambda: f()\nf()",
        "x = 9 ** 9 ** 9 ** 9",
        "x = 1 << 10 ** 12",
        "x = 'a' * 10 ** 12",
        "x = (1, 2) * 10 ** 12",
        "x = tl.arange(0, 1 << 40)",
        "x = tl.full([1 << 20, 1 << 20], 0, tl.float32)",
        "x = tl.full([XBLOCK, 1], 0.0, tl.float32) + tl.full([1, XBLOCK * XBLOCK], 0.0, tl.float32)",
        "x = tl.reshape(tl.arange(0, 4), [3])",
        "x = tl.zeros([2], dtype=tl.nothing)",
        "x = 1 // 0",
        "x = in_ptr0.data",
        "x = tl.load(xnumel)",
        "x = tl.make_block_ptr(1, 2, 3, 4, 5)",
        "x = tl.unheard_of(in_ptr0)",
        "tl.store()",
        "raise SystemExit",
        "with tl: pass",
        "return 1 if tl.load(in_ptr0) > 0.5 else 2",
    ],
)
def test_nothing_else_is_executed(body, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    start = time.monotonic()
    # What has no effect on memory may be estimated; the rest is a reason, never an error.
    result = cost(body)
    assert result.unknown or result.time < 100
    assert time.monotonic() - start < 10
    assert not list(tmp_path.iterdir())


def test_steps_are_bounded():
    nested = "x = 0\n"
    for depth in range(12):
        nested += "    " * depth + f"for i{depth} in range(0, 1000000):\n"
    body = nested + "    " * 12 + "x = x + 1\n" * 1
    many = "\n".join(f"x{i} = tl.arange(0, XBLOCK) * 2" for i in range(30_000))
    for text in (body, many):
        start = time.monotonic()
        assert cost(text).time == 0 or not cost(text).unknown
        assert time.monotonic() - start < 60
    assert "steps" in cost(many).unknown


@pytest.mark.parametrize(
    "host",
    [
        "def call(self, args):\n    k0.run(1, 2, 3, 4, 5, 6)\n",
        "def call(self, args):\n    k0.run(*args)\n",
        "def call(self, args):\n    x = reinterpret_tensor(9, 9, 9)\n    k0.run(x, x, x)\n",
        "def call(self, args):\n    x = empty_strided_cuda((10**30,), (1,), torch.float32)\n    k0.run(x, x, 9)\n",
        "def call(self, args):\n    x = empty_strided_cuda((-1, 0), (1, -1), torch.float32)\n    k0.run(x, x, 9)\n",
        "class A: pass",
        "def call(:",
        "",
        "x = " + "(" * 5000 + ")" * 5000,
    ],
)
def test_host_code_may_be_anything(host):
    result = cost(COPY, host)
    assert result.unknown or result.time >= 0


@pytest.mark.parametrize("grid", ["'Grid9D'", "__import__('os')", "'FixedGrid'", "'SequentialComboKernelGrid'"])
def test_grids_that_are_not_known(grid):
    golden = Golden(
        "c", "h200", (), (), (KernelConfig("inference", "k0", (("grid_type", grid),), ()),),
        (Code("inference", "k0", "def k0(x):\n    pass\n"), Code("inference", "host", HOST)),
    )  # fmt: skip
    assert estimate_on(golden, machine_for(BUILT_IN.entries["h200"])).unknown


CALLS = """def call(self, args):
    arg0, arg1, arg2 = args
    assert_size_stride(arg0, (768, ), (1, ))
    assert_size_stride(arg1, (1024, 768), (768, 1))
    assert_size_stride(arg2, (768, 768), (1, 768))
    buf0 = empty_strided_cuda((1024, 768), (768, 1), torch.bfloat16)
    {}
"""


@pytest.mark.parametrize(
    ("call", "told"),
    [
        ("extern_kernels.addmm(arg0, arg1, arg2, alpha=1, beta=1, out=buf0)", True),
        # What is not known is not left out: the two others are a vector and a matrix.
        ("extern_kernels.addmm(arg0, made_by(arg1), arg2, alpha=1, beta=1, out=buf0)", False),
        (
            "buf1 = torch.ops.aten.randint.low(1)\n"
            "    assert_tensor_metadata(buf1, (1024, 768), (768, 1), torch.bfloat16, 'x')\n"
            "    extern_kernels.addmm(arg0, buf1, arg2, alpha=1, beta=1, out=buf0)",
            True,
        ),
        ("assert_size_stride()\n    extern_kernels.mm(arg1, arg2, out=buf0)", True),
        ("extern_kernels.mm(arg0, arg2, out=buf0)", False),
        ("extern_kernels.mm(arg1, out=buf0)", False),
        ("extern_kernels.mm(out=buf0)", False),
        ("extern_kernels.convolution(arg1, stride=(1, 1), padding=(1, 1))", False),
        ("torch.ops.aten.index_put_.default(arg0)", False),
        ("torch.ops.aten._scaled_dot_product_flash_attention.default(arg0)", False),
        ("torch.ops.aten.cat.default()", False),
    ],
)
def test_library_calls_whose_operands_are_others(call, told):
    found = cost(COPY, CALLS.format(call))
    assert (not found.unknown) == told, found.unknown
    assert FAULT not in found.unknown


def test_a_fault_of_the_estimate_is_no_fault_of_a_comparison(monkeypatch):
    """A comparison ended in a ValueError of the estimate, and what had been generated was not kept."""

    def broken(_):
        raise ValueError("not enough values")

    monkeypatch.setattr(estimate, "library_work", broken)
    found = cost(COPY, CALLS.format("extern_kernels.mm(arg1, arg2, out=buf0)"))
    assert FAULT in found.unknown
