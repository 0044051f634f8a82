"""How many programs a kernel is launched with, by its kind of grid (`torch._inductor.runtime.triton_heuristics`)."""

from __future__ import annotations

import ast
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from kernelsnap.errors import CannotTellError

Grid = tuple[int, int, int]
_Numbers = Mapping[str, int]
# The most programs along y that CUDA launches.
_MOST_Y = 65535
_MOST_PARTS = 4096


def grid_of(meta: Mapping[str, str], numbers: _Numbers, rest: Sequence[Any]) -> Grid:
    """The grid of a launch; `rest` is what the host code gives beside the kernel's arguments.

    Raises:
        CannotTellError: the kind of grid is not known, or depends on what the golden does not have.
    """
    kind = str(_literal(meta.get("grid_type", "'Grid1D'")))
    if kind not in _KINDS:
        raise CannotTellError(f"a grid of the kind {kind} is not known")
    grid = _KINDS[kind](meta, numbers, rest)
    if not all(0 < size < 2**31 for size in grid):
        raise CannotTellError("the size of its grid is not known")
    return grid


def _literal(text: str) -> Any:
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError, RecursionError, MemoryError):
        raise CannotTellError(f"`{text[:60]}` in its configuration cannot be read") from None


def _parts(numbers: _Numbers, numel: str, block: str) -> int:
    if numel not in numbers:
        raise CannotTellError(f"its size {numel} is not known")
    return -(-numbers[numel] // max(1, numbers.get(block, 1)))


def _of_axes(*axes: str) -> Callable[[Mapping[str, str], _Numbers, Sequence[Any]], Grid]:
    def grid(meta: Mapping[str, str], numbers: _Numbers, rest: Sequence[Any]) -> Grid:
        sizes = [_parts(numbers, f"{axis}numel", f"{axis.upper()}BLOCK") for axis in axes]
        x, y, z = (*sizes, 1, 1)[:3]
        return x, y, z

    return grid


def _overflowing(meta: Mapping[str, str], numbers: _Numbers, rest: Sequence[Any]) -> Grid:
    x, y = _parts(numbers, "xnumel", "XBLOCK"), _parts(numbers, "ynumel", "YBLOCK")
    z = -(-y // _MOST_Y)
    return x, -(-y // z), z


def _fixed(meta: Mapping[str, str], numbers: _Numbers, rest: Sequence[Any]) -> Grid:
    if len(rest) < 3 or any(type(size) is not int for size in rest[:3]):
        raise CannotTellError("the host code gives no grid")
    return rest[0], rest[1], rest[2]


def _mixed(meta: Mapping[str, str], numbers: _Numbers, rest: Sequence[Any]) -> Grid:
    return _parts(numbers, "xnumel", "RSPLIT_SIZE"), 1, 1


def _cooperative(meta: Mapping[str, str], numbers: _Numbers, rest: Sequence[Any]) -> Grid:
    return numbers.get("RSPLIT", 1), _parts(numbers, "xnumel", "XBLOCK"), 1


def _scanned(meta: Mapping[str, str], numbers: _Numbers, rest: Sequence[Any]) -> Grid:
    return _parts(numbers, "r0_numel", "R0_BLOCK"), _parts(numbers, "xnumel", "XBLOCK"), 1


def _combined(meta: Mapping[str, str], numbers: _Numbers, rest: Sequence[Any]) -> Grid:
    starts = _combo_ends(meta, numbers)
    combo = _literal(meta.get("combo_grid_meta", "{}"))
    rows = [value for key, value in combo.items() if str(key).startswith("ynumel") and isinstance(value, int)]
    block = _block(combo, numbers, "YBLOCK")
    return starts[-1], max([-(-size // block) for size in rows], default=1), 1


def _combo_ends(meta: Mapping[str, str], numbers: _Numbers) -> list[int]:
    """Behind the last program of each part of a combined kernel."""
    combo = _literal(meta.get("combo_grid_meta", "{}"))
    count = combo.get("num_kernels") if isinstance(combo, dict) else None
    if not isinstance(count, int) or not 0 < count <= _MOST_PARTS:
        raise CannotTellError("the parts of a combined kernel are not known")
    ends, end = [], 0
    for part in range(count):
        size = combo.get(f"xnumel_{part}")
        if not isinstance(size, int):
            raise CannotTellError("the sizes of a combined kernel are not known")
        block = (
            _block(combo, numbers, f"XBLOCK_{part}")
            if f"XBLOCK_{part}" in numbers
            else _block(combo, numbers, "XBLOCK")
        )
        end += size if combo.get(f"no_x_dim_{part}") else -(-size // block)
        ends.append(end)
    return ends


def _block(combo: Mapping[str, Any], numbers: _Numbers, name: str) -> int:
    default = combo.get("default_config") or {}
    found = numbers.get(name, default.get(name, 1) if isinstance(default, dict) else 1)
    return max(1, found if isinstance(found, int) else 1)


def _in_turns(meta: Mapping[str, str], numbers: _Numbers, rest: Sequence[Any]) -> Grid:
    ends = _combo_ends(meta, numbers)
    most = max(end - start for start, end in zip([0, *ends], ends, strict=False))
    return most * len(ends), _combined(meta, numbers, rest)[1], 1


def turns_of(meta: Mapping[str, str], numbers: _Numbers, blocks: _Numbers) -> int:
    """Of how many parts a combined kernel is whose programs take turns; 1 for any other kernel."""
    return len(_combo_ends(meta, {**numbers, **blocks})) if "RoundRobin" in meta.get("grid_type", "") else 1


def starts_of(meta: Mapping[str, str], numbers: _Numbers, blocks: _Numbers, grid: Grid) -> tuple[int, ...]:
    """The first program of each part of a combined kernel; (0,) for any other."""
    if "SequentialComboKernelGrid" not in meta.get("grid_type", ""):
        return (0,)
    ends = _combo_ends(meta, {**numbers, **blocks})
    return tuple(sorted({0, *(end for end in ends if end < grid[0])}))


_KINDS: Mapping[str, Callable[[Mapping[str, str], _Numbers, Sequence[Any]], Grid]] = {
    "Grid1D": _of_axes("x"),
    "Grid2D": _of_axes("x", "y"),
    "Grid3D": _of_axes("x", "y", "z"),
    "Grid2DWithYZOverflow": _overflowing,
    "FixedGrid": _fixed,
    "MixOrderReductionGrid": _mixed,
    "CooperativeReductionGrid": _cooperative,
    "SplitScanGrid": _scanned,
    "SequentialComboKernelGrid": _combined,
    "RoundRobinComboKernelGrid": _in_turns,
}
