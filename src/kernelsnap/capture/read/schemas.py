"""What an operator changes in place, by its schema: `torch.ops.mylib.sin(Tensor x, Tensor(a!) result) -> ()`."""

from __future__ import annotations

import ast
from typing import Any

import torch

# As the generated code abbreviates them.
_ALIASES = {"aten": "torch.ops.aten", "inductor_ops": "torch.ops.inductor", "_quantized": "torch.ops._quantized"}


def changed_arguments(callee: str, call: ast.Call) -> list[ast.expr]:
    """The arguments that `callee` writes to, results under `out` not counted; none where it is no known operator."""
    schema = _schema(callee)
    if schema is None:
        return []
    names = [argument.name for argument in schema.arguments]
    given: dict[str, ast.expr] = dict(zip(names, call.args, strict=False))
    given |= {keyword.arg: keyword.value for keyword in call.keywords if keyword.arg}
    changed = [a.name for a in schema.arguments if a.alias_info is not None and a.alias_info.is_write]
    return [given[name] for name in changed if name in given and name != "out"]


def _schema(callee: str) -> Any:
    """The schema of `torch.ops.aten.sort.stable`, or of the default overload of `aten.index_put_`."""
    first, _, rest = callee.partition(".")
    path = f"{_ALIASES.get(first, first)}.{rest}".split(".")
    if path[:2] != ["torch", "ops"]:
        return None
    operator: Any = torch.ops
    for name in path[2:]:
        operator = getattr(operator, name, None)
    if isinstance(operator, torch._ops.OpOverloadPacket):
        operator = getattr(operator, "default", None)
    return getattr(operator, "_schema", None)
