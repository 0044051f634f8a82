"""What an operator changes in place."""

from __future__ import annotations

import ast

import pytest
import torch

from kernelsnap.capture.read.host_expressions import changed_arguments


def changed(line):
    call = ast.parse(line, mode="eval").body
    return [ast.unparse(value) for value in changed_arguments(ast.unparse(call.func), call)]


@pytest.mark.parametrize(
    ("line", "expected"),
    [
        ("torch.ops.aten.sort.stable(buf0, stable=True)", []),
        ("aten.index_put_(buf0, [buf1], buf2)", ["buf0"]),
        ("torch.ops.aten.index_put_.default(buf0, [buf1], buf2, True)", ["buf0"]),
        ("torch.ops.aten.add.out(buf0, buf1, out=buf2)", []),
        ("torch.ops.no_library.no_operator.default(buf0)", []),
        ("extern_kernels.mm(buf0, buf1, out=buf2)", []),
    ],
)
def test_arguments_that_the_schema_marks(line, expected):
    assert changed(line) == expected


def test_a_custom_operator_may_change_any_argument():
    with torch.library._scoped_library("kernelsnap_test", "FRAGMENT") as library:
        library.define("into(Tensor x, Tensor(a!) first, *, Tensor(b!) second) -> ()")
        assert changed("torch.ops.kernelsnap_test.into.default(buf0, buf1, second=buf2)") == ["buf1", "buf2"]
