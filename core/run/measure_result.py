"""Measure what a run's result says."""

from __future__ import annotations

import platform
import statistics
from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

import torch

from ...registry import __version__
from ..data.shots import sample_fingerprint
from ..roles.head import Head
from ..spec.search_values import lists_of
from ..stages.stored_encoder import StoredEncoder
from ..stages.text_facts import TextFacts
from ..storage.result import Result
from ..storage.result_parts import (
    DatasetFacts,
    Descriptions,
    Example,
    FrozenModel,
    Machine,
    Parameters,
    Score,
    Selection,
    StageUsage,
    TaskSequence,
    Tried,
)
from ..training.learner import TrainableModel
from ..training.trial import SplitScore, Trial
from ..training.warm_start import started_from
from .experiment import Experiment
from .item_predictions import kept_predictions
from .make_lock import installed_versions
from .meter import Usage


def result_of(
    experiment: Experiment,
    best: Trial[Any, Any],
    trials: Sequence[Tried],
    scored: Mapping[str, Sequence[SplitScore]],
    tasks: TaskSequence | None = None,
) -> Result:
    """Of the best trial of a run, its scores by split, one a seed, and what came of its tasks."""
    spec, prepared, texts = best.spec, best.prepared, best.prepared.texts
    scores = scored[spec.evaluation.test_on]
    start = spec.trainer.start_from
    model = best.trained[0].model
    parameters = _parameters(model, prepared.encoder.used().values())
    said = experiment.engine(spec).conditions(best, scores)
    return Result(
        result=Result.FORMAT,
        name=spec.name,
        graftwork=__version__,
        metric=experiment.primary(spec),
        test_on=spec.evaluation.test_on,
        test={name: Score.of([one.figures[name] for one in scores]) for name in scores[0].figures},
        select_on=spec.evaluation.select_on,
        selection=Selection(mean=best.selection(), per_seed=[one.selection for one in best.trained]),
        chosen=best.values,
        tried=trials,
        listed={key: list(to_try) for key, to_try in lists_of(experiment.spec).items()},
        seeds=list(spec.seeds),
        saved_seed=spec.seeds[saved_index(best)],
        epochs=spec.trainer.epochs if parameters.trainable else 0,
        epochs_kept=[one.epoch for one in best.trained],
        keep=spec.trainer.keep,
        inductive=said.inductive,
        inductive_note=said.inductive_note,
        nodes=said.nodes,
        pool=said.pool,
        graph=said.graph,
        adapter=said.adapter,
        blend=spec.task.blend_share,
        blend_by="text" if spec.task.blend_share > 0 and spec.task.blend_by == "text" else None,
        prompts=list(spec.encoder.templates) if prepared.prompts is not None else "none: the head uses no prompts",
        dataset=_dataset(best),
        descriptions=_descriptions(texts) if texts else None,
        examples=[Example(**one) for one in texts.examples] if texts else [],
        encoder={kind: _frozen_model(kind, tower) for kind, tower in prepared.encoder.used().items()},
        parameters=parameters,
        training_seconds_per_seed=statistics.fmean(one.seconds for one in best.trained),
        stages={name: _usage(usage) for name, usage in experiment.meter.stages.items()},
        machine=Machine(
            device=str(experiment.device),
            threads=torch.get_num_threads(),
            platform=platform.platform(),
            python=platform.python_version(),
        ),
        versions=installed_versions(),
        predictions=kept_predictions(scored) if spec.evaluation.predictions != "none" else None,
        tasks=tasks,
        started_from=started_from(Path(start), prepared.content.class_names) if start else None,
    )


def _parameters(model: TrainableModel, towers: Iterable[StoredEncoder]) -> Parameters:
    frozen = sum({id(tower): tower.facts().parameters for tower in towers}.values())
    trainable = sum(parameter.numel() for parameter in model.trainable().values())
    share = trainable / max(trainable + frozen, 1)
    return Parameters(trainable=trainable, fitted=_fitted(model.head), frozen=frozen, trainable_share=share)


def _dataset(trial: Trial[Any, Any]) -> DatasetFacts:
    spec, prepared, content = trial.spec.dataset, trial.prepared, trial.prepared.content
    drawn = [one.labelled for one in trial.outcomes]
    lost = Counter(item.split for item in prepared.left_out)
    return DatasetFacts(
        type=spec.type,
        split_id=content.split_id,
        sizes={name: len(items) for name, items in content.splits.items()},
        shots=spec.shots,
        notes=list(content.notes),
        labelled=[len(ids) for ids in drawn],
        left_out={name: lost[name] for name in prepared.splits},
        sample=[sample_fingerprint(ids) for ids in drawn],
        class_names=list(content.class_names),
        fingerprint=content.fingerprint(),
    )


def _descriptions(texts: TextFacts) -> Descriptions:
    captioner = None if texts.captioner is None else dict(texts.captioner)
    return Descriptions(captioner=captioner, items=texts.items, empty=texts.empty, truncated=texts.truncated)


def _frozen_model(kind: str, tower: StoredEncoder) -> FrozenModel:
    facts = tower.facts()
    return FrozenModel(
        identity=dict(tower.namespace.identity),
        preprocessing=dict(tower.spec.modality_identity(kind)),
        weights=facts.weights,
        revision=facts.revision,
    )


def _usage(usage: Usage) -> StageUsage:
    return StageUsage(seconds=round(usage.seconds, 4), peak_memory_mb=round(usage.peak_memory_mb, 1))


def _fitted(head: Head | None) -> int:
    """Numbers that a head took from the labelled items without training: solved weights, a cache, class means."""
    if head is None:
        return 0
    trained = sum(parameter.numel() for parameter in head.parameters() if parameter.requires_grad)
    stored: int = sum(tensor.numel() for tensor in head.state_dict().values())
    return stored - trained


def saved_index(trial: Trial[Any, Any]) -> int:
    """Which seed is saved: the best on the selection split, the first among equals."""
    scores = [one.selection or 0.0 for one in trial.trained]
    return scores.index(max(scores))
