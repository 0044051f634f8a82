"""Reads the text of one generated module into a `Graph`."""

from __future__ import annotations

import re
from dataclasses import replace

from kernelsnap.capture.read.cutedsl_source import cutedsl_kernel
from kernelsnap.capture.read.flex import attention
from kernelsnap.capture.read.host_code import read_host
from kernelsnap.capture.read.host_state import REPORT
from kernelsnap.capture.read.kernel_source import triton_kernel
from kernelsnap.capture.read.module_source import KernelText, read_module
from kernelsnap.capture.read.provenance import provenance, without_called
from kernelsnap.errors import UnreadableCodeError
from kernelsnap.model.capture import FusedOp, Graph, GraphCounts, Kernel, Phase
from kernelsnap.model.consistent import from_nowhere

# # AOT ID: ['0_forward']
_AOT_ID = re.compile(r"# AOT ID: \['(\d+)_")

# extern "C"  void  kernel(const float* in_ptr0,
_CPP_SIGNATURE = re.compile(r'extern "C"[^("]*\bkernel\(([^()]*)\)')


def read_graph(text: str, phase: Phase, counts: GraphCounts) -> Graph:
    """The `Graph` in the text that Inductor generated for it.

    Raises:
        UnreadableCodeError: the text, or a kernel in it, is not of a form that kernelsnap knows.
    """
    module = read_module(text)
    kernels = tuple(_kernel(kernel) for kernel in module.kernels)
    host = read_host(module.host, kernels, module.harness)
    calls = tuple(
        replace(call, ops=without_called(call.ops, host.calls)) if call.kind == "launch" else call
        for call in host.calls
    )
    for step, name in from_nowhere((*host.inputs, *host.memory), calls, host.outputs):
        raise UnreadableCodeError(f"the host code reads {name} in `{step}`, and nothing above makes it: {REPORT}")
    match = _AOT_ID.search(text)
    return Graph(
        phase=phase,
        text=text,
        host=module.host,
        kernels=kernels,
        calls=calls,
        inputs=host.inputs,
        outputs=host.outputs,
        memory=host.memory,
        counts=counts,
        aot_id=int(match.group(1)) if match else 0,
    )


def _kernel(kernel: KernelText) -> Kernel:
    comment = provenance(kernel.comment)
    if kernel.language == "triton":
        return attention(triton_kernel(kernel.name, kernel.source, comment.ops), comment.inputs)
    if kernel.language == "cpp":
        return _cpp_kernel(kernel, comment.ops)
    return attention(
        cutedsl_kernel(kernel.name, kernel.source, kernel.metadata, comment.inputs, comment.ops), comment.inputs
    )


def _cpp_kernel(kernel: KernelText, ops: tuple[FusedOp, ...]) -> Kernel:
    """A kernel of the C++ backend: `async_compile.cpp_pybinding(['const float*', 'float*'], source)`."""
    match = _CPP_SIGNATURE.search(kernel.source)
    named = kernel.name.removeprefix("cpp_fused_").rpartition("_")[0]  # nothing in cpp_fused_0
    names = [parameter.split()[-1].lstrip("*") for parameter in match.group(1).split(",")] if match else []
    arguments = tuple(zip(names, kernel.arguments, strict=False))
    return Kernel(
        name=kernel.name,
        kind="C++",
        language="cpp",
        source=kernel.source,
        # The C++ backend writes no provenance; the name says what was fused: cpp_fused__softmax_add_mul_0.
        ops=ops or ((FusedOp("", (named,)),) if named else ()),
        arguments=arguments,
        # in_out pointers are not const, and read as well
        reads=tuple(n for n, type_ in arguments if "*" in type_ and ("const" in type_ or n.startswith("in_out"))),
        writes=tuple(n for n, type_ in arguments if "*" in type_ and "const" not in type_),
    )
