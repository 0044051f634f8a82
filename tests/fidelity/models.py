"""Whole small models: from transformers' configurations, and two image models in plain torch.

transformers is imported when a case is made: without it these cases record an ImportError.
"""

from __future__ import annotations

import importlib
from functools import partial

import torch
import torch.nn.functional as F  # noqa: N812
from torch import nn

from .blocks import Residual
from .case import Built, bf16, i, infer, t, train

DECODER = {
    "hidden_size": 128, "intermediate_size": 256, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "vocab_size": 500, "max_position_embeddings": 256,
}  # fmt: skip
EXPERTS = {"num_local_experts": 4, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64}
ENCODER = {**DECODER, "num_key_value_heads": 4}
VISION = {"image_size": 64, "patch_size": 16, "num_channels": 3}


def pretrained(config, model, dtype=torch.bfloat16, evaluated=False, **options):
    """A model of transformers, with random weights."""

    def make():
        library = importlib.import_module("transformers")
        made = getattr(library, model)(getattr(library, config)(**options)).to(dtype)
        return partial(_outputs, made.eval() if evaluated else made.train())

    return Built(make)


def _outputs(model, *args, **kwargs):
    """Loss or logits, whichever the model gives: the state that it also returns is of no use to a gradient."""
    out = model(*args, **kwargs)
    return (
        out[0]
        if isinstance(out, tuple)
        else next(v for k, v in out.items() if k in ("loss", "logits", "last_hidden_state"))
    )


def with_labels(built):
    return Built(lambda: (lambda model: lambda ids: model(ids, labels=ids, use_cache=False))(built.make()))


def without_cache(built):
    return Built(lambda: partial(built.make(), use_cache=False))


class ResNet(nn.Module):
    """A small ResNet."""

    def __init__(self):
        super().__init__()
        self.stem = nn.Sequential(
            nn.Conv2d(3, 32, 7, 2, 3, bias=False), nn.BatchNorm2d(32), nn.ReLU(), nn.MaxPool2d(3, 2, 1)
        )
        self.body = nn.Sequential(Residual(), Residual(stride=2), Residual())
        self.head = nn.Linear(32, 10)

    def forward(self, x):
        return self.head(self.body(self.stem(x)).mean((2, 3)))


class UNetLevel(nn.Module):
    """One level of a diffusion U-Net: residual block with a time embedding, attention, down, up, skip."""

    def __init__(self, channels=32):
        super().__init__()
        self.norm1, self.norm2, self.norm3 = (nn.GroupNorm(8, channels) for _ in range(3))
        self.conv1, self.conv2 = (
            nn.Conv2d(channels, channels, 3, padding=1),
            nn.Conv2d(channels, channels, 3, padding=1),
        )
        self.time, self.qkv, self.out = (
            nn.Linear(64, channels),
            nn.Linear(channels, 3 * channels),
            nn.Linear(channels, channels),
        )
        self.down, self.up = nn.Conv2d(channels, channels, 3, 2, 1), nn.Conv2d(channels, channels, 3, padding=1)
        self.merge = nn.Conv2d(2 * channels, 4, 3, padding=1)

    def forward(self, x, time):
        h = self.conv1(F.silu(self.norm1(x))) + self.time(F.silu(time))[:, :, None, None]
        h = x + self.conv2(F.silu(self.norm2(h)))
        b, c = h.shape[:2]
        q, k, v = self.qkv(self.norm3(h).flatten(2).transpose(1, 2)).view(b, -1, 3, 4, c // 4).permute(2, 0, 3, 1, 4)
        h = h + self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, -1, c)).transpose(
            1, 2
        ).view_as(h)
        low = F.interpolate(self.down(h), scale_factor=2.0, mode="nearest")
        return self.merge(torch.cat([self.up(low), h], 1))


class Mixer(nn.Module):
    """A ConvNeXt-like block with layer scale."""

    def __init__(self, width=64):
        super().__init__()
        self.depthwise, self.norm = nn.Conv2d(width, width, 7, padding=3, groups=width), nn.LayerNorm(width)
        self.up, self.down, self.gamma = (
            nn.Linear(width, 4 * width),
            nn.Linear(4 * width, width),
            nn.Parameter(torch.ones(width)),
        )

    def forward(self, x):
        y = self.norm(self.depthwise(x).permute(0, 2, 3, 1))
        return x + (self.gamma * self.down(F.gelu(self.up(y)))).permute(0, 3, 1, 2)


IDS = i(2, 64, below=500)
LLAMA = pretrained("LlamaConfig", "LlamaForCausalLM", **DECODER)
QWEN_MOE = pretrained("Qwen3MoeConfig", "Qwen3MoeForCausalLM", head_dim=32, **DECODER, **EXPERTS)
MIXTRAL = pretrained("MixtralConfig", "MixtralForCausalLM", **DECODER, **EXPERTS)
GEMMA = pretrained("Gemma2Config", "Gemma2ForCausalLM", head_dim=32, **DECODER)
GPT2 = pretrained("GPT2Config", "GPT2LMHeadModel", n_embd=128, n_layer=2, n_head=4, vocab_size=500)
BERT = pretrained("BertConfig", "BertForMaskedLM", torch.float32, **ENCODER)
VIT = pretrained("ViTConfig", "ViTForImageClassification", **ENCODER, **VISION)
T5 = pretrained(
    "T5Config",
    "T5EncoderModel",
    torch.float32,
    d_model=128,
    d_kv=32,
    d_ff=256,
    num_layers=2,
    num_heads=4,
    vocab_size=500,
)

CASES = [
    infer("llama", without_cache(pretrained("LlamaConfig", "LlamaForCausalLM", evaluated=True, **DECODER)), IDS),
    infer("bert", pretrained("BertConfig", "BertForMaskedLM", torch.float32, evaluated=True, **ENCODER), IDS),
    infer("resnet", Built(lambda: ResNet().eval()), t(2, 3, 64, 64)),
    infer("unet_level", Built(lambda: UNetLevel().to(torch.bfloat16)), bf16(2, 32, 16, 16), bf16(2, 64)),
    train("llama_train", with_labels(LLAMA), IDS),
    train("llama_dynamic_train", with_labels(LLAMA), IDS, dynamic=True),
    train("qwen3_moe_train", with_labels(QWEN_MOE), IDS),
    train("mixtral_train", with_labels(MIXTRAL), IDS),
    train("gemma2_train", with_labels(GEMMA), IDS),
    train("gpt2_train", with_labels(GPT2), IDS),
    train("bert_train", BERT, IDS),
    train("t5_encoder_train", T5, IDS),
    train("vit_train", VIT, bf16(2, 3, 64, 64)),
    train("resnet_train", Built(ResNet), t(2, 3, 64, 64)),
    train("resnet_bf16_train", Built(lambda: ResNet().to(torch.bfloat16)), bf16(2, 3, 64, 64)),
    train("unet_level_train", Built(UNetLevel), t(2, 32, 16, 16), t(2, 64)),
    train("convnext_train", Built(lambda: Mixer().to(torch.bfloat16)), bf16(2, 64, 16, 16)),
]
