"""What one training trains, at whatever level its adapter works: the training loop knows no more of it."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from torch import Generator, Tensor, nn

from ..roles.head import Head
from ..roles.regularizer import TrainingView

#: Primary metric and loss on the selection split: numbers, or scalars that were not read yet. Of a learner that is
#: several trainings tensors [members].
Rank = tuple[Tensor | float, Tensor | float]
#: What is lost, a scalar, on logits [n, C] of labelled items, int64 [n].
OfLogits = Callable[[Tensor, Tensor], Tensor]


class TrainableModel(nn.Module):
    """A model whose state dict, ``adapter.*``, ``head.*`` and what else is trained, is what a run saves."""

    #: ``None`` where the task needs none.
    head: Head | None

    def __init__(self) -> None:
        super().__init__()
        #: Where a run started from one with other classes: name of what has a row a class to int64 [C], the row that
        #: each class had there, -1 for a new one.
        self.rows_before: dict[str, Tensor] = {}
        #: The same of its classes, whether or not anything has a row for each.
        self.classes_before: Tensor | None = None

    def trainable(self) -> dict[str, nn.Parameter]:
        """Trainable parameters by name."""
        return {name: parameter for name, parameter in self.named_parameters() if parameter.requires_grad}

    def upgraded(self, tensors: Mapping[str, Tensor]) -> dict[str, Tensor]:
        """A saved state dict of an earlier form under today's names and shapes."""
        return dict(tensors)


class Learner(ABC):
    """A model with the labelled items that it learns from and the split that it is selected on.

    It may be several trainings in one, ``members``: every tensor of its model then has a dimension of members before
    its own, and so have loss and rank.
    """

    #: Labelled items a step where ``trainer.batch_size`` names no number; ``None``: all of them.
    default_batch: ClassVar[int | None] = None
    #: Whether the loss over all items and the rank are the same operators each time, of the same tensors.
    same_each_time: ClassVar[bool] = False
    model: TrainableModel
    #: Number of labelled items, of each member.
    items: int
    #: How many trainings it is.
    members: int = 1

    @abstractmethod
    def fit(self) -> None:
        """Show the labelled items to the head, before training: ``Head.fit``."""

    @abstractmethod
    def loss(self, rows: Tensor, of_logits: OfLogits | None = None) -> Tensor:
        """The mean loss over those labelled items, int64 [n], differentiable; what an adapter adds to it included, and
        what ``of_logits`` says of their logits.

        All of them come in their order. Of several members [members], over rows [n, members]; all of them as [n].
        """

    def gathered(self, rows: Tensor) -> Any:
        """What the loss of those items is computed of, a tree of dictionaries, tuples, lists, tensors and plain values:
        trees of equal forms have the same operators, ``Replayed``. ``None`` where that cannot be said."""
        return rows if self.same_each_time and len(rows) == self.items else None

    def loss_of(self, gathered: Any) -> tuple[Tensor, Sequence[Tensor]]:
        """The loss of what was gathered, and what ``note`` is told of it; leaves nothing behind."""
        return self.loss(gathered), ()

    def note(self, told: Sequence[Tensor], items: int) -> None:  # noqa: B027  # not all keep something
        """Hear what ``loss_of`` told of so many items."""

    def asks(self) -> Sequence[object]:
        """Modules beside the model and objects that ``loss_of`` and ``rank`` call: they must keep nothing of it."""
        return ()

    @abstractmethod
    def rank(self) -> Rank | None:
        """Primary metric and loss on the selection split. ``None`` without such a split.

        What costs a wait for the device stays there: the loop reads many epochs at once.
        """

    def usage(self) -> Mapping[str, Tensor]:
        """Where experts are mixed: ``meeting.stream`` to their mean shares [E] since this was asked last, not read."""
        return {}

    def state(self) -> dict[str, Any]:
        """What of a training it keeps beside its model: tensors, numbers, words, dictionaries and lists of them."""
        return {}

    def resume(self, state: Mapping[str, Any]) -> None:  # noqa: B027  # not all keep something
        """Take back what ``state`` gave; ``fit`` was called before, and the parameters are in place."""

    def member(self, index: int, state: Mapping[str, Tensor] | None) -> Learner:
        """The learner of one training, its model with the parameters of ``state``, else with those of now."""
        if state is not None:
            self.model.load_state_dict(state)
        return self

    @abstractmethod
    def final_loss(self) -> float:
        """The loss over labelled items at the current parameters, to see that the last step left them whole."""

    @abstractmethod
    def view(self, previous: Path | None, generator: Generator) -> TrainingView:
        """What regularizers may look at."""
