"""`kernelsnap why`: why two steps of a golden are not one kernel, in words, from the golden alone."""

from __future__ import annotations

from dataclasses import replace

import pytest

from kernelsnap.cli.main import main
from kernelsnap.golden.format import render
from kernelsnap.model.capture import Buffer
from kernelsnap.model.golden import Code, Golden, Plan, PlanStep
from kernelsnap.model.why import Apart, Decided, Fired, Reason, Why, with_hint
from kernelsnap.model.why_changes import MEANINGS


def buffer(name):
    return Buffer(name, "f32", ("8192",))


LOOP = "in a loop, hint inner: persistent up to 1024 elements"
GOLDEN = Golden(
    "tests/test_a.py::test_x",
    "h100",
    (
        Plan(
            "forward",
            (buffer("arg0"), buffer("arg1")),
            (
                PlanStep("k0", "reduction", (("x", "256"), ("r0", "8192")), (), ("arg0",), (buffer("buf0"),)),
                PlanStep("k1", "persistent reduction", (("x", "1"),), (), ("buf0", "arg0"), (buffer("buf1"),)),
                PlanStep("extern_kernels.mm", "extern", (), (), ("buf1",), (buffer("buf2"),)),
                PlanStep("k0", "reduction", (("x", "256"), ("r0", "8192")), (), ("arg1",), (buffer("buf3"),)),
            ),
            ("buf1", "buf2", "buf3"),
            names=(("arg0", "x"),),
        ),
    ),
    (),
    (),
    (
        Code("forward", "k0", "def k0():\n    pass\n"),
        Code("forward", "k1", "def k1():\n    pass\n"),
        Code("forward", "host", "buf0 = k0.run(arg0)\nbuf3 = k0.run(arg1)\n"),
    ),
    why=(
        Why(
            "forward",
            (Apart((("k0", "k1"),), Reason.MAX_SIZE, "exceeds max fusion (max_fusion_size 1)"),),
            (Decided("", "attention", "flash is taken"), Decided("k0", "reduction", LOOP)),
            (Fired("patterns", (("addmm", 1), ("softmax", 2))),),
            more=3,
        ),
    ),
)


@pytest.fixture
def file(tmp_path):
    path = tmp_path / "test_x.h100.ksnap"
    path.write_text(render(GOLDEN))
    return path


def printed(capsys, *arguments, status=0):
    assert main(["why", *map(str, arguments)]) == status
    output = capsys.readouterr()
    return output.err if status else output.out


def test_of_two_kernels_it_tells_what_they_share_why_and_what_would_change_it(file, capsys):
    assert printed(capsys, file, "k0", "k1") == (
        "forward: k0 (reduction, x 256  r0 8192) and k1 (persistent reduction, x 1)\n"
        "  k0 writes buf0, and k1 reads it\n"
        "  both read x\n"
        '  max-size: Inductor says "exceeds max fusion (max_fusion_size 1)"\n'
        "  That is: the kernel would be made of more operations than allowed.\n"
        "  What would change it: a larger max_fusion_size.\n"
    )


def test_a_call_into_a_library_needs_no_line_in_the_golden(file, capsys):
    text = printed(capsys, file, "extern_kernels.mm", "k1")
    assert "  extern_kernels.mm reads buf1, and k1 writes it\n" in text
    assert '  library: Inductor says "node1 is extern but not a triton kernel"\n' in text
    assert "max_autotune_gemm" in text


def test_steps_that_share_nothing_are_told_so(file, capsys):
    assert "They share no tensor" in printed(capsys, file, "k1", "k0@2")


def test_without_steps_it_prints_everything(file, capsys):
    assert printed(capsys, file) == (
        "forward\n"
        "  two kernels, not one:\n"
        '    k0 k1: max-size: Inductor says "exceeds max fusion (max_fusion_size 1)"\n'
        "    and 3 pairs more\n"
        "  decided:\n"
        "    graph: attention: flash is taken\n"
        f"    k0: reduction: {LOOP}\n"
        "  what would change it:\n"
        "    attention: what a backend wants; torch.nn.attention.sdpa_kernel around the call allows certain ones\n"
        "    reduction: no more elements than that; triton.multi_kernel=1 allows 16 times as many\n"
        "  patterns: addmm 1, softmax 2\n"
    )


def test_of_one_step_it_tells_what_was_decided_and_what_would_change_it(file, capsys):
    assert printed(capsys, file, "k0") == (
        "forward: k0 (reduction, x 256  r0 8192)\n"
        f"  reduction: {LOOP}\n"
        "    What would change it: no more elements than that; triton.multi_kernel=1 allows 16 times as many.\n"
        '  not one kernel with k1: max-size: Inductor says "exceeds max fusion (max_fusion_size 1)"\n'
        "    What would change it: a larger max_fusion_size.\n"
    )


def pair(capsys, file, plan, *, apart, decided=()):
    """What is printed about the two kernels of a golden with these steps."""
    why = Why("forward", (Apart((("k0", "k1"),), *apart),), decided)
    steps = tuple(PlanStep(name, kind, (), (), reads, tuple(map(buffer, writes))) for name, kind, reads, writes in plan)
    graph = replace(GOLDEN.plan[0], steps=steps, outputs=(plan[-1][3][0],))
    file.write_text(render(replace(GOLDEN, plan=(graph,), why=(why,))))
    return printed(capsys, file, "k0", "k1")


