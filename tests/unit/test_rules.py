"""The table of rules: each does what its own example says, once."""

from __future__ import annotations

from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelsnap.capture.read.module_source import read_module
from kernelsnap.normalize.rules import RULES, normalize

DATA = sorted((Path(__file__).parents[1] / "data").glob("*.txt"))


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_does_what_its_example_says(rule):
    # A rule that removes a comment leaves the line's own white space to the rule for white space.
    assert rule.apply(rule.line).strip(" ") == rule.becomes.strip(" ")


@pytest.mark.parametrize("rule", RULES, ids=lambda rule: rule.name)
def test_a_rule_says_why_it_is_safe(rule):
    assert rule.why.endswith(".")


def test_the_names_of_rules_are_unique():
    assert len({rule.name for rule in RULES}) == len(RULES)


LINES = st.lists(
    st.sampled_from(
        [
            *(line for rule in RULES for line in rule.line.split("\n")),
            "'''",
            '"',
            "\\",
            "#",
            "",
            "    x = '# no'  # yes",
        ]
    )
).map("\n".join)


@pytest.mark.parametrize("scope", ["kernel", "host", "cpp"])
@given(text=LINES)
def test_normalizing_twice_changes_nothing_more(scope, text):
    once = normalize(text, scope)
    assert normalize(once, scope) == once


@pytest.mark.parametrize("path", DATA, ids=lambda path: path.stem)
def test_normalizing_generated_code_twice_changes_nothing_more(path):
    module = read_module(path.read_text())
    for kernel in module.kernels:
        once = normalize(kernel.source, "kernel")
        assert normalize(once, "kernel") == once
    host = normalize(module.host, "host")
    assert normalize(host, "host") == host


@pytest.mark.parametrize(
    "line",
    [
        "import something\n",
        "from torch._inductor.runtime.triton_helpers import libdevice; import os\n",
        "from torch.other import x\n",
        "k.run(buf0, 100, stream=stream1)\n",
        "k.run(buf0, 100, stream=raw_stream1)\n",
        "raw_stream0 = get_raw_stream(1)\n",
        "x = '# no comment'\n",
        "x = '''\n\n  trailing   \n'''\n",
        "a \\\n  + b\n",
        "tl.device_assert(tmp4 < 100, 'tmp4')\n",
        "assert_size_stride_grouped((a, b), ((8, 1),), ((1, 1), (1, 1)), 'input')\n",
        "assert_size_stride_grouped(*groups)\n",
        "assert_size_stride_grouped((a, b), sizes, ((1, 1), (1, 1)), 'input')\n",
        "with record_function('graph_4_of_the_user'):\n",
        'RAIIAtenRecordFunctionHandle record_graph_4_a_("graph_5_a", nullptr);\n',
        "unknown statement of a newer torch\n",
    ],
)
@pytest.mark.parametrize("scope", ["kernel", "host"])
def test_what_no_rule_knows_stays(scope, line):
    assert normalize(line, scope) == line


def test_the_comments_of_cpp_are_not_pythons():
    assert normalize("#include <x>\n#pragma omp parallel\n", "cpp") == "#include <x>\n#pragma omp parallel\n"


def test_the_name_in_a_message_about_bounds_is_dropped_and_nothing_else_of_it():
    text = 'tl.device_assert((0 <= tmp9) & (tmp9 < 100), "index out of bounds: 0 <= tmp4 < 100")\n'
    assert normalize(text, "kernel") == text.replace("tmp4", "tmp")
    assert normalize(text.replace('< 100"', '< 101"'), "kernel") != normalize(text, "kernel")


CONSTANTS = """\
    SM_SCALE : tl.constexpr = 1.5e-05
    USE_TMA : tl.constexpr = False
    FLOAT32_PRECISION : tl.constexpr = 'ieee'
    INDEX_DTYPE : tl.constexpr = tl.int32
    OFFSET : tl.constexpr = -1
"""


def test_the_order_of_constants_that_read_nothing_is_that_of_their_names():
    assert (
        normalize(CONSTANTS, "kernel")
        == """\
    FLOAT32_PRECISION : tl.constexpr = 'ieee'
    INDEX_DTYPE : tl.constexpr = tl.int32
    OFFSET : tl.constexpr = -1
    SM_SCALE : tl.constexpr = 1.5e-05
    USE_TMA : tl.constexpr = False
"""
    )


def test_a_constant_moves_over_no_other_line():
    around = ["    B : tl.constexpr = 2", "    x = A", "    A : tl.constexpr = 1"]
    assert normalize("\n".join(around), "kernel").split("\n")[:-1] == around


@pytest.mark.parametrize(
    "lines",
    [
        # The second of two values of a name holds.
        ["B : tl.constexpr = 2", "A : tl.constexpr = 1", "B : tl.constexpr = 1"],
        # Each is read by the one below it.
        ["B : tl.constexpr = 2", "A : tl.constexpr = B"],
        ["B : tl.constexpr = 2", "A : tl.constexpr = B * 2"],
        ["B : tl.constexpr = 2", "A : tl.constexpr = (B)"],
        ["B : tl.constexpr = 2", "A : tl.constexpr = f'{B}'"],
        # What the second reads is what the first assigns.
        ["tl : tl.constexpr = 2", "A : tl.constexpr = tl.int32"],
        # In a branch of its own.
        ["if x:", "    B : tl.constexpr = 2", "A : tl.constexpr = 1"],
        # One statement, or a string, that goes over several lines.
        ["f(", "    b : tl.constexpr = 2", "", "    a : tl.constexpr = 1 +", "    3)"],
        ["B : tl.constexpr = 2 \\", "  + 3", "A : tl.constexpr = 1"],
        ["x = '''", "B : tl.constexpr = 2", "A : tl.constexpr = 1", "'''"],
        # The form of a person, who chose the order.
        ["B: tl.constexpr = 2", "A: tl.constexpr = 1"],
    ],
)
def test_constants_whose_order_may_mean_something_keep_it(lines):
    assert normalize("\n".join(lines), "kernel").split("\n")[:-1] == [line for line in lines if line]
