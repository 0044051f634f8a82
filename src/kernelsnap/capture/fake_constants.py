"""Constants of a graph that are fake tensors: parameters under `freezing=True`, and in code compiled ahead of time.

Inductor merges constants that have one address, and every fake tensor has the address 0: they are compared by their
storage. And it writes the values of the smallest into the code, which a fake tensor does not have: that is refused.
"""

from __future__ import annotations

import contextlib
import operator
from collections.abc import Iterator
from typing import Any

from kernelsnap.capture import private
from kernelsnap.errors import DataDependentError
from kernelsnap.shared.private_names import require
from kernelsnap.virtual.private import FAKE_TENSOR


@contextlib.contextmanager
def fake_constants() -> Iterator[None]:
    """Inside the block Inductor takes fake tensors for the different constants that they are.

    Where it would write the values of one into the code, it raises `DataDependentError`.
    """
    require(*private.OF_CONSTANTS)
    same, get_attr = private.SAME_TENSOR.get(), private.GET_CONSTANT.get()
    fake, storage = FAKE_TENSOR.get(), private.STORAGE_ADDRESS

    def is_same_tensor(data: Any, value: Any) -> bool:
        both_fake = isinstance(data, fake) and isinstance(value, fake)
        if both_fake and storage.of(data.untyped_storage()) != storage.of(value.untyped_storage()):
            return False
        return bool(same(data, value))

    def get_constant(graph: Any, target: str, *rest: Any) -> Any:
        value = operator.attrgetter(target)(graph.module)
        if isinstance(value, fake) and _is_written_out(graph, target, value):
            raise DataDependentError(
                f"Inductor writes the values of the parameter `{target}` of shape {tuple(value.shape)} into the code, "
                "as of every constant of at most 8 elements (parameters are constants under `freezing`, and ahead of "
                "time), and a fake tensor has none; of the settings for `config=`, "
                '{"always_keep_tensor_constants": True} keeps them as tensors'
            )
        return get_attr(graph, target, *rest)

    with private.SAME_TENSOR.replaced(is_same_tensor), private.GET_CONSTANT.replaced(get_constant):
        yield


def _is_written_out(graph: Any, target: str, value: Any) -> bool:
    """Whether Inductor writes the values of a constant into the code."""
    config = private.CONFIG.get()
    keeps = config.always_keep_tensor_constants or config.aot_inductor.use_runtime_constant_folding
    small = not value.dim() or graph.can_inline_constant(value)
    return small and not keeps and target not in graph.mutated_named_buffers
