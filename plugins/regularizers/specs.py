"""The specs of the regularizers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ...core.data.items import DataError
from ...core.roles import RegularizerSpec
from ...core.storage.run_folder import RunFolderError

#: The file of a run that keeps its Fisher information.
FISHER = "fisher.safetensors"


class EWCSpec(RegularizerSpec):
    """Elastic weight consolidation (Kirkpatrick et al. 2017): parameters that mattered are held near an anchor.

    It earns its keep over a sequence of tasks: anchor `previous`, with `trainer.start_from` naming the run before.
    """

    type: Literal["ewc"] = "ewc"
    strength: Annotated[float, Field(ge=0)]
    """lambda: the penalty is lambda / 2 * sum F (theta - anchor)²."""
    anchor: Literal["init", "previous"]
    """Where parameters are held: at their `init`ial values, or at those of the `previous` run (`trainer.start_from`),
    with the Fisher information saved there."""
    labels: Literal["empirical", "sampled"] = "empirical"
    """Labels of the gradients in F: the true ones (empirical Fisher), or sampled from the model (Fisher)."""
    decay: Annotated[float, Field(ge=0, le=1)] = 1.0
    """gamma: how much of the previous run's F is added to this run's when it is saved (online EWC; 0: nothing)."""
    normalize: bool = False
    """Divide F by its mean, so that `strength` means the same for every model."""

    def in_first_task(self) -> EWCSpec:
        """It holds nothing, and saves its Fisher information for the next."""
        return self.model_copy(update={"anchor": "init", "strength": 0.0, "decay": 1.0})

    def require_previous(self, previous: Path | None) -> None:
        """The Fisher information of the run before, where that is the anchor. Raises ``RunFolderError``."""
        if self.anchor != "previous":
            return
        if previous is None:
            raise RunFolderError(
                'ewc: anchor "previous" needs a run before this one: name it in trainer.start_from, or take "init"'
            )
        path = previous / FISHER
        if not path.is_file():
            raise RunFolderError(
                f"ewc: {path} is missing: the previous run was trained without ewc; give it one: "
                '"regularizers": [{"type": "ewc", "strength": 0, "anchor": "init"}] (strength 0 will do)'
            )


class ReplaySpec(RegularizerSpec):
    """Items of earlier tasks are learnt again beside those of the present one (experience replay).

    The memory is balanced over the classes seen so far; a class keeps the items that come first in an order drawn by
    the seed, and gives some up when other classes come.
    """

    penalizes: ClassVar[bool] = False
    between_tasks: ClassVar[bool] = True

    type: Literal["replay"] = "replay"
    memory: Annotated[int, Field(ge=1)]
    """Labelled items that are kept of all earlier tasks together."""

    def require_earlier(self, labelled: int) -> None:
        """A memory for everything would be joint training. Raises ``DataError``."""
        if self.memory > labelled:
            raise DataError(
                f"replay: a memory of {self.memory} items is larger than the data: all tasks but the last have "
                f'{labelled} labelled items; lower `memory`, or set "training": "joint" in `sequence`'
            )
