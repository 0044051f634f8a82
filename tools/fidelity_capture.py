"""What a worker process does: capture one case, or gather one group of facts about the device."""

from __future__ import annotations

import contextlib
import gc
import platform
import warnings
from collections.abc import Callable, Iterator
from typing import Any

import torch
import torch._dynamo
import torch._functorch.config
import torch._inductor.select_algorithm
from torch._subclasses.fake_tensor import FakeTensorMode

import kernelsnap
from fidelity_cases import all_cases
from fidelity_choices import conv_choices, norm_choices, sdpa_choices
from fidelity_recording import from_capture
from fidelity_workers import FACTS
from kernelsnap.virtual import virtual_device


class Capturer:
    """Captures cases by name, on the virtual device of `target` or on this machine's GPU."""

    def __init__(self, target: str | None) -> None:
        """Without a target, a GPU has to be there."""
        warnings.filterwarnings("ignore")
        torch.set_num_threads(1)
        if target is None and not torch.cuda.is_available():
            raise SystemExit("this machine has no GPU that torch can use: record on one that has, or with --virtual")
        self._target = target
        self._cases = all_cases()

    def __call__(self, key: str) -> dict[str, Any]:
        """The result for a case, or for a group of facts."""
        with virtual_device(self._target) if self._target else contextlib.nullcontext():
            if key.startswith(FACTS):
                return {key.removeprefix(FACTS): _FACTS[key.removeprefix(FACTS)]()}
            return self._capture(self._cases[key])

    def _capture(self, case: Any) -> dict[str, Any]:
        torch.manual_seed(0)
        torch._dynamo.reset()
        FakeTensorMode.cache_clear()
        known = _module_count()
        with (
            torch._dynamo.config.patch(dict(case.dynamo)) if case.dynamo else contextlib.nullcontext(),
            torch._functorch.config.patch(dict(case.functorch)) if case.functorch else contextlib.nullcontext(),
        ):
            fn, inputs = case.make()
            captured = kernelsnap.capture(fn, *inputs, **case.options)
        result = from_capture(captured)
        if self._target is None:
            torch.cuda.synchronize()
            result["resources"] = _answer(lambda: list(_resources(known)))
            del fn, inputs
            gc.collect()  # or the GPU's memory is full before all cases are recorded
        return result


def _module_count() -> int:
    from torch._inductor.codecache import PyCodeCache

    return len(PyCodeCache.modules)


def _resources(known: int) -> Iterator[dict[str, Any]]:
    """Registers, spills and shared memory of each loaded Triton kernel, as the driver reported them."""
    from torch._inductor.codecache import PyCodeCache
    from torch._inductor.runtime.triton_heuristics import CachingAutotuner

    for module in PyCodeCache.modules[known:]:
        for name, kernel in list(vars(module).items()):
            if isinstance(kernel, CachingAutotuner):
                for launcher in kernel.launchers:
                    config = launcher.config
                    yield {
                        "kernel": name,
                        "blocks": {k: v for k, v in config.kwargs.items() if isinstance(v, int)},
                        "num_warps": config.num_warps,
                        "num_stages": config.num_stages,
                        "registers": getattr(launcher, "n_regs", None),
                        "spills": getattr(launcher, "n_spills", None),
                        "shared": getattr(launcher, "shared", None),
                    }


def _answer(question: Callable[[], Any]) -> Any:
    """What a function returns, as JSON can hold it, or the error that it raises."""
    try:
        value = question()
    except Exception as error:
        return f"{type(error).__name__}: {str(error)[:200]}"
    return value if isinstance(value, bool | int | float | str | None | list | dict) else str(value)


def _device() -> dict[str, Any]:
    import triton
    from torch._inductor import utils
    from torch.utils import _triton

    properties = torch.cuda.get_device_properties(0)
    fields = {name: getattr(properties, name) for name in dir(properties) if not name.startswith("_")}
    questions: dict[str, Callable[[], Any]] = {
        "cudnn": torch.backends.cudnn.version,
        "capability": lambda: list(torch.cuda.get_device_capability()),
        "arch_list": torch.cuda.get_arch_list,
        "priority": torch._C._get_sdp_priority_order,
        "is_big_gpu": lambda: utils.is_big_gpu(0),
        "max_num_sms": utils.get_max_num_sms,
        "dram_gbps": utils.get_gpu_dram_gbps,
        "tflops_bf16": lambda: utils.get_device_tflops(torch.bfloat16),
        "tflops_fp32": lambda: utils.get_device_tflops(torch.float32),
        "has_tma_device": _triton.has_triton_tma_device,
        "has_stable_tma": _triton.has_triton_stable_tma_api,
        "flash_available": torch.backends.cuda.is_flash_attention_available,
        "bf16_supported": torch.cuda.is_bf16_supported,
        "mem_get_info": lambda: list(torch.cuda.mem_get_info()),
        "preferred_blas": torch.backends.cuda.preferred_blas_library,
        "allow_tf32": lambda: torch.backends.cuda.matmul.allow_tf32,
    }
    return {
        "torch": torch.__version__,
        "triton": triton.__version__,
        "cuda": torch.version.cuda,
        "python": platform.python_version(),
        "transformers": _answer(lambda: __import__("transformers").__version__),
        "properties": {
            name: _answer(lambda value=value: value) for name, value in fields.items() if not callable(value)
        },
        **{name: _answer(question) for name, question in questions.items()},
    }


_FACTS: dict[str, Callable[[], Any]] = {
    "device": _device,
    "sdpa": sdpa_choices,
    "backends": lambda: {"convolution": conv_choices(), "batch_norm": norm_choices()},
}
