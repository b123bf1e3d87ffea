"""The dual encoder: each modality goes to its own model."""

from __future__ import annotations

import torch

from ....core.stages.composed_encoder import Composed, build_encoder
from ....registry.discovery import default_catalogue
from .spec import DualSpec


def dual(spec: DualSpec, device: torch.device) -> Composed:
    """Both models as one encoder, its parts looked up among the installed components; each loaded on first use."""
    return build_encoder(default_catalogue(), spec, device)
