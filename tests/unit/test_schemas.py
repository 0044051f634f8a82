"""What an operator changes in place, by its schema."""

from __future__ import annotations

import pytest
import torch

from kernelsnap.capture.read.host_values import Items, Memory, Tensor
from kernelsnap.capture.read.operators import Effect, effect_of
from kernelsnap.model.capture import Buffer

BUF0, BUF1, BUF2 = (Tensor((Memory(Buffer(name, "f32", ("8",))),)) for name in ("buf0", "buf1", "buf2"))


def names(tensors):
    return [tensor.memories[0].buffer.name for tensor in tensors]


@pytest.mark.parametrize(
    ("path", "arguments", "keywords", "written"),
    [
        ("torch.ops.aten.sort.stable", [BUF0], {"stable": None}, []),
        ("aten.index_put_", [BUF0, Items([BUF1]), BUF2], {}, ["buf0"]),
        ("torch.ops.aten.index_put_.default", [BUF0, Items([BUF1]), BUF2, None], {}, ["buf0"]),
        ("torch.ops.aten.add.out", [BUF0, BUF1], {"out": BUF2}, ["buf2"]),
        ("extern_kernels.mm", [BUF0, BUF1], {"out": BUF2}, ["buf2"]),
    ],
)
def test_arguments_that_the_schema_marks(path, arguments, keywords, written):
    effect = effect_of(path, arguments, keywords)
    assert effect.known
    assert names(effect.writes) == written


def test_of_an_operator_without_a_schema_only_out_is_known_to_be_written():
    path = "torch.ops.no_library.no_operator.default"
    assert effect_of(path, [BUF0], {}) == Effect(True, (BUF0,), (), None, makes=True, known=False)
    assert effect_of(path, [BUF0], {"out": BUF1}) == Effect(True, (BUF0,), (BUF1,), BUF1, makes=False, known=False)


def test_a_custom_operator_may_change_any_argument():
    with torch.library._scoped_library("kernelsnap_test", "FRAGMENT") as library:
        library.define("into(Tensor x, Tensor(a!) first, *, Tensor(b!) second) -> ()")
        effect = effect_of("torch.ops.kernelsnap_test.into.default", [BUF0, BUF1], {"second": BUF2})
    assert effect.known
    assert names(effect.writes) == ["buf1", "buf2"]
