"""Max-autotune: the candidates are recorded, the choice is made by rule and never by a clock."""

from __future__ import annotations

import pytest
import torch
from torch._inductor import select_algorithm

from kernelsnap import capture, virtual_device
from kernelsnap.capture.candidates import untimed_choices
from kernelsnap.diff.tree.change import change_of
from kernelsnap.golden.build import build_golden
from kernelsnap.golden.format import parse, render, render_layer
from kernelsnap.virtual import UnsupportedTorchError

TRITON = {"max_autotune_gemm_backends": "TRITON"}
AUTOTUNE = "max-autotune-no-cudagraphs"


@pytest.fixture(autouse=True)
def h100():
    with virtual_device("h100"):
        yield


def bf16(*shape):
    return torch.randn(*shape, device="cuda", dtype=torch.bfloat16)


def product(a, b):
    return (a @ b).relu()


def golden(fn, *args, **options):
    return build_golden(capture(fn, *args, allow_no_kernels=True, **options), "case")


@pytest.mark.parametrize("mode", ["max-autotune", AUTOTUNE])
def test_the_librarys_kernel_is_taken_and_the_others_are_recorded(mode):
    captured = capture(product, bf16(128, 256), bf16(256, 128), mode=mode)
    (graph,) = captured.graphs
    assert graph.calls[0].name == "extern_kernels.mm"
    (choice,) = graph.choices
    assert choice.op == "mm"
    assert choice.candidates[choice.taken].name == "library mm"
    assert {candidate.name for candidate in choice.candidates} == {"library mm", "triton_mm"}
    assert len(choice.candidates) > 10
    assert all(dict(candidate.settings)["BLOCK_M"] for candidate in choice.candidates[1:])


def test_the_first_template_is_taken_where_no_library_is_a_candidate():
    captured = capture(product, bf16(128, 256), bf16(256, 128), mode=AUTOTUNE, config=TRITON)
    (graph,) = captured.graphs
    assert [kernel.kind for kernel in graph.kernels] == ["template"]
    (choice,) = graph.choices
    assert choice.taken == 0
    meta = dict(graph.kernels[0].meta)
    assert meta["num_warps"] == dict(choice.candidates[0].settings)["num_warps"]


def test_a_golden_names_what_the_candidates_share_once():
    config = render_layer(golden(product, bf16(128, 256), bf16(256, 128), mode=AUTOTUNE), "config").splitlines()
    start = config.index("  inference  choice mm")
    assert config[start + 1].startswith("    each  ACC_TYPE='tl.float32'  ALLOW_TF32=False")
    assert config[start + 2] == "    taken  library mm"
    assert all(line.startswith("    or  triton_mm  BLOCK_K=") for line in config[start + 3 :])
    assert not any("ALLOW_TF32" in line for line in config[start + 3 :])


def test_each_choice_of_an_operation_has_its_number():
    golden_ = golden(lambda a, b: (a @ b).relu() @ a, bf16(128, 256), bf16(256, 128), mode=AUTOTUNE)
    assert [(choice.graph, choice.name) for choice in golden_.choices] == [("inference", "mm"), ("inference", "mm.1")]


def test_choices_belong_to_their_graph():
    a, b = bf16(128, 256).requires_grad_(), bf16(256, 128).requires_grad_()
    golden_ = golden(product, a, b, mode=AUTOTUNE, backward=True)
    assert [choice.graph for choice in golden_.choices] == ["forward", "backward", "backward"]


def test_a_golden_does_not_depend_on_what_was_compiled_before():
    first = golden(product, bf16(128, 256), bf16(256, 128), mode=AUTOTUNE, config=TRITON)
    assert golden(product, bf16(128, 256), bf16(256, 128), mode=AUTOTUNE, config=TRITON) == first
    assert parse(render(first)) == first


def test_convolution_and_attention_are_choices_too():
    from torch.nn.attention.flex_attention import flex_attention

    images, filters = torch.randn(2, 16, 20, 20, device="cuda"), torch.randn(32, 16, 3, 3, device="cuda")
    (choice,) = golden(torch.nn.functional.conv2d, images, filters, mode=AUTOTUNE).choices
    assert choice.name == "convolution"
    (choice,) = golden(flex_attention, *(bf16(2, 4, 256, 64) for _ in "qkv"), mode=AUTOTUNE).choices
    assert choice.taken == 0
    assert all(candidate.name == "triton_flex_attention" for candidate in choice.candidates)


def test_a_setting_of_the_user_that_makes_pytorch_choose_is_pytorchs_choice():
    captured = capture(product, bf16(128, 256), bf16(256, 128), mode=AUTOTUNE, config={"deterministic": True})
    assert len(captured.graphs[0].choices) == 1


def test_generated_code_does_not_know_that_the_choice_was_made_by_rule():
    """`deterministic` also changes how reductions are generated: it is on while a choice is made, and only then."""
    seen = []
    original = select_algorithm.TritonTemplateCaller.output_node

    def output_node(choice):
        seen.append(torch._inductor.config.deterministic)
        return original(choice)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(select_algorithm.TritonTemplateCaller, "output_node", output_node)
        capture(product, bf16(128, 256), bf16(256, 128), mode=AUTOTUNE, config=TRITON)
    assert seen == [False]
    assert torch._inductor.config.deterministic is False


def test_another_release_without_the_place_is_named(monkeypatch):
    monkeypatch.delattr(select_algorithm.AlgorithmSelectorCache, "pick_deterministic_choice")
    with (
        pytest.raises(UnsupportedTorchError, match=r"AlgorithmSelectorCache\.pick_deterministic_choice"),
        untimed_choices(),
    ):
        pass


def test_other_candidates_are_a_change_of_launch_configuration():
    old = golden(product, bf16(128, 256), bf16(256, 128), mode=AUTOTUNE)
    fewer = golden(
        product, bf16(128, 256), bf16(256, 128), mode=AUTOTUNE, config={"max_autotune_gemm_search_space": "EXHAUSTIVE"}
    )
    assert len(fewer.choices[0].candidates) != len(old.choices[0].candidates)
    change = change_of("case.ksnap", render(old).encode(), render(fewer).encode())
    assert change is not None
    assert change.layers == ("config",)
    assert change.cause_names == ("launch",)
    assert "candidates of mm" in change.causes[0].findings[0].evidence


def test_another_choice_is_another_backend():
    old = golden(product, bf16(128, 256), bf16(256, 128), mode=AUTOTUNE)
    new = golden(product, bf16(128, 256), bf16(256, 128), mode=AUTOTUNE, config=TRITON)
    change = change_of("case.ksnap", render(old).encode(), render(new).encode())
    assert change is not None
    assert "template" in change.cause_names