APART = Reason.NO_SHARED_DATA, "no shared data"


def test_two_stages_of_a_reduction_are_called_so(file, capsys):
    plan = [("k0", "reduction", ("arg0",), ("buf0",)), ("k1", "persistent reduction", ("buf0",), ("buf1",))]
    split = Decided("k0", "split", "in 4 parts, hint outer: 8 outputs, each of 512 elements, would not fill the GPU")
    text = pair(capsys, file, plan, apart=APART, decided=(split,))
    assert f"  k0 and k1 are the stages of one reduction, {split.text}.\n" in text
    assert "split_reductions=False makes it one kernel" in text
    assert "transposed" not in text


def test_steps_that_write_one_tensor_run_in_turn(file, capsys):
    plan = [("k0", "pointwise", (), ("buf0",)), ("k1", "pointwise", ("arg0",), ("buf0",))]
    assert "nothing: all of it has to be written" in pair(capsys, file, plan, apart=APART)


def test_reductions_along_both_axes_have_their_setting(file, capsys):
    plan = [("k0", "reduction", ("arg0",), ("buf0",)), ("k1", "reduction", ("arg0",), ("buf1",))]
    assert "mix_order_reduction" in pair(capsys, file, plan, apart=APART)


def test_the_steps_between_two_are_named(file, capsys):
    plan = [
        ("k0", "pointwise", ("arg0",), ("buf0",)),
        ("extern_kernels.mm", "extern", ("buf0",), ("buf1",)),
        ("extern_kernels.addmm", "extern", ("buf0",), ("buf2",)),
        ("k1", "pointwise", ("buf0", "buf1"), ("buf3",)),
    ]
    apart = Reason.BETWEEN, "intermediate nodes between node1 & node2"
    assert "  between them: extern_kernels.mm\n" in pair(capsys, file, plan, apart=apart)


def test_it_finds_the_golden_of_a_test(tmp_path, capsys, monkeypatch):
    folder = tmp_path / "goldens" / "test_a"
    folder.mkdir(parents=True)
    (folder / "test_x.h100.ksnap").write_text(render(GOLDEN))
    (folder / "test_x.a100.ksnap").write_text(render(replace(GOLDEN, target="a100")))
    monkeypatch.chdir(tmp_path)
    text = printed(capsys, "tests/test_a.py::test_x", "k0", "k1")
    assert [line for line in text.splitlines() if line.startswith("#")] == [
        "# goldens/test_a/test_x.a100.ksnap",
        "# goldens/test_a/test_x.h100.ksnap",
    ]
    assert "#" not in printed(capsys, "tests/test_a.py::test_x", "k0", "k1", "--target", "h100")


@pytest.mark.parametrize(
    ("steps", "error"),
    [
        (("k0", "k7"), "has no graph with k0 and k7; there is forward: k0, k1, extern_kernels.mm, k0@2"),
        (("k7",), "has no graph with k7; there is forward: k0, k1, extern_kernels.mm, k0@2"),
        (("k0", "k1", "k0@2"), "name two different steps, one, or none: kernelsnap why GOLDEN k0 k1"),
        (("k0", "k0"), "name two different steps, one, or none"),
    ],
)
def test_what_is_not_there_is_an_error(file, capsys, steps, error):
    assert error in printed(capsys, file, *steps, status=2)


def test_a_golden_without_reasons_tells_how_to_add_them(file, capsys):
    file.write_text(render(replace(GOLDEN, why=())))
    assert "pytest --snapshot-update --kernelsnap-why" in printed(capsys, file, status=2)
    # What the plan alone tells is told.
    text = printed(capsys, file, "k0", "k1")
    assert "  k0 writes buf0, and k1 reads it\n  both read x\n  No reason was recorded for these two.\n" in text
    assert "--kernelsnap-why" in text


def test_a_golden_without_reasons_does_not_hide_those_of_another_target(tmp_path, capsys, monkeypatch):
    folder = tmp_path / "goldens" / "test_a"
    folder.mkdir(parents=True)
    (folder / "test_x.a100.ksnap").write_text(render(replace(GOLDEN, target="a100", why=())))
    (folder / "test_x.h100.ksnap").write_text(render(GOLDEN))
    monkeypatch.chdir(tmp_path)
    text = printed(capsys, "tests/test_a.py::test_x")
    assert "test_x.a100.ksnap holds no reasons" in text
    assert "  two kernels, not one:\n" in text


def test_what_a_terminal_obeys_is_written_out(file, capsys):
    file.write_text(render(GOLDEN).replace("exceeds max", "exceeds \x1b[31mmax"))
    assert "exceeds \\x1b[31mmax" in printed(capsys, file, "k0", "k1")


def test_each_kind_of_reason_has_its_words():
    assert set(MEANINGS) == set(Reason)
    assert all(meaning for meaning, _ in MEANINGS.values())


def test_a_share_of_nothing_has_a_setting(file, capsys):
    assert "combo_kernels=True" in printed(capsys, file, "k1", "k0@2")


def test_the_direction_of_a_reduction_is_read_as_it_was_written():
    assert Decided("k0", "reduction", with_hint("in a loop", "outer") + ": its size is dynamic").hint == "outer"
    assert Decided("k0", "reduction", LOOP).hint == "inner"
    assert Decided("k0", "split", with_hint("in 4 parts", "outer")).hint == ""
