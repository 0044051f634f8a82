"""Two goldens compared: what is the same, layers, hunks as a patch, metric deltas."""

from __future__ import annotations

import re
import subprocess
import sys
from dataclasses import replace

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from unidiff import PatchSet

import stored_goldens
import sweeps
from kernelsnap.diff.compare import changed_layers, compare
from kernelsnap.diff.metrics import MetricDelta, metric_deltas
from kernelsnap.golden.canonical import HOST, canonical
from kernelsnap.golden.format import parse, render
from kernelsnap.golden.user_names import comparable_names
from kernelsnap.model.golden import LAYERS, Code, Golden, Metric, Plan, PlanStep

TEXTS = stored_goldens.texts()


def unified(hunks, old_path, new_path):
    """The hunks as a patch of one file; empty if there are none."""
    lines = [line for hunk in hunks for line in (hunk.header, *hunk.lines)]
    return "".join(f"{line}\n" for line in [f"--- {old_path}", f"+++ {new_path}", *lines]) if lines else ""


def contents(golden):
    return replace(golden, case="", target="", shared_with=())


def patched(text, diff):
    """The text after the hunks, applied by hand: every line of context and every removed line must be there."""
    lines = text.split("\n")
    result, position = [], 0
    for hunk in diff.hunks:
        start, count = map(int, re.match(r"@@ -(\d+),(\d+) ", hunk.header).groups())
        start -= count > 0
        result += lines[position:start]
        assert [line[1:] for line in hunk.lines if line[0] != "+"] == lines[start : start + count]
        result += [line[1:] for line in hunk.lines if line[0] != "-"]
        position = start + count
    return "\n".join(result + lines[position:])


@settings(deadline=None, max_examples=80)
@given(st.sampled_from(TEXTS), st.data())
def test_code_that_is_equal_on_both_sides_is_left_out_of_the_comparison_of_layers_only(text, data):
    """Layers are told apart without the code that both sides share; the goldens in full must say the same."""
    old = parse(text)
    if not old.code:
        return
    piece = data.draw(st.sampled_from(old.code))
    edit = data.draw(
        st.sampled_from(
            [
                lambda text: text.replace("tmp0", "tmp77"),
                lambda text: text.replace("buf0", "buf77"),
                lambda text: text.replace("xindex", "yindex"),
                lambda text: text.replace("+", "-", 1),
                lambda text: text.replace("float32", "float16", 1),
            ]
        )
    )
    code = tuple(replace(other, text=edit(other.text)) if other is piece else other for other in old.code)
    new = replace(old, code=code)
    before, after = canonical(old), canonical(new)
    assert changed_layers(old, new) == tuple(
        layer for layer in LAYERS if getattr(before, layer) != getattr(after, layer)
    )


@settings(deadline=None, max_examples=80)
@given(st.sampled_from(TEXTS), st.sampled_from(TEXTS))
def test_same_layers_and_hunks_agree_for_any_two_goldens(first, second):
    # A golden of a program without inputs has no names; those of another one are then left out.
    old, new = comparable_names(parse(first), parse(second))
    diff = compare(old, new)
    a, b = canonical(old), canonical(new)
    assert diff.same == (contents(a) == contents(b))
    # A layer that a golden does not hold is not an empty one.
    held = [layer for layer in LAYERS if (layer in a.layers) == (layer in b.layers)]
    assert diff.layers == tuple(
        layer for layer in LAYERS if layer not in held or getattr(a, layer) != getattr(b, layer)
    )
    assert contents(canonical(diff.new)) == contents(b)
    # What is never compared is in no hunk.
    old = replace(old, why=())
    assert patched(render(old), diff) == render(
        replace(diff.new, case=old.case, target=old.target, shared_with=old.shared_with, why=())
    )
    patch = unified(diff.hunks, "a/old.ksnap", "b/new.ksnap")
    assert sum(len(file) for file in PatchSet(patch)) == len(diff.hunks)


@sweeps.over(stored_goldens.names()[::4])
def test_a_golden_is_the_same_as_itself(name):
    golden = stored_goldens.golden(name)
    diff = compare(golden, replace(golden, case="other", target="a100"))
    assert diff.same
    assert (diff.layers, diff.first_layer, diff.hunks) == ((), None, ())
    assert all(delta.verdict == "unchanged" for delta in diff.metrics)
    assert unified(diff.hunks, "a", "b") == ""


