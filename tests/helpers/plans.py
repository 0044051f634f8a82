"""Goldens made by hand: one graph, of kernels and library calls with as little in them as matching looks at."""

from __future__ import annotations

from kernelsnap.golden.canonical import HOST
from kernelsnap.model.capture import Buffer, FusedOp
from kernelsnap.model.golden import Code, Golden, KernelConfig, Plan, PlanStep


def body(*lines):
    """Lines of code below the head of a function."""
    return "".join(f"    {line}\n" for line in lines)


def kernel(name, ops, lines, reads=("arg0",), writes=("buf0",), kind="pointwise", shape=("64",)):
    """A launch and the kernel that it launches; `ops` reads `softmax: exp sum; relu: relu`."""
    fused = tuple(
        FusedOp(source.strip(), tuple(aten.split()))
        for source, _, aten in (op.partition(":") for op in ops.split(";") if op)
    )
    step = PlanStep(name, kind, (("x", "64"),), fused, reads, tuple(Buffer(b, "f32", shape) for b in writes))
    return step, Code("inference", name, f"def {name}(in_ptr0):\n{body(*lines)}")


def extern(callee="extern_kernels.mm", ops="linear: mm", reads=("arg0",), writes=("buf0",), shape=("64",)):
    """A call into a library, which has no code."""
    return kernel(callee, ops, (), reads, writes, "extern", shape)[0], None


def golden(*kernels):
    """What runs these, in this order, as the one graph of a golden."""
    steps = tuple(step for step, _ in kernels)
    code = tuple({piece.name: piece for _, piece in kernels if piece}.values())
    configs = tuple(KernelConfig("inference", piece.name, (), ()) for piece in code)
    host = Code("inference", HOST, "def call(self, args):\n    return ()\n")
    return Golden("case", "h100", (Plan("inference", (), steps, ()),), (), configs, (*code, host))
