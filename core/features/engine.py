"""The engine of adapters on features: everything is encoded once, then trainings run on the vectors."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path

import torch
from torch import Tensor

from ..data.prediction import Neighbour
from ..graph.make_nodes import prompt_nodes
from ..graph.neighbours import neighbours_of
from ..graph.saved_support import support_tensors
from ..graph.support import Support
from ..roles.adapter import Adapter
from ..roles.task import figures_of, scores_of
from ..spec.node_kinds import nodes_in_words
from ..spec.pipeline_spec import PipelineSpec
from ..spec.policies import policy_in_words
from ..stages.context import RunContext
from ..storage.adapter_config import FeatureFacts
from ..storage.result_parts import SupportGraph
from ..training.devices import fitting_threads, own_randomness
from ..training.engine import Conditions, Engine, Wanted
from ..training.finished import FinishedTrainings
from ..training.members import Hear, TrainingError
from ..training.trial import SplitAnswers, SplitScore, Trial
from ..training.warm_start import start_from
from ..training.within_task import answered, task_for
from .as_one import AsOne
from .learner import FeatureLearner, HeldOut, Labelled
from .model import build_model
from .prepare import FeatureInputs, prepare
from .start import FeatureOutcome, Start
from .support_sets import SupportSets, lacking_edges


class FeatureEngine(Engine[FeatureInputs, FeatureOutcome]):
    """Trains on vectors and graphs."""

    def __init__(self, context: RunContext, seeds: int, finished: FinishedTrainings | None = None) -> None:
        super().__init__(context, finished)
        # A support set and a split to select on for each seed: the trials that share them come one after another.
        self.support_sets = SupportSets(
            context.catalogue, context.device, context.stage, remember=2 * seeds, tell=context.tell
        )
        self._as_one = AsOne(context, self.is_held, self.starts, self.trained_now)

    def _prepare(self, spec: PipelineSpec, key: str) -> FeatureInputs:
        return prepare(spec, key, self.context)

    def train(self, trial: Trial[FeatureInputs, FeatureOutcome], seed: int, hear: Hear) -> FeatureOutcome:
        """On the labelled nodes of the seed's support set."""
        with self.starts([Wanted(trial, seed, hear)]) as (start,):
            left_out = start.left_out(trial.spec)
            return start.outcome(self.trained(trial, start.learner, seed, hear), left_out)

    def train_all(
        self, trial: Trial[FeatureInputs, FeatureOutcome], hears: Mapping[int, Hear]
    ) -> Iterator[FeatureOutcome]:
        """Those of one training first, where a GPU can have them as one; then the others, one after the other."""
        found = self._as_one.outcomes(trial, hears, self.search)
        for seed, hear in hears.items():
            one = found.get(seed) or self.train(trial, seed, hear)
            if isinstance(one, TrainingError):
                raise one
            yield one

    @contextlib.contextmanager
    def starts(self, wanted: Sequence[Wanted[FeatureInputs, FeatureOutcome]]) -> Iterator[list[Start]]:
        """Trainings of one preparation before they begin, inside the stage that trains."""
        prepared, sets = wanted[0].trial.prepared, self.support_sets
        asked = [(one.trial.spec, one.seed, one.trial.spec.evaluation.selecting_split) for one in wanted]
        with fitting_threads(_numbers(prepared)):
            supports = [sets.support(spec, prepared, seed) for spec, seed, _ in asked]
            met = [sets.met(spec, prepared, seed, split) if split else None for spec, seed, split in asked]
        scale = sum(one.queries.numbers if one else of.x.numel() for of, one in zip(supports, met, strict=True))
        with self.context.stage("train"), own_randomness(self.context.device), fitting_threads(scale):
            yield [
                self._start(spec, prepared, seed, support, one)
                for (spec, seed, _), support, one in zip(asked, supports, met, strict=True)
            ]

    def _start(
        self, spec: PipelineSpec, prepared: FeatureInputs, seed: int, support: Support, selection: HeldOut | None
    ) -> Start:
        """A seed's own model, and what it makes of its items before it trains."""
        torch.manual_seed(seed)
        prompts = prompt_nodes(prepared.prompts, spec.graph) if prepared.prompts else None
        names, widths = prepared.content.class_names, (support.nodes.width, support.nodes.text_width)
        model = build_model(spec, self.context.catalogue, widths[0], len(names), prompts, widths[1])
        model = model.to(self.context.device)
        if spec.trainer.start_from:
            weights = {kind: tower.facts().weights for kind, tower in prepared.encoder.used().items()}
            start_from(model, Path(spec.trainer.start_from), names, weights)
        rows = (support.targets >= 0).nonzero().squeeze(1)
        labelled = Labelled(model.aggregated(support.nodes), rows, support.targets[rows])
        if selection is not None:
            selection = replace(selection, queries=selection.queries.aggregated(model))
        task = task_for(spec, prepared, self.context.catalogue)
        return Start(FeatureLearner(model, task, labelled, selection), support)

    def score(self, trial: Trial[FeatureInputs, FeatureOutcome], index: int, split: str) -> SplitScore:
        """By the pipeline's inductive policy."""
        task = task_for(trial.spec, trial.prepared, self.context.catalogue)
        outcome, names = trial.outcomes[index], trial.prepared.content.class_names
        held_out = outcome.selection if split == trial.spec.evaluation.selecting_split else None
        if held_out is None:
            with fitting_threads(_numbers(trial.prepared)):
                held_out = self.support_sets.met(trial.spec, trial.prepared, trial.spec.seeds[index], split)
        with self.context.stage("evaluate"), fitting_threads(held_out.queries.numbers):
            logits = held_out.queries.aggregated(outcome.model).logits(outcome.model)  # as epochs are ranked
            figures = figures_of(task, logits, held_out.targets)
            scores = scores_of(task, logits, held_out.targets, figures[task.primary])

        def neighbours(most: int) -> list[tuple[Neighbour, ...]]:
            if held_out.nodes is None or held_out.queries.sources is None:
                return []
            with fitting_threads(held_out.queries.numbers):
                return neighbours_of(outcome.support, held_out.nodes, held_out.queries.sources, names, most)

        logits = answered(task, logits, held_out.targets)
        answers = SplitAnswers(held_out.ids, logits.float().cpu(), scores, neighbours)
        return SplitScore(figures, answers=answers)

    def conditions(self, trial: Trial[FeatureInputs, FeatureOutcome], scores: Sequence[SplitScore]) -> Conditions:
        """The graph, and how new items meet it."""
        spec = trial.spec
        with fitting_threads(_numbers(trial.prepared)):
            graph = _support_graph(trial.outcomes, _classes(trial.prepared))
        return Conditions(
            inductive=spec.evaluation.inductive,
            inductive_note=policy_in_words(spec),
            nodes=nodes_in_words(spec),
            pool=spec.graph.pool if spec.graph and spec.adapter.needs_graph else "none: no graph",
            graph=graph,
        )

    def tensors(self, trial: Trial[FeatureInputs, FeatureOutcome], index: int) -> dict[str, dict[str, Tensor]]:
        """The support set."""
        outcome = trial.outcomes[index]
        return {"support": support_tensors(trial.spec, outcome.support, trial.prepared.prompts, outcome.model)}

    def facts(self, trial: Trial[FeatureInputs, FeatureOutcome], index: int) -> FeatureFacts:
        """Of the support set."""
        support = trial.outcomes[index].support
        return FeatureFacts(
            level="features",
            support_ids=support.ids,
            node_width=support.nodes.width,
            text_width=support.nodes.text_width,
            graph=support.resolved.model_dump(mode="json") if support.resolved else None,
            weighted=support.graph.weight is not None if support.graph is not None else None,
        )


