"""The modules of the zoo, none of which was written for kernelsnap: where they come from, and how each is made.

A module is named `kernelbench/level1/19_ReLU`, `transformers/llama` or `timm/levit_128s`. Nothing of these projects is
kept here: KernelBench's problems are read from a checkout, and the models are built from configurations, without
weights.
"""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from zoo_check import Build

#: KernelBench's fourth level is left out: its models come with weights, from a hub.
_LEVELS = ("level1", "level2", "level3")
_BATCH, _TOKENS, _PIXELS = 2, 32, 64

_TEXT = {
    "vocab_size": 256, "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
    "num_key_value_heads": 2, "head_dim": 16, "max_position_embeddings": 128, "pad_token_id": 0, "bos_token_id": 1,
    "eos_token_id": 2, "use_cache": False,
}  # fmt: skip
_EXPERTS = {"num_local_experts": 4, "num_experts": 4, "num_experts_per_tok": 2, "moe_intermediate_size": 64}
_SEQ2SEQ = {
    "vocab_size": 256, "d_model": 64, "d_ff": 128, "d_kv": 16, "num_layers": 2, "num_heads": 4, "encoder_layers": 2,
    "decoder_layers": 2, "encoder_attention_heads": 4, "decoder_attention_heads": 4, "encoder_ffn_dim": 128,
    "decoder_ffn_dim": 128, "max_position_embeddings": 128, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2,
    "decoder_start_token_id": 0, "forced_eos_token_id": None, "use_cache": False,
    "encoder_layerdrop": 0.0, "decoder_layerdrop": 0.0,
}  # fmt: skip
_VISION = {
    "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
    "image_size": _PIXELS, "patch_size": 16,
}  # fmt: skip
_AUDIO = {
    "hidden_size": 64, "intermediate_size": 128, "num_hidden_layers": 2, "num_attention_heads": 4,
    "conv_dim": (32, 32), "conv_kernel": (10, 3), "conv_stride": (5, 2), "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 16, "num_conv_pos_embedding_groups": 4, "vocab_size": 32,
    # Training would mask spans and skip layers at random: every run is of other layers, with tensors of other sizes.
    "apply_spec_augment": False, "layerdrop": 0.0,
}  # fmt: skip


@dataclass(frozen=True)
class _Model:
    """A model of transformers: the class that takes its configuration, and the settings that make it small."""

    auto: str
    settings: Mapping[str, Any] = field(default_factory=dict)


def _models(auto: str, base: Mapping[str, Any], *names: str, **special: Mapping[str, Any]) -> dict[str, _Model]:
    return {name: _Model(auto, base) for name in names} | {
        name.replace("__", "-"): _Model(auto, {**base, **settings}) for name, settings in special.items()
    }


#: By model type.
MODELS: dict[str, _Model] = {
    **_models(
        "AutoModelForCausalLM", _TEXT,
        "apertus", "bitnet", "bloom", "cohere", "cohere2", "exaone4", "gemma", "glm", "glm4",
        "gpt2", "gpt_bigcode", "gpt_neox", "granite", "helium", "llama", "mistral", "nemotron", "olmo2", "opt",
        "persimmon", "phi", "phi3", "qwen2", "qwen3", "smollm3", "stablelm", "starcoder2", "xglm",
        gemma2={"sliding_window": 16}, gpt_neo={"num_layers": 2, "attention_types": [[["global", "local"], 1]]},
        codegen={"rotary_dim": 8}, gptj={"rotary_dim": 8}, mamba={"state_size": 8},
        mamba2={"num_heads": 8, "head_dim": 16, "state_size": 16, "n_groups": 2, "chunk_size": 16},
        mpt={"max_seq_len": 128}, rwkv={"context_length": 64, "attention_hidden_size": 64},
        mixtral=_EXPERTS, qwen3_moe=_EXPERTS, olmoe=_EXPERTS, gpt_oss=_EXPERTS,
        deepseek_v3={**_EXPERTS, "n_routed_experts": 4, "n_group": 1, "topk_group": 1, "q_lora_rank": 32,
                     "kv_lora_rank": 32, "qk_rope_head_dim": 16, "qk_nope_head_dim": 16, "v_head_dim": 16,
                     "first_k_dense_replace": 1, "num_key_value_heads": 4},
    ),
    **_models(
        "AutoModelForMaskedLM", _TEXT,
        "albert", "bert", "convbert", "deberta-v2", "distilbert", "electra", "fnet", "modernbert", "roberta",
        "roformer",
        mobilebert={"embedding_size": 64, "intra_bottleneck_size": 64}, squeezebert={"embedding_size": 64},
    ),
    **_models(
        "AutoModelForCausalLM", {name: value for name, value in _TEXT.items() if name != "head_dim"}, "falcon",
    ),
    **_models("AutoModelForSeq2SeqLM", _SEQ2SEQ, "bart", "m2m_100", "t5"),
    **_models(
        "AutoModelForImageClassification", _VISION,
        "beit", "dinov2", "vit", siglip={"vision_config": _VISION},
        convnext={"hidden_sizes": [16, 32, 64, 128], "depths": [1, 1, 1, 1], "num_hidden_layers": 4, "patch_size": 4},
        resnet={"hidden_sizes": [16, 32, 64, 128], "depths": [1, 1, 1, 1], "embedding_size": 16},
        segformer={"hidden_sizes": [16, 32, 64, 128], "depths": [1, 1, 1, 1], "num_hidden_layers": 4,
                   "num_attention_heads": [1, 2, 4, 8]},
    ),
    **_models(
        "AutoModelForImageClassification",
        {
            "image_size": _PIXELS, "embed_dim": 16, "depths": [1, 1], "num_heads": [2, 4], "patch_size": 4,
            "window_size": 4,
        },
        "swin",
    ),
    **_models("AutoModelForAudioClassification", _AUDIO, "hubert", "wav2vec2"),
}  # fmt: skip


