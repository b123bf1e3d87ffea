"""The engine of adapters on features: everything is encoded once, then trainings run on the vectors."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from .assemble import build
from .devices import fitting_threads, own_randomness
from .engine import Engine
from .feature_learner import FeatureLearner, Labelled
from .features import prompt_nodes
from .figures import figures_of
from .graph import Support
from .model import build_model
from .node_kinds import nodes_in_words
from .pipeline_spec import PipelineSpec
from .policies import policy_in_words
from .prepare import Encoded, Preparation
from .stored_support import support_tensors
from .support_sets import SupportSets, lacking_edges
from .surroundings import Surroundings
from .task import Task
from .training import Hear, train
from .trial import Trial
from .warm_start import start_from


class FeatureEngine(Engine[Encoded]):
    """Trains on vectors and graphs."""

    def __init__(self, around: Surroundings, seeds: int) -> None:
        super().__init__(around)
        self.preparation = Preparation(around)
        # A support set and a split to select on for each seed: the trials that share them come one after another.
        self.support_sets = SupportSets(
            around.catalogue, around.device, around.stage, remember=2 * seeds, tell=around.tell
        )

    def prepare(self, spec: PipelineSpec) -> Encoded:
        """The data set, encoded."""
        return self.preparation.of(spec)

    def train(self, trial: Trial[Encoded], seed: int, hear: Hear) -> None:
        """On the labelled nodes of the seed's support set."""
        spec, prepared = trial.spec, trial.prepared
        task: Task = build(self.around.catalogue, spec.task)
        support = self.support_sets.support(spec, prepared, seed)
        select_on = spec.evaluation.select_on
        selection = self.support_sets.met(spec, prepared, seed, select_on) if select_on != "none" else None
        prompts = prompt_nodes(prepared.prompts, spec.graph) if prepared.prompts else None
        rows = (support.targets >= 0).nonzero().squeeze(1)
        labelled = Labelled(support.nodes, rows, support.targets[rows])
        scale = selection.queries.numbers if selection else labelled.nodes.x.numel()
        with self.around.stage("train"), own_randomness(self.around.device), fitting_threads(scale):
            torch.manual_seed(seed)
            classes = len(prepared.content.class_names)
            widths = support.nodes.width, support.nodes.text_width
            model = build_model(spec, self.around.catalogue, widths[0], classes, prompts, widths[1])
            model = model.to(self.around.device)
            if spec.trainer.start_from:
                start_from(model, Path(spec.trainer.start_from))
            learner = FeatureLearner(model, task, labelled, selection)
            trial.trained.append(train(spec, self.around.catalogue, learner, seed, hear))
        trial.supports.append(support)
        trial.labelled.append(tuple(support.ids[row] for row in rows.tolist()))

    def score(self, trial: Trial[Encoded], index: int, split: str) -> dict[str, float]:
        """By the pipeline's inductive policy."""
        task: Task = build(self.around.catalogue, trial.spec.task)
        model = trial.trained[index].model
        held_out = self.support_sets.met(trial.spec, trial.prepared, trial.spec.seeds[index], split)
        with self.around.stage("evaluate"):
            return figures_of(task, held_out.queries.logits(model), held_out.targets)  # type: ignore[arg-type]

    def conditions(self, trial: Trial[Encoded]) -> dict[str, Any]:
        """The graph, and how new items meet it."""
        spec = trial.spec
        return {
            "inductive": spec.evaluation.inductive,
            "inductive_note": policy_in_words(spec),
            "nodes": nodes_in_words(spec.graph, spec.dataset),
            "pool": spec.graph.pool if spec.graph and spec.adapter.needs_graph else "none: no graph",
            "graph": _graph_facts(trial.supports),
        }

    def tensors(self, trial: Trial[Encoded], index: int) -> dict[str, dict[str, Tensor]]:
        """The support set."""
        trained, support = trial.trained[index], trial.supports[index]
        return {"support": support_tensors(trial.spec, support, trial.prepared.prompts, trained.model)}  # type: ignore[arg-type]

    def facts(self, trial: Trial[Encoded], index: int) -> dict[str, Any]:
        """Of the support set."""
        support = trial.supports[index]
        return {
            "level": "features",
            "support_ids": list(support.ids),
            "node_width": support.nodes.width,
            "text_width": support.nodes.text_width,
            "graph": support.settled.model_dump(mode="json") if support.settled else None,
        }


def _graph_facts(supports: list[Support]) -> dict[str, Any] | None:
    supports = [support for support in supports if support.graph is not None]
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
    if lacking := next(filter(None, (lacking_edges(support.nodes) for support in supports)), None):
        facts["warning"] = lacking
    return facts
