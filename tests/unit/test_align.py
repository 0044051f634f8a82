"""Alignment: a pure renaming that leaves in the text only what really changed."""

from __future__ import annotations

import random
import re
from dataclasses import replace

from hypothesis import given, settings
from hypothesis import strategies as st

import stored_goldens
import sweeps
from kernelsnap.diff.align.align import align
from kernelsnap.diff.text.lines import edits
from kernelsnap.golden.canonical import (
    HOST,
    USER_TRITON,
    canonical,
    kernel_names,
    plan_as_host_code,
    rename_graph,
)
from kernelsnap.golden.format import parse, render
from kernelsnap.model.capture import Buffer, FusedOp
from kernelsnap.model.golden import Code, Golden, KernelConfig, Plan, PlanStep
from kernelsnap.normalize.names import host_candidates, host_locals, host_stem, numbered_local, rename

TEXTS = stored_goldens.texts()
# Half of the recorded goldens are of a few lines; the longer ones have names to get wrong.
LONG = [text for text in TEXTS if len(text) > 3_000] or TEXTS

KERNEL = """\
arg in_ptr0  *fp32 align 16
arg in_ptr1  *fp32 align 16
arg out_ptr0  *fp32 align 16
def k0(in_ptr0, in_ptr1, out_ptr0):
    x0 = xindex
    tmp0 = tl.load(in_ptr0 + (x0), xmask)
    tmp1 = tl.load(in_ptr1 + (x0), xmask)
    tmp2 = tmp0 * tmp1
    tmp3 = libdevice.exp(tmp2)
    tmp4 = tmp3 + tmp0
    _tmp5 = tl.full([XBLOCK], 0, tl.float32)
    _tmp5 = tl.where(xmask, _tmp5 + tmp4, _tmp5)
    tmp5 = tl.sum(_tmp5, 1)
    tl.store(out_ptr0 + (x0), tmp5, xmask)
"""
HOST_CODE = """\
def call(self, args):
    arg0, arg1 = args
    buf0 = empty_strided_cuda((8, ), (1, ), torch.float32)
    k0.run(arg0, arg1, buf0, 8)
    buf1 = empty_strided_cuda((8, 8), (8, 1), torch.float32)
    extern_kernels.mm(buf0, arg1, out=buf1)
    return (buf1, )
"""


def small(kernel=KERNEL, host=HOST_CODE):
    steps = (
        PlanStep("k0", "reduction", (("x", "8"),), (), ("arg0", "arg1"), (Buffer("buf0", "f32", ("8",)),)),
        PlanStep("extern_kernels.mm", "extern", reads=("buf0", "arg1"), writes=(Buffer("buf1", "f32", ("8", "8")),)),
    )
    plan = Plan("inference", (Buffer("arg0"), Buffer("arg1")), steps, ("buf1",))
    code = (Code("inference", "k0", kernel), Code("inference", HOST, host))
    return Golden("case", "h100", (plan,), (), (KernelConfig("inference", "k0", (), ()),), code)


def plan_of(golden, graph):
    return next(plan for plan in golden.plan if plan.graph == graph)


