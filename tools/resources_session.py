"""On a machine with a GPU: are the resources that were compiled without it those of the kernels that its driver loads?

    PYTHONPATH=src python tools/resources_session.py [TARGET]

Every case is captured on the virtual GPU (TARGET, `h100` by default) and its kernels compiled offline; then it is
captured and run on the real one, and each kernel that Inductor compiled there is loaded. Prints one JSON object with
how many numbers are equal, and ends with status 0 if all are.
"""

from __future__ import annotations

import argparse
import contextlib
import ctypes
import dataclasses
import json
import sys
import time
import traceback
import warnings
from collections import Counter
from collections.abc import Callable, Iterator
from typing import Any
from unittest import mock

import torch
import torch.nn.functional as F  # noqa: N812 (torch's own name for it)
import triton
import triton.language as tl
from torch._inductor.runtime.triton_heuristics import CachingAutotuner
from torch.nn.attention.flex_attention import flex_attention

import kernelsnap
from diff_pairs.sides import BF16, TRAIN, Program, Programs, integers, randn, several
from kernelsnap.capture.launch_configs import launch_config
from kernelsnap.capture.machine_code.kernel_resources import listing
from kernelsnap.capture.machine_code.machine_code import sass_mix
from kernelsnap.capture.read.kernel_source import read_triton
from kernelsnap.model.capture import Capture, LaunchConfig

#: `CUfunction_attribute`, cuda.h
_STATIC_SHARED, _LOCAL, _REGISTERS = 1, 3, 4
_SHOWN = 20

#: What is compared, by the name of the kernel's function and its configuration.
Numbers = dict[tuple[str, LaunchConfig], dict[str, int]]


@triton.jit
def _scaled(x, y, n, scale, BLOCK: tl.constexpr):  # noqa: N803 (as Triton's own examples write it)
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y + offsets, tl.load(x + offsets, offsets < n) * scale, offsets < n)


def _user_triton(x: torch.Tensor) -> torch.Tensor:
    y = torch.empty_like(x)
    _scaled[(triton.cdiv(x.numel(), 256),)](x, y, x.numel(), 2.0, BLOCK=256)
    return y + 1


def _rms_norm(x: torch.Tensor, w: torch.Tensor) -> torch.Tensor:
    return x * torch.rsqrt(x.float().pow(2).mean(-1, keepdim=True) + 1e-6).to(x.dtype) * w


def _rope(x: torch.Tensor, cos: torch.Tensor, sin: torch.Tensor) -> torch.Tensor:
    a, b = x.chunk(2, -1)
    return x * cos + torch.cat((-b, a), -1) * sin


def _many(*xs: torch.Tensor) -> torch.Tensor:
    """A kernel that needs many registers."""
    return torch.stack([torch.sin(x) * torch.exp(xs[0]) + torch.erf(x) for x in xs]).prod(0)


def _causal(q: torch.Tensor, k: torch.Tensor, v: torch.Tensor) -> torch.Tensor:
    out = flex_attention(q, k, v, score_mod=lambda s, b, h, i, j: torch.where(i >= j, s, -float("inf")))
    assert isinstance(out, torch.Tensor)
    return out


_NORM = ((512, 768), (768,), (768,))
_TRITON = {"mode": "max-autotune-no-cudagraphs", "config": {"max_autotune_gemm_backends": "TRITON"}}
_AUTOTUNE = {"mode": "max-autotune-no-cudagraphs"}

