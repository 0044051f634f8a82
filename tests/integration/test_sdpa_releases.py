"""What each torch release added to the choice of an attention backend; only 2.11's rules were held against a GPU."""

from __future__ import annotations

import pytest
import torch

from kernelsnap import virtual_device
from kernelsnap.targets.lookup import TARGETS
from kernelsnap.virtual.sdpa import can_use, choose
from kernelsnap.virtual.sdpa_rules import CUDNN, EFFICIENT, FLASH, MATH, AttentionCall

RELEASES = ((2, 11), (2, 12), (2, 13), (2, 14), (2, 15))


def question(
    release,
    target="h100",
    dtype=torch.bfloat16,
    batch=2,
    heads=4,
    kv_heads=4,
    length=64,
    dim=64,
    dropout=0.0,
    gqa=False,
    grad=False,
    offset=0,
    dims=4,
):
    shapes = (batch, heads, length, dim), *[(batch, kv_heads, 64, dim)] * 2
    tensors = [
        torch.zeros(torch.Size(shape).numel() + offset, dtype=dtype, device="cuda")[offset:].view(shape)
        for shape in (shape[-dims:] for shape in shapes)
    ]
    tensors = [tensor.requires_grad_(grad) for tensor in tensors]
    return AttentionCall(TARGETS[target], *tensors, None, dropout, False, gqa, release)


@pytest.fixture(scope="module", autouse=True)
def _fake():
    with virtual_device("h100"):
        yield


@pytest.mark.parametrize(
    ("backend", "since", "call", "before"),
    [
        (CUDNN, (2, 12), {"dropout": 0.1}, True),
        (CUDNN, (2, 13), {"batch": 65536}, True),
        (CUDNN, (2, 13), {"heads": 65536, "kv_heads": 65536, "batch": 1}, True),
        (EFFICIENT, (2, 13), {"offset": 1}, True),
        (CUDNN, (2, 14), {"dim": 200, "grad": True}, True),
        (CUDNN, (2, 14), {"dim": 256, "target": "b200"}, False),
        (EFFICIENT, (2, 14), {"heads": 8, "kv_heads": 2, "gqa": True}, False),
        (FLASH, (2, 14), {"heads": 8, "kv_heads": 1}, False),
        (FLASH, (2, 15), {"batch": 65536}, True),
        (FLASH, (2, 15), {"heads": 65536, "kv_heads": 65536, "batch": 1}, True),
    ],
)
def test_a_release_changes_one_answer(backend, since, call, before):
    answers = [can_use(backend, question(release, **call)) for release in RELEASES]
    assert answers == [before if release < since else not before for release in RELEASES]


@pytest.mark.parametrize(
    ("call", "refused_by"),
    [
        ({"target": "b200", "length": 1}, [(2, 14)]),  # 2.14's cuDNN answers a single query wrongly there
        ({"target": "h100", "length": 1}, []),
        ({"target": "b200", "length": 2}, []),
    ],
)
def test_one_query_on_blackwell_goes_past_the_cudnn_of_one_release(call, refused_by):
    assert [release for release in RELEASES if not can_use(CUDNN, question(release, **call))] == refused_by


@pytest.mark.parametrize("call", [{"heads": 8, "kv_heads": 2, "gqa": True}, {"heads": 8, "kv_heads": 1}])
def test_efficient_attention_has_no_groups_on_amd(call):
    assert not any(can_use(EFFICIENT, question(release, target="mi300x", **call)) for release in RELEASES)


@pytest.mark.parametrize("call", [{"dropout": 0.125}, {"dim": 256}, {"dim": 256, "grad": True}, {"dim": 128}])
@pytest.mark.parametrize("release", RELEASES)
def test_what_no_release_changed(release, call):
    assert choose(question(release, **call)) == CUDNN


@pytest.mark.parametrize(("release", "chosen"), [((2, 13), MATH), ((2, 14), CUDNN)])
def test_three_dimensions_get_a_batch_of_one(release, chosen):
    assert choose(question(release, dims=3)) == chosen
