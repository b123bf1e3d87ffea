"""What a run would do: stages, what is stored, what is missing, parameters. Loads no model and no torch."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from ..registry.catalogue import Catalogue
from .dataset import DataError, DatasetContent, Item, sample_shots
from .describe import CaptionerStage
from .encode import EncoderStage
from .events import Event
from .layered.plan import graft_of, modalities_heard, silence, towers_heard, towers_in_words, trainable
from .listing import list_items
from .node_kinds import (
    item_width,
    modalities_of,
    node_width,
    nodes_in_words,
    token_modalities,
    vector_modalities,
)
from .pipeline_spec import PipelineSpec
from .policies import policy_in_words
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
    #: What must be on this machine and is not, and how to get it: the run would try to, and stop where it cannot.
    missing: tuple[str, ...] = ()

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)


def make_plan(
    spec: PipelineSpec, catalogue: Catalogue, store: Path, tell: Callable[[Event], None] = lambda event: None
) -> Plan:
    """Plan a run. Reads the data set's listing and the store; downloads nothing. Raises ``DataError``.

    All that it stores is the digests of files that it had to read.
    """
    try:
        content = list_items(spec.dataset, catalogue, store, tell, may_download=False)
    except DataError as error:
        raise DataError("\n".join([str(error), *(f"missing, too: {one}" for one in missing_files(spec))])) from error
    used = {name: content.splits[name] for name in _splits_used(spec) if name in content.splits}
    items = [item for split in used.values() for item in split]
    labelled = len(sample_shots(content.splits.get("train", ()), spec.dataset.shots, spec.seeds[0]))
    sizes = ", ".join(f"{name} {len(split)}" for name, split in content.splits.items())
    stages = [
        StagePlan("dataset", f"{_type(spec.dataset)}: {len(content.class_names)} classes; {sizes}; {labelled} labelled")
    ]
    captioner = _captioner(spec, catalogue, store)
    stages += _described(captioner, items)
    if spec.level == "layers":
        stages += _through_towers(spec, content, items)
    else:
        stages += _encoded(spec, catalogue, store, content, items, captioner)
    if spec.graph and spec.adapter.needs_graph:
        nodes = nodes_in_words(spec.graph, spec.dataset)
        stages.append(StagePlan("graph", f"{_type(spec.graph)}: nodes {nodes}, pool {spec.graph.pool}"))
    trials = trial_count(spec)
    counts = f"{_counted(trials, 'combination')} x {_counted(len(spec.seeds), 'seed')}"
    counts += f", {_counted(spec.trainer.epochs, 'epoch')}"
    stages.append(StagePlan("train", f"{_type(spec.adapter)}: {counts}"))
    select = f"selected on {spec.evaluation.select_on}" if spec.evaluation.select_on != "none" else "no selection"
    policy = f", {spec.evaluation.inductive} ({policy_in_words(spec)})" if spec.level == "features" else ""
    stages.append(StagePlan("evaluate", f"on {spec.evaluation.test_on}, {select}{policy}"))
    return Plan(
        spec.name,
        tuple(stages),
        trials * len(spec.seeds),
        _trainable(spec, content, items),
        spec.encoder.frozen_parameters(),
        missing_files(spec),
    )


def missing_files(spec: PipelineSpec) -> tuple[str, ...]:
    """What the models of a pipeline lack on this machine. Looks at files alone."""
    captioner = spec.captioner if "text" in modalities_of(spec.graph, spec.dataset) else None
    reasons = [captioner.missing_files() if captioner else None, spec.encoder.missing_files()]
    return tuple(reason for reason in reasons if reason)


def _splits_used(spec: PipelineSpec) -> list[str]:
    return list(dict.fromkeys(["train", spec.evaluation.select_on, spec.evaluation.test_on]))


def _counted(count: int, what: str) -> str:
    return f"{count} {what}{'' if count == 1 else 's'}"


def _type(spec: Any) -> str:
    return str(spec.type)


def _no_device() -> Any:
    raise AssertionError("a plan loads no model")


def _captioner(spec: PipelineSpec, catalogue: Catalogue, store: Path) -> CaptionerStage | None:
    if spec.captioner is None or (spec.level == "features" and "text" not in modalities_of(spec.graph, spec.dataset)):
        return None
    return CaptionerStage(spec.captioner, catalogue, store, _no_device)


def _unusable(captioner: CaptionerStage) -> bool:
    """Whether asking for its descriptions would fail: a file of them that is not there."""
    return captioner.spec.written and captioner.spec.missing_files() is not None


def _described(captioner: CaptionerStage | None, items: list[Item]) -> list[StagePlan]:
    if captioner is None:
        return []
    total = len({item.modalities["image"].digest for item in items})
    missing = total if _unusable(captioner) else len(captioner.missing(items))
    return [StagePlan("describe", captioner.type, total, total - missing)]


def _encoded(
    spec: PipelineSpec,
    catalogue: Catalogue,
    store: Path,
    content: DatasetContent,
    items: list[Item],
    captioner: CaptionerStage | None,
) -> list[StagePlan]:
    stage = EncoderStage(spec.encoder, catalogue, store, _no_device)
    of = {
        kind: [item.modalities[kind] for item in items if kind in item.modalities]
        for kind in modalities_of(spec.graph, spec.dataset)
    }
    known, undescribed = of.get("text", []), 0
    if captioner is not None:
        known = [] if _unusable(captioner) else captioner.known(items)
        undescribed = len(items) if _unusable(captioner) else len(captioner.missing(items))
    of |= {"text": known}
    work = [
        (f"encode {kind}", kind, of[kind], stage.missing)
        for kind in vector_modalities(spec.graph, spec.dataset, spec.task)
    ]
    work += [(f"encode {kind} tokens", kind, of[kind], stage.missing_tokens) for kind in token_modalities(spec.graph)]
    if spec.task.uses_prompts():
        work.append(("encode prompts", "text", class_prompts(spec.encoder, content.class_names), stage.missing))
    plans = []
    for name, modality, wanted, missing_of in work:
        missing = len(missing_of(modality, wanted))
        stored = len({one.digest for one in wanted}) - missing
        more = undescribed if modality == "text" and name != "encode prompts" else 0
        plans.append(StagePlan(name, _type(spec.encoder.tower(modality)), stored + missing + more, stored))
    return plans


def _through_towers(spec: PipelineSpec, content: DatasetContent, items: list[Item]) -> list[StagePlan]:
    heard = modalities_heard(spec, content)
    towers = towers_heard(spec, heard)
    contents = {view[kind].digest for item in items for view in item.views() for kind in heard if kind in view}
    graft = graft_of(spec, towers)
    plans = [StagePlan("read", f"{', '.join(heard)}: {len(contents):,} contents, not stored")]
    plans.append(StagePlan("towers", f"{_type(spec.encoder)}: {towers_in_words(towers, heard)}"))
    plans += [StagePlan("graft", line) for line in (graft.lines() if graft else ())]
    return plans + [StagePlan("graft", line) for line in filter(None, [silence(spec)])]


def _trainable(spec: PipelineSpec, content: DatasetContent, items: list[Item]) -> int | None:
    classes = len(content.class_names)
    if spec.level == "layers":
        return trainable(spec, towers_heard(spec, modalities_heard(spec, content)), items[0], classes)
    node = node_width(spec.graph, spec.dataset, spec.encoder)
    if node is None or spec.task.head is None:
        return None
    counts = [spec.adapter.parameter_count(node)]
    counts.append(spec.task.head.parameter_count(item_width(spec.graph, node), classes))
    if spec.graph is not None and spec.graph.fuses:
        text = spec.encoder.token_width("text")
        counts.append(None if text is None else spec.graph.parameter_count(node, text))
    return None if None in counts else sum(count for count in counts if count)
