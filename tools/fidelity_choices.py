"""Grids of questions that torch answers in C++ for the device at hand: which backend it would call."""

from __future__ import annotations

import contextlib
import itertools
from collections.abc import Callable, Iterable, Iterator
from typing import Any

import torch
from torch._subclasses.fake_tensor import FakeTensorMode
from torch.nn.attention import SDPBackend, sdpa_kernel

_DTYPES = {"bf16": torch.bfloat16, "fp16": torch.float16, "fp32": torch.float32, "fp64": torch.float64}
# backend names by the number that _fused_sdp_choice returns
_BACKENDS = {0: "math", 1: "flash", 2: "efficient", 3: "cudnn", 4: "overrideable"}
_ONLY = {
    "": None,
    "math": [SDPBackend.MATH],
    "flash": [SDPBackend.FLASH_ATTENTION],
    "efficient": [SDPBackend.EFFICIENT_ATTENTION],
    "cudnn": [SDPBackend.CUDNN_ATTENTION],
    "flash+efficient": [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION],
    "efficient+math": [SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH],
    "flash+math": [SDPBackend.FLASH_ATTENTION, SDPBackend.MATH],
}
_DEFAULTS = {
    "dtype": "bf16", "length": 64, "kv_length": 64, "dim": 64, "v_dim": 0, "heads": 4, "kv_heads": 4, "batch": 2,
    "mask": "", "dropout": 0.0, "causal": False, "grad": False, "only": "", "priority": False, "layout": "",
    "deterministic": False, "gqa": False,
}  # fmt: skip


def _questions() -> Iterator[dict[str, Any]]:
    """The settings that differ from the defaults, one dictionary a question."""
    for dtype, grad, causal, mask in itertools.product(_DTYPES, (False, True), (False, True), ("", "bool", "float")):
        yield {"dtype": dtype, "grad": grad, "causal": causal, "mask": mask}
    dims = (
        1, 4, 7, 8, 12, 16, 20, 32, 40, 72, 80, 96, 104, 120, 128, 129, 136, 160, 192, 200, 224, 248, 256, 257, 264,
        512,
    )  # fmt: skip
    for dtype, grad, dim in itertools.product(("bf16", "fp16", "fp32"), (False, True), dims):
        yield {"dtype": dtype, "grad": grad, "dim": dim}
    for dtype, grad, (dim, v_dim) in itertools.product(
        ("bf16", "fp32"), (False, True), ((64, 128), (192, 128), (128, 64), (64, 20), (256, 128), (576, 512))
    ):
        yield {"dtype": dtype, "grad": grad, "dim": dim, "v_dim": v_dim}
    lengths = (
        (1, 1), (1, 64), (64, 1), (1, 2), (2, 2), (7, 7), (63, 64), (64, 63), (127, 127), (128, 256), (0, 64), (64, 0),
        (2048, 2048),
    )  # fmt: skip
    for dtype, causal, dropout, (length, kv_length) in itertools.product(
        ("bf16", "fp32"), (False, True), (0.0, 0.5), lengths
    ):
        yield {"dtype": dtype, "causal": causal, "dropout": dropout, "length": length, "kv_length": kv_length}
    for dtype, dropout, grad in itertools.product(("bf16", "fp16", "fp32"), (0.1, 0.125, 0.2, 1.0), (False, True)):
        yield {"dtype": dtype, "dropout": dropout, "grad": grad}
    for heads, gqa, dtype, mask, grad in itertools.product(
        ((8, 2), (8, 1), (8, 3), (2, 8), (8, 8)), (False, True), ("bf16", "fp32"), ("", "bool"), (False, True)
    ):
        yield {"heads": heads[0], "kv_heads": heads[1], "gqa": gqa, "dtype": dtype, "mask": mask, "grad": grad}
    masks = ("2d", "1row", "1col", "head1", "batch1", "3d", "grad", "expanded", "strided", "wrong", "fp32")
    for mask, dtype, grad in itertools.product(masks, ("bf16", "fp32"), (False, True)):
        yield {"mask": mask, "dtype": dtype, "grad": grad}
    for only, dtype, grad, mask in itertools.product(
        [o for o in _ONLY if o], ("bf16", "fp32"), (False, True), ("", "bool")
    ):
        yield {"only": only, "dtype": dtype, "grad": grad, "mask": mask}
    for only, dim in itertools.product(("cudnn", "flash", "efficient", "flash+efficient"), (20, 256, 264)):
        yield {"only": only, "dim": dim}
    for only, dtype in itertools.product(("flash+efficient", "efficient+math", "flash+math"), ("bf16", "fp32")):
        yield {"only": only, "priority": True, "dtype": dtype}
    for layout, dtype in itertools.product(
        ("transposed", "packed", "last", "offset", "3d", "mixed dtype", "batch", "expanded"), ("bf16", "fp32")
    ):
        yield {"layout": layout, "dtype": dtype}
    for deterministic, dtype, grad in itertools.product((True,), ("bf16", "fp32"), (False, True)):
        yield {"deterministic": deterministic, "dtype": dtype, "grad": grad}
    yield {"batch": 65536, "length": 1, "kv_length": 2, "dim": 8, "heads": 1, "kv_heads": 1}


