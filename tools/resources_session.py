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
from kernelsnap.capture.launch_configs import launch_config
from kernelsnap.capture.machine_code.kernel_resources import listing
from kernelsnap.capture.machine_code.machine_code import sass_mix
from kernelsnap.capture.read.kernel_source import read_triton
from kernelsnap.model.capture import Capture, LaunchConfig

#: `CUfunction_attribute`, cuda.h
_STATIC_SHARED, _LOCAL, _REGISTERS = 1, 3, 4
_SHOWN = 20

Make = Callable[[], tuple[Callable[..., Any], tuple[Any, ...]]]
#: What is compared, by the name of the kernel's function and its configuration.
Numbers = dict[tuple[str, LaunchConfig], dict[str, int]]


@dataclasses.dataclass(frozen=True)
class Case:
    """A function with its inputs, which are made where it is captured."""

    make: Make
    options: dict[str, Any] = dataclasses.field(default_factory=dict)


@triton.jit
def _scaled(x, y, n, scale, BLOCK: tl.constexpr):  # noqa: N803 (as Triton's own examples write it)
    offsets = tl.program_id(0) * BLOCK + tl.arange(0, BLOCK)
    tl.store(y + offsets, tl.load(x + offsets, offsets < n) * scale, offsets < n)


def _user_triton(x: torch.Tensor) -> torch.Tensor:
    y = torch.empty_like(x)
    _scaled[(triton.cdiv(x.numel(), 256),)](x, y, x.numel(), 2.0, BLOCK=256)
    return y + 1


def _t(*shape: int, dtype: torch.dtype = torch.float32, grad: bool = False) -> torch.Tensor:
    return torch.randn(shape, device="cuda", dtype=dtype).requires_grad_(grad)


def _ids(*shape: int, below: int) -> torch.Tensor:
    return torch.randint(0, below, shape, device="cuda")


def _bf16(*shape: int, grad: bool = False) -> torch.Tensor:
    return _t(*shape, dtype=torch.bfloat16, grad=grad)


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
_BACKWARD = {"backward": True}
_TRITON = {"mode": "max-autotune-no-cudagraphs", "config": {"max_autotune_gemm_backends": "TRITON"}}
_AUTOTUNE = {"mode": "max-autotune-no-cudagraphs"}

