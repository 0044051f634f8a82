"""What arithmetic costs: instructions of a warp for each operation, by the unit that executes them.

The numbers are instructions as Triton and ptxas generate them for compute capability 9.0, read off programs that apply
one function several times and are bound by it (`tools/fit_cost.py`): see docs/cost.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np


@dataclass(frozen=True)
class Price:
    """Instructions for 32 elements."""

    issue: float = 1.0
    sfu: float = 0.0  # on the special function unit, counted in `issue` too
    fp64: float = 0.0  # for each operand in double precision, in place of `issue`
    alu: float = 0.0  # comparisons, choices and bits, of which it executes half as many, counted in `issue` too


ONE = Price(1.0, 0.0, 1.0)
FREE = Price(0.0, 0.0, 0.0)
# Of two products one is added to something, and both together are one instruction.
PRODUCT = Price(0.6, 0.0, 1.0)
# Registers hold the address of one element of several, and constant distances from it.
ADDRESS = Price(2.0)
# The larger of a known number and another one, which alone may be no number.
EXTREME_OF_KNOWN = Price(1.5, alu=1.5)
# Conditions become predicates, some of which several elements share.
CONDITION = Price(0.7, 0.0, 1.0, 0.7)

#: Operators of Python, of floating-point numbers.
FLOAT: Mapping[str, Price] = {
    "Add": ONE, "Sub": ONE, "Mult": PRODUCT, "USub": FREE, "Div": Price(8.0, 1.0, 12.0),
    "Mod": Price(25.0, 1.0, 40.0), "FloorDiv": Price(10.0, 1.0, 14.0), "BitAnd": ONE, "BitOr": ONE, "BitXor": ONE,
    "Invert": ONE, "Not": ONE, "UAdd": FREE, "LShift": ONE, "RShift": ONE, "Pow": Price(60.0, 2.0, 120.0),
}  # fmt: skip
#: Of whole numbers of 32 bits, by a constant divisor.
INTEGER: Mapping[str, Price] = {
    **FLOAT,
    "Mult": PRODUCT,
    "Div": Price(5.5, 1.0),
    "Mod": Price(4.5),
    "FloorDiv": Price(3.5),
}
#: What whole numbers of 64 bits take more.
WIDE = 2.0
WIDE_DIVISION = 5.0
# Of several elements by one: its reciprocal is computed once.
DIVISION_OF_SEVERAL = Price(3.5, 0.3, 12.0)
#: Division by a number that is not known when the kernel is compiled: 32 and 64 bits.
DIVISION, DIVISION_64 = Price(18.0, 1.0), Price(50.0, 2.0)


def _like(function: Callable[..., Any]) -> Callable[..., Any]:
    def apply(*arrays: Any) -> Any:
        with np.errstate(all="ignore"):
            return function(*arrays)

    return apply


#: Functions of tl, tl.math, libdevice and triton_helpers of each element: how to compute them, and a price.
FUNCTIONS: Mapping[str, tuple[Callable[..., Any], Price]] = {
    name: (_like(function), price)
    for names, function, price in (
        ("abs fabs", np.abs, Price(0.5, 0.0, 1.0)),
        ("maximum", np.maximum, Price(3.3, 0.0, 4.0, 3.3)),
        ("fmax fmax2", np.maximum, Price(1.0, 0.0, 4.0)),
        ("minimum", np.minimum, Price(3.3, 0.0, 4.0, 3.3)),
        ("fmin fmin2", np.minimum, Price(1.0, 0.0, 4.0)),
        ("floor ceil trunc nearbyint rint round llrint", np.floor, Price(1.5, 0.5, 2.0)),
        ("exp", np.exp, Price(7.8, 1.0, 40.0)),
        ("exp2 fast_expf", np.exp2, Price(3.0, 1.0, 38.0)),
        ("expm1", np.expm1, Price(24.0, 1.0, 45.0)),
        ("log fast_logf", np.log, Price(24.0, 0.0, 45.0)),
        ("log2 log10", np.log2, Price(7.0, 1.0, 45.0)),
        ("log1p", np.log1p, Price(25.0, 0.0, 50.0)),
        ("sin cos", np.sin, Price(22.0, 0.0, 60.0)),
        ("fast_sinf fast_cosf", np.sin, Price(3.0, 1.0, 60.0)),
        ("tan", np.tan, Price(40.0, 1.0, 90.0)),
        ("tanh", np.tanh, Price(21.5, 2.0, 70.0)),
        ("sinh cosh", np.sinh, Price(22.0, 2.0, 70.0)),
        ("atan asin acos", np.arctan, Price(40.0, 1.0, 60.0)),
        ("asinh", np.arcsinh, Price(56.0, 4.0, 80.0)),
        ("atanh acosh", np.arcsinh, Price(35.0, 1.0, 80.0)),
        ("atan2", np.arctan2, Price(50.0, 1.0, 90.0)),
        ("erf", np.tanh, Price(28.0, 1.0, 70.0)),
        ("erfc erfcx", np.tanh, Price(50.0, 3.0, 90.0)),
        ("erfinv ndtri", np.tanh, Price(40.0, 3.0, 120.0)),
        ("lgamma", np.abs, Price(28.0, 2.0, 160.0)),
        ("tgamma digamma", np.abs, Price(90.0, 3.0, 200.0)),
        ("j0 j1 y0 y1 cyl_bessel_i0 cyl_bessel_i1", np.abs, Price(60.0, 2.0, 150.0)),
        ("sigmoid", np.tanh, Price(11.0, 2.0, 60.0)),
        ("sqrt", np.sqrt, Price(3.0, 1.0, 25.0)),
        ("sqrt_rn", np.sqrt, Price(12.0, 1.0, 25.0)),
        ("rsqrt", np.abs, Price(1.0, 1.0, 25.0)),
        ("cbrt", np.abs, Price(18.0, 2.0, 60.0)),
        ("pow", np.multiply, Price(55.0, 2.0, 120.0)),
        ("pow_integer powi", np.multiply, Price(30.0, 2.0, 60.0)),
        ("fmod remainder", np.multiply, Price(17.0, 1.0, 40.0)),
        ("hypot", np.multiply, Price(16.0, 1.0, 40.0)),
        ("copysign nextafter", np.multiply, Price(2.0)),
        ("div_rn fdiv div_floor_integer", np.multiply, Price(8.0, 1.0, 12.0)),
        ("div_rz remainder_integer", np.multiply, Price(12.0, 1.0, 12.0)),
        ("mul_rn add_rn sub_rn umulhi mulhi", np.multiply, ONE),
        ("isnan isinf isfinited finitef signbit", np.isnan, ONE),
        ("rand", np.abs, Price(54.0, alu=45.0)),
        ("randn", np.abs, Price(100.0, 4.0, alu=70.0)),
        ("randint64 randint", np.abs, Price(60.0, alu=46.0)),
        ("clamp", lambda x, low, high: np.clip(x, low, high), Price(2.0, 0.0, 4.0)),
        ("fma", lambda a, b, c: a * b + c, ONE),
        ("float_as_int int_as_float", np.abs, FREE),
        ("popc clz ffs brev", np.abs, Price(2.0)),
        ("pow2_scale", np.abs, Price(6.0)),
    )
    for name in names.split()
}
#: Conversions between types, in instructions: to and from 16 bits, 8-bit floating point, and 64 bits.
CONVERSION, CONVERSION_8, CONVERSION_64 = Price(0.4), Price(4.0), Price(4.0)
