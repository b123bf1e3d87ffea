"""Tiny random models whose width changes from stage to stage: convolutional networks and Swins, of both libraries."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from torch import Tensor, nn

from graftwork.plugins.encoders.timm.encoder import import_timm
from graftwork.plugins.encoders.timm.towers import ReadOut

from .tower_models import transformers

CNN = {"hidden_sizes": [8, 16, 24], "depths": [1, 2, 1], "num_stages": 3}
SWIN = {"embed_dim": 16, "depths": [2, 2], "num_heads": [2, 4], "window_size": 4, "image_size": 32, "patch_size": 2}
SEGFORMER = {
    "num_encoder_blocks": 2,
    "hidden_sizes": [8, 16],
    "depths": [2, 1],
    "sr_ratios": [2, 1],
    "patch_sizes": [7, 3],
    "strides": [4, 2],
    "num_attention_heads": [1, 2],
    "mlp_ratios": [2, 2],
}
POOLFORMER = {
    "hidden_sizes": [8, 16],
    "depths": [1, 2],
    "num_encoder_blocks": 2,
    "patch_sizes": [7, 3],
    "strides": [4, 2],
    "padding": [2, 1],
    "mlp_ratio": 2.0,
}
RESNET = {"embedding_size": 8, "hidden_sizes": [8, 16, 24], "depths": [1, 2, 1]}
#: transformers: family, its configuration, and the width of each block.
CONFIGURED: dict[str, tuple[str, dict[str, Any], list[int]]] = {
    "ResNet": ("ResNet", {**RESNET, "layer_type": "bottleneck"}, [8, 16, 16, 24]),
    "ResNet, basic": ("ResNet", {**RESNET, "layer_type": "basic"}, [8, 16, 16, 24]),
    "RegNet": ("RegNet", {**RESNET, "groups_width": 8}, [8, 16, 16, 24]),
    "ConvNext": ("ConvNext", CNN, [8, 16, 16, 24]),
    "ConvNextV2": ("ConvNextV2", CNN, [8, 16, 16, 24]),
    "Swin": ("Swin", SWIN, [16, 16, 32, 32]),
    "Swinv2": ("Swinv2", SWIN, [16, 16, 32, 32]),
    "Segformer": ("Segformer", SEGFORMER, [8, 8, 16]),
    "PoolFormer": ("PoolFormer", POOLFORMER, [8, 16, 16]),
}
#: timm: architecture, what it is made with, and the width of each block.
REGISTERED: dict[str, tuple[str, dict[str, Any], list[int]]] = {
    "timm ResNet": ("resnet18", {"channels": [8, 16, 24, 32], "layers": [1, 2, 1, 1]}, [8, 16, 16, 24, 32]),
    "timm ResNet, bottleneck": ("resnet50", {"channels": [8, 8, 16, 16], "layers": [1, 1, 2, 1]}, [32, 32, 64, 64, 64]),
    "timm EfficientNet": ("test_efficientnet", {}, [16, 24, 32, 48, 64]),
    "timm ConvNeXt": ("test_convnext", {}, [24, 32, 32, 48, 48, 48, 48, 64, 64]),
    "timm ConvNeXt V2": ("test_convnext2", {}, [32, 64, 96, 128]),
    "timm Swin": ("swin_tiny_patch4_window7_224", {**SWIN, "img_size": 32, "patch_size": 2}, [16, 16, 32, 32]),
    "timm Swin V2": ("swinv2_tiny_window8_256", {**SWIN, "img_size": 32, "patch_size": 2}, [16, 16, 32, 32]),
    "timm MambaOut": ("test_mambaout", {}, [16, 32, 48, 48, 48, 64]),
}
STAGED = {name: one[2] for name, one in {**CONFIGURED, **REGISTERED}.items()}


def staged_model(name: str, seed: int = 0) -> nn.Module:
    """A random one; figures of its batch norms as training leaves them. Global randomness is left as it was."""
    with torch.random.fork_rng(devices=()):
        torch.manual_seed(seed)
        made = _made(name)
        for module in made.modules():
            if isinstance(module, nn.modules.batchnorm._BatchNorm):
                module.running_mean.normal_()
                module.running_var.uniform_(0.5, 2.0)
            for label, parameter in module.named_parameters(recurse=False):
                if label in ("gamma", "layer_scale_parameter"):  # ConvNeXt's 1e-6 would hide a block
                    nn.init.ones_(parameter)
    return made.eval()


def _made(name: str) -> nn.Module:
    if name in CONFIGURED:
        family, sizes, _ = CONFIGURED[name]
        library: Any = transformers()
        return getattr(library, f"{family}Model")(getattr(library, f"{family}Config")(**sizes))
    architecture, sizes, _ = REGISTERED[name]
    sizes = {key: value for key, value in sizes.items() if key != "image_size"}
    return ReadOut(import_timm().create_model(architecture, num_classes=0, **sizes), "pooled")


def pictures(name: str, batch: int = 2, seed: int = 1) -> dict[str, Tensor]:
    """Keyword arguments for a batch of 32 pixels."""
    pixels = torch.randn(batch, 3, 32, 32, generator=torch.Generator().manual_seed(seed))
    return {"pixel_values" if name in CONFIGURED else "pixels": pixels}


def call_of(name: str, model: nn.Module) -> Callable[[], Tensor]:
    """A call of the model on that batch that gives its last hidden state, or vector."""

    def call() -> Tensor:
        out = model(**pictures(name))
        found: Tensor = out if isinstance(out, Tensor) else out.last_hidden_state
        return found

    return call
