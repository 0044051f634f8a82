"""What calls into libraries, and what the host code itself runs, take: a roofline with a stated efficiency."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from kernelsnap.cost.blocks import BYTES
from kernelsnap.cost.host import HostCall, Tensor
from kernelsnap.cost.machine import Machine
from kernelsnap.cost.model import Bound, Terms
from kernelsnap.errors import CannotTellError

# The tile of a product that one multiprocessor computes at a time, as cuBLAS chooses it for large ones.
_TILE = (128, 128)
# Flops of the backward of attention for one of the forward: five products for two.
_BACKWARD = 2.5
# Passes over a row in which the largest are selected: fewer over a longer one.
_SELECTION, _SHORT_ROW, _LEAST_OF_PASSES = 40.0, 512, 0.4
# What a sort moves of each byte of a key and its place: rows up to the other number are sorted by one program.
_SORT, _SORT_OF_LONG, _LONG = 7.0, 14.0, 4096
# Bytes that each element moves which is added to a row, or to somewhere of its own.
_ROW, _SCATTER = 22.0, 64.0
# Channels of an image are filled up to as many.
_LEAST_CHANNELS = 8
# Of the rate that other products reach: of 8-bit whole numbers, and attention with a mask that is given.
_EIGHT_BITS, _WITH_MASK = 0.57, 0.55
# A convolution reaches its best rate from as many channels on. Images whose channels are not last in memory are copied.
_CHANNELS, _FEWEST, _COPIES = 128, 0.02, 3.0
# Of the products that a causal mask leaves, half of all: tiles at the diagonal are computed as a whole.
_CAUSAL = 0.62


@dataclass(frozen=True)
class LibraryWork:
    """What a call into a library has to do at least."""

    flops: float
    bytes: float
    dtype: str
    kind: str  # "product", "attention", "attention backward", "copy"
    fill: float = 1.0  # of the multiprocessors that its tiles keep busy
    aligned: bool = True
    width: int = 128  # of a head
    share: float = 1.0  # of the rate that others of its kind reach
    copies: float = 0.0  # how often what it moves is copied before and behind it


def library_work(call: HostCall) -> LibraryWork:
    """The least work of a call. Raises `CannotTellError` where nothing is known of it."""
    name = call.name.removesuffix(".default").removesuffix("_out").removesuffix(".out")
    parts = name.split(".")
    # `torch.ops.aten.sort.stable`: behind the operator comes which of its variants.
    name = parts[3] if parts[:3] == ["torch", "ops", "aten"] and len(parts) > 3 else parts[-1]
    if parts[0] == "aten" and len(parts) == 3:
        name = parts[1]
    handler = _CALLS.get(name.removesuffix("_"), _CALLS.get(name))
    if handler is None:
        raise CannotTellError(f"what the library call `{call.name}` takes is not known")
    return handler(call)


def library_terms(work: LibraryWork, machine: Machine) -> Terms:
    """The limits of a call into a library."""
    fitted = machine.fitted
    efficiency = {"product": fitted.library, "attention": fitted.attention, "convolution": fitted.convolution,
                  "attention backward": fitted.attention_backward}.get(work.kind, 1.0)  # fmt: skip
    efficiency *= 1.0 if work.aligned else fitted.unaligned
    # For each product of a head's width there is one exponential.
    efficiency *= min(1.0, math.sqrt(work.width / 128)) * work.share * (_EIGHT_BITS if work.dtype == "i8" else 1.0)
    rate = machine.fp32 if work.dtype == "fp32" else machine.tensor.get(work.dtype, machine.tensor["bf16"])
    limits: dict[Bound, float] = {
        "memory": work.bytes / (machine.dram * fitted.dram * fitted.library_thin * 1e6),
        "tensor cores": work.flops / (rate * efficiency * max(work.fill, 1e-3) * 1e6),
        "latency": 2.0 * fitted.memory_wait if work.kind == "copy" else fitted.extern,
    }
    return Terms(limits, work.bytes, work.bytes, ends=work.copies * limits["memory"])


def _tensors(values: Iterable[Any]) -> list[Tensor]:
    return [value for value in values if isinstance(value, Tensor)]


def _size(tensor: Tensor, dtype: str = "") -> float:
    return tensor.elements * BYTES.get(tensor.dtype or dtype, 4)


def _fill(batch: int, rows: int, columns: int, inner: int) -> float:
    """The part of the multiprocessors that work on tiles: the last wave may be small, and a tile may reach beyond."""
    tiles = batch * math.ceil(rows / _TILE[0]) * math.ceil(columns / _TILE[1])
    waves = tiles / 132
    if waves < 1:
        # A long inner dimension is split over several multiprocessors.
        waves = min(1.0, waves * max(1.0, min(8.0, inner / 2048)))
        return waves * min(1.0, rows / _TILE[0]) * min(1.0, columns / _TILE[1])
    return waves / math.ceil(waves) if waves < 4 else 1.0


def _operands(call: HostCall, places: Iterable[int]) -> list[Tensor]:
    """The tensors at these places of the arguments. Raises `CannotTellError` where one of them is not known."""
    found = _tensors(call.arguments[place] for place in places if place < len(call.arguments))
    if len(found) < len([*places]):
        raise CannotTellError(f"the operands of `{call.name}` are not known")
    return found


def _product(call: HostCall) -> LibraryWork:
    tensors = _tensors(call.arguments)
    out = call.named.get("out")
    # What is added comes first.
    given = _operands(call, (1, 2) if re.search(r"\b(?:addmm|baddbmm|addmv)\b", call.name) else (0, 1))
    left, right = given
    if len(left.shape) not in (2, 3) or len(right.shape) not in (1, 2, 3):
        raise CannotTellError(f"the operands of `{call.name}` are no matrices")
    batch = left.shape[0] if len(left.shape) == 3 else 1
    rows, inner = left.shape[-2:]
    columns = right.shape[-1] if len(right.shape) > 1 else 1
    dtype = next((t.dtype for t in [*given, *_tensors([out])] if t.dtype), "bf16")
    moved = sum(_size(tensor, dtype) for tensor in tensors)
    moved += _size(out, dtype) if isinstance(out, Tensor) else batch * rows * columns * BYTES[dtype]
    fill = _fill(batch, rows, columns, inner)
    aligned = all(size * BYTES[dtype] % 16 == 0 for size in (inner, columns))
    return LibraryWork(2.0 * batch * rows * columns * inner, moved, dtype, "product", fill, aligned)


def _convolution(call: HostCall) -> LibraryWork:
    image, weight = _operands(call, (0, 1))
    if len(image.shape) != len(weight.shape) or len(image.shape) < 3:
        raise CannotTellError("the operands of a convolution are not known")
    stride = call.named.get("stride", (1,))
    padding = call.named.get("padding", (0,))
    if not (isinstance(stride, tuple) and stride and isinstance(padding, tuple) and padding):
        raise CannotTellError("the stride of a convolution is not known")
    spatial = 1
    for axis, (size, kernel) in enumerate(zip(image.shape[2:], weight.shape[2:], strict=True)):
        spatial *= (size + 2 * padding[axis % len(padding)] - kernel) // max(1, stride[axis % len(stride)]) + 1
    out = image.shape[0] * weight.shape[0] * spatial
    flops = 2.0 * out * math.prod(weight.shape[1:])
    dtype = image.dtype or weight.dtype or "bf16"
    moved = _size(image, dtype) + _size(weight, dtype) + out * BYTES[dtype]
    fill = _fill(1, out // weight.shape[0], weight.shape[0], 1)
    return LibraryWork(flops, moved, _of_tensor_cores(dtype), "convolution", fill, share=_of_channels(weight, image),
                       copies=_copies(image))  # fmt: skip


def _attention(causal_at: int, backward: bool = False) -> Callable[[HostCall], LibraryWork]:
    def work(call: HostCall) -> LibraryWork:
        query, key, value = tensors = _operands(call, (1, 2, 3) if backward else (0, 1, 2))
        if any(len(tensor.shape) != 4 for tensor in tensors):
            raise CannotTellError(f"the operands of `{call.name}` are not known")
        batch, heads, queries, width = query.shape
        keys = key.shape[2]
        named = call.named.get("is_causal")
        causal = (
            named if isinstance(named, bool) else len(call.arguments) > causal_at and call.arguments[causal_at] is True
        )
        flops = 2.0 * batch * heads * queries * keys * (width + value.shape[3]) * (_CAUSAL if causal else 1.0)
        dtype = query.dtype or "bf16"
        moved = sum(_size(tensor, dtype) for tensor in tensors) + _size(query, dtype)
        if backward:
            return LibraryWork(flops * _BACKWARD, moved * 2, dtype, "attention backward", width=width)
        tiles = batch * heads * math.ceil(queries / 128)
        share = _WITH_MASK if len(call.arguments) > 3 and isinstance(call.arguments[3], Tensor) else 1.0
        return LibraryWork(flops, moved, dtype, "attention", min(1.0, tiles / 132), width=width, share=share)

    return work


def _convolution_backward(call: HostCall) -> LibraryWork:
    """Gradients of the image and of the weight, each with the products of the forward."""
    out, image, weight = _operands(call, (0, 1, 2))
    wanted = call.arguments[-1]
    if len(out.shape) < 3 or len(weight.shape) < 3:
        raise CannotTellError("the operands of a convolution are not known")
    count = sum(map(bool, wanted[:2])) if isinstance(wanted, tuple) else 2
    flops = 2.0 * out.elements * math.prod(weight.shape[1:]) * count
    dtype = image.dtype or weight.dtype or "bf16"
    moved = (_size(out, dtype) + _size(image, dtype) + _size(weight, dtype)) * count
    fill = _fill(1, out.elements // max(1, out.shape[1]), out.shape[1], 1)
    return LibraryWork(flops, moved, _of_tensor_cores(dtype), "convolution", fill, share=_of_channels(weight, image))


def _of_channels(weight: Tensor, image: Tensor) -> float:
    """Of the best rate of a convolution: with few channels, as in many groups, there are few products at a time."""
    channels = weight.shape[1] if weight.shape[1] < image.shape[1] else max(_LEAST_CHANNELS, weight.shape[1])
    return min(1.0, max(_FEWEST, min(weight.shape[0], channels) / _CHANNELS))


def _copies(image: Tensor) -> float:
    """How often image and result go through memory to be laid out as the library computes."""
    return 0.0 if image.stride[1] == 1 else _COPIES


def _of_tensor_cores(dtype: str) -> str:
    """The type in which cuDNN computes: it takes tf32 for fp32, unless it is told not to."""
    return "tf32" if dtype == "fp32" else dtype


def _scaled_product(call: HostCall) -> LibraryWork:
    """`_scaled_mm(a, b, scale of a, scale of b, ...)`."""
    return _product(HostCall(call.name, call.arguments[:2], call.named))


def _sort(call: HostCall) -> LibraryWork:
    """A sort of keys with their places: by one program for each row, or a radix sort."""
    (keys,) = _operands(call, (0,))
    passes = _SORT if keys.shape and keys.shape[-1] <= _LONG else _SORT_OF_LONG
    return LibraryWork(0.0, 2.0 * passes * keys.elements * (BYTES.get(keys.dtype, 4) + 4), "fp32", "copy")


def _select(call: HostCall) -> LibraryWork:
    """The largest of each row: many short passes over it."""
    (values,) = _operands(call, (0,))
    length = max(1, values.shape[-1] if values.shape else 1)
    passes = _SELECTION * min(1.0, max(_LEAST_OF_PASSES, (_SHORT_ROW / length) ** 0.35))
    return LibraryWork(0.0, passes * _size(values), "fp32", "copy")


def _scatter(each: float) -> Callable[[HostCall], LibraryWork]:
    def work(call: HostCall) -> LibraryWork:
        """Each element that is written reads and writes a sector, of its own or with its neighbours."""
        _operands(call, (0,))
        indexes = call.arguments[1] if len(call.arguments) > 1 and isinstance(call.arguments[1], tuple) else ()
        tensors = _tensors([*call.arguments, *indexes])
        if len(tensors) < 2:
            raise CannotTellError(f"the operands of `{call.name}` are not known")
        most = max(tensor.elements for tensor in tensors[1:])
        return LibraryWork(0.0, sum(map(_size, tensors)) + each * most, "fp32", "copy")

    return work


def _reads_all(call: HostCall) -> LibraryWork:
    tensors = _tensors([*call.arguments, *call.named.values()])
    if not tensors:
        raise CannotTellError(f"the operands of `{call.name}` are not known")
    return LibraryWork(0.0, sum(map(_size, tensors)), "fp32", "copy")


def _drawn(call: HostCall) -> LibraryWork:
    """Random numbers of a shape that the host code gives."""
    shape = next((value for value in call.arguments if isinstance(value, tuple)), ())
    if not all(type(size) is int for size in shape):
        raise CannotTellError(f"the shape of `{call.name}` is not known")
    return LibraryWork(0.0, 8.0 * math.prod(shape), "fp32", "copy")


def _norms(call: HostCall) -> LibraryWork:
    listed = next((value for value in call.arguments if isinstance(value, tuple)), call.arguments)
    tensors = _tensors(listed)
    if not tensors:
        raise CannotTellError(f"the operands of `{call.name}` are not known")
    return LibraryWork(0.0, sum(map(_size, tensors)), "fp32", "copy")


def _tiny(call: HostCall) -> LibraryWork:
    return LibraryWork(0.0, 1024.0, "fp32", "copy")


_CALLS: Mapping[str, Callable[[HostCall], LibraryWork]] = {
    **dict.fromkeys(("mm", "bmm", "addmm", "baddbmm", "bmm_dtype", "mm_dtype", "_int_mm", "addmv", "mv"), _product),
    "convolution": _convolution,
    "convolution_backward": _convolution_backward,
    "_scaled_mm": _scaled_product,
    **dict.fromkeys(("sort", "argsort"), _sort),
    **dict.fromkeys(("rand", "randn"), _drawn),
    "_foreach_norm": _norms,
    **dict.fromkeys(("topk", "kthvalue", "median", "mode"), _select),
    **dict.fromkeys(("scatter_reduce", "scatter_add", "index_put"), _scatter(_SCATTER)),
    **dict.fromkeys(("index_add", "index_reduce"), _scatter(_ROW)),
    "_scaled_dot_product_cudnn_attention": _attention(6),
    "_scaled_dot_product_flash_attention": _attention(4),
    "_scaled_dot_product_efficient_attention": _attention(6),
    "_scaled_dot_product_cudnn_attention_backward": _attention(14, backward=True),
    "_scaled_dot_product_flash_attention_backward": _attention(11, backward=True),
    "_scaled_dot_product_efficient_attention_backward": _attention(10, backward=True),
    **dict.fromkeys(("sum", "zero_", "fill_", "copy_", "clone", "to", "mean", "amax", "contiguous"), _reads_all),
    **dict.fromkeys(("low", "randint", "item"), _tiny),
}
