"""Real models, built from their libraries' configurations with no weights: one layer in full, the whole as a plan.

Sizes are those of the published models (fake weights take no memory), the number of layers is not: every layer of a
kind generates the same kernels again.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import nn

from kernelsnap import capture
from kernelsnap.errors import NoCompileError

transformers = pytest.importorskip("transformers", reason="these models come from transformers: pip install '.[test]'")

pytestmark = pytest.mark.kernelsnap_target("h100")

BATCH, TOKENS = 2, 2048
COSTS = ("plan", "metrics")
LLAMA_8B = {
    "hidden_size": 4096, "intermediate_size": 14336, "num_attention_heads": 32, "num_key_value_heads": 8,
    "vocab_size": 128256, "rope_theta": 500000.0,
}  # fmt: skip
QWEN3_8B = {
    "hidden_size": 4096, "intermediate_size": 12288, "num_attention_heads": 32, "num_key_value_heads": 8,
    "head_dim": 128, "vocab_size": 151936,
}  # fmt: skip
MIXTRAL_8X7B = {"hidden_size": 4096, "intermediate_size": 14336, "num_local_experts": 8, "num_experts_per_tok": 2}


def built(model: str, dtype: torch.dtype = torch.bfloat16, **settings: Any) -> Any:
    """A model of transformers in training mode; dropout is off where its configuration has it off."""
    config = getattr(transformers, f"{model.partition('For')[0].removesuffix('Model')}Config")(**settings)
    with torch.device("cuda"):
        return getattr(transformers, model)(config).to(dtype).train()


def tokens(length: int = TOKENS) -> torch.Tensor:
    return torch.randint(0, 1000, (BATCH, length), device="cuda")


def activations(*shape: int, dtype: torch.dtype = torch.bfloat16) -> torch.Tensor:
    return torch.randn(shape, dtype=dtype, device="cuda", requires_grad=True)


def language_model(name: str, **settings: Any) -> tuple[Callable[..., Any], ...]:
    model = built(name, num_hidden_layers=2, **settings)
    return lambda ids: model(ids, labels=ids, use_cache=False).loss, tokens()


def decoder_layer(name: str, width: int, **settings: Any) -> tuple[Any, ...]:
    """The layer of a decoder, with the rotary embedding that its model hands to every layer."""
    model = built(
        name, num_hidden_layers=1, vocab_size=1000, **{k: v for k, v in settings.items() if k != "vocab_size"}
    )
    hidden = activations(BATCH, TOKENS, width)
    rotary = model.rotary_emb(hidden, torch.arange(TOKENS, device="cuda")[None])
    return lambda hidden: _first(model.layers[0](hidden, position_embeddings=rotary, use_cache=False)), hidden


def _first(output: Any) -> Any:
    return output[0] if isinstance(output, tuple) else output


def bert() -> tuple[Any, ...]:
    model = built("BertForMaskedLM", num_hidden_layers=2)
    return lambda ids: model(ids, labels=ids).loss, tokens(512)


def bert_layer() -> tuple[Any, ...]:
    model = built("BertModel", num_hidden_layers=1)
    return lambda hidden: _first(model.encoder.layer[0](hidden)), activations(BATCH, 512, 768)


def vit() -> tuple[Any, ...]:
    model = built("ViTForImageClassification", num_hidden_layers=2)
    return lambda pixels: model(pixels).logits, activations(8, 3, 224, 224)


def vit_layer() -> tuple[Any, ...]:
    model = built("ViTModel", num_hidden_layers=1)
    layers = getattr(model, "layers", None) or model.encoder.layer
    return lambda hidden: _first(layers[0](hidden)), activations(8, 197, 768)


def whisper() -> tuple[Any, ...]:
    model = built("WhisperForConditionalGeneration", encoder_layers=1, decoder_layers=1)
    return (
        lambda x, ids: model(input_features=x, labels=ids, use_cache=False).loss,
        activations(2, 80, 3000),
        tokens(128),
    )


def whisper_layer() -> tuple[Any, ...]:
    model = built("WhisperModel", encoder_layers=1, decoder_layers=1)
    width = model.config.d_model
    layer = model.decoder.layers[0]
    run = lambda hidden, audio: _first(layer(hidden, encoder_hidden_states=audio, use_cache=False))  # noqa: E731
    return run, activations(2, 128, width), activations(2, 1500, width)


def resnet() -> tuple[Any, ...]:
    # ResNet-18 with one basic block in each of its four stages, not two.
    settings = {"depths": [1, 1, 1, 1], "hidden_sizes": [64, 128, 256, 512], "layer_type": "basic"}
    model = built("ResNetForImageClassification", embedding_size=64, **settings)
    return lambda pixels: model(pixels).logits, activations(8, 3, 224, 224)


def resnet_layer() -> tuple[Any, ...]:
    model = built("ResNetModel", depths=[1], hidden_sizes=[256])
    return model.encoder.stages[0].layers[0], activations(8, 64, 56, 56)


WHOLE = {
    "llama": lambda: language_model("LlamaForCausalLM", **LLAMA_8B),
    "qwen3": lambda: language_model("Qwen3ForCausalLM", **QWEN3_8B),
    "mixtral": lambda: language_model("MixtralForCausalLM", **MIXTRAL_8X7B),
    "bert": bert,
    "vit": vit,
    "whisper": whisper,
    "resnet": resnet,
}
LAYER = {
    "llama": lambda: decoder_layer("LlamaModel", 4096, **LLAMA_8B),
    "qwen3": lambda: decoder_layer("Qwen3Model", 4096, **QWEN3_8B),
    "mixtral": lambda: decoder_layer("MixtralModel", 4096, **MIXTRAL_8X7B),
    "bert": bert_layer,
    "vit": vit_layer,
    "whisper": whisper_layer,
    "resnet": resnet_layer,
}


class ModelTests:
    @pytest.mark.parametrize("name", LAYER)
    def test_layer(self, kernel_snapshot, name):
        """One layer, forward and backward, in full."""
        captured = capture(*LAYER[name](), backward=True)
        assert captured == kernel_snapshot
        assert {graph.phase for graph in captured.graphs} == {"forward", "backward"}
        assert not captured.graph_breaks

    @pytest.mark.parametrize("name", WHOLE)
    def test_model(self, kernel_snapshot, name):
        """A training step of the whole model: what runs and what it costs."""
        captured = capture(*WHOLE[name](), backward=True)
        assert captured == kernel_snapshot(layers=COSTS)
        assert {graph.phase for graph in captured.graphs} == {"forward", "backward"}
        assert not captured.graph_breaks


def optimizer(**options: bool) -> torch.optim.Optimizer:
    """AdamW over the weights of a small MLP that have a gradient each."""
    with torch.device("cuda"):
        model = nn.Sequential(nn.Linear(1024, 4096), nn.GELU(), nn.Linear(4096, 1024))
    for parameter in model.parameters():
        parameter.grad = torch.randn_like(parameter)
    return torch.optim.AdamW(model.parameters(), lr=1e-3, **options)


class OptimizerTests:
    @pytest.mark.parametrize("capturable", [False, True], ids=["plain", "capturable"])
    def test_adamw_foreach(self, kernel_snapshot, capturable):
        captured = capture(optimizer(foreach=True, capturable=capturable).step)
        assert captured == kernel_snapshot
        # One for the step counts, one for everything else, both on the GPU, as on a real one.
        assert [kernel.kind for graph in captured.graphs for kernel in graph.kernels] == ["foreach", "foreach"]

    @pytest.mark.parametrize("capturable", [False, True], ids=["plain", "capturable"])
    def test_adamw_fused(self, kernel_snapshot, capturable):
        # torch keeps Dynamo out of this step (torch.optim.optimizer._disable_dynamo_if_unsupported): it runs eagerly,
        # and there is no code of which to keep a golden. That is asserted in its place.
        with pytest.raises(NoCompileError):
            capture(optimizer(fused=True, capturable=capturable).step)
