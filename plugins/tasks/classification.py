"""Classification: cross-entropy and accuracy."""

from __future__ import annotations

from torch import Tensor
from torch.nn.functional import cross_entropy

from ...core.roles import Task
from .specs import ClassificationSpec


class Classification(Task):
    """One class an item."""

    primary = "accuracy"

    def __init__(self, spec: ClassificationSpec) -> None:
        self.spec = spec

    def losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Cross-entropy of each item, [N]."""
        return cross_entropy(logits, targets, reduction="none", label_smoothing=self.spec.label_smoothing)

    def metrics(self, logits: Tensor, targets: Tensor) -> dict[str, float]:
        """``accuracy`` (top 1, 0 to 1), ``macro_accuracy`` (mean over the classes present), ``loss`` (no smoothing)."""
        right = logits.argmax(dim=-1) == targets
        by_class = [float(right[targets == target].double().mean()) for target in set(targets.tolist())]
        return {
            "accuracy": float(right.double().mean()),
            "macro_accuracy": sum(by_class) / len(by_class),
            "loss": float(cross_entropy(logits, targets)),
        }

    def scores(self, logits: Tensor, targets: Tensor) -> Tensor:
        """1 for an item judged right, else 0."""
        return (logits.argmax(dim=-1) == targets).double()
