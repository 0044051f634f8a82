"""What two programs compute, compared by the operations that their goldens recorded."""

from __future__ import annotations

import random
import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelsnap.diff.causes.program import origins_of
from kernelsnap.diff.program.comparison import Comparison
from kernelsnap.diff.program.literals import difference, follow, is_rounded, lists, other_numbers
from kernelsnap.diff.program.reading import program_of
from kernelsnap.diff.program.values import INPUT, OUTPUT
from kernelsnap.model.capture import Buffer
from kernelsnap.model.golden import Golden, Plan
from kernelsnap.model.why import Operation, Why

# y = mul.Tensor(%x, 2.0) : f32[8] of gelu
_LINE = re.compile(r"(\S+) = (.*?\)) : ?([^:]*?)(?: of (\w+))?\Z")


def golden(**graphs):
    """A golden with these graphs, each the text of its operations; the first thing that it returns is the user's."""
    plans, whys = [], []
    for graph, text in graphs.items():
        operations = tuple(
            Operation(*_LINE.match(line.strip()).groups(default="")) for line in text.strip().splitlines()
        )
        inputs = [op.name for op in operations if op.target == INPUT and "/" not in op.name]
        returned = re.findall(r"%(\S+?)[,)]", next(op.expression for op in operations if op.target == OUTPUT))
        results = tuple("output" if number == 0 else "" for number in range(len(returned)))
        buffers = tuple(Buffer(f"arg{number}", "f32", ("8",)) for number in range(len(inputs)))
        named = tuple((f"arg{number}", name) for number, name in enumerate(inputs))
        plans.append(Plan(graph, buffers, (), tuple(returned), names=named, results=results))
        whys.append(Why(graph, operations=operations))
    return Golden("tests/test_a.py::test_x", "h100", tuple(plans), (), (), (), why=tuple(whys))


def causes(old, new):
    """The causes of a change from one inference graph to another."""
    sides = (program_of(golden(inference=text)) for text in (old, new))
    return {str(origin.cause) for origin in origins_of(Comparison(*sides))}


FORWARD = """
    x = input() : f32[8, 4]
    y = sin(%x) : f32[8, 4]
    z = exp(%y) : f32[8, 4]
    output = output(%z, %y) : f32[8, 4], f32[8, 4]
"""
BACKWARD = """
    y = input() : f32[8, 4]
    tangents_1 = input() : f32[8, 4]
    z = exp(%y) : f32[8, 4]
    mul = mul.Tensor(%tangents_1, %z) : f32[8, 4]
    output = output(%mul) : f32[8, 4]
"""


def test_backward_takes_what_forward_saves_and_what_it_computes_again_is_one_value():
    program = program_of(golden(forward=FORWARD, backward=BACKWARD))
    targets = [value.target for value in program.values]
    assert targets.count("exp") == targets.count("sin") == 1
    (saved,) = (program.values[place] for place in program.saved)
    assert (saved.target, [program.values[at].target for at in program.users[saved.place]]) == ("sin", ["exp"])
    assert [value.target for value in program.values if value.backward] == ["tangent", "mul.Tensor", OUTPUT]


def test_what_is_saved_is_no_part_of_what_is_computed_and_is_told_apart():
    saves_the_input = (
        FORWARD.replace("%z, %y)", "%z, %x)"),
        BACKWARD.replace("y = input() : f32[8, 4]\n", "x = input() : f32[8, 4]\n    y = sin(%x) : f32[8, 4]\n"),
    )
    sides = [
        program_of(golden(forward=forward, backward=backward))
        for forward, backward in ((FORWARD, BACKWARD), saves_the_input)
    ]
    (origin,) = origins_of(Comparison(*sides))
    assert origin.cause == "partitioning"


def test_a_region_that_is_compiled_once_is_as_if_it_were_written_where_it_is_called():
    called = """
        x = input() : f32[8]
        region/a = input() : f32[8]
        region/b = sin(%region/a) : f32[8]
        region/output = output(%region/b) : f32[8]
        region = constant() :
        first = invoke_subgraph(%region, 'region', %x) : f32[8]
        one = getitem(%first, 0) : f32[8]
        second = invoke_subgraph(%region, 'region', %one) : f32[8]
        two = getitem(%second, 0) : f32[8]
        output = output(%two) : f32[8]
    """
    inlined = """
        x = input() : f32[8]
        one = sin(%x) : f32[8]
        two = sin(%one) : f32[8]
        output = output(%two) : f32[8]
    """
    assert causes(called, inlined) == set()