CASES: Programs = {
    "add": lambda: (torch.add, (randn(1024, 1024), randn(1024, 1024))),
    "add-odd": lambda: (lambda x, y: x + y.T, (randn(1023, 511), randn(511, 1023))),
    "sin": lambda: (torch.sin, (randn(4096),)),
    "gelu-bf16": lambda: (F.gelu, (randn(512, 4096, dtype=BF16),)),
    "swiglu": lambda: (lambda a, b: F.silu(a) * b, (randn(512, 4096, dtype=BF16), randn(512, 4096, dtype=BF16))),
    "many": lambda: (_many, several(8, 1 << 20)),
    "autotuned": lambda: (lambda x, y: torch.tanh(x) + y, (randn(1 << 20), randn(1 << 20)), _AUTOTUNE),
    "integers": lambda: (lambda x, y: (x // 7) * (y % 13), (integers(99, 4096), integers(99, 4096))),
    "double": lambda: (lambda x: torch.exp(x) / 3, (randn(4096, dtype=torch.float64),)),
    "float8": lambda: (lambda x: x.to(torch.float8_e4m3fn).float(), (randn(4096),)),
    "transpose": lambda: (lambda x: (x.transpose(1, 2) + 1).contiguous(), (randn(8, 512, 384),)),
    "cat": lambda: (lambda x, y: torch.cat((x.relu(), y.sigmoid()), 1), (randn(64, 100), randn(64, 28))),
    "dropout": lambda: (lambda x: F.dropout(x, 0.1) * 2, (randn(512, 512, grad=True),), TRAIN),
    "dynamic": lambda: (lambda x: (x.sin() + 1).sum(-1), (randn(100, 300),), {"dynamic": True}),
    "sum": lambda: (lambda x: x.sum(-1), (randn(512, 1000),)),
    "sum-all": lambda: (torch.sum, (randn(1 << 22),)),
    "sum-outer": lambda: (lambda x: x.sum(0), (randn(8192, 300),)),
    "sum-long": lambda: (lambda x: (x * x).sum(-1), (randn(64, 100_000),)),
    "amax-argmax": lambda: (lambda x: (x.amax(-1), x.argmax(-1)), (randn(512, 1000),)),
    "variance": lambda: (lambda x: torch.var_mean(x, -1), (randn(512, 5000),)),
    "softmax": lambda: (lambda x: torch.softmax(x, -1), (randn(512, 1024),)),
    "softmax-long": lambda: (lambda x: torch.softmax(x, -1), (randn(64, 50_000, dtype=BF16),)),
    "log-softmax": lambda: (lambda x: F.log_softmax(x, -1), (randn(256, 333, grad=True),), TRAIN),
    "cross-entropy": lambda: (F.cross_entropy, (randn(256, 32_000, grad=True), integers(32_000, 256)), TRAIN),
    "layer-norm": lambda: (
        lambda x, w, b: F.layer_norm(x, (768,), w, b), tuple(randn(*s, grad=True) for s in _NORM), TRAIN,
    ),
    "rms-norm": lambda: (
        _rms_norm, (randn(512, 4096, dtype=BF16, grad=True), randn(4096, dtype=BF16, grad=True)), TRAIN,
    ),
    "batch-norm": lambda: (lambda x: F.batch_norm(x, None, None, training=True).relu(), (randn(16, 64, 28, 28),)),
    "group-norm": lambda: (lambda x: F.group_norm(x, 8), (randn(4, 64, 32, 32),)),
    "rope": lambda: (_rope, (randn(4, 8, 256, 64, dtype=BF16), randn(256, 64, dtype=BF16), randn(256, 64, dtype=BF16))),
    "cumsum": lambda: (lambda x: x.cumsum(-1), (randn(64, 2048),)),
    "cumsum-split": lambda: (lambda x: x.cumsum(-1), (randn(1 << 20),)),
    "sort": lambda: (lambda x: torch.sort(x, dim=-1, stable=True), (randn(64, 256),)),
    "gather": lambda: (lambda x, i: x[i].relu(), (randn(1000, 64), integers(1000, 333))),
    "scatter": lambda: (
        lambda i, x: torch.zeros(1000, device="cuda").scatter_add(0, i, x), (integers(1000, 5000), randn(5000)),
    ),
    "embedding": lambda: (F.embedding, (integers(500, 8, 128), randn(500, 64, grad=True)), TRAIN),
    "max-pool": lambda: (lambda x: F.max_pool2d(x, 3, 2), (randn(8, 16, 56, 56, grad=True),), TRAIN),
    "upsample": lambda: (lambda x: F.interpolate(x, scale_factor=2.0, mode="bilinear"), (randn(2, 8, 32, 32),)),
    "mm-fp16": lambda: (lambda x, y: (x @ y).relu(), several(2, 512, 512, dtype=torch.float16), _TRITON),
    "mm-fp32": lambda: (lambda x, y: x @ y, (randn(500, 300), randn(300, 200)), _TRITON),
    "addmm-bf16": lambda: (
        torch.addmm, (randn(1024, dtype=BF16), randn(512, 2048, dtype=BF16), randn(2048, 1024, dtype=BF16)), _TRITON,
    ),
    "bmm": lambda: (torch.bmm, (randn(16, 128, 64, dtype=BF16), randn(16, 64, 128, dtype=BF16)), _TRITON),
    "flex": lambda: (flex_attention, several(3, 2, 4, 256, 64, dtype=BF16)),
    "flex-backward": lambda: (_causal, several(3, 2, 4, 256, 64, grad=True, dtype=BF16), TRAIN),
    "user-triton": lambda: (_user_triton, (randn(5000),)),
    "foreach": lambda: (lambda xs, ys: torch._foreach_add(xs, ys), ([randn(100), randn(7)], [randn(100), randn(7)])),
}  # fmt: skip


def captured(case: Callable[[], Program]) -> Capture:
    """Capture a case on whatever device is active."""
    torch.manual_seed(0)
    torch._dynamo.reset()
    fn, inputs, *options = case()
    return kernelsnap.capture(fn, *inputs, **dict(*options))


def offline(case: Callable[[], Program], target: str) -> Numbers:
    """What an offline compile says of every kernel."""
    with kernelsnap.virtual_device(target):
        capture = captured(case)
        resources = kernelsnap.kernel_resources(capture)
    functions = {
        (name, f"k{index}"): read_triton(kernel.name, kernel.source).function.name
        for name, graph in zip(capture.graph_names, capture.graphs, strict=True)
        for index, kernel in enumerate(graph.in_launch_order)
        if kernel.language == "triton"
    }
    if refused := [entry for entry in resources.not_compiled if entry.launch]:
        raise RuntimeError(f"not compiled: {refused[0].reason}")
    return {
        (functions[kernel.graph, kernel.kernel], kernel.launch): {
            "registers": kernel.registers,
            "stack": kernel.stack,
            "shared": kernel.shared,
            "static shared": kernel.static_shared or 0,
            "spilled bytes": kernel.spills,
            **{f"sass {name}": count for name, count in dataclasses.asdict(kernel.instructions).items()},
        }
        for kernel in resources.kernels
    }


def loaded(case: Callable[[], Program]) -> Numbers:
    """What the driver says of every kernel that Inductor compiled for the real GPU."""
    compiled: list[tuple[str, LaunchConfig, Any]] = []
    with _recorded(compiled):
        captured(case)
        torch.cuda.synchronize()
    driver = ctypes.CDLL("libcuda.so.1")
    found: Numbers = {}
    for name, launch, binary in compiled:
        binary._init_handles()
        mix = sass_mix(name, listing(binary.asm["cubin"]))
        found[name, launch] = {
            "registers": binary.n_regs,
            "n_spills": binary.n_spills,
            "shared": binary.metadata.shared,
            "driver registers": _attribute(driver, binary.function, _REGISTERS),
            "driver local": _attribute(driver, binary.function, _LOCAL),
            "driver static shared": _attribute(driver, binary.function, _STATIC_SHARED),
            **{f"sass {kind}": count for kind, count in dataclasses.asdict(mix).items()},
        }
    return found


@contextlib.contextmanager
def _recorded(compiled: list[tuple[str, LaunchConfig, Any]]) -> Iterator[None]:
    """Note every kernel that Inductor compiles inside the block."""
    compile_, precompile = triton.compile, CachingAutotuner._precompile_config
    last: list[Any] = []

    def noted(*args: Any, **kwargs: Any) -> Any:
        last.append(compile_(*args, **kwargs))
        return last[-1]

    def precompiled(autotuner: Any, config: Any, *args: Any, **kwargs: Any) -> Any:
        result = precompile(autotuner, config, *args, **kwargs)
        compiled.append((autotuner.fn.__name__, launch_config(config), last[-1]))
        return result

    with (
        mock.patch.object(triton, "compile", noted),
        mock.patch.object(CachingAutotuner, "_precompile_config", precompiled),
    ):
        yield


def _attribute(driver: Any, function: int, attribute: int) -> int:
    value = ctypes.c_int()
    if status := driver.cuFuncGetAttribute(ctypes.byref(value), attribute, ctypes.c_void_p(function)):
        raise RuntimeError(f"cuFuncGetAttribute({attribute}) failed with status {status}")
    return value.value


def _mix(numbers: dict[str, int]) -> dict[str, int]:
    return {name: count for name, count in numbers.items() if name.startswith("sass ")}


#: What must be equal: a name, the offline number, and the real one in the same unit.
_EQUAL: dict[str, Callable[[dict[str, int], dict[str, int]], tuple[object, object]]] = {
    "registers and n_regs": lambda ours, real: (ours["registers"], real["registers"]),
    "registers and the driver's": lambda ours, real: (ours["registers"], real["driver registers"]),
    "stack and 4 * n_spills": lambda ours, real: (ours["stack"], 4 * real["n_spills"]),
    "stack and the driver's local memory": lambda ours, real: (ours["stack"], real["driver local"]),
    "instructions of every class": lambda ours, real: (_mix(ours), _mix(real)),
    "shared and what the launch asks for": lambda ours, real: (ours["shared"], real["shared"]),
}


def main() -> int:
    """Compare every case; the exit status."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("target", nargs="?", default="h100")
    target = parser.parse_args().target
    if not torch.cuda.is_available():
        print("this machine has no GPU that torch can use", file=sys.stderr)
        return 2
    warnings.filterwarnings("ignore")
    start = time.monotonic()
    counts = {name: Counter[str]() for name in _EQUAL}
    differences, static_shared, errors = [], Counter[str](), {}
    both, only_offline, only_loaded, spilling, with_stack = 0, [], [], 0, 0
    for name, case in CASES.items():
        try:
            ours, real = offline(case, target), loaded(case)
        except Exception as error:
            errors[name] = f"{type(error).__name__}: {str(error).strip()[:300]}"
            traceback.print_exc()
            continue
        only_offline += [f"{name} {kernel} {launch}" for kernel, launch in ours if (kernel, launch) not in real]
        only_loaded += [f"{name} {kernel} {launch}" for kernel, launch in real if (kernel, launch) not in ours]
        for key in ours.keys() & real.keys():
            both += 1
            spilling += ours[key]["spilled bytes"] > 0
            with_stack += ours[key]["stack"] > 0
            static_shared[f"{ours[key]['static shared']} and {real[key]['driver static shared']}"] += 1
            for what, pair in _EQUAL.items():
                a, b = pair(ours[key], real[key])
                counts[what]["equal" if a == b else "different"] += 1
                if a != b:
                    differences.append(f"{name} {key[0]} {key[1]}: {what}: {a} and {b}")
    answer = {
        "gpu": torch.cuda.get_device_name(),
        "target": target,
        "torch": torch.__version__,
        "triton": triton.__version__,
        "python": sys.version.split()[0],
        "cases": len(CASES),
        "kernels and configurations compared": both,
        **{what: dict(count) for what, count in counts.items()},
        "static shared memory, cuobjdump's and the driver's": dict(static_shared),
        "with a stack": with_stack,
        "with spills by ptxas": spilling,
        "compiled offline only": only_offline,
        "loaded only (Inductor scales a reduction's block by occupancy when it runs)": only_loaded,
        "differences": differences[:_SHOWN],
        "errors": errors,
        "seconds": round(time.monotonic() - start),
    }
    print(json.dumps(answer, indent=1))
    return 1 if differences or errors or not both else 0


if __name__ == "__main__":
    raise SystemExit(main())
