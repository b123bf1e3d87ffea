"""Learning without forgetting."""

from __future__ import annotations

from collections.abc import Mapping

import torch
from torch import Tensor, nn

from ...core.data.items import DataError
from ...core.roles import Regularizer, TrainingView
from .specs import LwFSpec


class LwF(Regularizer):
    """lambda_o * mean over items of -sum_c y'_c log p'_c, over the classes c that the run before knew.

    y' = softmax(z⁰ / T) of the logits z⁰ at the start of training, p' = softmax(z / T) of those now, both over those
    classes alone. (y^(1/T), normalised, is softmax(z / T) where y is softmax(z).) Source: Li & Hoiem, "Learning
    without Forgetting", ECCV 2016, equations 2 to 4.
    """

    def __init__(self, spec: LwFSpec) -> None:
        self.spec = spec
        #: int64 [C_old]: columns of the logits.
        self._known = torch.empty(0, dtype=torch.int64)
        #: [N, C_old]: y' of every labelled item.
        self._before = torch.empty(0)

    def start(self, view: TrainingView) -> None:
        """Take what the model says of every labelled item. Raises ``DataError`` where that is no score a class."""
        self.spec.require_previous(view.previous)
        with torch.no_grad():
            logits = view.logits()
        if logits.ndim != 2 or view.targets.ndim != 1 or view.targets.is_floating_point():
            shapes = f"logits are {list(logits.shape)} and targets {list(view.targets.shape)}"
            raise DataError(f"lwf: it distils scores of one class an item, and here {shapes}; remove it")
        self._known = _known_columns(view, logits)
        self._before = self._softened(logits).exp()

    def penalty(self, parameters: Mapping[str, nn.Parameter]) -> Tensor:
        """Nothing on parameters."""
        return self._before.new_zeros(())

    def penalty_of_logits(self, logits: Tensor, rows: Tensor) -> Tensor:
        """The distillation loss of a batch, a scalar."""
        before = self._before[rows.to(self._before.device)]
        return self.spec.strength * -(before * self._softened(logits)).sum(dim=-1).mean()

    def _softened(self, logits: Tensor) -> Tensor:
        """log softmax at temperature T over the classes before."""
        known: Tensor = logits[:, self._known.to(logits.device)]
        wide = known.float() if known.dtype in (torch.float16, torch.bfloat16) else known
        return torch.log_softmax(wide / self.spec.temperature, dim=-1)


def _known_columns(view: TrainingView, logits: Tensor) -> Tensor:
    """Of the classes that the run before knew."""
    before = torch.arange(logits.shape[1]) if view.classes_before is None else view.classes_before
    if len(before) != logits.shape[1]:
        raise DataError(
            f"lwf: there are {len(before)} classes, and logits have {logits.shape[1]} columns: not one each"
        )
    known = (before >= 0).nonzero().squeeze(1)
    if len(known) < 2:
        count = "one of the classes here" if len(known) else "none of the classes here"
        raise DataError(
            f"lwf: the run in trainer.start_from knew {count}, and what is to be kept is how it weighs them against "
            "each other; keep the classes before in the data set (a head that grows), or remove lwf"
        )
    return known