def test_without_operations_of_each_graph_nothing_is_known():
    known = golden(forward=FORWARD, backward=BACKWARD)
    assert program_of(known) is not None
    assert program_of(Golden(known.case, known.target, known.plan, (), (), (), why=known.why[:1])) is None
    assert program_of(Golden(known.case, known.target, (), (), (), (), why=known.why)) is None


LINEAR = """
    x = input() : f32[40, 64]
    w = input() : f32[64, 32]
    mm = mm(%x, %w) : f32[40, 32]
    scaled = mul.Tensor(%mm, 0.5) : f32[40, 32]
    act = relu(%scaled) : f32[40, 32]
    total = sum.dim_IntList(%act, [1]) : f32[40]
    output = output(%total) : f32[40]
"""


@pytest.mark.parametrize(
    ("edits", "expected"),
    [
        ([("relu(", "sigmoid(")], {"operations"}),
        ([("0.5", "0.25")], {"constants"}),
        ([("[1]) : f32[40]", "[0]) : f32[32]"), ("%total) : f32[40]", "%total) : f32[32]")], {"shapes"}),
        ([("f32[40, ", "f32[48, "), ("f32[40]", "f32[48]")], {"shapes"}),
        ([("f32[", "bf16[")], {"dtype"}),
        ([("x = input() : f32[40, 64]", "x = input() : f32[40, 64] strides [1, 40]")], {"indexing"}),
        ([("sum.dim_IntList(%act", "sum.dim_IntList(%scaled"), ("%act", "%scaled")], {"operations"}),
        ([("0.5", "0.25"), ("relu(", "sigmoid(")], {"operations"}),
        ([("output(%total)", "output(%total, %act)")], {"shapes"}),
        ([("mm", "mmm")], set()),
    ],
)
def test_a_difference_begins_where_what_is_given_did_not_change(edits, expected):
    new = LINEAR
    for old, other in edits:
        new = re.sub(r"\bmm\b(?!\()", other, new) if old == "mm" else new.replace(old, other)
    assert causes(LINEAR, LINEAR) == set()
    assert causes(LINEAR, new) == expected


def test_a_number_that_follows_from_a_size_is_no_other_constant():
    mean = """
        x = input() : f32[40, 64]
        sum = sum.dim_IntList(%x, [1]) : f32[40]
        div = div.Tensor(%sum, 64) : f32[40]
        output = output(%div) : f32[40]
    """
    assert causes(mean, mean.replace("64", "96")) == {"shapes"}
    assert causes(mean, mean.replace("f32[40, 64]", "f32[40, 96]").replace("%sum, 64", "%sum, 50")) == {
        "constants",
        "shapes",
    }


def test_a_number_far_from_another_operation_is_another_change():
    new = LINEAR.replace("mm(%x, ", "mm(%shifted, ").replace(
        "    mm = ", "    shifted = cos(%x) : f32[40, 64]\n    mm = "
    )
    assert causes(LINEAR, new) == {"operations"}
    assert causes(LINEAR, new.replace("0.5", "0.25")) == {"constants", "operations"}
    next_to_it = LINEAR.replace("relu(", "sigmoid(").replace("0.5", "0.25")
    assert causes(LINEAR, next_to_it) == {"operations"}


def test_a_user_cast_is_a_type_and_the_cast_of_a_new_operation_is_not():
    cast = LINEAR.replace("relu(%scaled)", "relu(%wide)").replace(
        "    act = ", "    wide = prims::convert_element_type(%scaled, f64) : f64[40, 32]\n    act = "
    )
    assert causes(LINEAR, cast) == {"dtype"}
    assert causes(LINEAR, cast.replace("relu(", "gelu(")) == {"operations"}


