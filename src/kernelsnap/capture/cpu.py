"""One CPU for every machine: Inductor's C++ backend generates code for the processor that it runs on.

Private API, checked on torch 2.11 and 2.13: `torch._inductor.cpu_vec_isa.pick_vec_isa`, which is asked for the vector
instructions to use, and the setting `cpp.threads`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from unittest import mock

import torch
from torch._inductor import config, cpu_vec_isa

from kernelsnap.virtual.support import UnsupportedTorchError

# What the target `cpu` stands for: AVX2, which every x86-64 server of the last ten years has, and eight threads.
THREADS = 8


@contextlib.contextmanager
def pinned_cpu() -> Iterator[None]:
    """Generate C++ for AVX2 and `THREADS` threads inside the block, whatever this machine has.

    Raises:
        UnsupportedTorchError: this torch asks for its vector instructions in another way.
    """
    if not hasattr(cpu_vec_isa, "pick_vec_isa") or not hasattr(cpu_vec_isa, "VecAVX2"):
        raise UnsupportedTorchError(f"torch {torch.__version__} has no cpu_vec_isa.pick_vec_isa or VecAVX2")
    isa = cpu_vec_isa.VecAVX2()
    with (
        mock.patch.object(cpu_vec_isa, "pick_vec_isa", lambda: isa),
        mock.patch("torch._inductor.codegen.cpp_micro_gemm.pick_vec_isa", lambda: isa),
        config.patch({"cpp.threads": THREADS}),
    ):
        yield
