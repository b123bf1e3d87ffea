"""The specs of the regularizers."""

from __future__ import annotations

from pathlib import Path
from typing import Annotated, ClassVar, Literal, Self

from pydantic import Field, model_validator

from ...core.data.items import DataError
from ...core.roles import RegularizerSpec
from ...core.storage.run_folder import RunFolderError

#: The file of a run that keeps its Fisher information, and that of the tasks before it, each with its anchor.
FISHER, EARLIER = "fisher.safetensors", "fisher_earlier.safetensors"
#: The file of a run that keeps how important its parameters were.
IMPORTANCE = "synaptic_intelligence.safetensors"
#: What a regularizer that looks back needs.
NAME_IT = "needs a run before this one: name it in trainer.start_from"


class EWCSpec(RegularizerSpec):
    """Elastic weight consolidation (Kirkpatrick et al. 2017): parameters that mattered are held near an anchor.

    It earns its keep over a sequence of tasks: anchor `previous` (online, one Fisher that runs along) or `every`
    (separate, one for each task), with `trainer.start_from` naming the run before.
    """

    type: Literal["ewc"] = "ewc"
    strength: Annotated[float, Field(ge=0)]
    """lambda: the penalty is lambda / 2 * sum F (theta - anchor)²."""
    anchor: Literal["init", "previous", "every"]
    """Where parameters are held: at their `init`ial values; at those of the `previous` run (`trainer.start_from`), with
    the Fisher information saved there (online EWC, Schwarz et al. 2018); or at those of `every` task so far, each with
    its own anchor and Fisher information (separate EWC, Kirkpatrick et al. 2017)."""
    labels: Literal["empirical", "sampled"] = "empirical"
    """Labels of the gradients in F: the true ones (empirical Fisher), or sampled from the model (Fisher)."""
    decay: Annotated[float, Field(ge=0, le=1)] = 1.0
    """gamma: how much of the previous run's F is added to this run's when it is saved (online EWC; 0: nothing)."""
    normalize: bool = False
    """Divide F by its mean, so that `strength` means the same for every model."""

    @model_validator(mode="after")
    def _decay_is_of_one_that_runs_along(self) -> Self:
        if self.anchor == "every" and self.decay != 1:
            raise ValueError(
                'decay: with anchor "every" each task keeps its own Fisher information, and none runs along; remove it'
            )
        return self

    def in_first_task(self) -> EWCSpec:
        """It holds nothing, and saves its Fisher information for the next."""
        return self.model_copy(update={"anchor": "init", "strength": 0.0, "decay": 1.0})

    def require_previous(self, previous: Path | None) -> None:
        """The Fisher information of the run before, where that is the anchor. Raises ``RunFolderError``."""
        if self.anchor == "init":
            return
        if previous is None:
            raise RunFolderError(f'ewc: anchor "{self.anchor}" {NAME_IT}, or take "init"')
        path = previous / FISHER
        if not path.is_file():
            raise RunFolderError(
                f"ewc: {path} is missing: the previous run was trained without ewc; give it one: "
                '"regularizers": [{"type": "ewc", "strength": 0, "anchor": "init"}] (strength 0 will do)'
            )
        if self.anchor == "previous" and (previous / EARLIER).is_file():
            raise RunFolderError(
                f'ewc: {previous / EARLIER} keeps each task before apart, and anchor "previous" would forget them; '
                'take anchor "every"'
            )


class L2StartSpec(RegularizerSpec):
    """Decay towards the parameters that training began with (L2-SP; Li, Grandvalet & Davoine 2018)."""

    reads_logits: ClassVar[bool] = False

    type: Literal["l2_start"] = "l2_start"
    strength: Annotated[float, Field(ge=0)]
    """alpha: the penalty is alpha / 2 * sum (theta - start)²."""
    new_classes: Annotated[float, Field(ge=0)] = 0.0
    """beta: rows of the head for classes that the run before did not know have no start worth keeping; they decay
    towards 0 by beta / 2 * sum theta²."""

    def in_first_task(self) -> None:
        """There is nothing to keep yet."""


class SynapticIntelligenceSpec(RegularizerSpec):
    """Synaptic intelligence (Zenke, Poole & Ganguli 2017): each parameter is held by how much it lowered the loss of
    the tasks so far, summed along the way that training took.

    Every run of a sequence has it: the first holds nothing and saves what the next needs.
    """

    reads_logits: ClassVar[bool] = False

    type: Literal["synaptic_intelligence"] = "synaptic_intelligence"
    strength: Annotated[float, Field(ge=0)]
    """c: the penalty is c * sum Omega (theta - start)²."""
    damping: Annotated[float, Field(gt=0)] = 1e-3
    """xi, added to the squared distance that a parameter went, by which its share of the loss is divided."""

    def in_first_task(self) -> SynapticIntelligenceSpec:
        """It holds nothing, and saves the path for the next."""
        return self.model_copy(update={"strength": 0.0})

    def require_previous(self, previous: Path | None) -> None:
        """What the run before saved, where there is one. Raises ``RunFolderError``."""
        if previous is not None and not (previous / IMPORTANCE).is_file():
            raise RunFolderError(
                f"synaptic_intelligence: {previous / IMPORTANCE} is missing: the previous run was trained without it, "
                'and its path is gone; train that run with "regularizers": [{"type": "synaptic_intelligence", '
                '"strength": 0}] (strength 0 will do)'
            )


class LwFSpec(RegularizerSpec):
    """Learning without forgetting (Li & Hoiem 2016): on the new items the model goes on saying of the classes before
    what it said of them when training began. No item of an earlier task is needed."""

    type: Literal["lwf"] = "lwf"
    strength: Annotated[float, Field(ge=0)]
    """lambda_o: how much the distillation loss counts beside the task's (the paper has 1)."""
    temperature: Annotated[float, Field(gt=0)] = 2.0
    """T: logits are divided by it before softmax; above 1 small probabilities count for more (the paper has 2)."""

    def in_first_task(self) -> None:
        """There are no classes before."""

    def require_earlier(self, labelled: int, classes: int) -> None:
        """What is kept is how classes are weighed against each other. Raises ``DataError``."""
        if classes < 2:
            raise DataError(
                "lwf: a first task of one class leaves nothing to distil: what is kept is how classes are weighed "
                "against each other; give the first task (of every seed, where they are shuffled) two classes, or "
                "remove lwf"
            )

    def require_previous(self, previous: Path | None) -> None:
        """A run before, of any kind. Raises ``RunFolderError``."""
        if previous is None:
            raise RunFolderError(f"lwf: {NAME_IT}, or remove it: without one there are no classes to remember")


class ReplaySpec(RegularizerSpec):
    """Items of earlier tasks are learnt again beside those of the present one (experience replay).

    The memory is balanced over the classes seen so far; a class keeps the items that come first in an order drawn by
    the seed, and gives some up when other classes come.
    """

    reads_logits: ClassVar[bool] = False
    between_tasks: ClassVar[bool] = True

    type: Literal["replay"] = "replay"
    memory: Annotated[int, Field(ge=1)]
    """Labelled items that are kept of all earlier tasks together."""

    def require_earlier(self, labelled: int, classes: int) -> None:
        """A memory for everything would be joint training. Raises ``DataError``."""
        if self.memory > labelled:
            raise DataError(
                f"replay: a memory of {self.memory} items is larger than the data: all tasks but the last have "
                f'{labelled} labelled items; lower `memory`, or set "training": "joint" in `sequence`'
            )