def _classes(prepared: FeatureInputs) -> dict[str, int]:
    """Item to its class, of all items that have one."""
    every = (item for split in prepared.content.splits.values() for item in split)
    return {item.id: item.target for item in every if isinstance(item.target, int)}


def _numbers(prepared: FeatureInputs) -> int:
    """Of the largest split."""
    splits = prepared.features.values()
    each = ([*one.vectors.values(), *(tokens.values for tokens in one.tokens.values())] for one in splits)
    return max(sum(tensor.numel() for tensor in tensors) for tensors in each)


def _support_graph(outcomes: Sequence[FeatureOutcome], classes: Mapping[str, int]) -> SupportGraph | None:
    outcomes = [one for one in outcomes if one.support.graph is not None]
    if not outcomes:
        return None
    supports = [one.support for one in outcomes]
    shares = [_shares(one.model.adapter, one.support) for one in outcomes]
    settled = [one.resolved.model_dump(mode="json") if one.resolved else None for one in supports]
    joined = [one_class for one in supports if (one_class := _of_one_class(one, classes)) is not None]
    blocks = [one.nodes.layout.edges_by_block(one.graph) for one in supports if one.nodes.layout and one.graph]
    return SupportGraph(
        support_nodes=[len(support.x) for support in supports],
        support_edges=[graph.num_edges for support in supports if (graph := support.graph)],
        settled=settled if any(settled) else None,
        edges_by_block=blocks or None,
        neighbour_shares=shares if any(shares) else None,
        one_class=joined if len(joined) == len(supports) else None,
        warning=next(filter(None, (lacking_edges(support.nodes) for support in supports)), None),
    )


def _of_one_class(support: Support, classes: Mapping[str, int]) -> float | None:
    """Of the edges between items whose class is known, the share that joins two of one; ``None`` without such edges."""
    graph, layout = support.graph, support.nodes.layout
    assert graph is not None
    of_items = torch.tensor([classes.get(id_, -1) for id_ in support.ids], device=graph.row.device)
    items = torch.arange(len(support.ids), device=graph.row.device)
    of_nodes = items if layout is None else items.repeat_interleave(layout.offsets.diff())
    row, col = of_nodes[graph.row], of_nodes[graph.col]
    known = (row != col) & (of_items[row] >= 0) & (of_items[col] >= 0)
    return round(float((of_items[row] == of_items[col])[known].double().mean()), 6) if bool(known.any()) else None


def _shares(adapter: Adapter, support: Support) -> dict[str, float]:
    """The mean over the support's nodes of what neighbours have in each message."""
    assert support.graph is not None
    shares = adapter.neighbour_shares(support.graph)
    return {name: round(float(of_nodes.mean()), 6) for name, of_nodes in shares.items()}
