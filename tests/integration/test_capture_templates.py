"""The text of Inductor's templates, as this torch holds it, gives the kernels that were rendered from them."""

from __future__ import annotations

import hashlib
import importlib
import re
import sys

import pytest
import torch
from torch._inductor.select_algorithm import TritonTemplate
from torch.nn.attention.flex_attention import flex_attention

from kernelsnap import capture
from kernelsnap.capture import templates
from kernelsnap.capture.templates import template_sources
from kernelsnap.golden.build import build_golden
from kernelsnap.golden.format import render
from kernelsnap.golden.templates.folding import body_of, folded
from kernelsnap.golden.templates.settle import templates_used
from kernelsnap.golden.templates.template import read_template
from kernelsnap.golden.templates.template_values import fold, unfold
from kernelsnap.virtual import UnsupportedTorchError, virtual_device


@pytest.fixture(scope="module")
def attention():
    """Flex attention, forward and backward, with a score_mod."""
    with virtual_device("h100"):
        qkv = [torch.randn(2, 4, 512, 64, device="cuda", requires_grad=True) for _ in range(3)]

        def attend(*qkv):
            return flex_attention(*qkv, score_mod=lambda score, batch, head, query, key: score * 2)

        return capture(attend, *qkv, backward=True)


def test_every_template_of_this_torch_is_known():
    sources = template_sources()
    assert {"flex_attention", "flex_attention_backward", "flex_decoding", "mm", "flash_attention_cutedsl"} <= set(
        sources
    )
    for name, template in TritonTemplate.all_templates.items():
        assert hashlib.sha256(sources[name].encode()).hexdigest() == template.src_hash


def test_their_own_text_is_the_same_template():
    # Macros are not read; nothing that the corpus uses has one.
    sources = {name: source for name, source in template_sources().items() if "{% macro" not in source}
    assert len(sources) > 10
    for name, source in sources.items():
        template = read_template(name, source)
        assert read_template(name, template.text) == template


def test_a_kernel_is_its_template_and_its_own_part(attention):
    golden = build_golden(attention, "case")
    used = templates_used(golden)
    assert set(used) == {"flex_attention", "flex_attention_backward"}
    kinds = {(plan.graph, step.name): step.kind for plan in golden.plan for step in plan.steps}
    for code in golden.code:
        kind = kinds.get((code.graph, code.name), "")
        if "attention" in kind:
            template = used["flex_attention_backward" if "backward" in kind else "flex_attention"]
            _, body = body_of(code.text)
            own = fold(template, body)
            assert own is not None
            assert 'stride("Q") = 131072, 32768, 64, 1\n' in own
            assert 'modification(subgraph_number=0, output_name="post_mod_scores"):\n' in own
            assert len(own) < len(body) / 3
            assert unfold(template, own) == body


def test_a_matrix_multiplication_and_its_epilogue():
    settings = {"max_autotune_gemm": True, "max_autotune_gemm_backends": "TRITON", "test_configs.max_mm_configs": 1}
    with virtual_device("h100"):
        a, b = (torch.randn(512, 512, device="cuda", dtype=torch.float16) for _ in range(2))
        captured = capture(lambda a, b: (a @ b).relu(), a, b, config=settings)
    golden = build_golden(captured, "case")
    text = folded(render(golden), templates_used(golden).values())
    assert "  inference  k0  template mm\n" in text
    assert 'stride("A", 0) = 512\n' in text
    assert 'store_output("acc", "mask"):\n' in text
    # triton_helpers.maximum(tmp2, tmp1)    tl.maximum(tmp2, tmp1, tl.PropagateNan.ALL)
    assert re.search(r"^          tmp3 = \w+\.maximum\(tmp2, tmp1(, tl\.PropagateNan\.ALL)?\)$", text, re.MULTILINE)
    assert "tl.dot" not in text


def test_a_capture_without_templates_names_none():
    with virtual_device("h100"):
        assert capture(torch.sin, torch.randn(8, device="cuda")).templates == ()


def test_a_template_whose_text_cannot_be_made_twice_is_not_known(tmp_path, monkeypatch):
    (tmp_path / "made_once.py").write_text("texts = ['x']\nmade = dict(source=texts.pop())\nother = dict(source='y')\n")
    monkeypatch.syspath_prepend(tmp_path)
    module = importlib.import_module("made_once")
    monkeypatch.delitem(sys.modules, "made_once")
    assert dict(templates._arguments(module, {"made", "other"})) == {"other": "y"}


def test_a_torch_that_does_not_name_its_templates_is_told(monkeypatch):
    monkeypatch.delattr(TritonTemplate, "all_templates")
    with pytest.raises(UnsupportedTorchError, match=r"TritonTemplate\.all_templates, which kernelsnap uses"):
        template_sources()