def renumbered(golden, seed):
    """The same golden under other names: every scope shuffled, with gaps."""
    shuffle = random.Random(seed)

    def numbers(count):
        return shuffle.sample(range(count * 2), count)

    def kernel(piece):
        atoms = {local[:2] for word in re.findall(r"\w+", piece.text) if (local := numbered_local(word))}
        new = dict(zip(sorted(atoms), numbers(len(atoms)), strict=True))
        names = {
            word: local[2].format(new[local[:2]])
            for word in re.findall(r"\w+", piece.text)
            if (local := numbered_local(word))
        }
        return replace(piece, text=rename(piece.text, names))

    for plan in golden.plan:
        kernels = list(kernel_names(golden, plan))
        golden = rename_graph(
            golden, plan.graph, {old: f"k{n}" for old, n in zip(kernels, numbers(len(kernels)), strict=True)}
        )
        texts = (code.text for code in golden.code if code.graph == plan.graph and code.name == HOST)
        host = next(texts) if "code" in golden.layers else plan_as_host_code(plan_of(golden, plan.graph))
        words = set(re.findall(r"\w+", host))
        local = sorted(host_locals(host))
        names = {}
        for stem in {host_stem(name) for name in local}:
            family = [name for name in local if host_stem(name) == stem]
            # Only names that canonical numbering could have given, and no word of the host code that is not its own.
            candidates = host_candidates(family[0])
            free = [name for name in (next(candidates) for _ in range(len(words) + 8)) if name not in words - {*local}]
            names |= zip(family, shuffle.sample(free[: 2 * len(family) + 1], len(family)), strict=True)
        golden = rename_graph(golden, plan.graph, names)
    written = {(p.graph, step.name) for p in golden.plan for step in p.steps if step.kind == USER_TRITON}
    code = (c if c.name == HOST or (c.graph, c.name) in written else kernel(c) for c in golden.code)
    return replace(golden, code=tuple(code))


def changed_lines(old, new):
    before, after = render(old).splitlines(), render(new).splitlines()
    return [tag + (after[j] if tag == "+" else before[i]).strip() for tag, i, j in edits(before, after) if tag != " "]


@sweeps.over(stored_goldens.names())
def test_to_itself_and_to_a_renumbered_copy(name):
    golden = stored_goldens.golden(name)
    assert align(golden, golden) == golden
    other = renumbered(golden, 1)
    assert canonical(other) == canonical(golden)
    assert align(golden, other) == other
    assert align(other, golden) == golden


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(LONG), st.sampled_from(LONG), st.integers(0, 2**32))
def test_aligning_only_renames(first, second, seed):
    """Whatever is aligned to whatever: the result says the same, and aligning it again changes nothing."""
    new, old = parse(first), renumbered(parse(second), seed)
    aligned = align(new, old)
    assert canonical(aligned) == canonical(new)
    assert align(aligned, old) == aligned
    assert parse(render(aligned)) == aligned


@settings(deadline=None, max_examples=60)
@given(st.sampled_from(LONG), st.data())
def test_lines_taken_out_are_the_only_change(text, data):
    """A statement removed from a kernel that stands under other names: at most the lines that used it change too."""
    old = parse(text)
    pieces = [place for place, code in enumerate(old.code) if code.name != HOST and "tmp" in code.text]
    if not pieces:
        return
    place = data.draw(st.sampled_from(pieces))
    lines = old.code[place].text.splitlines(keepends=True)
    stores = [number for number, line in enumerate(lines) if "tl.store(" in line]
    if len(stores) < 2:
        return
    gone = data.draw(st.sampled_from(stores))
    changed = replace(old.code[place], text="".join(lines[:gone] + lines[gone + 1 :]))
    new = replace(old, code=(*old.code[:place], changed, *old.code[place + 1 :]))
    aligned = align(renumbered(new, data.draw(st.integers(0, 2**32))), old)
    assert changed_lines(old, aligned) == ["-" + lines[gone].strip()]


def test_a_variable_keeps_the_name_that_a_function_of_a_library_has_too():
    """`mm` beside `extern_kernels.mm` was taken for another variable, and became `mm_1` in every line."""
    text = next(text for text in TEXTS if "test_partitioning_long_chain_add\n" in text)
    old = parse(text)
    place = next(n for n, code in enumerate(old.code) if (code.graph, code.name) == ("backward", "k1"))
    shorter = re.sub(r"    tl\.store\(in_out_ptr0.*\n", "", old.code[place].text)
    new = replace(old, code=(*old.code[:place], replace(old.code[place], text=shorter), *old.code[place + 1 :]))
    for seed in range(5):
        (line,) = changed_lines(old, align(renumbered(new, seed), old))
        assert line.startswith("-tl.store(in_out_ptr0")


def edited(*replacements):
    """The small golden with its kernel edited, under canonical names."""
    text = KERNEL
    for old, new in replacements:
        assert old in text
        text = text.replace(old, new)
    return canonical(small(text))


