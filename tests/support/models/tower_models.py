"""Tiny random models of real architectures, for towers."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from functools import cache
from typing import Any

import torch
from torch import Tensor, nn

SIZES = {"hidden_size": 32, "intermediate_size": 64, "num_hidden_layers": 3, "num_attention_heads": 4}
VOCABULARY = 100


def transformers() -> Any:
    """The library, importable beside any torchvision."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        import transformers

    transformers.logging.set_verbosity_error()
    return transformers


#: What a family needs besides the common sizes, under its own names for them.
_TEXT = {"vocab_size": VOCABULARY, "pad_token_id": 0, "bos_token_id": 1, "eos_token_id": 2}
_PICTURE = {"image_size": 32, "patch_size": 8}
_SOUND = {
    "vocab_size": VOCABULARY,
    "conv_dim": (16, 16),
    "conv_stride": (5, 2),
    "conv_kernel": (10, 3),
    "num_feat_extract_layers": 2,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 2,
}
FAMILIES: dict[str, dict[str, Any]] = {
    "CLIPVision": _PICTURE,
    "CLIPText": _TEXT,
    "SiglipVision": _PICTURE,
    "ViT": _PICTURE,
    "DeiT": _PICTURE,
    "Dinov2": _PICTURE,
    "Beit": _PICTURE,
    "AST": {"num_mel_bins": 16, "max_length": 32, "patch_size": 8},
    "Bert": {"vocab_size": VOCABULARY},
    "Roberta": _TEXT,
    "MPNet": _TEXT,
    "Electra": {"vocab_size": VOCABULARY, "embedding_size": 16},
    "DebertaV2": {"vocab_size": VOCABULARY},
    "ModernBert": _TEXT,
    "Llama": _TEXT,
    "Qwen2": {**_TEXT, "num_key_value_heads": 4},
    "Vilt": {"vocab_size": VOCABULARY, **_PICTURE},
    "VideoMAE": {**_PICTURE, "num_frames": 4},
    "Wav2Vec2": _SOUND,
    "Hubert": _SOUND,
}


@cache
def _config(family: str, depth: int, width: int) -> Any:
    library = transformers()
    sizes = SIZES | {"num_hidden_layers": depth, "hidden_size": width}
    return getattr(library, f"{family}Config")(**sizes, **FAMILIES[family])


def model(family: str, depth: int = 3, width: int = 32, seed: int = 0) -> nn.Module:
    """A random one of that family; the same for the same seed. Global randomness is left as it was."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        made: nn.Module = getattr(transformers(), f"{family}Model")(_config(family, depth, width))
    return made.eval()


def inputs(family: str, batch: int = 2, tokens: int = 7, seed: int = 1) -> dict[str, Tensor]:
    """Keyword arguments for a batch."""
    generator = torch.Generator().manual_seed(seed)
    picture = {"pixel_values": torch.randn(batch, 3, 32, 32, generator=generator)}
    text = {
        "input_ids": torch.randint(3, VOCABULARY, (batch, tokens), generator=generator),
        "attention_mask": torch.ones(batch, tokens, dtype=torch.int64),
    }
    if family == "AST":
        return {"input_values": torch.randn(batch, 32, 16, generator=generator)}
    if family == "Vilt":
        return text | picture
    if family == "VideoMAE":
        return {"pixel_values": torch.randn(batch, 4, 3, 32, 32, generator=generator)}
    if FAMILIES[family] is _SOUND:
        return {"input_values": torch.randn(batch, 400, generator=generator)}
    return picture if FAMILIES[family] is _PICTURE else text


def hidden(output: Any) -> Tensor:
    """The last hidden state."""
    state: Tensor = output.last_hidden_state
    return state


def hooks_on(*models: nn.Module) -> int:
    """How many hooks are on the models."""
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for model in models for m in model.modules())


def vilt_streams(given: Mapping[str, Any]) -> dict[str, slice]:
    """ViLT's sequence: text first, then the picture."""
    words = given["input_ids"].shape[1]
    return {"text": slice(0, words), "image": slice(words, None)}
