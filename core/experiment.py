"""Every combination of search values with every seed, on features encoded once."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch

from ..registry.catalogue import Catalogue
from .assemble import build
from .dataset import DataError, Dataset, DatasetContent, sample_shots
from .describe import CaptionerStage
from .devices import fitting_threads, own_randomness
from .encode import EncoderStage, Tell
from .events import EpochFinished, Note, TrainingFinished
from .features import Features, encode_prompts, encode_split, node_vectors, prompt_nodes
from .graph import GraphBuilder, Nodes, Support
from .head import ClassPrompts
from .load_spec import spec_from_dict
from .measure import Meter
from .model import build_model
from .node_kinds import modalities_of
from .pipeline_spec import PipelineSpec
from .task import Task
from .training import Labelled, Trained, train
from .warm_start import start_from


@dataclass(frozen=True, slots=True)
class Prepared:
    """Everything before training: the data set, encoded."""

    content: DatasetContent
    features: Mapping[str, Features]
    prompts: ClassPrompts | None
    encoder: EncoderStage


@dataclass(slots=True)
class Trial:
    """One combination of search values, trained with every seed."""

    values: dict[str, Any]
    spec: PipelineSpec
    prepared: Prepared
    trained: list[Trained] = field(default_factory=list)
    supports: list[Support] = field(default_factory=list)

    def selection(self) -> float:
        """Mean over the seeds of the primary metric on the selection split; 0 without one."""
        scores = [one.selection or 0.0 for one in self.trained]
        return sum(scores) / len(scores)


class Experiment:
    """Runs the stages of one pipeline, measuring each."""

    def __init__(self, spec: PipelineSpec, catalogue: Catalogue, store: Path, device: torch.device, tell: Tell) -> None:
        self.spec, self.catalogue, self.store, self.device, self.tell = spec, catalogue, store, device, tell
        self.meter = Meter()
        self._prepared: dict[str, Prepared] = {}

    def trials(self) -> Iterator[Trial]:
        """Every combination of the search values, in the order written; one trial without a search."""
        base = {key: value for key, value in self.spec.to_json().items() if key != "search"}
        for combination in itertools.product(*self.spec.search.values()):
            values = dict(zip(self.spec.search, combination, strict=True))
            spec = spec_from_dict(base, values, self.catalogue)
            yield Trial(values, spec, self.prepare(spec))

    def prepare(self, spec: PipelineSpec) -> Prepared:
        """Data set, descriptions and vectors of a spec; shared by the trials that agree on them."""
        uses_prompts = spec.task.head is not None and spec.task.head.uses_prompts()
        sections = (spec.dataset, spec.captioner, spec.encoder)
        key = json.dumps([one and one.model_dump(mode="json") for one in sections])
        key += repr((modalities_of(spec.graph), uses_prompts))
        if key not in self._prepared:
            self._prepared[key] = self._prepare(spec, uses_prompts)
        return self._prepared[key]

    def _prepare(self, spec: PipelineSpec, uses_prompts: bool) -> Prepared:
        with self.meter.stage("dataset"):
            dataset: Dataset = build(self.catalogue, spec.dataset)
            content = dataset.load()
            _require_splits(content, spec)
            self._note_short_classes(content, spec)
        splits: Mapping[str, Any] = content.splits
        modalities = modalities_of(spec.graph)
        if spec.captioner and "text" in modalities:
            with self.meter.stage("describe"):
                splits = CaptionerStage(spec.captioner, self.catalogue, self.store, lambda: self.device).describe(
                    splits, self.tell
                )
        stage = EncoderStage(spec.encoder, self.catalogue, self.store, lambda: self.device)
        wanted = dict.fromkeys(["train", spec.evaluation.select_on, spec.evaluation.test_on])
        with self.meter.stage("encode"):
            features = {
                name: encode_split(stage, name, splits[name], modalities, self.tell)
                for name in wanted
                if name in splits
            }
            prompts = encode_prompts(stage, content.class_names, self.tell) if uses_prompts else None
        return Prepared(content, features, prompts, stage)

    def _note_short_classes(self, content: DatasetContent, spec: PipelineSpec) -> None:
        if spec.dataset.shots is None:
            return
        counts = [
            sum(item.target == index for item in content.splits["train"]) for index in range(len(content.class_names))
        ]
        short = [name for name, count in zip(content.class_names, counts, strict=True) if count < spec.dataset.shots]
        if short:
            self.tell(Note(f"fewer than {spec.dataset.shots} training items, all are used: {', '.join(short[:10])}"))

    def _builder(self, spec: PipelineSpec) -> GraphBuilder | None:
        """The graph builder, where the adapter passes messages."""
        if spec.graph is None or not spec.adapter.needs_graph:
            return None
        builder: GraphBuilder = build(self.catalogue, spec.graph)
        return builder

    def support(self, trial: Trial, seed: int) -> tuple[Support, GraphBuilder | None]:
        """The training nodes of a seed with their graph."""
        spec, features = trial.spec, trial.prepared.features["train"]
        labelled = {item.id for item in sample_shots(trial.prepared.content.splits["train"], spec.dataset.shots, seed)}
        keep_all = spec.graph is not None and spec.adapter.needs_graph and spec.graph.pool == "train"
        rows = torch.tensor([row for row, id_ in enumerate(features.ids) if keep_all or id_ in labelled])
        ids = tuple(features.ids[row] for row in rows.tolist())
        known = torch.tensor([id_ in labelled for id_ in ids])
        targets = torch.where(known, features.targets[rows], -1)
        x = node_vectors({kind: vectors[rows] for kind, vectors in features.vectors.items()}, spec.graph)
        builder = self._builder(spec)
        with self.meter.stage("graph"):
            graph = builder.connect(x.to(self.device)) if builder else None
        return Support(ids, x.to(self.device), targets.to(self.device), graph), builder

    def attached(self, trial: Trial, split: str, support: Support, builder: GraphBuilder | None) -> Labelled:
        """A split attached to a support set, ready to be scored."""
        features = trial.prepared.features[split]
        with self.meter.stage("graph"):
            nodes = support.attach(node_vectors(features.vectors, trial.spec.graph).to(self.device), builder)
        first = len(nodes.x) - nodes.queries
        rows = torch.arange(first, len(nodes.x), device=self.device)
        return Labelled(nodes, rows, features.targets.to(self.device))

    def train(self, trial: Trial, number: int, seed: int) -> None:
        """Train one seed of a trial and add the outcome to it."""
        spec, prepared = trial.spec, trial.prepared
        task: Task = build(self.catalogue, spec.task)
        support, builder = self.support(trial, seed)
        select_on = spec.evaluation.select_on
        selection = self.attached(trial, select_on, support, builder) if select_on in prepared.features else None
        prompts = prompt_nodes(prepared.prompts, spec.graph) if prepared.prompts else None
        rows = (support.targets >= 0).nonzero().squeeze(1)
        labelled = Labelled(Nodes(support.x, support.graph), rows, support.targets[rows])

        def hear(epoch: int, loss: float, metric: float | None) -> None:
            self.tell(EpochFinished(number, seed, epoch, loss, metric))

        scale = (selection or labelled).nodes.x.numel()
        with self.meter.stage("train"), own_randomness(self.device), fitting_threads(scale):
            torch.manual_seed(seed)
            classes = len(prepared.content.class_names)
            model = build_model(spec, self.catalogue, support.x.shape[1], classes, prompts).to(self.device)
            if spec.trainer.start_from:
                start_from(model, Path(spec.trainer.start_from))
            trained = train(spec, self.catalogue, model, task, labelled, selection, seed, hear)
        trial.trained.append(trained)
        trial.supports.append(support)
        self.tell(TrainingFinished(number, seed, trial.values, trained.epoch, trained.selection, trained.seconds))

    def score(self, trial: Trial, split: str) -> list[dict[str, float]]:
        """Metrics of every seed of a trial on a split."""
        task: Task = build(self.catalogue, trial.spec.task)
        with self.meter.stage("evaluate"):
            out = []
            for trained, support in zip(trial.trained, trial.supports, strict=True):
                queries = self.attached(trial, split, support, self._builder(trial.spec))
                out.append(task.metrics(trained.model.query_logits(queries.nodes), queries.targets))
        return out


def _require_splits(content: DatasetContent, spec: PipelineSpec) -> None:
    wanted = {"train": "train", "select_on": spec.evaluation.select_on, "test_on": spec.evaluation.test_on}
    for key, name in wanted.items():
        if name != "none" and not content.splits.get(name):
            remedy = (
                '; set "select_on": "none" to keep the last epoch, or make a validation split' if name == "val" else ""
            )
            raise DataError(
                f"evaluation.{key}: the data set has no split `{name}`; it has {', '.join(content.splits)}{remedy}"
            )
