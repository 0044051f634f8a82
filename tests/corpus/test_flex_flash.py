"""Flex attention by flash attention's CuteDSL kernels, and by Triton's template beside them (TestFlexFlash).

Everything runs in half precision, twice: what differs between fp16 and bf16, or between lengths, is not the text of a
CuteDSL kernel but what it is compiled for, so that a golden has to show both.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable

import pytest
import torch
from torch.nn.attention.flex_attention import flex_attention

from kernelsnap import capture, capture_refusal
from kernelsnap.golden.build import build_golden

BATCH, HEADS, LENGTH, WIDTH = 2, 4, 512, 64


def has_flash() -> bool:
    """Whether Inductor will find flash attention 4; it is never imported."""
    return importlib.util.find_spec("flash_attn") is not None and bool(importlib.util.find_spec("flash_attn.cute"))


FLASH = pytest.param(
    "FLASH", id="flash", marks=pytest.mark.skipif(not has_flash(), reason="needs flash-attn-4 (pip install --no-deps)")
)


def times_two(score, batch, head, query, key):
    return score * 2


def causal(score, batch, head, query, key):
    return torch.where(query >= key, score, float("-inf"))


def relative_bias(score, batch, head, query, key):
    return score + (query - key)


def causal_mask(batch, head, query, key):
    return query >= key


@pytest.fixture
def flash_device(kernel_device) -> None:
    """Skip where flash attention 4 cannot run: its kernels are CuteDSL, which is NVIDIA's."""
    if torch.version.hip:
        pytest.skip("flash-attn-4 has no AMD backend")


@pytest.fixture(params=[FLASH, pytest.param("TRITON", id="triton")])
def backend(request):
    if request.param == "FLASH":
        request.getfixturevalue("flash_device")
    return request.param


@pytest.fixture(params=[pytest.param(torch.float16, id="fp16"), pytest.param(torch.bfloat16, id="bf16")])
def dtype(request):
    return request.param


@pytest.fixture
def half(tensors, dtype) -> Callable[..., torch.Tensor]:
    """A random tensor of the test's type."""
    return lambda *shape: tensors(shape, dtype=dtype)[0]


@pytest.fixture
def check(check_attention, half, backend):
    def check(score_mod=None, block_mask=None, length=LENGTH):
        qkv = [half(BATCH, HEADS, length, WIDTH) for _ in range(3)]
        check_attention(*qkv, backend=backend, score_mod=score_mod, block_mask=block_mask)

    return check