def test_attention_of_another_mask_is_attention_whatever_computes_the_mask():
    flex = """
        q = input() : f32[1, 2, 128, 64]
        iota = prims::iota(128) : i64[128]
        edge = ge.Scalar(%iota, 64) : b8[128]
        blocks = sum(%edge) : i64[1]
        mask/a = input() : i32[]
        mask/b = ge.Scalar(%mask/a, 64) : b8[]
        mask/output = output(%mask/b) : b8[]
        mask = constant() :
        flex = flex_attention(%q, %q, %q, %mask, [%blocks]) : f32[1, 2, 128, 64]
        output = output(%flex) : f32[1, 2, 128, 64]
    """
    assert causes(flex, flex.replace("ge.Scalar", "le.Scalar")) == {"attention"}
    assert causes(flex, flex.replace("ge.Scalar(%iota, 64)", "ge.Scalar(%iota, 32)")) <= {"attention"}
    assert causes(flex, flex.replace("128, 64]", "128, 32]")) == {"shapes"}


UNARY = ("sin", "exp", "relu", "neg", "abs")
BINARY = ("add.Tensor", "mul.Tensor", "sub.Tensor", "div.Tensor")


@st.composite
def programs(draw):
    """The lines of a program in which every value is used."""
    lines = [f"x{number} = input() : f32[8]" for number in range(draw(st.integers(1, 3)))]
    names = [line.partition(" ")[0] for line in lines]
    unused = list(names)
    for number in range(draw(st.integers(1, 12))):
        first = draw(st.sampled_from(unused or names))
        if draw(st.booleans()):
            expression = f"{draw(st.sampled_from(UNARY))}(%{first})"
        elif draw(st.booleans()):
            expression = f"{draw(st.sampled_from(BINARY))}(%{first}, {draw(st.integers(2, 9))})"
        else:
            expression = f"{draw(st.sampled_from(BINARY))}(%{first}, %{draw(st.sampled_from(names))})"
        lines.append(f"v{number} = {expression} : f32[8]")
        unused = [name for name in unused if f"%{name}" not in expression] + [f"v{number}"]
        names.append(f"v{number}")
    return [*lines, f"output = output({', '.join(f'%{name}' for name in unused)}) : f32[8]"]


@given(programs(), st.randoms(use_true_random=False))
def test_names_and_the_order_of_what_does_not_depend_on_each_other_are_no_difference(lines, rng: random.Random):
    renamed = [re.sub(r"\bv(\d+)\b", r"other\1", line) for line in lines]
    waiting, placed = renamed[:-1], []
    while waiting:  # any line whose operands are there may come next; inputs keep their order
        known = {line.partition(" ")[0] for line in placed}
        ready = [line for line in waiting if set(re.findall(r"%(\w+)", line)) <= known]
        inputs = [line for line in ready if " = input()" in line]
        line = rng.choice([other for other in ready if other not in inputs[1:]])
        waiting.remove(line)
        placed.append(line)
    assert causes("\n".join(lines), "\n".join([*placed, renamed[-1]])) == set()


@given(programs(), st.data())
def test_another_operator_is_never_called_the_same(lines, data):
    place = data.draw(st.sampled_from([at for at, line in enumerate(lines) if line.startswith("v")]))
    name, _, rest = lines[place].partition(" = ")
    changed = [*lines[:place], f"{name} = cosh({rest.partition('(')[2]}", *lines[place + 1 :]]
    assert causes("\n".join(lines), "\n".join(changed)) == {"operations"}


def test_arguments_are_read_as_numbers_switches_types_and_words():
    assert difference("%, 1e-05", "%, 1e-06").numbers
    assert difference("%, -1, True", "%, -1, False").switches
    assert difference("%, f32", "%, bf16").types
    assert difference("[4], %, 'rand'", "[4], %, 'randn'").words
    assert other_numbers("%, [2, 3], 1", "%, [2, 4], 1") == [("3", "4")]
    assert lists("%, [3, 3], [1, 1], False") == ["[3, 3]", "[1, 1]"]
    assert follow("%, 0.125", "%, 0.0625", [4.0], ())
    assert not follow("%, 0.125", "%, 0.1", [4.0], ())


TWO = """
    x = input() : f32[6, 9]
    y = input() : f32[4, 4]
    sum = sum(%x, [0]) : f32[9]
    div = div(%sum, 60) : f32[9]
    mul = mul(%y, 2.0) : f32[4, 4]
    output = output(%div, %mul) : f32[9], f32[4, 4]
"""


