"""What a run measured, with every condition that a reader needs to compare it."""

from __future__ import annotations

import platform
import statistics
from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import torch

from ...registry.build import build
from ...registry.version import __version__
from ..data.shots import sample_fingerprint
from ..roles.head import Head
from ..roles.task import Task
from ..spec.search_values import lists_of
from ..stages.prepare import Prepared
from ..training.trial import SplitScore, Trial
from .experiment import Experiment
from .lock import installed_versions


def summarise(scores: Sequence[Mapping[str, float]]) -> dict[str, dict[str, Any]]:
    """Each metric's mean, sample standard deviation (n - 1; 0 for one seed) and values by seed."""
    return {
        name: {
            "mean": statistics.fmean(score[name] for score in scores),
            "std": statistics.stdev(score[name] for score in scores) if len(scores) > 1 else 0.0,
            "per_seed": [score[name] for score in scores],
        }
        for name in scores[0]
    }


def result_of(
    experiment: Experiment, best: Trial[Any, Any], trials: Sequence[dict[str, Any]], scores: Sequence[SplitScore]
) -> dict[str, Any]:
    """The contents of ``result.json``."""
    spec, prepared = best.spec, best.prepared
    labelled = [one.labelled for one in best.outcomes]
    towers = prepared.encoder.used()
    frozen = sum({id(tower): tower.facts().parameters for tower in towers.values()}.values())
    model = best.trained[0].model
    trainable = sum(parameter.numel() for parameter in model.trainable().values())
    return {
        "name": spec.name,
        "graftwork": __version__,
        "metric": build(Task, experiment.catalogue, spec.task).primary,
        "test_on": spec.evaluation.test_on,
        "test": summarise([one.figures for one in scores]),
        "select_on": spec.evaluation.select_on,
        "selection": {"mean": best.selection(), "per_seed": [one.selection for one in best.trained]},
        "chosen": best.values,
        "tried": list(trials),
        "listed": {key: list(to_try) for key, to_try in lists_of(experiment.spec).items()},
        "seeds": list(spec.seeds),
        "saved_seed": spec.seeds[saved_index(best)],
        "epochs": spec.trainer.epochs if trainable else 0,
        "epochs_kept": [one.epoch for one in best.trained],
        **experiment.engine(spec).conditions(best, scores),
        "blend": spec.task.blend,
        "prompts": list(spec.encoder.templates) if prepared.prompts is not None else "none: the head uses no prompts",
        "dataset": {
            "type": spec.dataset.type,
            "split_id": prepared.content.split_id,
            "sizes": {name: len(items) for name, items in prepared.content.splits.items()},
            "shots": spec.dataset.shots,
            "notes": list(prepared.content.notes),
            "labelled": [len(ids) for ids in labelled],
            "left_out": _left_out(prepared),
            "sample": [sample_fingerprint(ids) for ids in labelled],
            "class_names": list(prepared.content.class_names),
            "fingerprint": prepared.content.fingerprint(),
        },
        "descriptions": prepared.texts.to_json() if prepared.texts else None,
        "examples": list(prepared.texts.examples) if prepared.texts else [],
        "encoder": {
            kind: {
                "identity": tower.namespace.identity,
                "preprocessing": dict(tower.spec.modality_identity(kind)),
                "weights": tower.facts().weights,
                "revision": tower.facts().revision,
            }
            for kind, tower in towers.items()
        },
        "parameters": {
            "trainable": trainable,
            "fitted": _fitted(model.head),
            "frozen": frozen,
            "trainable_share": trainable / max(trainable + frozen, 1),
        },
        "training_seconds_per_seed": statistics.fmean(one.seconds for one in best.trained),
        "stages": {
            name: {"seconds": round(usage.seconds, 4), "peak_memory_mb": round(usage.peak_memory_mb, 1)}
            for name, usage in experiment.meter.stages.items()
        },
        "machine": {
            "device": str(experiment.device),
            "threads": torch.get_num_threads(),
            "platform": platform.platform(),
            "python": platform.python_version(),
        },
        "versions": installed_versions(),
    }


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


def _left_out(prepared: Prepared) -> dict[str, int]:
    """How many unreadable items each split that was used has lost."""
    lost = Counter(item.split for item in prepared.left_out)
    return {name: lost[name] for name in prepared.splits}
