"""The training nodes of a seed with their graph, and splits that met them; the latest are remembered."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from typing import Any, TypeVar

import torch

from ...registry.build import build
from ...registry.catalogue import Catalogue
from ...triton_kernels import SparseGraph
from ..events import Note, Tell
from ..graph.centre import Centre, centre_of
from ..graph.make_nodes import nodes_of, zero_shot_logits
from ..graph.nodes import Nodes
from ..graph.queries import attach_queries, inside
from ..graph.support import Support
from ..roles.graph import GraphBuilder, graph_of, item_graph_of, settled_of
from ..roles.specs import GraphSpec
from ..spec.pipeline_spec import PipelineSpec
from ..spec.policies import splits_in_the_graph
from ..stages.context import Stage
from ..stages.list_tasks import labelled_sample
from .encode_splits import Features
from .learner import HeldOut
from .prepare import FeatureInputs

T = TypeVar("T")
NO_EDGE = (
    "the support graph has no edges: the adapter hears no neighbour; let the graph join more (of type `similarity`: "
    "a lower graph.threshold)"
)
NO_CROSS_EDGE = (
    "the graph of image and text nodes has no edge between an image and a text: cosines across lie far below those "
    'within; give the blocks thresholds of their own, as {"vv": {"average_degree": 8}, "tt": {"average_degree": 8}, '
    '"vt": {"average_degree": 4}}'
)


class SupportSets:
    """Builds graphs, measured as stage ``graph``. Trials that differ in adapter or head alone share them."""

    def __init__(
        self, catalogue: Catalogue, device: torch.device, stage: Stage, remember: int, tell: Tell = lambda event: None
    ) -> None:
        self.catalogue, self.device, self.stage, self.tell = catalogue, device, stage, tell
        self._remember = remember
        self._memory: dict[str, Any] = {}
        self._told: list[tuple[GraphSpec | None, str]] = []

    def support(self, spec: PipelineSpec, prepared: FeatureInputs, seed: int) -> Support:
        """The labelled items of a seed's few-shot sample; with pool ``train`` the unlabelled training items too.

        With policy ``transductive`` the items of the splits to be scored as well, without their labels.
        """
        return self._once(_key("support", spec, prepared, seed), lambda: self._support(spec, prepared, seed))

    def met(self, spec: PipelineSpec, prepared: FeatureInputs, seed: int, split: str) -> HeldOut:
        """A split that met the support set of a seed by the pipeline's inductive policy, ready to be scored."""
        return self._once(_key(split, spec, prepared, seed), lambda: self._met(spec, prepared, seed, split))

    def _support(self, spec: PipelineSpec, prepared: FeatureInputs, seed: int) -> Support:
        pool = self._pool(spec, prepared, seed)
        centre = centre_of(pool.vectors, spec.graph)
        features = pool if spec.hears_pool else pool.select((pool.targets >= 0).nonzero().squeeze(1))
        nodes, ids, targets = self._nodes(spec, prepared, features, centre), features.ids, features.targets
        with self.stage("graph"):
            builder = self._builder(spec, spec.graph)
            # On training items alone, also where others will be in the graph: tau is never estimated on test.
            resolved = settled_of(builder, nodes.x, nodes.layout) if builder else None
            builder = self._builder(spec, resolved or spec.graph)
        splits = {}
        for name in splits_in_the_graph(spec):
            extra = prepared.features[name]
            splits[name] = (len(nodes), len(nodes) + len(extra.ids))
            nodes, ids = nodes.joined(self._nodes(spec, prepared, extra, centre)), ids + extra.ids
            targets = torch.cat([targets, torch.full_like(extra.targets, -1)])
        if builder is not None:
            with self.stage("graph"):
                nodes = nodes.with_graph(_graph(builder, nodes, spec))
            self._note_lacking_edges(spec, nodes)
        return Support(ids, nodes, targets.to(self.device), resolved, splits, centre)

    def _pool(self, spec: PipelineSpec, prepared: FeatureInputs, seed: int) -> Features:
        """The training items that the graph section names; those beyond the few-shot sample without their labels."""
        features = prepared.features["train"]
        labelled = {item.id for item in labelled_sample(spec, prepared.content.splits["train"], seed)}
        keep_all = spec.graph is not None and spec.graph.pool == "train"
        rows = torch.tensor([row for row, id_ in enumerate(features.ids) if keep_all or id_ in labelled])
        chosen = features.select(rows)
        known = torch.tensor([id_ in labelled for id_ in chosen.ids])
        return replace(chosen, targets=torch.where(known, chosen.targets, -1))

    def _note_lacking_edges(self, spec: PipelineSpec, nodes: Nodes) -> None:
        """Once a graph spec, not once a seed."""
        lacking = lacking_edges(nodes)
        if lacking and (spec.graph, lacking) not in self._told:
            self.tell(Note(lacking))
            self._told.append((spec.graph, lacking))

    def _met(self, spec: PipelineSpec, prepared: FeatureInputs, seed: int, split: str) -> HeldOut:
        features, support = prepared.features[split], self.support(spec, prepared, seed)
        targets = features.targets.to(self.device)
        with self.stage("graph"):
            if split in support.splits:
                return HeldOut(inside(support, split), targets, features.ids)
            builder = self._builder(spec, support.resolved or spec.graph)
            nodes = self._nodes(spec, prepared, features, support.centre)
            return HeldOut(attach_queries(support, nodes, builder, spec), targets, features.ids, nodes)

    def _nodes(self, spec: PipelineSpec, prepared: FeatureInputs, features: Features, centre: Centre) -> Nodes:
        nodes = nodes_of(features.vectors, features.tokens, spec.graph, centre)
        if spec.task.blend_share > 0:
            assert prepared.prompts is not None, "a task that blends uses prompts"
            logits = zero_shot_logits(features.vectors, spec.graph, prepared.prompts, spec.task.blend_by)
            nodes = replace(nodes, zero_shot=logits)
        return nodes.to(self.device)

    def _builder(self, spec: PipelineSpec, graph: GraphSpec | None) -> GraphBuilder | None:
        """The graph builder, where the adapter passes messages."""
        if graph is None or not spec.adapter.needs_graph:
            return None
        return build(GraphBuilder, self.catalogue, graph)

    def _once(self, key: str, make: Callable[[], T]) -> T:
        if key not in self._memory:
            made = make()
            while len(self._memory) >= self._remember:
                del self._memory[next(iter(self._memory))]
            self._memory[key] = made
        found: T = self._memory[key]
        return found


def lacking_edges(nodes: Nodes) -> str | None:
    """What to say of a graph without any edge, or without one between image and text."""
    if nodes.graph is None:
        return None
    if nodes.graph.num_edges == 0:
        return NO_EDGE
    return NO_CROSS_EDGE if nodes.layout and nodes.layout.edges_by_block(nodes.graph)["vt"] == 0 else None


def _graph(builder: GraphBuilder, nodes: Nodes, spec: PipelineSpec) -> SparseGraph:
    if nodes.layout is not None and spec.graph is not None and spec.graph.nodes == "tokens":
        return item_graph_of(builder, nodes.x, nodes.layout)
    return graph_of(builder, nodes.x, nodes.layout)


def _key(what: str, spec: PipelineSpec, prepared: FeatureInputs, seed: int) -> str:
    graph = spec.graph and spec.graph.model_dump(mode="json")
    blend = spec.task.blend_by if spec.task.blend_share > 0 else None
    return json.dumps([what, graph, spec.adapter.needs_graph, spec.hears_pool, blend, prepared.key, seed])
