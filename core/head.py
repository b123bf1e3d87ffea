"""The head role: adapted vectors to class logits."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass

from torch import Tensor, nn


@dataclass(frozen=True, slots=True)
class ClassPrompts:
    """The class names as the frozen encoder sees them."""

    #: float32 [C, d], unit rows: the mean over templates for each class, normalised again.
    vectors: Tensor
    #: The encoder's own scale from cosine to logit; ``None`` where it has none.
    logit_scale: float | None


class Head(nn.Module, ABC):
    """Built as ``build(spec, width, classes, prompts)``; ``prompts`` is ``None`` unless the spec uses them."""

    @abstractmethod
    def forward(self, x: Tensor) -> Tensor:
        """Logits [N, C] of adapted vectors [N, width]."""
