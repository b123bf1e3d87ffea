"""How parameters are held and updated: what the specs of regularizers and optimizers have. Light: no torch."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar

from pydantic import Field

from .component import ComponentSpec


class RegularizerSpec(ComponentSpec):
    """A penalty on the trainable parameters, or what else keeps a model from forgetting."""

    #: Whether it looks at the logits or at the loss of each item, which a task of pairs does not have.
    reads_logits: ClassVar[bool] = True
    #: Whether it works between the tasks of a sequence alone: a pipeline without `tasks` is refused.
    between_tasks: ClassVar[bool] = False

    def in_first_task(self) -> RegularizerSpec | None:
        """How it stands in the first task of a sequence, which has no run before it. ``None``: not at all."""
        return self

    def require_earlier(self, labelled: int, classes: int) -> None:
        """Raises ``UserError`` where so many labelled items of all tasks but the last, or so many classes of the first
        task, do not do. No torch.
        """

    def require_previous(self, previous: Path | None) -> None:
        """Raises ``UserError`` where the run before (its adapter folder) lacks what the penalty needs. No torch."""


class OptimizerSpec(ComponentSpec):
    """How parameters are updated."""

    #: Whether a step changes every number by its own gradients alone, with no norm over a parameter or over all of
    #: them: several seeds may then be trained as one on a GPU.
    elementwise: ClassVar[bool] = False

    lr: Annotated[float, Field(gt=0, le=1e38)] = 1e-3
    """Learning rate at the start."""
    weight_decay: Annotated[float, Field(ge=0)] = 0.0
    """Decoupled weight decay (`adamw`), or the L2 coefficient (`sgd`)."""
