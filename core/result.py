"""What a run measured, with every condition that a reader needs to compare it."""

from __future__ import annotations

import platform
import statistics
from collections import Counter
from collections.abc import Sequence
from importlib.metadata import PackageNotFoundError, version
from typing import Any

import torch

from .. import __version__
from .assemble import build
from .dataset import sample_fingerprint
from .experiment import Experiment, Trial
from .graph import Support
from .head import Head
from .node_kinds import nodes_in_words
from .policies import policy_in_words
from .prepare import Prepared
from .support_sets import NO_CROSS_EDGE

_PACKAGES = (
    "torch",
    "open_clip_torch",
    "transformers",
    "numpy",
    "scikit-learn",
    "pydantic",
    "pluggy",
    "safetensors",
    "optuna",
)


def summarise(scores: Sequence[dict[str, float]]) -> dict[str, dict[str, Any]]:
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
    experiment: Experiment, best: Trial, trials: Sequence[dict[str, Any]], scores: Sequence[dict[str, float]]
) -> dict[str, Any]:
    """The contents of ``result.json``."""
    spec, prepared = best.spec, best.prepared
    towers = prepared.encoder.used()
    frozen = sum({id(tower): tower.facts().parameters for tower in towers.values()}.values())
    model = best.trained[0].model
    trainable = sum(parameter.numel() for parameter in model.trainable().values())
    return {
        "name": spec.name,
        "graftwork": __version__,
        "metric": build(experiment.catalogue, spec.task).primary,
        "test_on": spec.evaluation.test_on,
        "test": summarise(scores),
        "select_on": spec.evaluation.select_on,
        "selection": {"mean": best.selection(), "per_seed": [one.selection for one in best.trained]},
        "chosen": best.values,
        "tried": list(trials),
        "seeds": list(spec.seeds),
        "saved_seed": spec.seeds[saved_index(best)],
        "epochs_kept": [one.epoch for one in best.trained],
        "inductive": spec.evaluation.inductive,
        "inductive_note": policy_in_words(spec),
        "nodes": nodes_in_words(spec.graph, spec.dataset),
        "blend": spec.task.blend,
        "pool": spec.graph.pool if spec.graph and spec.adapter.needs_graph else "none: no graph",
        "graph": _graph_facts(best),
        "prompts": list(spec.encoder.templates) if prepared.prompts is not None else "none: the head uses no prompts",
        "dataset": {
            "type": spec.dataset.type,
            "split_id": prepared.content.split_id,
            "sizes": {name: len(items) for name, items in prepared.content.splits.items()},
            "shots": spec.dataset.shots,
            "notes": list(prepared.content.notes),
            "labelled": [int((one.targets >= 0).sum()) for one in best.supports],
            "left_out": _left_out(prepared),
            "sample": [sample_fingerprint(_labelled_ids(one)) for one in best.supports],
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
            "trainable_share": trainable / (trainable + frozen),
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
        "versions": {name: found for name in _PACKAGES if (found := _version(name))},
    }


def _fitted(head: Head) -> int:
    """Numbers that a head took from the labelled items without training: solved weights, a cache, class means."""
    trained = sum(parameter.numel() for parameter in head.parameters() if parameter.requires_grad)
    stored: int = sum(tensor.numel() for tensor in head.state_dict().values())
    return stored - trained


def saved_index(trial: Trial) -> int:
    """Which seed is saved: the best on the selection split, the first among equals."""
    scores = [one.selection or 0.0 for one in trial.trained]
    return scores.index(max(scores))


def lock_of(experiment: Experiment, best: Trial) -> dict[str, Any]:
    """The contents of ``lock.json``: everything needed to run the same thing again."""
    return {
        "pipeline": experiment.spec.to_json(),
        "chosen": best.values,
        "plugins": {
            p.name: {"distribution": p.distribution, "version": p.version} for p in experiment.catalogue.plugins
        },
        "versions": {name: found for name in _PACKAGES if (found := _version(name))},
        "sampled_items": (
            {seed: _labelled_ids(one) for seed, one in zip(best.spec.seeds, best.supports, strict=True)}
            if best.spec.dataset.shots
            else "all"
        ),
        "encoder": {
            kind: {"weights": tower.facts().weights, "revision": tower.facts().revision}
            for kind, tower in best.prepared.encoder.used().items()
        },
        "data_fingerprint": best.prepared.content.fingerprint(),
    }


def _left_out(prepared: Prepared) -> dict[str, int]:
    """How many unreadable items each split that was used has lost."""
    lost = Counter(item.split for item in prepared.left_out)
    return {name: lost[name] for name in prepared.features}


def _labelled_ids(support: Support) -> list[str]:
    return [id_ for id_, target in zip(support.ids, support.targets.tolist(), strict=True) if target >= 0]


def _graph_facts(trial: Trial) -> dict[str, Any] | None:
    supports = [support for support in trial.supports if support.graph is not None]
    if not supports:
        return None
    layouts = [support.nodes.layout for support in supports]
    facts: dict[str, Any] = {
        "support_nodes": [len(support.x) for support in supports],
        "support_edges": [graph.num_edges for support in supports if (graph := support.graph)],
    }
    if any(support.settled for support in supports):
        facts["settled"] = [support.settled and support.settled.model_dump(mode="json") for support in supports]
    if any(layouts):
        facts["edges_by_block"] = [one.nodes.layout.edges_by_block(one.graph) for one in supports]  # type: ignore[union-attr, arg-type]
        if any(blocks["vt"] == 0 for blocks in facts["edges_by_block"]):
            facts["warning"] = NO_CROSS_EDGE
    return facts


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
