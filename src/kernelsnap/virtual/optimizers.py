"""The state of an optimizer whose step is compiled: fake, as its parameters are.

Dynamo does not trace `Optimizer._init_group`: it runs it for real, outside fake mode. A step count made there
(``torch.zeros((), device=p.device)``) would be a real tensor on the CPU, and the step a C++ kernel.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from torch._dynamo.variables.optimizer import OptimizerVariable
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

_Variable: Any = OptimizerVariable
_call_method = _Variable.call_method


def call_method(variable: Any, tx: Any, name: str, *rest: Any) -> Any:
    """``OptimizerVariable.call_method`` until torch 2.15, with the state of fake parameters made in their fake mode."""
    with _state_is_fake(variable.value) if name == "_init_group" else contextlib.nullcontext():
        return _call_method(variable, tx, name, *rest)


def methods() -> dict[str, Any]:
    """``OptimizerVariable.tp_methods`` since torch 2.15, with the same change."""
    table: dict[str, Any] = _Variable.tp_methods
    init_group = table["_init_group"]

    def handler(variable: Any, tx: Any, *rest: Any) -> Any:
        with _state_is_fake(variable.value):
            return init_group.handler(variable, tx, *rest)

    return {**table, "_init_group": type(init_group)(handler)}


@contextlib.contextmanager
def _state_is_fake(optimizer: Any) -> Iterator[None]:
    mode = _fake_mode(optimizer) if hasattr(optimizer, "_init_group") else None
    if mode is None:
        yield
        return

    def init_group(*args: Any, **kwargs: Any) -> Any:
        # Dynamo goes on to read the optimizer's attributes: it has to find what was there.
        del optimizer._init_group
        with mode:
            return optimizer._init_group(*args, **kwargs)

    optimizer._init_group = init_group
    try:
        yield
    finally:
        vars(optimizer).pop("_init_group", None)


def _fake_mode(optimizer: Any) -> FakeTensorMode | None:
    parameters = (parameter for group in optimizer.param_groups for parameter in group["params"])
    return next((parameter.fake_mode for parameter in parameters if isinstance(parameter, FakeTensor)), None)
