"""Class means as the first class vectors."""

from __future__ import annotations

import math
from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from ...core.roles import ClassPrompts, Head
from .logistic_regression import NEVER
from .specs import PrototypeSpec


class Prototype(Head):
    """logits = s cos(z, w_c), where w_c starts at unit(mean over the labelled z of class c).

    Source: Snell et al. 2017 (arXiv 1703.05175), eq. 1 for the means; the cosine with a trained scale is ours, as
    Gidaris & Komodakis 2018 (arXiv 1804.09458) have it. A class without labelled items is never predicted.
    """

    class_rows: ClassVar[tuple[str, ...]] = ("class_vectors", "seen")

    seen: Tensor

    def __init__(self, spec: PrototypeSpec, width: int, classes: int, prompts: ClassPrompts | None) -> None:
        super().__init__()
        self.class_vectors = nn.Parameter(torch.zeros(classes, width), requires_grad=spec.train)
        self._scale = spec.scale
        self.log_scale = nn.Parameter(torch.tensor(math.log(spec.scale))) if spec.train else None
        self.register_buffer("seen", torch.zeros(classes, dtype=torch.bool))

    @torch.no_grad()
    def fit(self, x: Tensor, targets: Tensor) -> None:
        """Take the class means."""
        sums = torch.zeros_like(self.class_vectors).index_add_(0, targets, x.to(self.class_vectors))
        self.class_vectors.copy_(normalize(sums, dim=-1))
        self.seen.zero_()
        self.seen[targets] = True

    def forward(self, x: Tensor) -> Tensor:
        """Logits [N, C]."""
        cosines = normalize(x, dim=-1) @ normalize(self.class_vectors, dim=-1).T
        scale = self._scale if self.log_scale is None else self.log_scale.exp()
        return (scale * cosines).masked_fill(~self.seen, NEVER)
