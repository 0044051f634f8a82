"""What one generated kernel says of itself."""

from __future__ import annotations

import ast

import pytest

from kernelsnap.capture.read.kernel_source import canonical_literal, triton_kernel
from kernelsnap.errors import UnreadableCodeError

TEXT = """
import triton

@triton_heuristics.{kind}(
    size_hints={hints},
    filename=__file__,
    triton_meta={{'signature': {signature}, 'constants': {constants}, 'configs': [{facts}]}},
    inductor_meta={{'grid_type': 'Grid1D', 'mutated_arg_names': {mutated}}},
    min_elem_per_thread=0
)
@triton.jit
def k({parameters}):
{body}
"""


def kernel(
    body="    xnumel = 64\n",
    kind="pointwise",
    hints="{'x': 64}",
    signature="{'in_ptr0': '*fp32', 'out_ptr0': '*fp32', 'xnumel': 'i32'}",
    constants="{}",
    facts="{(0,): [['tt.divisibility', 16]], (2,): [['tt.divisibility', 16]]}",
    mutated="[]",
    parameters="in_ptr0, out_ptr0, xnumel",
):
    return triton_kernel("k", TEXT.format(**locals()))


@pytest.mark.parametrize(
    ("decorator", "kind"),
    [
        ("pointwise", "pointwise"),
        ("reduction", "reduction"),
        ("persistent_reduction", "persistent reduction"),
        ("cooperative_reduction", "cooperative reduction"),
        ("split_scan", "split scan"),
        ("foreach", "foreach"),
        ("template", "template"),
        ("user_autotune", "user Triton"),
    ],
)
def test_the_decorator_says_the_kind(decorator, kind):
    assert kernel(kind=decorator).kind == kind


def test_a_size_written_in_the_body_is_exact_and_another_is_dynamic():
    found = kernel(hints="{'x': 64, 'r0_': 128}", body="    xnumel = 60\n")
    assert found.sizes == (("x", "60"), ("r0", "dynamic"))


def test_an_argument_shows_its_type_and_what_may_be_assumed_of_it():
    found = kernel(constants="{'xnumel': 1}")
    assert found.arguments == (("in_ptr0", "*fp32 align 16"), ("out_ptr0", "*fp32"), ("xnumel", "i32 align 16 = 1"))


def test_loads_are_reads_and_stores_are_writes():
    found = kernel("    tmp0 = tl.load(in_ptr0 + x0, None)\n    tl.store(out_ptr0 + x0, tmp0, None)\n")
    assert (found.reads, found.writes) == (("in_ptr0",), ("out_ptr0",))


def test_an_atomic_reads_and_writes():
    found = kernel("    tl.atomic_add(out_ptr0 + x0, tmp0, None)\n")
    assert "out_ptr0" in found.reads
    assert found.writes == ("out_ptr0",)


def test_a_pointer_that_inductor_says_is_mutated_is_written():
    assert kernel("    helper(in_ptr0, out_ptr0)\n", mutated="['in_ptr0']").writes == ("in_ptr0", "out_ptr0")


def test_the_file_name_is_no_fact():
    assert "filename" not in dict(kernel().meta)


COMBO = """
@triton_heuristics.pointwise(size_hints={'x': 128, 'r0_': 64}, triton_meta={}, inductor_meta={})
@triton.jit
def k(in_ptr0, out_ptr0):
    pid = tl.program_id(0)
    if pid < num_xblocks_0:
        xnumel = 128
        r0_numel = 77
    elif pid < num_xblocks_1:
        r0_numel = 33
"""


def test_each_part_of_a_combo_kernel_has_its_size():
    assert triton_kernel("k", COMBO).sizes == (("x", "128+dynamic"), ("r0", "77+33"))


@pytest.mark.parametrize(
    "text", ["", "def k(): pass", "@triton.jit\ndef k(): pass", "@unknown.heuristic()\ndef k(): pass"]
)
def test_a_kernel_without_heuristics_is_an_error(text):
    with pytest.raises(UnreadableCodeError, match="no function decorated"):
        triton_kernel("k", text)


def test_a_kernel_that_is_no_python_is_an_error():
    with pytest.raises(UnreadableCodeError, match="not Python"):
        triton_kernel("k", "def k(:")


@pytest.mark.parametrize(
    ("text", "canonical"),
    [
        ("{'b': 1, 'a': [2, (3,)]}", "{'a': [2, (3)], 'b': 1}"),
        ("{3, 1, 2}", "{1, 2, 3}"),
        ("set()", "set()"),
        ("-1.5", "-1.5"),
        ("ReductionHint.INNER", "ReductionHint.INNER"),
        ("DeviceProperties(type='cuda', index=0)", "DeviceProperties(type='cuda', index=0)"),
        ('"it\'s"', '"it\'s"'),
        ("None", "None"),
    ],
)
def test_literals_have_one_form(text, canonical):
    assert canonical_literal(ast.parse(text, mode="eval").body) == canonical


def test_what_is_no_literal_is_an_error():
    with pytest.raises(UnreadableCodeError, match="no literal"):
        canonical_literal(ast.parse("lambda: 0", mode="eval").body)
