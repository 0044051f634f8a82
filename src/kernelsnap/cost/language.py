"""The functions that a generated kernel calls, on stand-ins: a closed list, each with what it costs."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import numpy as np

from kernelsnap.cost import operations as prices
from kernelsnap.cost.arithmetic import elementwise
from kernelsnap.cost.blocks import Block, Pointer, known
from kernelsnap.cost.folds import combination, dot, index_of, reduction, scan, search, select_one, sort, welford
from kernelsnap.cost.memory import advance, atomic, bitcast, cast, load, make_block_pointer, number_of, store
from kernelsnap.cost.operations import Price
from kernelsnap.cost.program import Arguments, Function, Loop, Module, Named, PointerTo, Program, Type
from kernelsnap.cost.shapes import arange, expanded, full, joined, reshaped, spread_out, transposed, where, zeros
from kernelsnap.errors import CannotTellError

_TYPES = {
    "int1": "i1", "int8": "i8", "uint8": "u8", "int16": "i16", "uint16": "u16", "int32": "i32", "uint32": "u32",
    "int64": "i64", "uint64": "u64", "float16": "fp16", "bfloat16": "bf16", "float32": "fp32", "float64": "fp64",
    "float8e4nv": "fp8e4nv", "float8e5": "fp8e5", "float8e4b8": "fp8e4b8", "float8e5b16": "fp8e5b16",
}  # fmt: skip


#: `tl.PropagateNan.ALL`: one instruction gives the larger or smaller of two, or NaN.
_PROPAGATES = Function("PropagateNan")


def attribute(program: Program, value: Any, name: str) -> Any:
    """`value.name`."""
    if isinstance(value, Module):
        return _of_module(name)
    if isinstance(value, Block | Pointer):
        if name == "shape":
            return value.shape
        if name == "dtype":
            return Type(value.dtype)
        if name == "T":
            return transposed(program, [value], {})
        return (value, name)
    if isinstance(value, Type) and name in ("element_ty", "scalar"):
        return value
    if isinstance(value, Function) and value == _PROPAGATES:
        return _PROPAGATES
    raise CannotTellError(f"an attribute `{name}` is not known")


@lru_cache(maxsize=1024)
def _of_module(name: str) -> Type | Module | Function:
    if name in _TYPES:
        return Type(_TYPES[name])
    return Module(name) if name in ("math", "language", "extra", "cuda", "libdevice") else Function(name)


def call(program: Program, function: Any, given: Arguments, named: Named) -> Any:
    """What a function returns; its price is counted."""
    if isinstance(function, tuple) and len(function) == 2:  # a method of a block
        value, name = function
        function, given = Function("cast" if name == "to" else name), [value, *given]
    if not isinstance(function, Function):
        raise CannotTellError("it calls something that is no function")
    if handler := _FUNCTIONS.get(function.name):
        return handler(program, given, named)
    if function.name in prices.FUNCTIONS:
        compute, price = prices.FUNCTIONS[function.name]
        if any(value is _PROPAGATES for value in (*given[2:], named.get("propagate_nan"))):
            price = prices.FUNCTIONS["fmax"][1]
            given = given[:2]
        elif function.name in ("maximum", "minimum") and isinstance(given[0], Block) and given[0].data is not None:
            price = prices.EXTREME_OF_KNOWN
        blocks = [*given, *(value for value in named.values() if isinstance(value, Block))]
        return elementwise(program, compute, price, blocks, operator=function.name)
    raise CannotTellError(f"what `{function.name}` costs is not known")


def _barrier(program: Program, given: Arguments, named: Named) -> None:
    program.trace.barriers += program.trace.weight


def _grid_barrier(program: Program, given: Arguments, named: Named) -> None:
    program.trace.waits += 3 * program.trace.weight


# How often a program waits for memory until it has the sum of all programs before.
_LOOKBACK = 60.0


def _lookback(program: Program, given: Arguments, named: Named) -> Any:
    """The sum of all programs before: each leaves its own, and waits for that of the one before."""
    program.trace.waits += _LOOKBACK * program.trace.weight
    return given[1]


def _first(program: Program, given: Arguments, named: Named) -> Any:
    return given[0]


def _none(program: Program, given: Arguments, named: Named) -> None:
    return None


def _range(program: Program, given: Arguments, named: Named) -> Loop:
    numbers = [number_of(value) for value in given]
    start, stop = (0.0, numbers[0]) if len(numbers) == 1 else numbers[:2]
    return Loop(start, stop, numbers[2] if len(numbers) > 2 else 1.0)


def _cdiv(program: Program, given: Arguments, named: Named) -> Any:
    if all(isinstance(value, int) for value in given):
        return -(-given[0] // given[1])
    return elementwise(program, lambda a, b: -(-a // b), prices.ONE, given)


def _least(function: Callable[..., Any]) -> Callable[[Program, Arguments, Named], Any]:
    def apply(program: Program, given: Arguments, named: Named) -> Any:
        if all(isinstance(value, int | float) for value in given):
            return function(given)
        result = given[0]
        for value in given[1:]:
            compute = np.minimum if function is min else np.maximum
            result = elementwise(program, compute, Price(2.0, 0.0, 4.0), [result, value])
        return result

    return apply


def _next_power(program: Program, given: Arguments, named: Named) -> int:
    return 1 << (int(given[0]) - 1).bit_length()


def _to_float(program: Program, given: Arguments, named: Named) -> float:
    value = given[0]
    if isinstance(value, str) and value not in ("inf", "-inf", "nan"):
        raise CannotTellError(f"float({value!r}) is not known")
    return float(value)


def _program_id(program: Program, given: Arguments, named: Named) -> Block:
    return known(program.ids[int(given[0] if given else named["axis"])], "i32")


def _num_programs(program: Program, given: Arguments, named: Named) -> Block:
    return known(program.grid[int(given[0] if given else named["axis"])], "i32")


_FUNCTIONS: Mapping[str, Callable[[Program, Arguments, Named], Any]] = {
    "program_id": _program_id,
    "num_programs": _num_programs,
    "arange": arange,
    "make_block_ptr": make_block_pointer,
    "advance": advance,
    "load": load,
    "store": store,
    **{f"atomic_{name}": atomic for name in ("add", "max", "min", "and", "or", "xor", "xchg")},
    "full": full,
    "zeros": zeros,
    "zeros_like": lambda program, given, named: Block(given[0].shape, given[0].dtype, None),
    "broadcast_to": spread_out,
    "where": where,
    "reshape": reshaped,
    "view": reshaped,
    "ravel": reshaped,
    "trans": transposed,
    "permute": transposed,
    "expand_dims": expanded,
    "cast": cast,
    "bitcast": bitcast,
    **dict.fromkeys(("sum", "max", "min", "prod", "xor_sum", "any", "max2", "min2", "max2_strict"), reduction(1.2)),
    "reduce": reduction(2.5),
    **dict.fromkeys(("argmax", "argmin"), reduction(6.0)),
    **dict.fromkeys(("max_with_index", "min_with_index"), index_of),
    **dict.fromkeys(("maximum_with_index", "minimum_with_index"), combination(Price(8.0, 0.0, 10.0), 2, 40.0)),
    "welford": welford,
    "welford_reduce": combination(Price(3.5, 0.1, 20.0), 3, 45.0),
    "welford_combine": combination(Price(18.0, 1.0, 25.0), 3, 90.0),
    "online_softmax_reduce": reduction(6.0, 2.0, 2),
    "online_softmax_combine": combination(Price(23.0, 2.0, 90.0), 2, 80.0),
    **dict.fromkeys(("associative_scan", "cumsum", "cumprod"), scan),
    **dict.fromkeys(("exclusive_scan_decoupled_lookback", "exclusive_scan_decoupled_lookback_64"), _lookback),
    **dict.fromkeys(("sort", "sort_with_index"), sort),
    "select_one": select_one,
    "bucketize_binary_search": search,
    "dot": dot,
    "join": joined,
    "pointer_type": lambda program, given, named: PointerTo(given[0].name),
    "debug_barrier": _barrier,
    "x_grid_barrier": _grid_barrier,
    **dict.fromkeys(("max_contiguous", "multiple_of", "max_constancy", "promote_to_tensor", "if_mask"), _first),
    **dict.fromkeys(("device_assert", "static_assert", "assume", "static_print", "device_print"), _none),
    **dict.fromkeys(("range", "static_range"), _range),
    "cdiv": _cdiv,
    "least": _least(min),
    "largest": _least(max),
    **dict.fromkeys(("constexpr_next_power_of_2", "next_power_of_2"), _next_power),
    "float": _to_float,
    "int": lambda program, given, named: int(given[0]),
    "bool": lambda program, given, named: bool(given[0]),
}
