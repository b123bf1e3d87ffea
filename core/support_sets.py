"""The training nodes of a seed with their graph, and splits attached to them; the latest are remembered."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any, TypeVar

import torch

from ..registry.catalogue import Catalogue
from .assemble import build
from .dataset import sample_shots
from .features import node_vectors
from .graph import GraphBuilder, Support
from .measure import Meter
from .pipeline_spec import PipelineSpec
from .prepare import Prepared
from .training import Labelled

T = TypeVar("T")


class SupportSets:
    """Builds graphs, measured as stage ``graph``. Trials that differ in adapter or head alone share them."""

    def __init__(self, catalogue: Catalogue, device: torch.device, meter: Meter, remember: int) -> None:
        self.catalogue, self.device, self.meter = catalogue, device, meter
        self._remember = remember
        self._memory: dict[str, Any] = {}

    def support(self, spec: PipelineSpec, prepared: Prepared, seed: int) -> Support:
        """The labelled items of a seed's few-shot sample; with pool ``train`` the unlabelled training items too."""
        return self._once(_key("support", spec, prepared, seed), lambda: self._support(spec, prepared, seed))

    def attached(self, spec: PipelineSpec, prepared: Prepared, seed: int, split: str) -> Labelled:
        """A split attached to the support set of a seed, ready to be scored."""
        return self._once(_key(split, spec, prepared, seed), lambda: self._attached(spec, prepared, seed, split))

    def _support(self, spec: PipelineSpec, prepared: Prepared, seed: int) -> Support:
        features = prepared.features["train"]
        labelled = {item.id for item in sample_shots(prepared.content.splits["train"], spec.dataset.shots, seed)}
        builder = self._builder(spec)
        keep_all = builder is not None and spec.graph is not None and spec.graph.pool == "train"
        rows = torch.tensor([row for row, id_ in enumerate(features.ids) if keep_all or id_ in labelled])
        ids = tuple(features.ids[row] for row in rows.tolist())
        known = torch.tensor([id_ in labelled for id_ in ids])
        targets = torch.where(known, features.targets[rows], -1).to(self.device)
        x = node_vectors({kind: vectors[rows] for kind, vectors in features.vectors.items()}, spec.graph)
        with self.meter.stage("graph"):
            graph = builder.connect(x.to(self.device)) if builder else None
        return Support(ids, x.to(self.device), targets, graph)

    def _attached(self, spec: PipelineSpec, prepared: Prepared, seed: int, split: str) -> Labelled:
        features = prepared.features[split]
        support = self.support(spec, prepared, seed)
        with self.meter.stage("graph"):
            queries = node_vectors(features.vectors, spec.graph).to(self.device)
            nodes = support.attach(queries, self._builder(spec))
        rows = torch.arange(len(nodes.x) - nodes.queries, len(nodes.x), device=self.device)
        return Labelled(nodes, rows, features.targets.to(self.device))

    def _builder(self, spec: PipelineSpec) -> GraphBuilder | None:
        """The graph builder, where the adapter passes messages."""
        if spec.graph is None or not spec.adapter.needs_graph:
            return None
        builder: GraphBuilder = build(self.catalogue, spec.graph)
        return builder

    def _once(self, key: str, make: Callable[[], T]) -> T:
        if key not in self._memory:
            made = make()
            while len(self._memory) >= self._remember:
                del self._memory[next(iter(self._memory))]
            self._memory[key] = made
        found: T = self._memory[key]
        return found


def _key(what: str, spec: PipelineSpec, prepared: Prepared, seed: int) -> str:
    graph = spec.graph and spec.graph.model_dump(mode="json")
    return json.dumps([what, graph, spec.adapter.needs_graph, prepared.key, seed])
