"""The regularizer role: a penalty on trainable parameters, with a state of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from torch import Generator, Tensor, nn

from ..data.items import Item
from .contract import broken, form


@dataclass(frozen=True, slots=True)
class TrainingView:
    """What a regularizer may look at."""

    #: Trainable parameters by name; the names are those in the saved adapter.
    parameters: Mapping[str, nn.Parameter]
    #: Logits [N, C] of the labelled training items at the current parameters, differentiable. Through towers under
    #: ``no_grad``, or everything that they compute is held at once.
    logits: Callable[[], Tensor]
    #: int64 [N], or as the task makes them; [0] where they are read when they are asked for (masks): see ``batch``.
    targets: Tensor
    #: Losses [N] of logits [N, C] against targets [N].
    losses: Callable[[Tensor, Tensor], Tensor]
    #: Adapter folder of the run that this one starts from (``trainer.start_from``).
    previous: Path | None
    #: Seeded source of randomness.
    generator: Generator
    #: Of parameters with a row a class, where the classes of ``previous`` are others: int64 [C], the row that each
    #: class had there, -1 for a new one. All others are as they were saved there.
    rows_before: Mapping[str, Tensor] = field(default_factory=dict)
    #: Where the classes of ``previous`` are others: int64 [C], the place that each class had there, -1 for a new one.
    classes_before: Tensor | None = None
    #: How many labelled items there are; 0 stands for as many as targets.
    items: int = 0
    #: Where an item's logits do not depend on the other items: the logits [n, C] and the targets of those labelled
    #: items, int64 [n], differentiable. ``None`` in a graph.
    batch: Callable[[Tensor], tuple[Tensor, Tensor]] | None = None
    #: The same logits at parameters by name, as a function that ``torch.func`` transforms; each item is one row all the
    #: way. ``None`` where that cannot be: in a graph, of several nodes an item, through towers.
    stateless: Callable[[Mapping[str, Tensor], Tensor], Tensor] | None = None

    def __post_init__(self) -> None:
        if not self.items:
            object.__setattr__(self, "items", len(self.targets))


@dataclass(frozen=True, slots=True)
class Step:
    """A step of the optimizer, of each parameter by name."""

    #: What was lost on the step's items by the task and by ``penalty_of_logits``, differentiated before the step; zeros
    #: where it does not depend on a parameter. No ``penalty`` is part of it.
    gradients: Mapping[str, Tensor]
    #: How far the step moved the parameter.
    moves: Mapping[str, Tensor]


class Regularizer(ABC):
    """Built as ``build(spec)``, anew for each training. One that overrides none of the optional methods costs nothing
    more than its penalty."""

    @abstractmethod
    def start(self, view: TrainingView) -> None:
        """Called once before the first step, with the initial parameters in place."""

    @abstractmethod
    def penalty(self, parameters: Mapping[str, nn.Parameter]) -> Tensor:
        """The penalty at the current parameters: a scalar, differentiable."""

    def penalty_of_logits(self, logits: Tensor, rows: Tensor) -> Tensor:
        """A penalty, a scalar, of a batch's logits [n, C] and which labelled items they are of, int64 [n]."""
        return logits.new_zeros(())

    def stepped(self, step: Step) -> None:  # noqa: B027 - optional
        """Called after each step of the optimizer, with what it did."""

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint keeps: whatever changed since ``start``."""
        return {}

    def resume(self, state: Mapping[str, Tensor]) -> None:  # noqa: B027 - optional
        """Take back what ``state`` gave. ``start`` was called before, with the same initial parameters as then."""

    def finish(self, view: TrainingView) -> dict[str, dict[str, Tensor]]:
        """Called once with the kept parameters; returns files to save beside the adapter: stem to named tensors."""
        return {}

    def remember(self, memory: Sequence[Item], labelled: Sequence[Item], seed: int) -> Sequence[Item]:
        """Items that join the labelled ones of the next task of a sequence.

        Called once after each task, of a component built anew: ``memory`` is what it remembered before, ``labelled``
        are the task's own labelled items, as they are in the data. It gives some of both. Nothing else of an earlier
        task can be had, so that a memory is no larger than it says.
        """
        return ()


def penalty_of(regularizer: Regularizer, parameters: Mapping[str, nn.Parameter]) -> Tensor:
    """The penalty. Raises ``ContractError`` where that is no scalar tensor."""
    given = regularizer.penalty(parameters)
    if not isinstance(given, Tensor) or given.ndim:
        raise broken("regularizer", regularizer, f"gave {form(given)}; `penalty` gives a scalar tensor")
    return given


def remembered_by(
    regularizer: Regularizer, memory: Sequence[Item], labelled: Sequence[Item], seed: int
) -> tuple[Item, ...]:
    """What it remembers. Raises ``ContractError`` where that is none of the items that it was shown."""
    given, shown = regularizer.remember(memory, labelled, seed), {item.id for item in (*memory, *labelled)}
    if not isinstance(given, Sequence) or not all(isinstance(one, Item) and one.id in shown for one in given):
        raise broken("regularizer", regularizer, f"gave {form(given)}; `remember` gives some of the items it is shown")
    return tuple(given)


def penalties_of_logits(regularizers: Sequence[Regularizer]) -> Callable[[Tensor, Tensor], Tensor] | None:
    """What those of them that look at logits [n, C] of labelled items [n] lose on them, in sum. ``None``: none looks.

    It raises ``ContractError`` where one gives no scalar tensor.
    """
    looking = [one for one in regularizers if _overrides(one, "penalty_of_logits")]

    def of(logits: Tensor, rows: Tensor) -> Tensor:
        total = logits.new_zeros(())
        for one in looking:
            given = one.penalty_of_logits(logits, rows)
            if not isinstance(given, Tensor) or given.ndim:
                raise broken("regularizer", one, f"gave {form(given)}; `penalty_of_logits` gives a scalar tensor")
            total = total + given
        return total

    return of if looking else None


def that_hear_steps(regularizers: Sequence[Regularizer]) -> list[Regularizer]:
    """Those of them that are to be told of each step."""
    return [one for one in regularizers if _overrides(one, "stepped")]


def _overrides(regularizer: Regularizer, method: str) -> bool:
    return getattr(type(regularizer), method) is not getattr(Regularizer, method)


def files_of(regularizer: Regularizer, view: TrainingView) -> dict[str, dict[str, Tensor]]:
    """What it saves. Raises ``ContractError`` where that is not named tensors under each stem."""
    given = regularizer.finish(view)
    whole = isinstance(given, dict) and all(isinstance(one, dict) for one in given.values())
    if not whole or not all(isinstance(tensor, Tensor) for one in given.values() for tensor in one.values()):
        asked = "`finish` gives a dict of stem to a dict of named tensors"
        raise broken("regularizer", regularizer, f"gave {form(given)} to save; {asked}")
    return given