def golden(kernel="    tmp0 = tl.load(in_ptr0)\n", kind="pointwise", metrics=(), breaks=(), graph="inference"):
    steps = (PlanStep("k0", kind, reads=("arg0",)), PlanStep("k1", "pointwise", reads=("arg0",)))
    code = (
        Code(graph, "k0", f"def k0(in_ptr0):\n{kernel}"),
        Code(graph, "k1", "def k1(in_ptr0):\n    tmp0 = tl.load(in_ptr0 + 1)\n"),
        Code(graph, HOST, "def call(self, args):\n    k0.run(arg0)\n    k1.run(arg0)\n    return ()\n"),
    )
    return Golden("case", "h100", (Plan(graph, (), steps, ()),), metrics, (), code, breaks)


def test_each_layer_is_named_by_itself():
    assert compare(golden(), golden(kind="reduction")).layers == ("plan",)
    assert compare(golden(), golden(metrics=(Metric("total", "kernels", 2),))).layers == ("metrics",)
    assert compare(golden(), golden("    tmp0 = tl.load(in_ptr0, mask)\n")).layers == ("code",)
    assert compare(golden(), golden(breaks=("print",))).layers == ("plan",)
    assert compare(golden(), golden(kind="reduction", breaks=("print",))).first_layer == "plan"


def test_other_names_are_the_same():
    assert compare(golden(), golden("    tmp7 = tl.load(in_ptr0)\n")).same


def test_a_hunk_names_the_kernel_of_its_first_change():
    diff = compare(golden(), golden("    tmp0 = tl.load(in_ptr0, mask)\n"))
    (hunk,) = diff.hunks
    assert hunk.layer == "code"
    assert re.fullmatch(r"@@ -\d+,7 \+\d+,7 @@ inference k0  pointwise", hunk.header)
    assert [line for line in hunk.lines if line[0] != " "] == [
        "-        tmp0 = tl.load(in_ptr0)",
        "+        tmp0 = tl.load(in_ptr0, mask)",
    ]


def test_line_numbers_are_those_of_the_files():
    old, new = golden(), golden("    tmp0 = tl.load(in_ptr0, mask)\n")
    (hunk,) = compare(old, new).hunks
    lines = render(old).splitlines()
    assert [line[1:] for line in hunk.lines if line[0] != "+"] == lines[hunk.old_start - 1 :][:7]


def test_a_hunk_to_read_has_no_heading_and_no_empty_line_at_its_ends():
    diff = compare(golden(metrics=(Metric("total", "kernels", 2),)), golden("    tmp0 = 1\n", kind="reduction"))
    shown = [hunk.to_read() for hunk in diff.hunks]
    assert {hunk.layer for hunk in shown} == {"plan", "metrics", "code"}
    assert not {"", "plan", "metrics", "config", "code"} & {line[1:] for hunk in shown for line in hunk.lines}
    for hunk, short in zip(diff.hunks, shown, strict=True):
        assert [line for line in hunk.lines if line[0] != " "] == [line for line in short.lines if line[0] != " "]
        assert hunk.lines[short.old_start - hunk.old_start :][: len(short.lines)] == short.lines


def test_no_hunk_reaches_over_two_layers():
    diff = compare(golden(metrics=(Metric("total", "kernels", 2),)), golden(kind="reduction", metrics=()))
    assert [hunk.layer for hunk in diff.hunks] == ["plan", "metrics"]


def test_git_applies_the_patch(tmp_path):
    old, new = parse(TEXTS[0]), parse(TEXTS[-1])
    diff = compare(old, new)
    (tmp_path / "x.ksnap").write_text(render(old))
    patch = unified(diff.hunks, "a/x.ksnap", "b/x.ksnap")
    subprocess.run(["git", "apply", "-"], input=patch, text=True, cwd=tmp_path, check=True)
    # Reasons are not compared, so no hunk has them.
    expected = replace(diff.new, case=old.case, target=old.target, shared_with=old.shared_with, why=old.why)
    assert (tmp_path / "x.ksnap").read_text() == render(expected)


