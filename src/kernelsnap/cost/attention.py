"""How many blocks of keys a query of flex attention looks at: from the mask in the template's own text.

The numbers of blocks are an input of the kernel, and no golden has its values. But the mask that they were made of is
in the kernel's text, and says which blocks have a key that is seen, unless it depends on other data.
"""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

import numpy as np

from kernelsnap.cost.blocks import Block
from kernelsnap.cost.interpret import evaluate
from kernelsnap.cost.program import Program
from kernelsnap.cost.trace import Trace
from kernelsnap.errors import CannotTellError

_RESULT = "mask_mod_output"
# Positions of a block at which its mask is looked at: its ends, and some between them.
_POSITIONS = 6
_MOST_BLOCKS = 512


def counted_blocks(
    kernel: ast.FunctionDef, functions: Mapping[str, ast.FunctionDef], arguments: Mapping[str, Any]
) -> dict[str, Any]:
    """What to load from the arguments that hold numbers and indexes of blocks, by argument.

    Raises:
        CannotTellError: the mask depends on data.
    """
    if not any(name.endswith("_NUM_BLKS") for name in arguments):
        return {}
    numbers = _constants(kernel)
    loaded: dict[str, Any] = {name: 0 for name in arguments if name.endswith(("KV_IDX", "Q_IDX"))}
    columns, rows = numbers.get("SPARSE_KV_BLOCK_SIZE", 1), numbers.get("SPARSE_Q_BLOCK_SIZE", 1)
    queries, keys = numbers.get("Q_LEN"), numbers.get("KV_LEN")
    if queries is None or keys is None:
        raise CannotTellError("the lengths of the sequences are not known")
    partly, fully, row_count, column_count = _blocks(functions, arguments, (queries, keys), (rows, columns))
    if not numbers.get("HAS_FULL_BLOCKS", False):
        partly, fully = partly + fully, 0
    for name in arguments:
        if name.endswith("_NUM_BLKS"):
            along = column_count if name.endswith("Q_NUM_BLKS") and "KV" not in name else row_count
            loaded[name] = (fully if "FULL" in name else partly) / along
    return loaded


def _constants(kernel: ast.FunctionDef) -> dict[str, int]:
    """Whole numbers that the kernel's body begins with."""
    found: dict[str, int] = {}
    for node in kernel.body:
        target = node.targets[0] if isinstance(node, ast.Assign) else getattr(node, "target", None)
        value = getattr(node, "value", None)
        if isinstance(target, ast.Name) and isinstance(value, ast.Constant) and isinstance(value.value, int):
            found.setdefault(target.id, value.value)
    return found


def _blocks(
    functions: Mapping[str, ast.FunctionDef], arguments: Mapping[str, Any], lengths: tuple[int, int],
    sizes: tuple[int, int],
) -> tuple[int, int, int, int]:  # fmt: skip
    """How many blocks are seen in part and as a whole, and how many there are along each side."""
    (queries, keys), (rows, columns) = lengths, sizes
    row_count, column_count = max(1, -(-queries // rows)), max(1, -(-keys // columns))
    if row_count == column_count == 1:
        return 1, 0, 1, 1
    if row_count > _MOST_BLOCKS or column_count > _MOST_BLOCKS:
        raise CannotTellError("the mask has too many blocks")
    mask = _mask(functions)
    if mask is None:
        return 0, row_count * column_count, row_count, column_count
    q, k = _positions(row_count, rows, queries), _positions(column_count, columns, keys)
    seen = _evaluated(functions, arguments, mask, q[:, None], k[None, :])
    seen = np.broadcast_to(seen, (q.size, k.size)).reshape(row_count, _POSITIONS, column_count, _POSITIONS)
    some, every = seen.any((1, 3)), seen.all((1, 3))
    return int((some & ~every).sum()), int(every.sum()), row_count, column_count


def _positions(count: int, size: int, length: int) -> Any:
    inside = np.unique(np.linspace(0, size - 1, _POSITIONS).astype(np.int64))
    inside = np.resize(inside, _POSITIONS)
    return np.minimum((np.arange(count)[:, None] * size + inside[None, :]).ravel(), length - 1)


def _mask(functions: Mapping[str, ast.FunctionDef]) -> list[ast.stmt] | None:
    """The statements that end with the mask."""
    for function in functions.values():
        for node in ast.walk(function):
            if isinstance(node, ast.If):
                for index, statement in enumerate(node.body):
                    if isinstance(statement, ast.Assign) and _named(statement) == _RESULT:
                        return node.body[: index + 1]
    return None


def _named(statement: ast.Assign) -> str:
    target = statement.targets[0]
    return target.id if isinstance(target, ast.Name) else ""


def _evaluated(
    functions: Mapping[str, ast.FunctionDef], arguments: Mapping[str, Any], mask: list[ast.stmt], q: Any, k: Any
) -> Any:
    zero = Block((), "i32", np.asarray(0))
    names: dict[str, Any] = {**arguments, "m": Block(q.shape, "i32", q), "n": Block(k.shape, "i32", k)}
    names |= dict.fromkeys(("off_z", "off_h", "off_zq", "off_hq", "off_hq1", "off_hkv"), zero)
    program = Program(Trace(1), functions, (0, 0, 0), (1, 1, 1))
    for statement in mask:
        if isinstance(statement, ast.Assign):
            names[_named(statement)] = evaluate(program, statement.value, names)
    result = names[_RESULT]
    if not isinstance(result, Block) or result.data is None or result.depth:
        raise CannotTellError("which blocks its mask leaves out depends on data")
    return result.data.astype(bool)
