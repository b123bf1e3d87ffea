"""The engine of adapters inside towers, and of tasks whose items go through several towers."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor

from ...registry.build import build
from ..data.items import DataError, Item
from ..graft.saving import saved_facts
from ..roles.layer_adapter import LayerAdapter
from ..roles.specs import PairTaskSpec
from ..roles.task import PairTask, Task, figures_by, figures_of, scores_of, targets_of
from ..spec.pipeline_spec import PipelineSpec
from ..stages.context import RunContext
from ..stages.list_tasks import labelled_sample
from ..storage.adapter_config import GraftFacts, LayerFacts
from ..storage.result_parts import AdapterInTowers
from ..training.devices import own_randomness
from ..training.engine import Conditions, Engine
from ..training.finished import FinishedTrainings
from ..training.members import Hear
from ..training.trial import Outcome, SplitAnswers, SplitScore, Trial
from ..training.warm_start import start_from
from ..training.within_task import answered, task_for
from .learner import LayerLearner, Targeted, TowerLearner, fitting, shares_of
from .model import LayerModel, build_layer_model
from .pair_learner import PairLearner
from .pairs import Pairs
from .passes import Passes
from .plan import unheard_partner_warning
from .prepare import LayerInputs, prepare
from .read_outs import ReadOuts, all_logits
from .read_targets import ReadTargets


@dataclass(frozen=True, slots=True)
class LayerOutcome(Outcome):
    """With the towers' model."""

    model: LayerModel