def sdpa_choices() -> list[dict[str, Any]]:
    """Which backend scaled_dot_product_attention would call, for several hundred inputs."""
    return _answered(_questions(), _sdpa_choice)


def _answered(questions: Iterable[dict[str, Any]], ask: Callable[..., Any]) -> list[dict[str, Any]]:
    """The questions, each with the answer or the error of `ask`, which takes it as keywords."""
    return [{**question, "answer": _answer(ask, question)} for question in questions]


def _answer(ask: Callable[..., Any], question: dict[str, Any]) -> Any:
    # Fake mode remembers the answer for the same tensors, whatever was set meanwhile.
    FakeTensorMode.cache_clear()
    try:
        return ask(**question)
    except Exception as error:
        return f"{type(error).__name__}: {str(error).splitlines()[0][:120]}"


def _sdpa_choice(**question: Any) -> dict[str, Any]:
    q: dict[str, Any] = {**_DEFAULTS, **question}
    query, key, value = _tensors(q)
    with contextlib.ExitStack() as stack:
        if q["only"]:
            stack.enter_context(sdpa_kernel(list(_ONLY[q["only"]] or ()), set_priority=q["priority"]))
        if q["deterministic"]:
            torch.use_deterministic_algorithms(True)
            stack.callback(torch.use_deterministic_algorithms, False)
        arguments = {"attn_mask": _mask(q), "dropout_p": q["dropout"], "is_causal": q["causal"], "enable_gqa": q["gqa"]}
        choice = torch._fused_sdp_choice(query, key, value, **arguments)
        parameters = torch.backends.cuda.SDPAParams(query, key, value, *arguments.values())
        can_use = {
            "flash": torch.backends.cuda.can_use_flash_attention(parameters),
            "efficient": torch.backends.cuda.can_use_efficient_attention(parameters),
            "cudnn": torch.backends.cuda.can_use_cudnn_attention(parameters),
        }
        return {"choice": _BACKENDS[choice], "can_use": [name for name, can in can_use.items() if can]}


def _tensors(q: dict[str, Any]) -> list[torch.Tensor]:
    dtype, batch, layout = _DTYPES[q["dtype"]], q["batch"], q["layout"]
    sizes = [(q["heads"], q["length"], q["dim"]), *[(q["kv_heads"], q["kv_length"], q["v_dim"] or q["dim"])] * 2]
    if q["v_dim"]:
        sizes[1] = (q["kv_heads"], q["kv_length"], q["dim"])
    tensors = [torch.zeros(batch, h, n, d, dtype=dtype, device="cuda") for h, n, d in sizes]
    if layout == "transposed":
        tensors = [torch.zeros(batch, n, h, d, dtype=dtype, device="cuda").transpose(1, 2) for h, n, d in sizes]
    elif layout == "packed":
        packed = torch.zeros(batch, q["length"], 3, q["heads"], q["dim"], dtype=dtype, device="cuda")
        tensors = list(packed.permute(2, 0, 3, 1, 4).unbind(0))
    elif layout == "last":
        tensors[0] = tensors[0].transpose(2, 3)
    elif layout == "offset":
        tensors = [torch.zeros(t.numel() + 1, dtype=dtype, device="cuda")[1:].view(t.shape) for t in tensors]
    elif layout == "3d":
        tensors = [t[0] for t in tensors]
    elif layout == "mixed dtype":
        tensors[2] = tensors[2].to(torch.float16)
    elif layout == "batch":
        tensors[1], tensors[2] = tensors[1][:1], tensors[2][:1]
    elif layout == "expanded":
        tensors[1], tensors[2] = (t[:, :1].expand(-1, q["heads"], -1, -1) for t in tensors[1:])
    return [t.detach().requires_grad_(q["grad"]) for t in tensors]


