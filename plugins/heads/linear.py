"""The linear head."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn

from ...core.roles import ClassPrompts, Head
from .specs import LinearSpec


class Linear(Head):
    """logits = s z W' + b."""

    class_rows: ClassVar[tuple[str, ...]] = ("weight", "bias")

    def __init__(self, spec: LinearSpec, width: int, classes: int, prompts: ClassPrompts | None) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.zeros(classes, width))
        self.bias = nn.Parameter(torch.zeros(classes))
        default = width**0.5
        if spec.init == "prompts":
            assert prompts is not None, "the spec says that this head uses prompts"
            default = prompts.logit_scale or 100.0
            with torch.no_grad():
                self.weight.copy_(prompts.vectors)
        self._scale = spec.scale or default

    def forward(self, x: Tensor) -> Tensor:
        """Logits [N, C]."""
        return torch.nn.functional.linear(self._scale * x, self.weight, self.bias)