def test_one_inserted_statement_is_one_added_line():
    new = edited(("    tmp3 =", "    tmp9 = tl_math.sin(tmp2)\n    tmp3 ="))
    assert "tmp6" in new.code[0].text  # canonical names shift
    assert changed_lines(small(), align(new, small())) == ["+tmp6 = tl_math.sin(tmp2)"]


def test_one_inserted_load_changes_only_the_lines_that_use_it():
    new = edited(
        ("    tmp2 = tmp0 * tmp1", "    tmp9 = tl.load(in_ptr5 + (x0), xmask)\n    tmp2 = tmp0 * tmp1"),
        ("tmp4 = tmp3 + tmp0", "tmp4 = tl.fma(tmp3, tmp9, tmp0)"),
        ("arg in_ptr1", "arg in_ptr5  *fp32 align 16\narg in_ptr1"),
        ("(in_ptr0, in_ptr1", "(in_ptr0, in_ptr5, in_ptr1"),
    )
    assert changed_lines(small(), align(new, small())) == [
        "+arg in_ptr2  *fp32 align 16",
        "-def k0(in_ptr0, in_ptr1, out_ptr0):",
        "+def k0(in_ptr0, in_ptr2, in_ptr1, out_ptr0):",
        "+tmp6 = tl.load(in_ptr2 + (x0), xmask)",
        "-tmp4 = tmp3 + tmp0",
        "+tmp4 = tl.fma(tmp3, tmp6, tmp0)",
    ]


def test_a_statement_in_the_middle_of_a_chain_renames_nothing_after_it():
    new = edited(("tmp4 = tmp3 + tmp0", "tmp9 = tmp3 * 2.0\n    tmp4 = tmp9 + tmp0"))
    assert changed_lines(small(), align(new, small())) == [
        "-tmp4 = tmp3 + tmp0",
        "+tmp6 = tmp3 * 2.0",
        "+tmp4 = tmp6 + tmp0",
    ]


def test_a_replaced_statement_keeps_the_name_of_its_result():
    new = edited(("tmp2 = tmp0 * tmp1", "tmp2 = tmp0 - tmp1"), ("tmp3 = libdevice.exp(tmp2)", "tmp3 = -tmp2"))
    assert changed_lines(small(), align(new, small())) == [
        "-tmp2 = tmp0 * tmp1",
        "-tmp3 = libdevice.exp(tmp2)",
        "+tmp2 = tmp0 - tmp1",
        "+tmp3 = -tmp2",
    ]


def test_swapped_operands_of_a_subtraction_are_not_renamed_away():
    old = small(KERNEL.replace("tmp0 * tmp1", "tmp0 - tmp1"))
    new = small(KERNEL.replace("tmp0 * tmp1", "tmp1 - tmp0"))
    assert changed_lines(old, align(new, old)) == ["-tmp2 = tmp0 - tmp1", "+tmp2 = tmp1 - tmp0"]


def with_kernel_first(old):
    """The golden with a new kernel launched before all others."""
    (plan,), code = old.plan, {piece.name: piece.text for piece in old.code}
    step = PlanStep("k9", "pointwise", (("x", "64"),), (), ("arg1",), (Buffer("buf9", "f32", ("64",)),))
    host = code[HOST].replace(
        "    buf0 =",
        "    buf9 = empty_strided_cuda((64, ), (1, ), torch.float32)\n    k9.run(arg1, buf9, 64)\n    buf0 =",
    )
    return canonical(
        replace(
            old,
            plan=(replace(plan, steps=(step, *plan.steps)),),
            config=(KernelConfig("inference", "k9", (), ()), *old.config),
            code=(
                Code("inference", "k9", "def k9(in_ptr0):\n    x0 = xindex\n"),
                Code("inference", "k0", code["k0"]),
                Code("inference", HOST, host),
            ),
        )
    )