CASES: dict[str, Case] = {
    "add": Case(lambda: (torch.add, (_t(1024, 1024), _t(1024, 1024)))),
    "add-odd": Case(lambda: (lambda x, y: x + y.T, (_t(1023, 511), _t(511, 1023)))),
    "sin": Case(lambda: (torch.sin, (_t(4096),))),
    "gelu-bf16": Case(lambda: (F.gelu, (_bf16(512, 4096),))),
    "swiglu": Case(lambda: (lambda a, b: F.silu(a) * b, (_bf16(512, 4096), _bf16(512, 4096)))),
    "many": Case(lambda: (_many, tuple(_t(1 << 20) for _ in range(8)))),
    "autotuned": Case(lambda: (lambda x, y: torch.tanh(x) + y, (_t(1 << 20), _t(1 << 20))), _AUTOTUNE),
    "integers": Case(lambda: (lambda x, y: (x // 7) * (y % 13), (_ids(4096, below=99), _ids(4096, below=99)))),
    "double": Case(lambda: (lambda x: torch.exp(x) / 3, (_t(4096, dtype=torch.float64),))),
    "float8": Case(lambda: (lambda x: x.to(torch.float8_e4m3fn).float(), (_t(4096),))),
    "transpose": Case(lambda: (lambda x: (x.transpose(1, 2) + 1).contiguous(), (_t(8, 512, 384),))),
    "cat": Case(lambda: (lambda x, y: torch.cat((x.relu(), y.sigmoid()), 1), (_t(64, 100), _t(64, 28)))),
    "dropout": Case(lambda: (lambda x: F.dropout(x, 0.1) * 2, (_t(512, 512, grad=True),)), _BACKWARD),
    "dynamic": Case(lambda: (lambda x: (x.sin() + 1).sum(-1), (_t(100, 300),)), {"dynamic": True}),
    "sum": Case(lambda: (lambda x: x.sum(-1), (_t(512, 1000),))),
    "sum-all": Case(lambda: (torch.sum, (_t(1 << 22),))),
    "sum-outer": Case(lambda: (lambda x: x.sum(0), (_t(8192, 300),))),
    "sum-long": Case(lambda: (lambda x: (x * x).sum(-1), (_t(64, 100_000),))),
    "amax-argmax": Case(lambda: (lambda x: (x.amax(-1), x.argmax(-1)), (_t(512, 1000),))),
    "variance": Case(lambda: (lambda x: torch.var_mean(x, -1), (_t(512, 5000),))),
    "softmax": Case(lambda: (lambda x: torch.softmax(x, -1), (_t(512, 1024),))),
    "softmax-long": Case(lambda: (lambda x: torch.softmax(x, -1), (_bf16(64, 50_000),))),
    "log-softmax": Case(lambda: (lambda x: F.log_softmax(x, -1), (_t(256, 333, grad=True),)), _BACKWARD),
    "cross-entropy": Case(lambda: (F.cross_entropy, (_t(256, 32_000, grad=True), _ids(256, below=32_000))), _BACKWARD),
    "layer-norm": Case(
        lambda: (lambda x, w, b: F.layer_norm(x, (768,), w, b), tuple(_t(*s, grad=True) for s in _NORM)), _BACKWARD
    ),
    "rms-norm": Case(lambda: (_rms_norm, (_bf16(512, 4096, grad=True), _bf16(4096, grad=True))), _BACKWARD),
    "batch-norm": Case(lambda: (lambda x: F.batch_norm(x, None, None, training=True).relu(), (_t(16, 64, 28, 28),))),
    "group-norm": Case(lambda: (lambda x: F.group_norm(x, 8), (_t(4, 64, 32, 32),))),
    "rope": Case(lambda: (_rope, (_bf16(4, 8, 256, 64), _bf16(256, 64), _bf16(256, 64)))),
    "cumsum": Case(lambda: (lambda x: x.cumsum(-1), (_t(64, 2048),))),
    "cumsum-split": Case(lambda: (lambda x: x.cumsum(-1), (_t(1 << 20),))),
    "sort": Case(lambda: (lambda x: torch.sort(x, dim=-1, stable=True), (_t(64, 256),))),
    "gather": Case(lambda: (lambda x, i: x[i].relu(), (_t(1000, 64), _ids(333, below=1000)))),
    "scatter": Case(
        lambda: (lambda i, x: torch.zeros(1000, device="cuda").scatter_add(0, i, x), (_ids(5000, below=1000), _t(5000)))
    ),
    "embedding": Case(lambda: (F.embedding, (_ids(8, 128, below=500), _t(500, 64, grad=True))), _BACKWARD),
    "max-pool": Case(lambda: (lambda x: F.max_pool2d(x, 3, 2), (_t(8, 16, 56, 56, grad=True),)), _BACKWARD),
    "upsample": Case(lambda: (lambda x: F.interpolate(x, scale_factor=2.0, mode="bilinear"), (_t(2, 8, 32, 32),))),
    "mm-fp16": Case(
        lambda: (lambda x, y: (x @ y).relu(), tuple(_t(512, 512, dtype=torch.float16) for _ in "xy")), _TRITON
    ),
    "mm-fp32": Case(lambda: (lambda x, y: x @ y, (_t(500, 300), _t(300, 200))), _TRITON),
    "addmm-bf16": Case(lambda: (torch.addmm, (_bf16(1024), _bf16(512, 2048), _bf16(2048, 1024))), _TRITON),
    "bmm": Case(lambda: (torch.bmm, (_bf16(16, 128, 64), _bf16(16, 64, 128))), _TRITON),
    "flex": Case(lambda: (flex_attention, tuple(_bf16(2, 4, 256, 64) for _ in "qkv"))),
    "flex-backward": Case(lambda: (_causal, tuple(_bf16(2, 4, 256, 64, grad=True) for _ in "qkv")), _BACKWARD),
    "user-triton": Case(lambda: (_user_triton, (_t(5000),))),
    "foreach": Case(lambda: (lambda xs, ys: torch._foreach_add(xs, ys), ([_t(100), _t(7)], [_t(100), _t(7)]))),
}


def captured(case: Case) -> Capture:
    """Capture a case on whatever device is active."""
    torch.manual_seed(0)
    torch._dynamo.reset()
    fn, inputs = case.make()
    return kernelsnap.capture(fn, *inputs, **case.options)


def offline(case: Case, target: str) -> Numbers:
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


def loaded(case: Case) -> Numbers:
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
