"""The zero-shot head of CLIP."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from ...core.roles import ClassPrompts, Head
from .specs import CosineSpec

#: CLIP clips its logit scale here (Radford et al. 2021).
CLIP_MAXIMUM = 100.0


def zero_shot_scale(given: float | None, prompts: ClassPrompts) -> float:
    """Factor from cosine to logit: the spec's, else the encoder's own, else CLIP's largest."""
    return given or prompts.logit_scale or CLIP_MAXIMUM


class Cosine(Head):
    """logits = s cos(z, t_c), with frozen class vectors t_c (Radford et al. 2021)."""

    class_rows: ClassVar[tuple[str, ...]] = ()

    class_vectors: Tensor

    def __init__(self, spec: CosineSpec, width: int, classes: int, prompts: ClassPrompts | None) -> None:
        super().__init__()
        assert prompts is not None, "the spec says that this head needs prompts"
        # Not persistent: they come from the frozen text tower, and adapter files hold none of it.
        self.register_buffer("class_vectors", prompts.vectors, persistent=False)
        self._scale = zero_shot_scale(spec.scale, prompts)
        self.log_scale = nn.Parameter(torch.tensor(math.log(self._scale))) if spec.train_scale else None

    def forward(self, x: Tensor) -> Tensor:
        """Logits [N, C]."""
        scale = self._scale if self.log_scale is None else self.log_scale.exp()
        return scale * (normalize(x, dim=-1) @ self.class_vectors.T)