def test_a_kernel_inserted_first_does_not_misalign_the_rest():
    new = with_kernel_first(small())
    assert [step.name for step in new.plan[0].steps] == ["k0", "k1", "extern_kernels.mm"]
    aligned = align(new, small())
    assert [step.name for step in aligned.plan[0].steps] == ["k1", "k0", "extern_kernels.mm"]
    changed = changed_lines(small(), aligned)
    assert all(line.startswith("+") or line == "-inference  1 kernel  1 extern" for line in changed)
    assert "+k1.run(arg1, buf2, 64)" in changed


def test_an_inserted_input_is_an_inserted_argument():
    host = HOST_CODE.replace("arg0, arg1 = args", "arg7, arg0, arg1 = args").replace(
        "(arg0, arg1,", "(arg7, arg0, arg1,"
    )
    kernel = KERNEL.replace("arg in_ptr0", "arg in_ptr7  *fp32 align 16\narg in_ptr0").replace(
        "(in_ptr0, ", "(in_ptr7, in_ptr0, "
    )
    aligned = align(canonical(small(kernel, host)), small())
    assert changed_lines(small(), aligned) == [
        "+arg in_ptr2  *fp32 align 16",
        "-def k0(in_ptr0, in_ptr1, out_ptr0):",
        "+def k0(in_ptr2, in_ptr0, in_ptr1, out_ptr0):",
        "-arg0, arg1 = args",
        "+arg2, arg0, arg1 = args",
        "-k0.run(arg0, arg1, buf0, 8)",
        "+k0.run(arg2, arg0, arg1, buf0, 8)",
    ]


def test_names_in_a_kernel_that_the_user_wrote_stay():
    def golden(kernel):
        new = small(kernel)
        steps = (replace(new.plan[0].steps[0], kind=USER_TRITON), *new.plan[0].steps[1:])
        return replace(new, plan=(replace(new.plan[0], steps=steps),))

    new = golden(KERNEL.replace("tmp3", "tmp33"))
    assert align(new, golden(KERNEL)).code[0].text == new.code[0].text


def test_a_kernel_is_never_given_a_name_that_its_code_uses():
    old = small(KERNEL.replace("k0", "k1").replace("x0", "x1"), HOST_CODE.replace("k0", "k1"))
    old = rename_graph(old, "inference", {"k0": "k1"})
    new = small(KERNEL.replace("xindex", "k1 + xindex"))
    aligned = align(new, old)
    assert aligned.plan[0].steps[0].name not in ("k1",)
    assert canonical(aligned) == canonical(new)


def test_case_and_target_are_those_of_the_new_golden():
    new = replace(small(), case="other", target="a100")
    assert align(new, small()) == new
    assert align(replace(edited(("tmp2 =", "tmp7 =")), target="a100"), small()).target == "a100"


def test_an_expression_inserted_first_leaves_the_numbers_of_the_others():
    def golden_of(*steps):
        return Golden("case", "h100", (Plan("inference", (), steps, ()),), (), (), (), layers=("plan",))

    def step(name, *sources):
        return PlanStep(name, "pointwise", ops=tuple(FusedOp(source, ("exp", "sum")) for source in sources))

    old = golden_of(step("k0", "softmax", "softmax.1"))
    new = golden_of(
        PlanStep("k0", "extern", ops=(FusedOp("softmax", ("amax",)),)), step("k1", "softmax.1", "softmax.2")
    )
    aligned = align(new, old)
    assert [op.source for step in aligned.plan[0].steps for op in step.ops] == ["softmax.2", "softmax", "softmax.1"]
    assert canonical(aligned) == canonical(new)


def test_an_expression_that_moved_keeps_its_name():
    def plan(*sources):
        step = PlanStep("k0", "pointwise", ops=tuple(FusedOp(source, (source[:3],)) for source in sources))
        return Golden("case", "h100", (Plan("inference", (), (step,), ()),), (), (), ())

    aligned = align(plan("cos", "sin", "add"), plan("sin", "cos", "add"))
    assert [op.source for op in aligned.plan[0].steps[0].ops] == ["cos", "sin", "add"]
