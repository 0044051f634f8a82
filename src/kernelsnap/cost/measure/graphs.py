"""Makes a function that runs on the GPU of each graph of a golden: its host code, its kernels, and made-up inputs."""

from __future__ import annotations

import math
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from kernelsnap.cost.host import LAYOUT_ASSERTIONS
from kernelsnap.cost.measure.inputs import CannotRunError, bound_of, inputs_of, make
from kernelsnap.cost.measure.kernels import load_kernels
from kernelsnap.golden.canonical import HOST
from kernelsnap.model.golden import Golden


def runnable(golden: Golden, folder: Path) -> list[tuple[str, Callable[[], Any]]]:
    """Each graph of a golden by name, as a function without arguments.

    The text of the golden is executed. Nothing of the torch that recorded it is needed: only what allocates and calls
    libraries, and what kernels call, is taken from the torch and triton that are installed.

    Raises:
        CannotRunError: its code cannot be run.
    """
    if not golden.code:
        raise CannotRunError("the golden has no code")
    graphs = dict.fromkeys(piece.graph for piece in golden.code)
    return [(graph, _graph(golden, graph, folder / f"graph{place}")) for place, graph in enumerate(graphs)]


def _graph(golden: Golden, graph: str, folder: Path) -> Callable[[], Any]:
    folder.mkdir(parents=True)
    texts = {piece.name: piece.text for piece in golden.code if piece.graph == graph}
    host = texts.pop(HOST)
    plan = next((plan for plan in golden.plan if plan.graph == graph), None)
    if plan is None:
        raise CannotRunError(f"the golden has no plan of {graph}")
    configs = {config.kernel: config for config in golden.config if config.graph == graph}
    given = inputs_of(plan, host)
    names: dict[str, Any] = {**_names(), **load_kernels(texts, configs, folder)}
    exec(compile(host, f"<host code of {graph}>", "exec"), names)
    call = next((names[name] for name in ("call", "forward") if callable(names.get(name))), None)
    if call is None:
        raise CannotRunError(f"the host code of {graph} has no function `call`")
    bound = bound_of(list(texts.values()))
    values = [make(one, bound) for one in given]
    return lambda: call(None, list(values))


def _names() -> dict[str, Any]:
    """What the host code calls, made of what torch offers to everybody."""
    import torch

    def strided(size: Any, stride: Any, dtype: Any) -> Any:
        return torch.empty_strided(size, stride, dtype=dtype, device="cuda")

    return {
        "torch": torch,
        "aten": torch.ops.aten,
        "math": math,
        "device": torch.device,
        "empty_strided_cuda": strided,
        "empty_strided_cpu": lambda size, stride, dtype: torch.empty_strided(size, stride, dtype=dtype),
        "reinterpret_tensor": torch.as_strided,
        **dict.fromkeys(LAYOUT_ASSERTIONS, _nothing),
        "assert_alignment": _nothing,
        "copy_if_misaligned": lambda tensor: tensor,
        "get_raw_stream": lambda index: torch.cuda.current_stream(index).cuda_stream,
        "extern_kernels": SimpleNamespace(
            **{name: getattr(torch, name) for name in ("mm", "bmm", "addmm", "baddbmm", "mv", "addmv")},
            convolution=torch.ops.aten.convolution,
        ),
    }


def _nothing(*given: Any, **named: Any) -> None:
    """What checks the inputs: they were made as the golden has them."""
