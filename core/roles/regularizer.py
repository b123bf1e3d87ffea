"""The regularizer role: a penalty on trainable parameters, with a state of its own."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

from torch import Generator, Tensor, nn

from .contract import broken, form


@dataclass(frozen=True, slots=True)
class TrainingView:
    """What a regularizer may look at."""

    #: Trainable parameters by name; the names are those in the saved adapter.
    parameters: Mapping[str, nn.Parameter]
    #: Logits [N, C] of the labelled training items at the current parameters, differentiable.
    logits: Callable[[], Tensor]
    #: int64 [N].
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


class Regularizer(ABC):
    """Built as ``build(spec)``, anew for each training."""

    @abstractmethod
    def start(self, view: TrainingView) -> None:
        """Called once before the first step, with the initial parameters in place."""

    @abstractmethod
    def penalty(self, parameters: Mapping[str, nn.Parameter]) -> Tensor:
        """The penalty at the current parameters: a scalar, differentiable."""

    def state(self) -> dict[str, Tensor]:
        """What a checkpoint keeps: whatever changed since ``start``."""
        return {}

    def resume(self, state: Mapping[str, Tensor]) -> None:  # noqa: B027  # most keep what `start` found
        """Take back what ``state`` gave. ``start`` was called before, with the same initial parameters as then."""

    def finish(self, view: TrainingView) -> dict[str, dict[str, Tensor]]:
        """Called once with the kept parameters; returns files to save beside the adapter: stem to named tensors."""
        return {}


def penalty_of(regularizer: Regularizer, parameters: Mapping[str, nn.Parameter]) -> Tensor:
    """The penalty. Raises ``ContractError`` where that is no scalar tensor."""
    given = regularizer.penalty(parameters)
    if not isinstance(given, Tensor) or given.ndim:
        raise broken("regularizer", regularizer, f"gave {form(given)}; `penalty` gives a scalar tensor")
    return given


def files_of(regularizer: Regularizer, view: TrainingView) -> dict[str, dict[str, Tensor]]:
    """What it saves. Raises ``ContractError`` where that is not named tensors under each stem."""
    given = regularizer.finish(view)
    whole = isinstance(given, dict) and all(isinstance(one, dict) for one in given.values())
    if not whole or not all(isinstance(tensor, Tensor) for one in given.values() for tensor in one.values()):
        asked = "`finish` gives a dict of stem to a dict of named tensors"
        raise broken("regularizer", regularizer, f"gave {form(given)} to save; {asked}")
    return given