#: Models of timm: the tiny ones that its own tests build, one a family, and small ones of other families.
TIMM = (
    "test_byobnet", "test_coatnet", "test_convnext", "test_convnext2", "test_convnext3", "test_efficientnet",
    "test_efficientnet_evos", "test_efficientnet_gn", "test_efficientnet_ln", "test_mambaout", "test_maxvit",
    "test_nfnet", "test_resnet", "test_vit", "test_vit2", "test_vit3", "test_vit4", "test_vit_relpos",
    "edgenext_xx_small", "ghostnet_050", "levit_128s", "mobilevit_xxs", "poolformer_s12", "pvt_v2_b0", "sequencer2d_s",
    "starnet_s1", "tiny_vit_5m_224", "xcit_nano_12_p16_224",
)  # fmt: skip


def kernelbench(checkout: Path) -> dict[str, Build]:
    """The problems of KernelBench in a checkout of it. Raises `FileNotFoundError` where there are none."""
    found = {
        f"kernelbench/{level}/{path.stem}": path
        for level in _LEVELS
        for path in sorted(checkout.glob(f"**/{level}/*.py"), key=lambda path: int(path.name.split("_")[0]))
    }
    if not found:
        raise FileNotFoundError(f"{checkout} has no {_LEVELS[0]}/*.py: give the path of a checkout of KernelBench")
    return {name: _of_file(path) for name, path in found.items()}


def _of_file(path: Path) -> Build:
    def build() -> tuple[torch.nn.Module, tuple[Any, ...], dict[str, Any]]:
        spec = importlib.util.spec_from_file_location(f"problem_{path.stem}", path)
        assert spec is not None
        assert spec.loader is not None
        problem = sys.modules[spec.name] = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(problem)
        return problem.Model(*problem.get_init_inputs()), tuple(problem.get_inputs()), {}

    return build


def transformers_models() -> dict[str, Build]:
    """The models of `MODELS`."""
    return {f"transformers/{name}": _of_transformers(name, model) for name, model in MODELS.items()}


def _of_transformers(name: str, model: _Model) -> Build:
    def build() -> tuple[torch.nn.Module, tuple[Any, ...], dict[str, Any]]:
        import transformers

        config = transformers.AutoConfig.for_model(name, **model.settings)
        module = getattr(transformers, model.auto).from_config(config)
        return module, (), _inputs(model.auto)

    return build


def timm_models() -> dict[str, Build]:
    """The models of `TIMM`; none where timm, or torchvision, which it imports, is not installed."""
    if not all(importlib.util.find_spec(package) for package in ("timm", "torchvision")):
        return {}
    return {f"timm/{name}": _of_timm(name) for name in TIMM}


def _of_timm(name: str) -> Build:
    def build() -> tuple[torch.nn.Module, tuple[Any, ...], dict[str, Any]]:
        import timm

        module = timm.create_model(name)
        return module, (torch.randn(_BATCH, *module.default_cfg["input_size"]),), {}

    return build


def _inputs(auto: str) -> dict[str, Any]:
    labels = torch.zeros(_BATCH, dtype=torch.int64)
    match auto:
        case "AutoModelForImageClassification":
            return {"pixel_values": torch.randn(_BATCH, 3, _PIXELS, _PIXELS), "labels": labels}
        case "AutoModelForAudioClassification":
            return {"input_values": torch.randn(_BATCH, 4000), "labels": labels}
        case _:
            tokens = torch.randint(3, 256, (_BATCH, _TOKENS))
            return {"input_ids": tokens, "labels": tokens}
