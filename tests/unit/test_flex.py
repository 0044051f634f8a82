"""What the plan says of attention kernels, from small texts of the forms that Inductor generates."""

from __future__ import annotations

import ast

import pytest

from kernelsnap.capture.read.cutedsl_source import cutedsl_kernel
from kernelsnap.capture.read.flex import attention
from kernelsnap.capture.read.kernel_source import triton_kernel
from kernelsnap.errors import UnreadableCodeError
from kernelsnap.model.capture import Buffer, Kernel
from kernelsnap.normalize.rules import normalize

NAME = "cutedsl_fused_flex_attention_0123abcd"
TENSORS = (Buffer("arg0", "f16", ("2", "64")), Buffer("buf0", "f32", ("2",)), Buffer("arg1", "f16", ("4",)))

FLASH = f"""
def {NAME}_main(arg_Q, arg_LOGSUMEXP, in_ptr3, out_ptr0, stream):
    Q = arg_Q
    LOGSUMEXP = arg_LOGSUMEXP
    from flash_attn.cute.interface import _flash_attn_fwd
    @cute.jit
    def score_mod(score, h_idx, aux_tensors):
        in_ptr3 = aux_tensors[0]
        tmp0 = in_ptr3[h_idx]
        return score + tmp0
    score_mod.__cute_hash__ = "{NAME}_score"
    score_mod.__vec_size__ = 2
    output = out_ptr0
    output_transposed = output.transpose(1, 2)
    mask_mod = None
    _flash_attn_fwd(
        Q, softmax_scale=0.125, return_lse=True, score_mod=score_mod, out=output_transposed, lse=LOGSUMEXP,
    )
"""
METADATA = ast.parse(
    "{'precompile_shapes': {'Q': [2, 64], 'output': [2, 64]}, 'precompile_strides': {'Q': [64, 1], 'output': [64, 1]},"
    " 'precompile_dtypes': {'Q': 'float16', 'output': 'float16'}, 'device_index': 0}",
    mode="eval",
).body


def flash(text=FLASH, metadata=METADATA) -> Kernel:
    return attention(cutedsl_kernel(NAME, text, metadata, TENSORS, ()), TENSORS)


def test_flash_says_what_runs_and_what_the_mods_capture():
    kernel = flash()
    assert kernel.kind == "flex attention forward, FLASH"
    assert kernel.sizes == (("sparse_blocks", "none"), ("score_mod", "captures f16[4]"), ("mask_mod", "none"))


def test_flash_reads_its_inputs_and_writes_what_the_library_fills():
    kernel = flash()
    assert kernel.reads == ("arg_Q", "in_ptr3")
    assert kernel.writes == ("arg_LOGSUMEXP", "out_ptr0")


def test_flash_shows_what_it_is_compiled_for():
    assert dict(flash().arguments) == {
        "arg_Q": "f16[2, 64] strides 64 1",
        "arg_LOGSUMEXP": "f32[2]",
        "in_ptr3": "f16[4]",
        "out_ptr0": "f16[2, 64] strides 64 1",
    }
    assert dict(flash(metadata=None).arguments)["out_ptr0"] == "?"


def test_flash_keeps_every_literal_of_the_call():
    assert dict(flash().meta) == {
        "precompile.device_index": "0",
        "calls": "flash_attn.cute.interface._flash_attn_fwd",
        "softmax_scale": "0.125",
        "return_lse": "True",
        "score_mod.vec_size": "2",
    }


def test_the_content_hash_of_a_name_is_in_no_line():
    text = normalize(FLASH, "kernel")
    assert "0123abcd" not in text
    assert "def main(" in text
    assert '"score"' in text


@pytest.mark.parametrize("text", ["def other(stream):\n    pass\n", "not python ("])
def test_a_kernel_that_is_not_there_is_an_error(text):
    with pytest.raises(UnreadableCodeError, match=NAME):
        flash(text)


TRITON = """
@triton_heuristics.template(
    num_stages=3,
    num_warps=4,
    triton_meta={{'signature': {{'arg_Q': '*fp16', 'arg_LSE': '*fp32', 'in_ptr2': '*fp16', 'out_ptr0': '*fp16'}}}},
    inductor_meta={{'config_args': {{'BLOCK_M': 128, 'BLOCK_N': 64, 'IS_DIVISIBLE': True, 'GQA_SHARED_HEADS': 4,
        'SPARSE_Q_BLOCK_SIZE': {sparse}, 'SPARSE_KV_BLOCK_SIZE': {sparse}}}}},
)
@triton.jit
def kernel(arg_Q, arg_LSE, in_ptr2, out_ptr0):
    LSE = arg_LSE
    q = load_checked(arg_Q)
    rows = LSE + tl.arange(0, 128)
    tl.store(rows, block(arg_Q, arg_LSE, in_ptr2, out_ptr0, q))
    tl.store(out_ptr0 + rows, q)

@triton.jit
def block(arg_Q, arg_LSE, in_ptr2, out_ptr0, qk):
    tmp0 = (qk)
    {score}
    if not IS_FULL_BLOCKS:
        tmp4 = {mask}
        mask_mod_output = tmp4
        post_mod_scores = tl.where(mask_mod_output, post_mod_scores, float("-inf"))
    return post_mod_scores
"""
NO_SCORE = "post_mod_scores = tmp0"
BIAS = "tmp1 = tl.load(in_ptr2 + h)\n    tmp2 = tmp0 + tmp1\n    post_mod_scores = tmp2"
NO_MASK = "tl.full([1], True, tl.int1)"


def triton(score=NO_SCORE, mask=NO_MASK, sparse=1 << 30) -> Kernel:
    text = TRITON.format(score=score, mask=mask, sparse=sparse)
    return attention(triton_kernel("kernel", text), TENSORS)


def test_triton_says_tiles_sparsity_and_heads():
    kernel = triton(sparse=128)
    assert kernel.kind == "flex attention forward, Triton"
    assert kernel.sizes == (
        ("tile", "128x64"),
        ("warps", "4"),
        ("stages", "3"),
        ("sparse_blocks", "128x128"),
        ("divisible", "yes"),
        ("query_heads_per_kv_head", "4"),
        ("score_mod", "none"),
        ("mask_mod", "none"),
    )


@pytest.mark.parametrize(
    ("options", "mod", "says"),
    [
        ({"score": BIAS}, "score_mod", "captures f16[4]"),
        ({"score": "tmp1 = tmp0 * 2\n    post_mod_scores = tmp1"}, "score_mod", "yes"),
        ({"mask": "tmp3 >= tmp1"}, "mask_mod", "yes"),
        ({"mask": "tl.load(in_ptr2 + h) > 0"}, "mask_mod", "captures f16[4]"),
        ({}, "sparse_blocks", "none"),
    ],
)
def test_triton_says_what_the_mods_are(options, mod, says):
    assert dict(triton(**options).sizes)[mod] == says


def test_triton_writes_through_a_pointer_with_another_name():
    kernel = triton()
    assert kernel.reads == ("arg_Q", "in_ptr2")
    assert kernel.writes == ("arg_LSE", "out_ptr0")


def test_other_kernels_stay_as_they_are():
    other = Kernel("k", "template", "triton", "", meta=(("template.BLOCK_M", "128"),))
    assert attention(other, ()) is other
