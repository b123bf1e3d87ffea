"""The head with one hidden layer."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from ...core.roles import ClassPrompts, Head
from .specs import MlpSpec


class Mlp(Head):
    """logits = W2 drop(gelu(W1 LN(z) + b1)) + b2; W2 = b2 = 0 at the start, so that every class is alike."""

    class_rows: ClassVar[tuple[str, ...]] = ("out.weight", "out.bias")

    def __init__(self, spec: MlpSpec, width: int, classes: int, prompts: ClassPrompts | None) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.hidden = nn.Linear(width, spec.hidden)
        self.dropout = nn.Dropout(spec.dropout)
        self.out = nn.Linear(spec.hidden, classes)
        nn.init.zeros_(self.out.weight)
        nn.init.zeros_(self.out.bias)

    def forward(self, x: Tensor) -> Tensor:
        """Logits [..., C] of vectors [..., width]."""
        hidden = torch.nn.functional.gelu(self.hidden(self.norm(x)))
        logits: Tensor = self.out(self.dropout(hidden))
        return logits
