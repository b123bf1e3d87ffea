"""Synthetic features shaped like CLIP's: mean cosine 0.35, class clusters, power-law spectrum, random rotation."""

import torch
from torch import Tensor
from torch.nn.functional import normalize


def clip_like(rows: int, width: int = 512, seed: int = 0, classes: int = 100, mean: float = 0.35) -> Tensor:
    """float32 unit rows [rows, width]."""
    generator = torch.Generator().manual_seed(seed)
    spectrum = torch.arange(1, width + 1).float() ** -0.5
    centers = torch.randn(classes, width, generator=generator) * spectrum
    x = centers[torch.randint(0, classes, (rows,), generator=generator)] * 0.6
    x = normalize(x + torch.randn(rows, width, generator=generator) * spectrum * 0.8, dim=1)
    direction = normalize(torch.randn(width, generator=generator), dim=0)
    rotation, _ = torch.linalg.qr(torch.randn(width, width, generator=generator))
    return normalize((x * (1 - mean) ** 0.5 + direction * mean**0.5) @ rotation, dim=1)
