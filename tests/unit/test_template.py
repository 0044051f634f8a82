"""Templates: what of a kernel's text they give, what is its own, and that the two together are the text."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from kernelsnap.golden.templates.template import Instruction, read_template
from kernelsnap.golden.templates.template_text import UnknownTemplateError
from kernelsnap.golden.templates.template_values import UnfoldError, fold, unfold

SOURCE = """\
{{def_kernel("Q", "K", "V")}}
    # Strides of what comes in.
    stride_qz, stride_qk = {{stride("Q")}}

    ZQ = {{size("Q", 0)}}  # batches
    {%- if USE_TMA %}
    desc = tl.make_tensor_descriptor(Q, block_shape=[{{BLOCK}}, {{WIDTH}}])
    {%- elif FAST %}
    q = fast(Q)
    {%- else %}
    q = tl.load(Q)
    {%- endif %}
    {# no comment of Jinja's is code #}
    acc = inner({{gen_argdefs()}}, q)
    {{ modification(
        subgraph_number=0,
        output_name="scores",
        shapes={"m": {"n": 1}},
    ) | indent_except_first(1) }}
    {% set count = 1 if USE_TMA else 0 %}
    return acc

def inner({{gen_argdefs()}}, q):
    {{gen_defines() | indent_except_first(1)}}
    {% if USE_TMA %}
    return desc
    {% else %}
    return q
    {% endif %}
"""
KERNEL = """\
@triton.jit
def k0(arg_Q):
    stride_qz, stride_qk = 64, 1
    ZQ = 2
    q = tl.load(Q)
    acc = inner(arg_Q, q)
    tmp0 = acc * 2
    scores = tmp0
    return acc
def inner(arg_Q, q):
    BLOCK : tl.constexpr = 16
    return q
"""
OWN = """\
def_kernel("Q", "K"):
  @triton.jit
  def k0(arg_Q):
stride("Q") = 64, 1
size("Q", 0) = 2
if USE_TMA = no
if FAST = no
gen_argdefs() = arg_Q
modification(subgraph_number=0, output_name="scores"):
      tmp0 = acc * 2
      scores = tmp0
gen_defines():
      BLOCK : tl.constexpr = 16
"""
TEMPLATE = read_template("attention", SOURCE)


def test_what_is_the_kernels_own():
    assert fold(TEMPLATE, KERNEL) == OWN
    assert unfold(TEMPLATE, OWN) == KERNEL


def test_the_text_of_a_template_has_no_comments_and_one_line_for_each_tag():
    assert TEMPLATE.text.split("\n")[:4] == [
        '{{def_kernel("Q", "K", "V")}}',
        '    stride_qz, stride_qk = {{stride("Q")}}',
        '    ZQ = {{size("Q", 0)}}',
        "    {% if USE_TMA %}",
    ]
    assert (
        '    {{modification(subgraph_number=0, output_name="scores", shapes={"m": {"n": 1}},) '
        "| indent_except_first(1)}}" in TEMPLATE.text.split("\n")
    )
    assert "#" not in TEMPLATE.text


def test_the_text_of_a_template_is_the_same_template():
    assert read_template("attention", TEMPLATE.text) == TEMPLATE


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("    return acc\n", "    acc = acc + 1\n    return acc\n"),
        ("# Strides", "# The strides"),
        ("    {%- elif FAST %}\n    q = fast(Q)\n", "    {%- elif FAST %}\n    q = faster(Q)\n"),
        ('"scores",\n', '"scores",\n        out="acc",\n'),
        ('def_kernel("Q", "K", "V")', 'def_kernel("Q", "K", "V", "LSE")'),
        ("    {%- else %}\n    q = tl.load(Q)", "    {%- else %}\n    q = tl.load(Q, {{gen_argdefs()}})"),
    ],
)
def test_an_edit_of_a_template_leaves_what_is_a_kernels_own(before, after):
    edited = read_template("attention", SOURCE.replace(before, after, 1))
    kernel = unfold(edited, OWN)
    assert fold(edited, kernel) == OWN


def test_the_branch_that_was_taken():
    kernel = KERNEL.replace("    q = tl.load(Q)\n", "    desc = tl.make_tensor_descriptor(Q, block_shape=[16, 64])\n")
    own = fold(TEMPLATE, kernel.replace("return q", "return desc"))
    assert own is not None
    assert "if USE_TMA = yes\nBLOCK = 16\nWIDTH = 64\n" in own
    assert own.count("USE_TMA") == 1


def test_what_is_asked_for_again_is_written_where_it_differs():
    kernel = KERNEL.replace("def inner(arg_Q, q)", "def inner(arg_Q, arg_K, q)")
    own = fold(TEMPLATE, kernel)
    assert own is not None
    assert [line for line in own.split("\n") if line.startswith("gen_argdefs")] == [
        "gen_argdefs() = arg_Q",
        "gen_argdefs() = arg_Q, arg_K",
    ]
    # One condition, two answers: the text says so.
    mixed = fold(TEMPLATE, KERNEL.replace("    return q\n", "    return desc\n"))
    assert mixed is not None
    assert mixed.count("if USE_TMA = ") == 2


def test_a_condition_is_not_claimed_where_the_text_does_not_show_it():
    template = read_template(
        "t", '{% if A %}\n{{def_kernel("Q")}}\n{% else %}\n{{def_kernel("K")}}\n{% endif %}\n    x = 1\n'
    )
    assert fold(template, "def k0():\n    x = 1\n") == 'def_kernel("Q"); def_kernel("K"):\n  def k0():\n'


def test_one_condition_has_one_answer_where_the_text_allows_it():
    same = "    {{x}}\n    y = 1\n"
    source = f"{{% if A %}}\n{same}{{% else %}}\n{same}{{% endif %}}\n{{% if A %}}\n    z\n{{% endif %}}\nend()\n"
    own = fold(read_template("t", source), "    y = 1\nend()\n")
    assert own == "if A = no\nx:\n"


def test_values_without_a_tag_between_them_are_one():
    template = read_template("t", '{{unpack("aux")}}\n{{ modification(0) }}\nreturn x\n')
    assert fold(template, "a\nb\nreturn x\n") == 'unpack("aux"); modification(0):\n  a\n  b\n'


def test_what_follows_a_choice_is_not_part_of_its_last_branch():
    template = read_template("t", "{% if A %}\n    x = 1\n{% else %}\n    {{b}}\n{% endif %}\n    {{c}}\nreturn\n")
    for kernel in ("    x = 1\n    c()\nreturn\n", "    b()\nreturn\n"):
        own = fold(template, kernel)
        assert own is not None
        assert unfold(template, own) == kernel


def test_a_loop_and_a_choice_inside_a_line_are_one_value_each():
    line = "x = [{% for b in buffers %}{{b}}{% if not loop.last %}, {% endif %}{% endfor %}]{% if A %} + 1{% endif %}"
    source = line + "\n{% for i in n %}\ny{{i}}\n{% endfor %}\nz\n"
    template = read_template("t", source)
    assert (
        fold(template, "x = [a, b] + 1\ny0\ny1\nz\n")
        == "for b in buffers = a, b\nif A =  + 1\nfor i in n:\n  y0\n  y1\n"
    )
    assert read_template("t", template.text) == template


def test_a_choice_that_starts_or_ends_inside_a_line_has_lines_of_its_own():
    template = read_template("t", "f(\n    a={{a}}{% if B %},\n    b={% if C %}1{% endif %},{% endif %} # x\n)\n")
    assert template.text == (
        "f(\n{% if B %}\n    a={{a}},\n    b={% if C %}1{% endif %},\n{% else %}\n    a={{a}}\n{% endif %}\n)\n"
    )
    assert fold(template, "f(\n    a=1,\n    b=1,\n)\n") == "if B = yes\na = 1\nif C = 1\n"
    assert fold(template, "f(\n    a=1\n)\n") == "if B = no\na = 1\n"
    nested = read_template("t", "x {% if A %} y\n{% if B %}z\n{% else %}w{% endif %}{% endif %}\nend\n")
    assert read_template("t", nested.text) == nested
    assert fold(nested, "x  y\nw\nend\n") == "if A = yes\nif B = no\n"


@pytest.mark.parametrize(
    "source",
    [
        "{% macro f() %}\nx\n{% endmacro %}\ny\n",
        "{% if A %}\nx\n",
        "x = {{y\n",
        "x {# y\n",
        "x {% if A %} y\n{% endif %} {% if B %}\nz\n{% endif %}\n",
        "x\n{% endif %}\n",
        "{% set a %}\nx\n{% endset %}\ny\n",
        "{{everything()}}\n",
        "x \ue0000\ue001\n",
    ],
)
def test_a_template_that_is_not_understood_is_refused(source):
    with pytest.raises(UnknownTemplateError):
        read_template("t", source)


@pytest.mark.parametrize(
    ("own", "message"),
    [
        (OWN.replace('size("Q", 0) = 2\n', ""), r'does not say what `size\("Q", 0\)` is'),
        (OWN + 'size("Q", 0) = 3\n', r"which the template does not ask for so often"),
        (OWN + "other() = 3\n", r"says what the template does not ask for: 'other\(\) = 3'"),
        (OWN.replace('size("Q", 0) = 2', 'size("Q", 0):\n  2'), r"says in several lines"),
        (OWN.replace("gen_defines():\n      BLOCK", "gen_defines() = BLOCK"), r"says in one line"),
        (OWN.replace("if FAST = no", "if FAST = maybe"), r"says neither yes nor no to `if FAST`"),
    ],
)
def test_what_does_not_belong_together_is_an_error(own, message):
    with pytest.raises(UnfoldError, match=message):
        unfold(TEMPLATE, own)


# Lines as they stand in the kernel and in the template, lines that look like what is written for a kernel, and others.
LINES = st.one_of(
    st.sampled_from([*KERNEL.split("\n"), *TEMPLATE.text.split("\n"), *OWN.split("\n")]),
    st.sampled_from(["  ", "gen_defines():", "  gen_defines():", "ZQ = ", "    ZQ = ", "    acc = inner(, q)"]),
    st.text(st.characters(exclude_characters="\n", exclude_categories=["Cs"]), max_size=12),
)
EDITS = st.lists(st.tuples(st.integers(0, 30), st.integers(0, 2), st.lists(LINES, max_size=3)), max_size=4)


def edited(edits) -> str:
    """The kernel after edits: at a line, so many lines are replaced by others."""
    lines = KERNEL.split("\n")[:-1]
    for place, removed, added in edits:
        lines[place : place + removed] = added
    return "".join(f"{line}\n" for line in lines)


@given(EDITS)
@settings(max_examples=400, deadline=None)
def test_nothing_is_lost(edits):
    text = edited(edits)
    own = fold(TEMPLATE, text)
    if own is not None:
        assert unfold(TEMPLATE, own) == text


@given(EDITS, EDITS)
@settings(max_examples=400, deadline=None)
def test_two_texts_that_differ_have_nothing_in_common_that_is_their_own(one, other):
    first, second = fold(TEMPLATE, edited(one)), fold(TEMPLATE, edited(other))
    if edited(one) != edited(other):
        assert first is None or first != second


_VALUE = st.from_regex(r"[a-z0-9, _]{0,12}", fullmatch=True)


@given(
    st.lists(_VALUE, min_size=4, max_size=4), st.lists(st.from_regex(r"    [a-z =]{1,12}", fullmatch=True), max_size=4)
)
@settings(max_examples=200, deadline=None)
def test_what_a_template_gives_is_always_left_out(values, lines):
    stride, size, arguments, tile = values
    own = (
        f'def_kernel("Q", "K"):\n  def k0():\nstride("Q") = {stride}\nsize("Q", 0) = {size}\nif USE_TMA = yes\n'
        f"BLOCK = {tile}\nWIDTH = 4\ngen_argdefs() = {arguments}\n"
        'modification(subgraph_number=0, output_name="scores"):\n'
        + "".join(f"  {line}\n" for line in lines)
        + "gen_defines():\n      B = 1\n"
    )
    assert fold(TEMPLATE, unfold(TEMPLATE, own)) is not None


@pytest.mark.parametrize(
    ("pieces", "line", "values"),
    [
        (("x = ", ", ", ""), "x = a, b, c", ("a", "b, c")),
        (("x = ", ", ", ")"), "x = a, b)", ("a", "b")),
        (("x = ", ", ", ")"), "x = a)", None),
        (("(", "", ")"), "(ab)", ("", "ab")),
        (("a", "a"), "aa", ("",)),
        (("a", "a"), "a", None),
        (("ab", "ba"), "aba", None),
        (("x", " and ", ", ", ""), "xa, b and c, d", ("a, b", "c", "d")),
    ],
)
def test_the_values_of_a_line_are_those_that_a_regular_expression_finds(pieces, line, values):
    step = Instruction("line", names=tuple("v" * (len(pieces) - 1)), pieces=pieces)
    assert step.values(line) == values
    match = re.fullmatch("(.*?)".join(map(re.escape, pieces)), line, re.DOTALL)
    assert (match.groups() if match else None) == values
