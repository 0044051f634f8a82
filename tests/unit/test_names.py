"""Canonical names: bijections that leave equal what was equal, and different what was different."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernelsnap.capture.read.module_source import read_module
from kernelsnap.normalize.names import host_names, number_kernel_names, rename
from kernelsnap.normalize.rules import normalize

DATA = sorted((Path(__file__).parents[1] / "data").glob("*.txt"))
MODULES = [read_module(path.read_text()) for path in DATA]
KERNELS = [normalize(kernel.source, "kernel") for module in MODULES for kernel in module.kernels]
HOSTS = [normalize(module.host, "host") for module in MODULES]

SHUFFLES = st.randoms(use_true_random=False)


def shuffled(text, pattern, random):
    """The text with the numbers of one family of names exchanged for others."""
    numbers = sorted(set(re.findall(pattern, text)))
    others = [str(n) for n in random.sample(range(1000), len(numbers))]
    new = dict(zip(numbers, others, strict=True))
    return re.sub(pattern, lambda match: new[match.group()], text)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(KERNELS), SHUFFLES)
def test_kernels_that_differ_in_the_numbers_of_temporaries_are_equal(text, random):
    assert number_kernel_names(shuffled(text, r"(?<=\btmp)\d+|(?<=\b_tmp)\d+", random)) == number_kernel_names(text)


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(KERNELS), SHUFFLES)
def test_kernels_that_differ_in_the_numbers_of_arguments_are_equal(text, random):
    text = shuffled(text, r"(?<=\bin_ptr)\d+", random)
    text = shuffled(text, r"(?<=\bout_ptr)\d+", random)
    assert number_kernel_names(text) in {number_kernel_names(original) for original in KERNELS}


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(HOSTS), SHUFFLES)
def test_host_codes_that_differ_in_the_numbers_of_buffers_and_inputs_are_equal(text, random):
    other = shuffled(text, r"(?<=\bbuf)\d+", random)
    other = shuffled(other, r"(?<=\barg)\d+(?=_1\b)", random)
    assert rename(other, host_names(other)) == rename(text, host_names(text))


@pytest.mark.parametrize("text", KERNELS)
def test_numbering_a_kernel_twice_changes_nothing_more(text):
    once = number_kernel_names(text)
    assert number_kernel_names(once) == once


@pytest.mark.parametrize("text", HOSTS)
def test_naming_host_variables_twice_changes_nothing_more(text):
    once = rename(text, host_names(text))
    assert rename(once, host_names(once)) == once


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("tmp23 = tl.load(in_ptr1 + r0_1)\n", "tmp0 = tl.load(in_ptr0 + r0_0)\n"),
        ("_tmp5 = tmp5_mean + tmp5\n", "_tmp0 = tmp0_mean + tmp0\n"),
        ("x3 = xindex // ks1\nx1 = x3\n", "x0 = xindex // ks0\nx1 = x0\n"),
        ("tmp1 = f(tmp2, other=tmp1)\n", "tmp0 = f(tmp1, other=tmp0)\n"),
        ("xnumel = 10\nr0_numel = 3\n", "xnumel = 10\nr0_numel = 3\n"),
        ("tmp4 = 'tmp4'\n", "tmp0 = 'tmp4'\n"),
        ("tmp4 = a.tmp4\n", "tmp0 = a.tmp4\n"),
        ("rindex = r1_3\n", "rindex = r1_0\n"),
    ],
)
def test_names_of_a_kernel_are_numbered_by_first_use(text, becomes):
    assert number_kernel_names(text) == becomes


@pytest.mark.parametrize(
    ("text", "becomes"),
    [
        ("arg3_1, arg7_1 = args\n", "arg0, arg1 = args\n"),
        ("buf9 = f(buf2)\n", "buf0 = f(buf2)\n"),
        ("buf9 = f()\ng(buf9, out=buf9)\n", "buf0 = f()\ng(buf0, out=buf0)\n"),
        ("primals_4 = f()\nprimals_2 = primals_4\n", "primals_0 = f()\nprimals_1 = primals_0\n"),
        ("s77 = f()\nadd_7 = s77\nadd_9 = add_7\n", "s0 = f()\nadd = s0\nadd_1 = add\n"),
        ("torch.x = f(torch)\n", "torch.x = f(torch)\n"),
        ("triton_poi_fused_cat_4_xnumel = 3\nx = triton_poi_fused_cat_4_xnumel\n", "xnumel = 3\nx = xnumel\n"),
        ("triton_red_5_r0_numel = 3\n", "r0_numel = 3\n"),
    ],
)
def test_variables_of_the_host_are_named_by_first_use(text, becomes):
    assert rename(text, host_names(text)) == becomes


SUBGRAPHS = """
def split_7(args):
    split_7_arg0_1, = args
    split_7_buf3 = f(split_7_arg0_1)
    split_7_getitem_4 = split_7_buf3
    return (split_7_getitem_4, )
def split_3(args):
    return args
def partition_0(args):
    return args
def call(self, args):
    arg5_1, = args
    split_7_args = [arg5_1]
    (buf9,) = split_7(split_7_args)
    split_3_args = [buf9]
    (buf4,) = split_3(split_3_args)
    (buf5,) = self.partitions[0]([buf4])
    return (buf5, )
"""


def test_subgraphs_are_numbered_by_first_use_and_their_buffers_as_any_other():
    text = rename(SUBGRAPHS, host_names(SUBGRAPHS, first="arg5_1 = args"))
    assert text.splitlines() == [
        "",
        "def split(args):",
        "    arg1, = args",
        "    buf0 = f(arg1)",
        "    split_getitem = buf0",
        "    return (split_getitem, )",
        "def split_1(args):",
        "    return args",
        "def partition_0(args):",
        "    return args",
        "def call(self, args):",
        "    arg0, = args",
        "    split_args = [arg0]",
        "    (buf1,) = split(split_args)",
        "    split_1_args = [buf1]",
        "    (buf2,) = split_1(split_1_args)",
        "    (buf3,) = self.partitions[0]([buf2])",
        "    return (buf3, )",
    ]
    assert rename(text, host_names(text, first="arg0 = args")) == text


def test_subgraphs_with_other_numbers_are_the_same():
    other = SUBGRAPHS.replace("split_7", "split_12").replace("split_3", "split_15")
    assert rename(other, host_names(other)) == rename(SUBGRAPHS, host_names(SUBGRAPHS))


def test_a_name_that_the_host_never_assigns_is_never_handed_out():
    text = "buf7 = f(buf0)\nbuf9 = g(buf7)\n"
    assert rename(text, host_names(text)) == "buf1 = f(buf0)\nbuf2 = g(buf1)\n"


def test_exchanged_operands_stay_different():
    assert number_kernel_names("tmp0 = a\ntmp1 = b\ntmp2 = tmp0 - tmp1\n") != number_kernel_names(
        "tmp0 = a\ntmp1 = b\ntmp2 = tmp1 - tmp0\n"
    )


def test_keywords_and_attributes_are_no_variables():
    assert rename("f(buf=buf).buf\n", {"buf": "other"}) == "f(buf=other).buf\n"


def test_a_default_of_a_parameter_is_no_keyword():
    assert rename("def f(buf=1, other=buf): pass\n", {"buf": "new"}) == "def f(new=1, other=new): pass\n"


def test_a_comparison_in_a_call_is_no_keyword():
    assert rename("f(buf == 1)\n", {"buf": "new"}) == "f(new == 1)\n"
