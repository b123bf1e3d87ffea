"""The pocket CLIP's architecture as open_clip's configuration, and its folder on disk."""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, cast

import torch
from safetensors.torch import save_file
from torch import Tensor, nn

CONTEXT_LENGTH = 24
EMBED_DIM = 128
IMAGE_SIZE = 32
MEAN = STD = 0.5

#: The towers that were compared (see docs/pocket.md); "resnet-small" is the one shipped.
VISION_TOWERS: dict[str, dict[str, Any]] = {
    "resnet-small": {"layers": [1, 1, 1, 1], "width": 16, "head_width": 64},
    "resnet": {"layers": [1, 1, 1, 1], "width": 24, "head_width": 64},
    "vit": {"layers": 4, "width": 128, "head_width": 32, "patch_size": 8, "pool_type": "avg", "mlp_ratio": 3.0},
}


def configuration(vision: str, vocab_size: int) -> dict[str, Any]:
    """``open_clip_config.json`` as open_clip's ``local-dir:`` schema reads it."""
    return {
        "model_cfg": {
            "embed_dim": EMBED_DIM,
            "vision_cfg": {"image_size": IMAGE_SIZE, **VISION_TOWERS[vision]},
            "text_cfg": {
                "context_length": CONTEXT_LENGTH,
                "vocab_size": vocab_size,
                "width": 64,
                "heads": 2,
                "layers": 2,
            },
        },
        "preprocess_cfg": {
            "size": [IMAGE_SIZE, IMAGE_SIZE],
            "mode": "RGB",
            "mean": [MEAN] * 3,
            "std": [STD] * 3,
            "interpolation": "bicubic",
            "resize_mode": "shortest",
            "fill_color": 0,
        },
    }


def build_clip(config: Mapping[str, Any]) -> nn.Module:
    """An untrained open_clip model of ``config``."""
    from open_clip.model import CLIP

    model: nn.Module = CLIP(**config["model_cfg"])
    return model


def channels_last(model: nn.Module) -> None:
    """Lay convolution weights out as a CPU reads them fastest (a quarter faster; the results are the same)."""
    for module in model.modules():
        if isinstance(module, nn.Conv2d):
            module.weight.data = module.weight.data.contiguous(memory_format=torch.channels_last)


def encode_images(model: nn.Module, pictures: Tensor, normalize: bool) -> Tensor:
    """Image embeddings float32 [batch, 128] of normalised ``pictures``; unit rows if ``normalize``."""
    encode = cast(Callable[..., Tensor], model.encode_image)
    return encode(pictures, normalize=normalize)


def encode_texts(model: nn.Module, tokens: Tensor) -> Tensor:
    """Unit text embeddings float32 [batch, 128] of ``tokens`` int64 [batch, context]."""
    encode = cast(Callable[..., Tensor], model.encode_text)
    return encode(tokens, normalize=True)


def normalised(pictures: Tensor) -> Tensor:
    """Pictures [batch, 3, side, side] in [0, 1] as the image tower takes them."""
    return (pictures - MEAN) / STD


def save_clip(state: Mapping[str, Tensor], config: Mapping[str, Any], folder: Path, dtype: torch.dtype) -> None:
    """Write weights (floating tensors as ``dtype``) and configuration into ``folder``."""
    weights = {
        name: (tensor.to(dtype) if tensor.is_floating_point() else tensor).contiguous().clone()
        for name, tensor in state.items()
    }
    path = folder / "open_clip_model.safetensors"
    save_file(weights, path, metadata={"format": "pt"})
    path.chmod(0o644)  # safetensors leaves it readable to its writer alone
    (folder / "open_clip_config.json").write_text(json.dumps(config, indent=2) + "\n", encoding="utf-8")
