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