@pytest.mark.parametrize(
    ("changes", "found"),
    [
        # Twenty members in place of six: 60 is 2 * 6 * 5, and 760 is 2 * 20 * 19.
        ([("[6, 9]", "[20, 9]"), ("60", "760")], {"shapes"}),
        ([("60", "760")], {"constants"}),
        # The other part has no such sizes, so its number follows from nothing.
        ([("[6, 9]", "[20, 9]"), ("60", "760"), ("2.0", "20.0")], {"shapes", "constants"}),
        ([("[6, 9]", "[12, 9]"), ("60", "120"), ("2.0", "4.0")], {"shapes", "constants"}),
        ([("sum(%x, [0])", "amax(%x, [0])"), ("[4, 4]", "[8, 8]")], {"operations", "shapes"}),
    ],
)
def test_parts_that_exchange_nothing_are_compared_each_by_itself(changes, found):
    text = TWO
    for old, new in changes:
        text = text.replace(old, new)
    assert causes(TWO, text) == found


def test_an_input_that_only_one_part_lost_is_no_change_of_the_other():
    old = TWO.replace("mul(%y, 2.0)", "mul(%y, %z)").replace("    sum", "    z = input() : f32[4, 4]\n    sum")
    assert causes(old, TWO) == {"operations"}
    assert causes(old, TWO.replace("60", "61")) == {"operations", "constants"}


def test_a_number_of_the_user_that_became_an_input_is_no_operation():
    old = """
        x = input() : f32[8]
        mul = mul(%x, 0.5) : f32[8]
        output = output(%mul) : f32[8]
    """
    new = """
        s = input() : int
        gain = input() : f64[]
        x = input() : f32[s]
        one = full([], 1.0, dtype=f64, device=cpu) : f64[]
        sub = sub(%one, %gain) : f64[]
        cast = convert_element_type(%sub, f32) : f32[]
        mul = mul(%x, %cast) : f32[s]
        output = output(%mul) : f32[s]
    """
    assert causes(old, new) == causes(new, old) == {"shapes"}
    assert causes(old.replace("mul", "sub"), new) == {"operations", "shapes"}


@pytest.mark.parametrize(
    ("old", "new", "same"),
    [("-1e9", "-998244352.0", True), ("3.4028234663852886e+38", "65504.0", True), ("65504.0", "-65504.0", False),
     ("1.0", "1.25", False), ("0.5", "0.5", True)],
)  # fmt: skip
def test_a_number_is_the_same_in_another_type_where_it_is_rounded_or_the_greatest_one(old, new, same):
    assert is_rounded(old, new) == is_rounded(new, old) == same


def test_softmax_in_one_pass_and_in_steps_is_one_origin():
    one = """
        x = input() : f32[8, 4]
        prepare = prepare_softmax_online(%x, 1) : f32[8, 1], f32[8, 1]
        most = getitem(%prepare, 0) : f32[8, 1]
        total = getitem(%prepare, 1) : f32[8, 1]
        sub = sub(%x, %most) : f32[8, 4]
        exp = exp(%sub) : f32[8, 4]
        div = div(%exp, %total) : f32[8, 4]
        output = output(%div) : f32[8, 4]
    """
    two = """
        x = input() : f32[8, 4]
        most = amax(%x, [1], True) : f32[8, 1]
        sub = sub(%x, %most) : f32[8, 4]
        exp = exp(%sub) : f32[8, 4]
        total = sum(%exp, [1], True) : f32[8, 1]
        div = div(%exp, %total) : f32[8, 4]
        output = output(%div) : f32[8, 4]
    """
    for old, new, passes in ((one, two, "two passes"), (two, one, "one pass")):
        compared = Comparison(*(program_of(golden(inference=text)) for text in (old, new)))
        assert [origin.finding.evidence for origin in origins_of(compared)] == [f"softmax in {passes} over its input"]
    more = two.replace("div = div", "other = sum(%x, [1], True) : f32[8, 1]\n        div = div").replace(
        "%total", "%other"
    )
    compared = Comparison(*(program_of(golden(inference=text)) for text in (one, more)))
    assert "new: sum" in [origin.finding.evidence for origin in origins_of(compared)]
