"""Where the operations of a combo kernel came from.

A combo kernel does the work of several nodes of the scheduler in one launch, `foreach` or `combo_kernels`. Inductor
writes above every kernel which expressions it computes, but looks into none of the nodes that a combo kernel is made
of: the comment is empty, or names the operations of another kernel. Here it is asked about those nodes, one by one.

Private API, checked on torch 2.11, 2.13 and 2.14: `TritonScheduling.define_kernel(src_code, node_schedule, kernel)`,
the `get_kernel_metadata` that it calls, `ForeachKernelSchedulerNode`, and of a kernel `.features.node_schedule`, of a
combo kernel `.sub_kernels`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any
from unittest import mock

import torch
from torch._inductor import scheduler, utils
from torch._inductor.codegen import triton

from kernelsnap.virtual.support import UnsupportedTorchError


@contextlib.contextmanager
def described_combo_kernels() -> Iterator[None]:
    """Inside the block the comment above a combo kernel names the operations of all its nodes.

    Raises:
        UnsupportedTorchError: this torch lacks one of the internals above.
    """
    for owner, name in (
        (triton, "get_kernel_metadata"),
        (utils, "get_kernel_metadata"),
        (triton.TritonScheduling, "define_kernel"),
        (scheduler, "ForeachKernelSchedulerNode"),
    ):
        if not hasattr(owner, name):
            raise UnsupportedTorchError(
                f"torch {torch.__version__} has no {owner.__name__}.{name}, which says what is in a combo kernel: "
                "this torch is not supported yet"
            )
    define, describe = triton.TritonScheduling.define_kernel, utils.get_kernel_metadata

    def define_kernel(backend: Any, src_code: str, node_schedule: Any, kernel: Any) -> Any:
        if not any(isinstance(node, scheduler.ForeachKernelSchedulerNode) for node in node_schedule):
            return define(backend, src_code, node_schedule, kernel)
        nodes = [
            node
            for part in getattr(kernel, "sub_kernels", (kernel,))
            for node in part.features.node_schedule
            if isinstance(node, scheduler.BaseSchedulerNode)
        ]
        with mock.patch.object(triton, "get_kernel_metadata", lambda _, wrapper: describe(nodes, wrapper)):
            return define(backend, src_code, node_schedule, kernel)

    with mock.patch.object(triton.TritonScheduling, "define_kernel", define_kernel):
        yield
