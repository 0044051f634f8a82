"""Flex attention by Inductor's Triton templates: forward, backward, decoding, sparsity, captured buffers, paging."""

from __future__ import annotations

import pytest
import torch
from torch.nn.attention.experimental._paged_attention import PagedAttention
from torch.nn.attention.flex_attention import AuxRequest, BlockMask, flex_attention

from kernelsnap import capture
from kernelsnap.virtual import active_target

BATCH, HEADS, LENGTH, WIDTH = 2, 4, 512, 64
WINDOW = 128
BOTH = ("forward", "backward")


def alibi(score, batch, head, query, key):
    return score + (key - query) * torch.exp2(-(head + 1.0))


def soft_cap(score, batch, head, query, key):
    return 20.0 * torch.tanh(score / 20.0)


def causal(batch, head, query, key):
    return query >= key


def window(batch, head, query, key):
    return (query >= key) & (query - key <= WINDOW)


@pytest.fixture
def qkv(tensors):
    """Queries, keys and values; fewer heads for the last two is grouped-query attention."""

    def qkv(queries=LENGTH, keys=None, heads=HEADS, shared=1, **options):
        options = {"dtype": torch.float16} | options
        key_shape = (BATCH, heads // shared, keys or queries, WIDTH)
        return tensors((BATCH, heads, queries, WIDTH), key_shape, key_shape, **options)

    return qkv


class FlexForwardTests:
    @pytest.mark.parametrize(
        "options",
        [
            pytest.param({}, id="plain"),
            pytest.param({"score_mod": alibi}, id="alibi"),
            pytest.param({"score_mod": soft_cap}, id="soft-cap"),
            pytest.param({"scale": 0.5}, id="scale"),
            pytest.param({"return_aux": AuxRequest(lse=True)}, id="logsumexp"),
            pytest.param({"kernel_options": {"BLOCK_M": 64, "BLOCK_N": 32, "num_stages": 2}}, id="tile"),
            pytest.param({"kernel_options": {"PRESCALE_QK": True, "ROWS_GUARANTEED_SAFE": True}}, id="numerics"),
        ],
    )
    def test_forward(self, check_attention, qkv, options):
        check_attention(*qkv(), backend="TRITON", **options)

    @pytest.mark.parametrize("dtype", [torch.bfloat16, torch.float32], ids=["bf16", "fp32"])
    def test_types(self, check_attention, qkv, dtype):
        check_attention(*qkv(dtype=dtype), backend="TRITON")

    @pytest.mark.parametrize("width", [128, 192], ids=["128", "192"])
    def test_head_widths(self, check_attention, tensors, width):
        # 192 is no power of two: the template rounds it up and masks.
        shape = (BATCH, HEADS, LENGTH, width)
        check_attention(*tensors(shape, shape, shape, dtype=torch.bfloat16), backend="TRITON")

    def test_length_that_no_tile_divides(self, check_attention, qkv, block_mask):
        check_attention(*qkv(500), backend="TRITON", block_mask=block_mask(causal, None, None, 500))

    def test_grouped_queries(self, check_attention, qkv):
        check_attention(*qkv(heads=8, shared=4), backend="TRITON", enable_gqa=True)


class FlexBlockMaskTests:
    @pytest.mark.parametrize("mask", [causal, window], ids=["causal", "window"])
    def test_forward(self, check_attention, qkv, block_mask, mask):
        check_attention(*qkv(), backend="TRITON", block_mask=block_mask(mask, None, None, LENGTH))

    def test_mask_of_each_head(self, check_attention, qkv, block_mask):
        check_attention(*qkv(), backend="TRITON", block_mask=block_mask(causal, BATCH, HEADS, LENGTH))

    def test_documents(self, check_attention, qkv, indices, block_mask):
        documents = indices(LENGTH, below=4)

        def same_document(batch, head, query, key):
            return (documents[query] == documents[key]) & (query >= key)

        check_attention(*qkv(), backend="TRITON", block_mask=block_mask(same_document, None, None, LENGTH))

    def test_made_in_the_compiled_function(self, kernel_snapshot, qkv, block_mask):
        def attend(query, key, value):
            return flex_attention(query, key, value, block_mask=block_mask(window, None, None, LENGTH))

        assert capture(attend, *qkv(), fullgraph=True) == kernel_snapshot


class FlexBackwardTests:
    @pytest.mark.parametrize("score_mod", [None, alibi, soft_cap], ids=["plain", "alibi", "soft-cap"])
    def test_backward(self, check_attention, qkv, score_mod):
        check_attention(*qkv(requires_grad=True), backend="TRITON", directions=BOTH, score_mod=score_mod)

    def test_block_mask(self, check_attention, qkv, block_mask):
        mask = block_mask(causal, None, None, LENGTH)
        check_attention(*qkv(requires_grad=True), backend="TRITON", directions=BOTH, block_mask=mask)

    def test_grouped_queries(self, check_attention, qkv):
        inputs = qkv(heads=8, shared=4, requires_grad=True)
        check_attention(*inputs, backend="TRITON", directions=BOTH, enable_gqa=True)

    @pytest.mark.parametrize("learned", [False, True], ids=["constant", "learned"])
    def test_captured_bias(self, check_attention, qkv, tensors, learned):
        # The gradient of a learned bias is added up by atomics, in fp32.
        (bias,) = tensors((HEADS,), dtype=torch.float16, requires_grad=learned)

        def with_bias(score, batch, head, query, key):
            return score + bias[head]

        captured = check_attention(*qkv(requires_grad=True), backend="TRITON", directions=BOTH, score_mod=with_bias)
        assert ("tl.atomic_add" in captured.text) == learned


class FlexCapturedTests:
    def test_score_and_mask(self, check_attention, qkv, tensors, block_mask):
        (head_bias,) = tensors((HEADS,), dtype=torch.float16)
        (position,) = tensors((LENGTH,))

        def with_bias(score, batch, head, query, key):
            return score + head_bias[head] * position[query]

        def allowed(batch, head, query, key):
            return (query >= key) | (position[key] > 0)

        mask = block_mask(allowed, None, None, LENGTH)
        check_attention(*qkv(), backend="TRITON", score_mod=with_bias, block_mask=mask)


class FlexDecodingTests:
    @pytest.fixture
    def check_decoding(self, check_attention):
        def check_decoding(*inputs, **options):
            check_attention(*inputs, backend="TRITON_DECODE", directions=("decoding",), **options)

        return check_decoding

    def test_one_query(self, check_decoding, qkv):
        check_decoding(*qkv(1, 2048))

    def test_grouped_queries(self, check_decoding, qkv):
        check_decoding(*qkv(1, 2048, heads=8, shared=4), enable_gqa=True)

    def test_captured_bias(self, check_decoding, qkv, tensors):
        (bias,) = tensors((HEADS,), dtype=torch.float16)
        check_decoding(*qkv(1, 2048), score_mod=lambda score, batch, head, query, key: score + bias[head])

    def test_block_mask_of_the_cache_so_far(self, check_decoding, qkv, block_mask, indices):
        filled = indices(BATCH, below=2048)

        def so_far(batch, head, query, key):
            return key <= filled[batch]

        check_decoding(*qkv(1, 2048), block_mask=block_mask(so_far, BATCH, None, 1, 2048))

    def test_chosen_for_short_queries(self, kernel_snapshot, qkv):
        captured = capture(flex_attention, *qkv(1, 2048))
        assert any(kernel.kind == "flex attention decoding, Triton" for kernel in captured.graphs[0].kernels)
        assert captured == kernel_snapshot


class FlexPagedTests:
    PAGES, PAGE = 16, 128

    @pytest.fixture
    def paged(self, kernel_device):
        """A cache of pages; which one holds what of a sequence stands in a table that the mods look up."""
        paged = PagedAttention(self.PAGES, self.PAGE, BATCH, device=kernel_device)
        if active_target() is None:
            # The code really runs: a page that nobody has reserved is at an address that nobody owns.
            for batch in range(BATCH):
                paged.reserve(*torch.tensor([[batch], [LENGTH]], device=kernel_device))
        return paged

    def paged_mask(self, paged, block_mask, queries):
        logical: BlockMask = block_mask(causal, BATCH, 1, queries, LENGTH)
        return paged.convert_logical_block_mask(logical)

    @pytest.mark.parametrize(
        ("queries", "backend", "direction"),
        [
            pytest.param(LENGTH, "TRITON", "forward", id="prefill"),
            pytest.param(1, "TRITON_DECODE", "decoding", id="decode"),
        ],
    )
    def test_attention(self, check_attention, tensors, paged, block_mask, queries, backend, direction):
        cache = (1, HEADS, self.PAGES * self.PAGE, WIDTH)
        (query,) = tensors((BATCH, HEADS, queries, WIDTH), dtype=torch.float16)
        key, value = tensors(cache, cache, dtype=torch.float16)
        check_attention(
            query,
            key,
            value,
            backend=backend,
            directions=(direction,),
            block_mask=self.paged_mask(paged, block_mask, queries),
            score_mod=paged.get_score_mod(alibi),
        )

    def test_writing_to_the_cache(self, kernel_snapshot, tensors, paged, kernel_device):
        cache = (1, HEADS, self.PAGES * self.PAGE, WIDTH)
        keys, values = tensors(cache, cache, dtype=torch.float16)
        new_keys, new_values = tensors(*[(BATCH, HEADS, 1, WIDTH)] * 2, dtype=torch.float16)
        batches = torch.arange(BATCH, device=kernel_device)
        positions = torch.zeros(BATCH, 1, dtype=torch.int64, device=kernel_device)

        def write(keys, values, new_keys, new_values):
            paged.assign(batches, positions, new_keys, new_values, keys, values)

        assert capture(write, keys, values, new_keys, new_values) == kernel_snapshot