class TestFlexFlash:
    def test_flash_attention_basic(self, check):
        check()

    @pytest.mark.parametrize(
        "score_mod",
        [
            pytest.param(times_two, id="times_two"),
            pytest.param(causal, id="causal"),
            pytest.param(relative_bias, id="rel_bias"),
        ],
    )
    def test_flash_attention_with_score_mod(self, check, score_mod):
        check(score_mod)

    @pytest.mark.parametrize("length", [127, 255, 383, 511])
    def test_flash_attention_unfriendly_seqlen_with_causal(self, check, length):
        check(causal, length=length)

    def test_flash_attention_kernel_called(self, half, backend):
        # With no GPU to profile, the kernels that the code launches say which backend runs.
        qkv = [half(BATCH, HEADS, LENGTH, WIDTH) for _ in range(3)]
        captured = capture(flex_attention, *qkv, score_mod=causal, kernel_options={"BACKEND": backend})
        languages = {kernel.name: kernel.language for graph in captured.graphs for kernel in graph.kernels}
        launched = [languages[call.name] for graph in captured.graphs for call in graph.calls if call.kind == "launch"]
        assert launched.count("cutedsl") == (1 if backend == "FLASH" else 0)

    def test_flash_attention_with_alibi_learned(self, check, half):
        slopes = torch.exp2(-half(HEADS).abs())
        check(lambda score, batch, head, query, key: score + (key - query) * slopes[head])

    def test_flash_attention_with_pos_bias_table(self, check, half):
        table = half(2 * LENGTH - 1)
        check(lambda score, batch, head, query, key: score + table[key - query + LENGTH - 1])

    def test_flash_attention_with_head_scale(self, check, half):
        scales = half(HEADS)
        check(lambda score, batch, head, query, key: score * scales[head])

    def test_flash_attention_with_batch_bias(self, check, half):
        bias = half(BATCH)
        check(lambda score, batch, head, query, key: score + bias[batch])

    def test_flash_attention_with_batch_head_bias(self, check, half):
        bias = half(BATCH, HEADS)
        check(lambda score, batch, head, query, key: score + bias[batch, head])

    def test_flash_attention_with_dual_buffer_bias(self, check, half):
        head_bias, position_scale = half(HEADS), half(LENGTH)
        check(lambda score, batch, head, query, key: score + head_bias[head] + position_scale[query] * 0.01)

    def test_flash_attention_with_score_view_buffer(self, check, half):
        scales = half(HEADS, 2)[:, 0]
        assert not scales.is_contiguous()
        check(lambda score, batch, head, query, key: score + scales[head])

    @pytest.mark.skipif(not has_flash(), reason="needs flash-attn-4 (pip install --no-deps)")
    @pytest.mark.usefixtures("flash_device")
    def test_force_flash_error_with_requires_grad(self, kernel_snapshot, half):
        # torch 2.13 asks for flash attention with BACKEND; the `force_flash` of the name is silently ignored.
        bias = half(HEADS).requires_grad_()

        def with_bias(score, batch, head, query, key):
            return score + bias[head]

        qkv = [half(BATCH, HEADS, LENGTH, WIDTH) for _ in range(3)]
        options = {"score_mod": with_bias, "kernel_options": {"BACKEND": "FLASH"}}
        assert capture_refusal(flex_attention, *qkv, **options) == kernel_snapshot

    def test_flash_attention_with_block_mask(self, check, block_mask):
        check(block_mask=block_mask(causal_mask, BATCH, HEADS, LENGTH))

    def test_flash_attention_block_mask_with_score_mod(self, check, block_mask):
        check(times_two, block_mask(causal_mask, BATCH, HEADS, LENGTH))

    def test_flash_attention_with_mask_mod_buffer(self, check, half, block_mask):
        bias = half(HEADS)

        def mask(batch, head, query, key):
            return (query >= key) | (bias[head] > 0)

        check(block_mask=block_mask(mask, BATCH, HEADS, LENGTH))

    def test_flash_attention_with_doc_mask(self, check, indices, block_mask):
        length = 128
        documents = indices(BATCH * length, below=4).view(BATCH, length).long()

        def same_document(batch, head, query, key):
            return documents[batch, query // 2] == documents[batch, key]

        check(block_mask=block_mask(same_document, BATCH, 1, length), length=length)

    def test_flash_attention_mask_mod_with_view_buffer(self, check, half, block_mask):
        bias = half(HEADS, 3)[:, 1]
        assert not bias.is_contiguous()

        def mask(batch, head, query, key):
            return (query >= key) | (bias[head] * 2 > 0)

        check(block_mask=block_mask(mask, BATCH, HEADS, LENGTH))

    def test_flash_attention_mask_mod_with_dual_buffers(self, check, half, block_mask):
        head_bias, batch_bias = half(HEADS), half(BATCH)

        def mask(batch, head, query, key):
            return (query >= key) | ((head_bias[head] + batch_bias[batch]).float() > 0)

        check(block_mask=block_mask(mask, BATCH, HEADS, LENGTH))

    def test_flash_attention_score_mod_with_many_buffer_indexing(self, check, half):
        head_bias, query_scale, key_scale, batch_bias = half(HEADS), half(LENGTH), half(LENGTH), half(BATCH)

        def score_mod(score, batch, head, query, key):
            return score + head_bias[head] + query_scale[query] - key_scale[key] + batch_bias[batch]

        check(score_mod)

    def test_flash_attention_with_score_and_mask_buffers(self, check, half, block_mask):
        score_bias, mask_bias = half(HEADS), half(HEADS)

        def mask(batch, head, query, key):
            return (query >= key) | (mask_bias[head] > 0)

        check(
            lambda score, batch, head, query, key: score + score_bias[head],
            block_mask(mask, BATCH, HEADS, LENGTH),
        )


@pytest.mark.skipif(not has_flash(), reason="needs flash-attn-4 (pip install --no-deps)")
@pytest.mark.usefixtures("flash_device")
class FlashGoldenTests:
    @pytest.fixture
    def captured(self, tensors):
        def captured(length, dtype):
            qkv = tensors(*[(BATCH, HEADS, length, WIDTH)] * 3, dtype=dtype)
            return capture(flex_attention, *qkv, score_mod=causal, kernel_options={"BACKEND": "FLASH"})

        return captured

    @pytest.mark.parametrize(
        ("length", "dtype"),
        [pytest.param(127, torch.float16, id="length"), pytest.param(512, torch.bfloat16, id="type")],
    )
    def test_kernels_of_one_text_compiled_for_something_else_have_other_goldens(self, captured, length, dtype):
        one, other = captured(512, torch.float16), captured(length, dtype)
        assert one.graphs[0].kernels[-1].source == other.graphs[0].kernels[-1].source
        assert [code.text for code in build_golden(one, "case").code if code.name != "host"] != [
            code.text for code in build_golden(other, "case").code if code.name != "host"
        ]

    @pytest.mark.parametrize("score_mod", [None, causal], ids=["plain", "score_mod"])
    def test_backward(self, check_attention, tensors, score_mod):
        qkv = tensors(*[(BATCH, HEADS, LENGTH, WIDTH)] * 3, dtype=torch.float16, requires_grad=True)
        check_attention(*qkv, backend="FLASH", directions=("forward", "backward"), score_mod=score_mod)

    def test_backward_with_block_mask(self, check_attention, tensors, block_mask):
        qkv = tensors(*[(BATCH, HEADS, LENGTH, WIDTH)] * 3, dtype=torch.float16, requires_grad=True)
        mask = block_mask(causal_mask, BATCH, HEADS, LENGTH)
        check_attention(*qkv, backend="FLASH", directions=("forward", "backward"), block_mask=mask)