def _mask(q: dict[str, Any]) -> torch.Tensor | None:
    dtype, rows, columns = _DTYPES[q["dtype"]], q["length"], q["kv_length"]
    shape = {
        "2d": (rows, columns),
        "3d": (q["batch"], rows, columns),
        "1row": (q["batch"], 1, 1, columns),
        "1col": (rows, 1),
        "head1": (q["batch"], 1, rows, columns),
        "batch1": (1, q["heads"], rows, columns),
        "wrong": (3, 1, rows, columns),
    }.get(q["mask"], (q["batch"], q["heads"], rows, columns))
    match q["mask"]:
        case "":
            return None
        case "bool":
            return torch.ones(shape, dtype=torch.bool, device="cuda")
        case "grad":
            return torch.zeros(shape, dtype=dtype, device="cuda", requires_grad=True)
        case "expanded":
            return torch.zeros(1, 1, rows, columns, dtype=dtype, device="cuda").expand(shape)
        case "strided":
            return torch.zeros(q["batch"], q["heads"], columns, rows, dtype=dtype, device="cuda").transpose(2, 3)
        case "fp32":
            return torch.zeros(shape, device="cuda")
    return torch.zeros(shape, dtype=dtype, device="cuda")


def conv_choices() -> list[dict[str, Any]]:
    """Which backend a convolution would call: it decides the memory format of its output."""
    names = ("dtype", "dims", "groups", "transposed", "dilation", "last")
    grid = itertools.product(("fp32", "bf16", "fp16", "fp64"), (1, 2, 3), (1, 16), (False, True), (1, 2), (False, True))
    questions = (dict(zip(names, values, strict=True)) for values in grid)
    return _answered((q for q in questions if not (q["last"] and q["dims"] == 1)), _conv_choice)


def _conv_choice(dtype: str, dims: int, groups: int, transposed: bool, dilation: int, last: bool) -> list[Any]:
    x = torch.zeros(2, 16, *[9] * dims, dtype=_DTYPES[dtype], device="cuda")
    w = torch.zeros(16, 16 // groups, *[3] * dims, dtype=_DTYPES[dtype], device="cuda")
    if last:
        x = x.to(memory_format=torch.channels_last if dims == 2 else torch.channels_last_3d)
    many = [[1] * dims, [1] * dims, [dilation] * dims, transposed, [0] * dims, groups]
    backend = torch._C._select_conv_backend(x, w, None, *many[:4], many[4], groups, None)
    out = torch.convolution(x, w, None, *many)
    return [str(backend), list(out.stride())]


def norm_choices() -> list[dict[str, Any]]:
    """Which backend batch normalization would call."""
    names = ("dtype", "training", "last", "dims")
    grid = itertools.product(("fp32", "bf16", "fp16"), (False, True), (False, True), (2, 4))
    return _answered((dict(zip(names, values, strict=True)) for values in grid), _norm_choice)


def _norm_choice(dtype: str, training: bool, last: bool, dims: int) -> str:
    x = torch.zeros([2, 16, 9, 9][:dims], dtype=_DTYPES[dtype], device="cuda")
    if last and dims == 4:
        x = x.to(memory_format=torch.channels_last)
    many = [torch.ones(16, device="cuda") for _ in range(4)]
    return str(torch._C._select_batch_norm_backend(x, *many, training, 1e-5))
