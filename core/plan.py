"""What a run would do: stages, what is stored, what is missing, parameters. Loads no model and no torch."""

from __future__ import annotations

from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..registry.catalogue import Catalogue
from .assemble import build
from .dataset import Dataset, DatasetContent, Item, sample_shots
from .describe import CaptionerStage
from .encode import EncoderStage
from .node_kinds import modalities_of
from .pipeline_spec import PipelineSpec
from .prompts import class_prompts
from .search import trial_count


@dataclass(frozen=True, slots=True)
class StagePlan:
    """One stage of a plan."""

    stage: str
    detail: str
    #: Units of work in all, and of those how many are stored already. ``None`` where nothing is stored.
    total: int | None = None
    stored: int | None = None


@dataclass(frozen=True, slots=True)
class Plan:
    """What a run would do."""

    name: str
    stages: tuple[StagePlan, ...]
    #: Trainings: search combinations x seeds.
    trainings: int
    #: Trainable parameters of the first combination; ``None`` where only building tells.
    trainable: int | None
    frozen: int | None

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)


def make_plan(spec: PipelineSpec, catalogue: Catalogue, store: Path) -> Plan:
    """Plan a run. Reads the data set's listing and the store. Raises ``DataError``."""
    dataset: Dataset = build(catalogue, spec.dataset)
    content = dataset.load()
    used = {name: content.splits[name] for name in _splits_used(spec) if name in content.splits}
    items = [item for split in used.values() for item in split]
    labelled = len(sample_shots(content.splits.get("train", ()), spec.dataset.shots, spec.seeds[0]))
    sizes = ", ".join(f"{name} {len(split)}" for name, split in content.splits.items())
    stages = [
        StagePlan("dataset", f"{_type(spec.dataset)}: {len(content.class_names)} classes; {sizes}; {labelled} labelled")
    ]
    stages += _described(spec, catalogue, store, items)
    stages += _encoded(spec, catalogue, store, content, items)
    if spec.graph and spec.adapter.needs_graph:
        stages.append(StagePlan("graph", f"{_type(spec.graph)}: nodes {spec.graph.nodes}, pool {spec.graph.pool}"))
    trials = trial_count(spec)
    stages.append(
        StagePlan(
            "train",
            f"{_type(spec.adapter)}: {trials} combinations x {len(spec.seeds)} seeds, {spec.trainer.epochs} epochs",
        )
    )
    select = f"selected on {spec.evaluation.select_on}" if spec.evaluation.select_on != "none" else "no selection"
    stages.append(StagePlan("evaluate", f"on {spec.evaluation.test_on}, {select}, {spec.evaluation.inductive}"))
    return Plan(
        spec.name,
        tuple(stages),
        trials * len(spec.seeds),
        _trainable(spec, len(content.class_names)),
        spec.encoder.frozen_parameters(),
    )


def _splits_used(spec: PipelineSpec) -> list[str]:
    return list(dict.fromkeys(["train", spec.evaluation.select_on, spec.evaluation.test_on]))


def _type(spec: Any) -> str:
    return str(spec.type)


def _no_device() -> Any:
    raise AssertionError("a plan loads no model")


def _described(spec: PipelineSpec, catalogue: Catalogue, store: Path, items: list[Item]) -> list[StagePlan]:
    if spec.captioner is None or "text" not in modalities_of(spec.graph):
        return []
    missing = CaptionerStage(spec.captioner, catalogue, store, _no_device).missing(items)
    total = len({item.modalities["image"].digest for item in items})
    return [StagePlan("describe", _type(spec.captioner), total, total - len(missing))]


def _encoded(
    spec: PipelineSpec, catalogue: Catalogue, store: Path, content: DatasetContent, items: list[Item]
) -> list[StagePlan]:
    stage = EncoderStage(spec.encoder, catalogue, store, _no_device)
    media = {
        kind: [item.modalities[kind] for item in items if kind in item.modalities] for kind in modalities_of(spec.graph)
    }
    if spec.task.head is not None and spec.task.head.uses_prompts():
        media["prompts"] = class_prompts(spec.encoder, content.class_names)
    plans = []
    for kind, wanted in media.items():
        total = len({one.digest for one in wanted})
        missing = len(stage.missing("text" if kind == "prompts" else kind, wanted))
        plans.append(StagePlan(f"encode {kind}", _type(spec.encoder), total, total - missing))
    return plans


def _trainable(spec: PipelineSpec, classes: int) -> int | None:
    widths = [spec.encoder.width(modality) for modality in modalities_of(spec.graph)]
    if None in widths or spec.task.head is None:
        return None
    concatenated = spec.graph is not None and spec.graph.nodes == "fused" and spec.graph.fusion == "concat"
    width = sum(w for w in widths if w) if concatenated else widths[0] or 0
    counts = spec.adapter.parameter_count(width), spec.task.head.parameter_count(width, classes)
    return None if None in counts else sum(count for count in counts if count)
