"""The names that the user gave tensors: found in sources, shown in plans, never confused with those of the code."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from kernelsnap.capture.user_names import name_of_source, one_token
from kernelsnap.diff.align.align import align
from kernelsnap.diff.compare import compare
from kernelsnap.diff.tree.change import change_of
from kernelsnap.golden.canonical import canonical
from kernelsnap.golden.format import parse, render
from kernelsnap.golden.user_names import distinct_names, results_of, without_names
from kernelsnap.model.capture import Buffer, FusedOp
from kernelsnap.model.golden import Code, Golden, Metric, Plan, PlanStep
from kernelsnap.report.html.plan_graph import plan_changes


@pytest.mark.parametrize(
    ("source", "name"),
    [
        ("L['x']", "x"),
        ("G['weights']", "weights"),
        ("L['batch']['ids']", "batch['ids']"),
        ("L['batch'][3]", "batch[3]"),
        ("L['batch']['more'][0].values", "batch['more'][0].values"),
        ("L['self']._modules['layers']._modules['0']._parameters['weight']", "layers.0.weight"),
        ("L['self']._modules['norm']._buffers['scale']", "norm.scale"),
        ("L['self']._modules['norm'].raw", "norm.raw"),
        ("L['model']._modules['norm']._parameters['weight']", "model.norm.weight"),
        ("L['self'].param_groups[0]['params'][1].grad", "grad(param_groups[0]['params'][1])"),
        ("L['self'].state[list(dict.keys(L['self'].state))[1]]['exp_avg']", "state[1]['exp_avg']"),
        ("dict.__getitem__(L['x'], 'a')", "x['a']"),
        ("list.__getitem__(L['x'], 2)", "x[2]"),
        ("object.__getattribute__(L['x'], 'a')", "x.a"),
        ("getattr(L['x'], 'a')", "x.a"),
        ("L['x'][('a', 1)]", "x[('a', 1)]"),
        ("G['__import_torch_dot_nn'].table", "torch.nn.table"),
        # Made up by Dynamo, or of this run only.
        ("L['___stack0']", ""),
        ("G['__nested_fn_1']", ""),
        ("G['_param_140234567890123_c0']", ""),
        ("G['x_0x7fa8c0de']", ""),
        ("___from_numpy(L['x'])", ""),
        ("L['x'].size()[0]", ""),
        ("L['x", ""),
        ("", ""),
        ("(" * 500 + "L['x']" + ")" * 500, ""),
    ],
)
def test_the_name_of_a_source(source, name):
    assert name_of_source(source) == name


def test_the_owner_of_a_method_is_no_part_of_a_name():
    assert name_of_source("L['s']._modules['a']._parameters['w']", "s") == "a.w"
    assert name_of_source("L['s']._modules['a']._parameters['w']", "") == "s.a.w"


@pytest.mark.parametrize(
    ("name", "token"),
    [
        ("layers.0.weight", "layers.0.weight"),
        ("b['my key']", "b['my_key']"),
        ("a\nb\tc", "a_b_c"),
        ("a\u202eb\u2028c\x1b[31m", "a_b_c_[31m"),
        ("ü#2", "ü_2"),
        ("x" * 100, "x" * 100),
        ("x" * 101, "x" * 91 + "~e8ea6df3"),
    ],
)
def test_a_name_is_one_printable_token(name, token):
    assert one_token(name)[:92] == token[:92]
    assert len(one_token(name)) == len(token)


@given(st.text(min_size=1))
def test_whatever_a_name_is_its_token_fits_into_a_line(name):
    token = one_token(name)
    assert 0 < len(token) <= 100
    assert token.isprintable()
    assert " " not in token
    assert one_token(token) == token or "#" not in token


def buffer(name, *sizes):
    return Buffer(name, "f32", tuple(map(str, sizes)))


def golden(inputs, names=None, reads=None, host=None, results=(), outputs=("buf0",)):
    """A golden of one kernel that reads its inputs; `names`: what the user calls them."""
    codes = [f"primals_{number}" for number in range(len(inputs))]
    step = PlanStep(
        "k0", "pointwise", (("x", "64"),), (FusedOp("mul", ("mul",)),), tuple(reads or codes), (buffer("buf0", 64),)
    )
    plan = Plan(
        "forward",
        tuple(buffer(code, *sizes) for code, sizes in zip(codes, inputs, strict=True)),
        (step,),
        outputs,
        names=tuple(zip(codes, names, strict=True)) if names else (),
        results=results,
    )
    call = host or f"{', '.join(codes)}, = args\nk0.run({', '.join(codes)}, buf0)\nreturn (buf0, )\n"
    lines = "".join(f"    {line}\n" for line in call.splitlines())
    code = (Code("forward", "k0", "def k0(in_ptr0):\n    pass\n"), Code("forward", "host", f"def call(args):\n{lines}"))
    return Golden("case", "h100", (distinct_names(plan),), (Metric("total", "kernels", 1),), (), code)


def plan_text(of):
    return render(of).partition("plan\n")[2].partition("\n\n")[0]


def test_a_plan_names_an_input_once_as_the_code_does():
    shown = golden([(64,), (64,)], ["x", "layers.0.weight"], results=("output[0]",))
    assert plan_text(shown) == (
        "  forward  1 kernel  0 extern\n"
        "    inputs  x: primals_0 f32[64]  layers.0.weight: primals_1 f32[64]\n"
        "    k0  pointwise  x 64\n"
        "      mul = mul\n"
        "      reads  x  layers.0.weight\n"
        "      writes  buf0 f32[64]\n"
        "    outputs  output[0]: buf0"
    )
    assert parse(render(shown)) == shown


def test_many_tensors_have_a_line_each():
    shown = golden([(64,)] * 5, list("abcde"))
    text = plan_text(shown)
    assert "    inputs\n      a: primals_0 f32[64]\n      b: primals_1 f32[64]\n" in text
    assert "      reads\n        a\n        b\n        c\n        d\n        e\n      writes  buf0" in text
    assert parse(render(shown)) == shown


def test_many_tensors_in_one_line_of_an_older_golden_are_read():
    older = without_names(golden([(64,)] * 5, list("abcde")))
    text = render(older, in_a_row=99)
    assert "reads  primals_0  primals_1  primals_2  primals_3  primals_4\n" in text
    assert parse(text) == older
    assert compare(parse(text), golden([(64,)] * 5, list("abcde"))).same


def test_names_are_not_compared_with_a_golden_that_has_none():
    new = golden([(64,), (64,)], ["x", "w"])
    assert compare(without_names(new), new).same
    assert compare(new, without_names(new)).same


HOSTILE = ["buf0", "primals_0", "inputs", "outputs", "reads", "k0", "None", "x:", "a=b", "q:_r", "(no", "~", "end", "-"]


def test_a_name_that_the_code_uses_too_is_marked():
    shown = golden([(64,), (64,)], ["buf0", "primals_0"])
    assert [name for _, name in shown.plan[0].names] == ["buf0#", "primals_0#"]
    assert "reads  buf0#  primals_0#" in plan_text(shown)
    assert canonical(canonical(shown)) == canonical(shown)


@given(
    st.lists(
        st.one_of(st.sampled_from(HOSTILE), st.text(min_size=1).map(one_token)), min_size=1, max_size=9, unique=True
    )
)
def test_whatever_names_are_a_golden_is_read_back_as_it_was_written(names):
    shown = golden([(64,)] * len(names), names, results=("grad(x)",))
    assert parse(render(shown)) == shown
    assert parse(render(canonical(shown))) == canonical(shown)


def test_outputs_are_named_by_buffer_in_their_order():
    known = [("buf1", "grad(a)"), ("buf0", "grad(b)"), ("buf1", "grad(c)")]
    assert results_of(("buf1", "None", "buf1", "buf0"), known) == ("grad(a)", "", "grad(c)", "grad(b)")
    assert results_of(("buf7",), known) == ()


def causes(old, new):
    change = change_of("case.ksnap", render(old).encode(), render(new).encode())
    return {cause.name.value: [finding.evidence for finding in cause.findings] for cause in change.diff.causes}


def test_a_renamed_parameter_is_shown_and_is_no_other_operation():
    old, new = golden([(64,), (64, 64)], ["x", "fc.weight"]), golden([(64,), (64, 64)], ["x", "proj.weight"])
    assert causes(old, new) == {"metadata": ["fc.weight is now called proj.weight"]}
    assert compare(old, new).layers == ("plan",)


def test_inputs_that_changed_places_are_other_operands():
    old, new = golden([(64,), (64,)], ["x", "y"]), golden([(64,), (64,)], ["y", "x"])
    assert causes(old, new) == {"operations": ["other operands: y in place of x, x in place of y"]}


def test_a_parameter_more_is_few_lines_of_the_plan():
    names = [f"layers.{number}.weight" for number in range(20)]
    old = canonical(golden([(64,)] * 20, names))
    reads = [f"primals_{number}" for number in range(21)]
    more = golden([(64,)] * 21, ["x", *names], reads=reads)
    aligned = align(canonical(more), old)
    assert canonical(aligned) == canonical(more)
    gone = set(plan_text(old).splitlines()) - set(plan_text(aligned).splitlines())
    new = set(plan_text(aligned).splitlines()) - set(plan_text(old).splitlines())
    assert not gone
    assert len(new) == 2  # where it is taken, and where it is read


def test_what_the_picture_and_evidence_call_an_input():
    old, new = (
        golden([(64,), (size,)], ["x", "fc.bias"], results=("output[0]",), outputs=("buf0",)) for size in (8, 16)
    )
    assert causes(old, new)["shapes"] == ["input fc.bias f32[8] -> f32[16]"]
    (change,) = plan_changes(compare(old, new))
    (box,) = change.new.boxes
    assert [buffer.name for buffer in box.takes] == ["x", "fc.bias"]
    assert [buffer.name for buffer in box.returns] == ["output[0]"]
