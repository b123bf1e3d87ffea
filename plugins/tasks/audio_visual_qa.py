"""Questions about what is seen and heard, one answer each."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import cross_entropy

from ...core.roles import Task
from .specs import AudioVisualQaSpec


class AudioVisualQa(Task):
    """A question goes through the towers with each frame and the sound around it; the head is given the mean of these.

    Source of the figures: Li et al., "Learning to Answer Questions in Dynamic Audio-Visual Scenarios", CVPR 2022; the
    mean over passes is ours.
    """

    primary = "accuracy"
    by = ("type", "scenario")

    def __init__(self, spec: AudioVisualQaSpec) -> None:
        self.spec = spec

    def losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy of each question, [N]."""
        return cross_entropy(logits, targets, reduction="none")

    def metrics(self, logits: Tensor, targets: Tensor) -> dict[str, float]:
        """``accuracy`` over all questions, ``loss``."""
        return {
            "accuracy": float(self.scores(logits, targets).mean()),
            "loss": float(self.losses(logits, targets).double().mean()),
        }

    def scores(self, logits: Tensor, targets: Tensor) -> Tensor:
        """1 for a question answered right, else 0."""
        return (logits.argmax(dim=-1) == targets).double()
