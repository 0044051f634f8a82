"""Which elements of a block a thread has, against what Triton's own compiler decides for the same kernel."""

from __future__ import annotations

import re

import pytest

from kernelsnap.cost.kernel_text import read_kernel
from kernelsnap.cost.measure.kernels import load_kernels
from kernelsnap.cost.work import Launch, traced

triton = pytest.importorskip("triton")

HEAD = """arg in_ptr0  *fp32 align 16
arg in_ptr1  *bf16 align 16
arg out_ptr0  *fp32 align 16
arg ks0  i64
arg YBLOCK  constexpr
arg XBLOCK  constexpr
@triton.jit
def k0(in_ptr0, in_ptr1, out_ptr0, ks0, YBLOCK: tl.constexpr, XBLOCK: tl.constexpr):
"""
FLAT = "x = tl.program_id(0) * XBLOCK + tl.arange(0, XBLOCK)[:]"
TILE = """y = tl.program_id(1) * YBLOCK + tl.arange(0, YBLOCK)[:, None]
x = tl.program_id(0) * XBLOCK + tl.arange(0, XBLOCK)[None, :]"""

# The body of a kernel, the block along y and x, and what is loaded and stored in it: how many neighbours a thread has,
# along which axis first.
KERNELS = {
    "copy": (f"{FLAT}\ntl.store(out_ptr0 + x, tl.load(in_ptr0 + x, None), None)", 1, 1024),
    # An odd distance: no vector begins at a multiple of 16 bytes.
    "odd": (f"{FLAT}\ntl.store(out_ptr0 + x, tl.load(in_ptr0 + (x + 1), None), None)", 1, 1024),
    "pairs": (f"{FLAT}\ntl.store(out_ptr0 + x, tl.load(in_ptr0 + (x + 2), None), None)", 1, 1024),
    # Of elements of 16 bits a thread has eight, and so eight of the others too; a store no more than four.
    "mixed": (
        f"{FLAT}\ntl.store(out_ptr0 + x, tl.load(in_ptr0 + x, None) + tl.load(in_ptr1 + x, None), None)", 1, 2048),
    # The compiler does not know that these are neighbours.
    "remainder": (f"{FLAT}\ntl.store(out_ptr0 + x, tl.load(in_ptr0 + (x + 5) % 4096, None), None)", 1, 1024),
    "rows": (f"{FLAT}\ntl.store(out_ptr0 + x, tl.load(in_ptr0 + (x % 64 + 128 * (x // 64)), None), None)", 1, 1024),
    "few of a row": (f"{FLAT}\ntl.store(out_ptr0 + x, tl.load(in_ptr0 + (x % 2 + 8 * (x // 2)), None), None)", 1, 1024),
    "broadcast": (f"{FLAT}\ntl.store(out_ptr0 + x, tl.load(in_ptr0 + x // 128, None), None)", 1, 1024),
    "chosen": (
        f"{FLAT}\ni = tl.where(x < 64, x, x + 64)\ntl.store(out_ptr0 + x, tl.load(in_ptr0 + i, None), None)", 1, 1024),
    "shifted": (f"{FLAT}\ntl.store(out_ptr0 + x, tl.load(in_ptr0 + ((x << 1) >> 1), None), None)", 1, 1024),
    "minimum": (
        f"{FLAT}\ni = triton_helpers.minimum(x, 4000)\ntl.store(out_ptr0 + x, tl.load(in_ptr0 + i, None), None)",
        1, 1024),
    "row": (f"{TILE}\ntl.store(out_ptr0 + (x + 4096 * y), tl.load(in_ptr0 + (x + 4096 * y), None), None)", 32, 32),
    "transposed": (
        f"{TILE}\ntl.store(out_ptr0 + (x + 4096 * y), tl.load(in_ptr0 + (y + 4096 * x), None), None)", 32, 32),
    "unknown size": (
        f"{TILE}\ntl.store(out_ptr0 + (x + 4096 * y), tl.load(in_ptr0 + (x + ks0 * y), None), None)", 32, 32),
}  # fmt: skip


def by_triton(text, y, x, folder):
    """Neighbours of a thread, and the first axis, of each load and store, as Triton lays them out for an H200."""
    from triton.backends.compiler import GPUTarget
    from triton.compiler import ASTSource

    function = load_kernels({"k0": text}, {}, folder)["k0"].function
    source = ASTSource(
        function,
        {"in_ptr0": "*fp32", "in_ptr1": "*bf16", "out_ptr0": "*fp32", "ks0": "i64", "YBLOCK": "constexpr",
         "XBLOCK": "constexpr"},
        {(4,): y, (5,): x},
        {(place,): [["tt.divisibility", 16]] for place in range(3)},
    )  # fmt: skip
    made = triton.compile(source, target=GPUTarget("cuda", 90, 32), options={"num_warps": 4}).asm["ttgir"]
    layouts = {
        # #blocked1 = #ttg.blocked<{sizePerThread = [1, 4], threadsPerWarp = [4, 8], ..., order = [1, 0]}>
        match[1]: (tuple(map(int, match[2].split(","))), tuple(map(int, match[3].split(","))))
        for match in re.finditer(r"#(blocked\d*) = .*?sizePerThread = \[([^]]*)\].*?order = \[([^]]*)\]", made)
    }
    found = []
    for line in made.splitlines():
        if match := re.search(r"tt\.(load|store) .*#(blocked\d*)>", line):
            size, order = layouts[match[2]]
            found.append((match[1], size[order[0]], order[0]))
    return sorted(found)


def by_estimate(text, y, x):
    """The same of one program executed on stand-ins."""
    import numpy as np

    from kernelsnap.cost.axes import of_multiple
    from kernelsnap.cost.blocks import Block, Pointer

    parsed = read_kernel(text)
    pointers = {
        name: Pointer(name, kind, np.asarray(0), 0, of_multiple(16))
        for name, kind in (("in_ptr0", "fp32"), ("in_ptr1", "bf16"), ("out_ptr0", "fp32"))
    }
    size = Block((), "i64", np.asarray(4099))
    arguments = {**pointers, "ks0": size, "YBLOCK": y, "XBLOCK": x}
    launch = Launch(parsed.kernel, parsed.functions, arguments, (8, 8, 1), 4, 1, {})
    trace = traced(launch, 9)
    found = []
    for access in trace.accesses:
        order, each = trace.threads_of(access)
        found.append((access.kind, each, order[0]))
    return sorted(found)


@pytest.mark.parametrize("name", KERNELS)
def test_threads_have_the_elements_that_triton_gives_them(name, tmp_path):
    body, y, x = KERNELS[name]
    text = HEAD + "\n".join(f"    {line}" for line in body.splitlines())
    assert by_estimate(text, y, x) == by_triton(text, y, x, tmp_path)


def test_where_no_axis_has_neighbours_the_first_comes_first():
    # As Triton 3.6, with which all times were measured, does; 3.7 takes the last axis.
    body = f"{TILE}\ntl.store(out_ptr0 + (x + 4096 * y), tl.load(in_ptr0 + (3 * y + 4096 * x), None), None)"
    text = HEAD + "\n".join(f"    {line}" for line in body.splitlines())
    assert by_estimate(text, 32, 32) == [("load", 1, 0), ("store", 4, 1)]
