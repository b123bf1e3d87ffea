"""Tip-Adapter: a cache of the labelled items votes beside the zero-shot head."""

from __future__ import annotations

from typing import Any, ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize, one_hot

from ...core.roles import ClassPrompts, Head
from .cosine import Cosine
from .specs import CosineSpec, TipAdapterSpec


class TipAdapter(Head):
    """logits = alpha exp(-beta (1 - f K')) V + s f T' (Zhang et al. 2022, arXiv 2207.09519).

    f are unit rows; K [n, d] the unit vectors of the labelled items, V [n, C] their one-hot classes, T the class
    vectors. With ``train_keys`` (Tip-Adapter-F) K is trained from there and V stays. The paper averages its keys over
    ten augmented views; features are encoded once here, so a key is one view. Without ``zero_shot`` the votes alone.
    """

    class_rows: ClassVar[tuple[str, ...]] = ()

    sized_by_fit: ClassVar[tuple[str, ...]] = ("keys", "labels")
    labels: Tensor

    def __init__(self, spec: TipAdapterSpec, width: int, classes: int, prompts: ClassPrompts | None) -> None:
        super().__init__()
        self.zero_shot = Cosine(CosineSpec(scale=spec.scale), width, classes, prompts) if spec.zero_shot else None
        self.keys = nn.Parameter(torch.empty(0, width), requires_grad=spec.train_keys)
        self.register_buffer("labels", torch.empty(0, dtype=torch.int64))
        self._spec, self._width, self._classes = spec, width, classes

    def fit(self, x: Tensor, targets: Tensor) -> None:
        """Fill the cache with the labelled items."""
        self.keys = nn.Parameter(normalize(x, dim=-1), requires_grad=self._spec.train_keys)
        self.labels = targets

    def _load_from_state_dict(self, state_dict: dict[str, Any], prefix: str, *rest: Any) -> None:
        """As every head's; labels that are none of the classes are an error of the file."""
        super()._load_from_state_dict(state_dict, prefix, *rest)
        outside = (self.labels < 0) | (self.labels >= self._classes)
        if self.keys.shape != (self.labels.numel(), self._width) or self.labels.ndim != 1 or bool(outside.any()):
            rest[-1].append(f"{prefix}labels are no classes of {prefix}keys, or these are of another width.")

    def forward(self, x: Tensor) -> Tensor:
        """Logits [N, C]."""
        affinity = torch.exp(-self._spec.beta * (1 - normalize(x, dim=-1) @ self.keys.T))
        votes = affinity @ one_hot(self.labels, self._classes).to(affinity.dtype)
        if self.zero_shot is None:
            return self._spec.alpha * votes
        zero_shot: Tensor = self.zero_shot(x)
        return self._spec.alpha * votes + zero_shot
