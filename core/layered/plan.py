"""What a run through towers would do. Light: no torch."""

from __future__ import annotations

from ..dataset import DatasetContent, Item
from ..graft_plan import GraftPlan, plan_graft
from ..pipeline_spec import PipelineSpec
from ..roles import LayerAdapterSpec, PairTaskSpec, TowerAdapterSpec, TowerShape

SILENT = (
    "the adapter is silent: it reads a partner, and images and texts pass the towers apart, so nothing is trained; "
    'set "joint": true in the task, or give the adapter something that needs no partner (an expert `unimodal`)'
)


def modalities_heard(spec: PipelineSpec, content: DatasetContent) -> tuple[str, ...]:
    """What goes through the towers: what the items have and the encoder takes."""
    item = next((item for items in content.splits.values() for item in items), None)
    given = list(item.views()[0]) if item else []
    if spec.captioner is not None:
        given.append("text")
    can = spec.encoder.modalities()
    return tuple(one for one in dict.fromkeys([*spec.task.needs, *given]) if can is None or one in can)


def towers_heard(spec: PipelineSpec, heard: tuple[str, ...]) -> tuple[TowerShape, ...] | None:
    """The towers of those modalities; ``None`` where only loading tells."""
    shapes = spec.encoder.tower_shapes()
    if shapes is None:
        return None
    return tuple(shape for shape in shapes if set(shape.modalities) <= set(heard))


def graft_of(spec: PipelineSpec, towers: tuple[TowerShape, ...] | None) -> GraftPlan | None:
    """The adapter inside the towers, where its size can be told."""
    if towers is None or not isinstance(spec.adapter, TowerAdapterSpec):
        return None
    counts = [shape.parameters for shape in towers]
    frozen = spec.encoder.frozen_parameters() if None in counts else sum(count for count in counts if count)
    return plan_graft(spec.adapter, towers, frozen)


def silence(spec: PipelineSpec) -> str | None:
    """What to say of an adapter that never meets the partner that it needs."""
    apart = isinstance(spec.task, PairTaskSpec) and not spec.task.joint
    return SILENT if apart and isinstance(spec.adapter, LayerAdapterSpec) and spec.adapter.needs_partner() else None


def trainable(spec: PipelineSpec, towers: tuple[TowerShape, ...] | None, item: Item, classes: int) -> int | None:
    """Parameters of adapter and head, where they can be told."""
    if towers is None:
        return None
    width = sum(shape.read_out for shape in towers)
    if spec.task.views == "joined":
        width *= len(item.views())
    if spec.task.views == "pairs":
        width = towers[0].read_out if towers else 0
    graft = graft_of(spec, towers)
    inside = spec.adapter.level == "layers"
    adapter = spec.adapter.parameter_count(width) if not inside else graft.parameters if graft else None
    head = spec.task.head.parameter_count(width, classes) if spec.task.head else 0
    return None if adapter is None or head is None else adapter + head


def towers_in_words(towers: tuple[TowerShape, ...] | None, heard: tuple[str, ...]) -> str:
    """Each tower with its modalities, depth and width."""
    if towers is None:
        return ", ".join(heard)
    return ", ".join(f"{'+'.join(one.modalities)} ({one.depth} blocks, width {one.width})" for one in towers)
