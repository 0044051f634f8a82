"""The state of an optimizer whose step is compiled: fake, as its parameters are.

Dynamo does not trace `Optimizer._init_group`: it runs it for real, outside fake mode. A step count made there
(``torch.zeros((), device=p.device)``) would be a real tensor on the CPU, and the step a C++ kernel.
"""

from __future__ import annotations

from typing import Any

from torch._dynamo.variables.optimizer import OptimizerVariable
from torch._subclasses.fake_tensor import FakeTensor, FakeTensorMode

_call_method = OptimizerVariable.call_method


def call_method(variable: Any, tx: Any, name: str, *rest: Any) -> Any:
    """``OptimizerVariable.call_method``, with the state of fake parameters made in their fake mode."""
    optimizer = variable.value
    mode = _fake_mode(optimizer) if name == "_init_group" and hasattr(optimizer, name) else None
    if mode is None:
        return _call_method(variable, tx, name, *rest)

    def init_group(*args: Any, **kwargs: Any) -> Any:
        # Dynamo goes on to read the optimizer's attributes: it has to find what was there.
        del optimizer._init_group
        with mode:
            return optimizer._init_group(*args, **kwargs)

    optimizer._init_group = init_group
    try:
        return _call_method(variable, tx, name, *rest)
    finally:
        vars(optimizer).pop(name, None)


def _fake_mode(optimizer: Any) -> FakeTensorMode | None:
    parameters = (parameter for group in optimizer.param_groups for parameter in group["params"])
    return next((parameter.fake_mode for parameter in parameters if isinstance(parameter, FakeTensor)), None)