def test_new_parts_of_pairs_have_the_names_of_the_aligned_golden():
    old = golden()
    (plan,) = old.plan
    moved = replace(old, plan=(replace(plan, steps=plan.steps[::-1]),), code=(old.code[1], old.code[0], old.code[2]))
    diff = compare(old, moved)
    assert {(pair.old[0].name, pair.new[0].name) for pair in diff.pairs} == {("k0", "k0"), ("k1", "k1")}
    assert "reordered" in {pair.status for pair in diff.pairs}


def test_graphs_that_a_break_renamed_are_compared_with_each_other():
    diff = compare(golden(graph="forward"), golden(graph="forward.0", breaks=("print",)))
    changed = [line for hunk in diff.hunks for line in hunk.lines if line[0] != " "]
    assert len(changed) == 9  # the break, and two lines for each heading that names the graph


def delta(old, new, name="loads"):
    (found,) = metric_deltas(*(golden(metrics=() if v is None else (Metric("total", name, v),)) for v in (old, new)))
    return found


def test_metric_verdicts_follow_their_direction():
    assert delta(4, 4).verdict == "unchanged"
    assert delta(4, 5).verdict == "regressed"
    assert delta(4, 3).verdict == "improved"
    assert delta(4, 5, "buffers reused").verdict == "improved"
    assert delta(4, 5, "reductions").verdict == "changed"
    assert delta(4, 5).percent == 25


def test_a_missing_metric_is_not_zero():
    assert delta(None, 5) == MetricDelta("total", "loads", "", "lower", None, 5)
    assert (delta(None, 5).verdict, delta(5, None).verdict) == ("changed", "changed")
    assert delta(None, 5).percent is None
    assert delta(0, 5).percent is None
    assert delta(0, 5).verdict == "regressed"


def long_kernel(statements, every=0):
    lines, last = [], 0
    for number in range(statements):
        lines.append(f"    tmp{last + 1} = tl_math.sin(tmp{last}) + {number % 7}\n")
        last += 1
        if every and number % every == every - 1:
            lines.append(f"    tmp{last + 1} = tl.sigmoid(tmp{last})\n")
            last += 1
    return "    tmp0 = tl.load(in_ptr0)\n" + "".join(lines) + f"    tl.store(in_ptr0, tmp{last})\n"


def test_a_long_kernel_is_compared_in_seconds():
    diff = compare(golden(long_kernel(5_000)), golden(long_kernel(5_000, every=1_000)))
    assert sum(line[0] != " " for hunk in diff.hunks for line in hunk.lines) == 5 + 2 * 5


ALIKE = ["tmp1 = tl_math.sin(tmp1)"] * 20_000
DIFFERENT = [f"tmp{number + 1} = tl_math.sin(tmp0) + {number}" for number in range(20_000)]


@pytest.mark.parametrize(
    ("old", "new", "changes"),
    [
        (ALIKE, ALIKE[1:], 1),
        (ALIKE, [*ALIKE[:10_000], "tmp1 = tl_math.cos(tmp1)", *ALIKE[10_000:]], 1),
        (ALIKE[:4_000], [line.replace("sin", "cos") for line in ALIKE[:4_000]], 8_000),
        (DIFFERENT[:4_000], [line.replace("sin", "cos") + ".5" for line in DIFFERENT[:4_000]], 8_000),
        (DIFFERENT[:4_000], DIFFERENT[:4_000][::-1], 0),
    ],
    ids=["all alike, one gone", "all alike, one new", "all alike, all changed", "all different", "reversed"],
)
def test_a_long_kernel_of_any_kind_does_not_hang(old, new, changes):
    """With a list of all uses sorted for each line, as names were matched once, the first two took 15 s each."""

    def kernel(lines):
        return "".join(f"    {line}\n" for line in ["tmp0 = tl.load(in_ptr0)", *lines, "tl.store(in_ptr0, tmp1)"])

    diff = compare(golden(kernel(old)), golden(kernel(new)))
    shown = sum(line[0] != " " for hunk in diff.hunks for line in hunk.lines)
    assert shown == changes or (changes == 0 and shown)


def test_comparing_imports_neither_torch_nor_pytest():
    code = "import sys, kernelsnap.report.diff_text; print({'torch', 'pytest', 'syrupy'} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"


def test_what_only_the_html_report_says_is_not_read_by_others():
    names = "{'kernelsnap.golden.toolchain', 'importlib.metadata', 'packaging.version'}"
    code = f"import sys, kernelsnap.cli.diff; print({names} & set(sys.modules))"
    assert subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout == "set()\n"