class LayerEngine(Engine[LayerInputs, LayerOutcome]):
    """Trains through the towers. Where nothing inside them is trained, they run once an item."""

    def __init__(self, context: RunContext, finished: FinishedTrainings | None = None) -> None:
        super().__init__(context, finished)
        self._frozen: dict[tuple[str, tuple[str, ...]], ReadOuts] = {}

    def _prepare(self, spec: PipelineSpec, key: str) -> LayerInputs:
        return prepare(spec, key, self.context)

    def train(self, trial: Trial[LayerInputs, LayerOutcome], seed: int, hear: Hear) -> LayerOutcome:
        """On the labelled items of the seed's sample."""
        spec, prepared = trial.spec, trial.prepared
        items = labelled_sample(spec, prepared.splits["train"], seed)
        if not items:
            raise DataError("no item of split train is labelled")
        split = spec.evaluation.selecting_split
        selecting = prepared.splits[split] if split else None
        with self.context.stage("train"), own_randomness(self.context.device):
            torch.manual_seed(seed)
            model = self.model(spec, prepared, len(items[0].views()))
            if spec.trainer.start_from:
                weights = {kind: tower.facts().weights for kind, tower in prepared.encoder.used().items()}
                start_from(model, Path(spec.trainer.start_from), prepared.content.class_names, weights)
            learner = self._learner(spec, prepared, model, items, selecting)
            trained = self.trained(trial, learner, seed, hear)
        return LayerOutcome(trained, tuple(item.id for item in items), model)

    def _learner(
        self,
        spec: PipelineSpec,
        prepared: LayerInputs,
        model: LayerModel,
        items: Sequence[Item],
        selecting: Sequence[Item] | None,
    ) -> TowerLearner:
        size = spec.encoder.batch_size
        if isinstance(spec.task, PairTaskSpec):
            pairs = self._pairs(spec.task, prepared, items)
            selection = self._pairs(spec.task, prepared, selecting) if selecting else None
            return PairLearner(model, pairs, selection, size)
        task = task_for(spec, prepared, self.context.catalogue)
        labelled = self._targeted(prepared, task, items, kept=spec.task.passes_are != "masks")
        held_out = self._targeted(prepared, task, selecting) if selecting else None
        return LayerLearner(model, task, labelled, held_out, size, self._read_outs(spec, prepared))

    def _pairs(self, spec: PairTaskSpec, prepared: LayerInputs, items: Sequence[Item]) -> Pairs:
        task = build(PairTask, self.context.catalogue, spec)
        return Pairs(spec, task, Passes(items, prepared.towers, prepared.reader))

    def model(self, spec: PipelineSpec, prepared: LayerInputs, passes: int) -> LayerModel:
        """A fresh model for a spec."""
        classes = len(prepared.content.class_names)
        model = build_layer_model(spec, self.context.catalogue, prepared.towers, classes, passes, prepared.prompts)
        model.prefixes = prepared.prefixes
        return model

    def score(self, trial: Trial[LayerInputs, LayerOutcome], index: int, split: str) -> SplitScore:
        """All items of the split, batch by batch."""
        spec, prepared, model = trial.spec, trial.prepared, trial.outcomes[index].model
        items, size = prepared.splits[split], spec.encoder.batch_size
        with self.context.stage("evaluate"):
            if isinstance(spec.task, PairTaskSpec):
                pairs = self._pairs(spec.task, prepared, items)
                scored = pairs.all_scores(model, size)
                return SplitScore(figures_of(pairs.task, scored.scores, scored.relevant))
            task = task_for(spec, prepared, self.context.catalogue)
            held_out = self._targeted(prepared, task, items)
            source = self._read_outs(spec, prepared)(model, held_out.passes)
            said = all_logits(model, source, len(held_out.passes), size)
            targets = fitting(held_out.targets[:], said.logits)
            figures = figures_of(task, said.logits, targets)
            scores = scores_of(task, said.logits, targets, figures[task.primary])
            logits = None if spec.task.passes_are == "masks" else answered(task, said.logits, targets).float().cpu()
            answers = SplitAnswers([item.id for item in items], logits, scores)
            figures |= figures_by(task, items, scores)
            return SplitScore(figures, {name: shares_of(usage).tolist() for name, usage in said.usage.items()}, answers)

    def _targeted(self, prepared: LayerInputs, task: Task, items: Sequence[Item], kept: bool = True) -> Targeted:
        passes, classes = Passes(items, prepared.towers, prepared.reader), len(prepared.content.class_names)
        if not kept:
            return Targeted(passes, ReadTargets(task, items, classes, self.context.device))
        return Targeted(passes, targets_of(task, items, classes).to(self.context.device))

    def _read_outs(self, spec: PipelineSpec, prepared: LayerInputs) -> Callable[[LayerModel, Passes], ReadOuts]:
        """Read-outs of a model: those of frozen towers are the same for every trial and seed."""

        def of(model: LayerModel, passes: Passes) -> ReadOuts:
            if not model.keeps:
                return ReadOuts(model, passes, spec.encoder.batch_size)
            key = (prepared.key, tuple(item.id for item in passes.items))
            if key not in self._frozen:
                self._frozen[key] = ReadOuts(model, passes, spec.encoder.batch_size)
            return self._frozen[key]

        return of

    def conditions(self, trial: Trial[LayerInputs, LayerOutcome], scores: Sequence[SplitScore]) -> Conditions:
        """The towers, and how large the adapter is beside them."""
        return Conditions(
            inductive="attach",
            inductive_note="no graph: every item stands alone",
            nodes="towers: " + ", ".join("+".join(one.tower.streams) for one in trial.prepared.towers.frozen),
            pool="none: no graph",
            adapter=_adapter(trial, [one.usage for one in scores if one.usage is not None]),
        )

    def tensors(self, trial: Trial[LayerInputs, LayerOutcome], index: int) -> dict[str, dict[str, Tensor]]:
        """The class vectors, where the head compares with them."""
        spec, prompts = trial.spec, trial.prepared.prompts
        if prompts is None or spec.task.head is None or not spec.task.head.uses_prompts():
            return {}
        return {"support": {"class_vectors": prompts.vectors}}

    def facts(self, trial: Trial[LayerInputs, LayerOutcome], index: int) -> LayerFacts:
        """The towers and where in them the adapter sits."""
        prepared, grafted = trial.prepared, trial.outcomes[index].model.grafted
        placed = saved_facts(grafted, grafted.active) if grafted.active else GraftFacts(level="layers")
        return LayerFacts(
            level="layers",
            spec=placed.spec,
            towers=placed.towers,
            meetings=placed.meetings,
            modalities=prepared.towers.modalities,
            passes=len(prepared.splits["train"][0].views()),
        )


def _adapter(
    trial: Trial[LayerInputs, LayerOutcome], usage: Sequence[Mapping[str, Sequence[float]]]
) -> AdapterInTowers:
    model, spec = trial.outcomes[0].model, trial.spec.adapter
    parameters = sum(parameter.numel() for parameter in model.adapter.parameters())
    resolved = model.grafted.spec(model.grafted.active) if model.grafted.active else spec
    mixing, streams = model.adapter, [stream for one in model.towers.frozen for stream in one.tower.streams]
    return AdapterInTowers(
        type=spec.type,
        parameters=parameters,
        share_of_frozen=parameters / model.grafted.frozen_parameters(),
        spec=resolved.model_dump(mode="json"),
        experts={one: list(mixing.experts(one)) for one in streams} if isinstance(mixing, LayerAdapter) else {},
        usage=usage,
        warning=unheard_partner_warning(trial.spec),
    )
