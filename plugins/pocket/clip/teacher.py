"""The pocket CLIP as a teacher: what its image tower makes of a picture, for another tower to learn from."""

from __future__ import annotations

from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from .architecture import EMBED_DIM, channels_last, encode_images, normalised
from .digits_check import OpenClipReader


class Teacher:
    """A frozen CLIP that says what its image tower makes of rendered pictures."""

    width = EMBED_DIM

    def __init__(self, folder: Path, half_precision: bool) -> None:
        self.model: nn.Module = OpenClipReader(folder).model.requires_grad_(False)
        channels_last(self.model)
        self.half_precision = half_precision

    @torch.no_grad()
    def embed(self, pictures: Tensor) -> Tensor:
        """Unit embeddings float32 [batch, 128] of ``pictures`` float32 [batch, 3, 32, 32] in [0, 1]."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.half_precision):
            embedding = encode_images(self.model, normalised(pictures), normalize=False)
        return F.normalize(embedding.float(), dim=-1)
