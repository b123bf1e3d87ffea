"""What a run through towers would do. Light: no torch."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from ...registry.errors import counted
from ..data.items import DataError, DatasetContent, Item, Splits
from ..data.modalities import unread_modalities
from ..events import Note
from ..graft.plan import GraftPlan, plan_graft
from ..roles.specs import PairTaskSpec, TaskSpec, TowerShape, blocks_in_words
from ..roles.tower_specs import LayerAdapterSpec, TowerAdapterSpec
from ..spec.pipeline_spec import PipelineSpec
from ..stages.context import RunContext
from ..stages.stage_plan import StagePlan, type_of

UNHEARD_PARTNER = (
    "the adapter is silent: it reads a partner, and images and texts pass the towers apart, so nothing is trained; "
    'set "joint": true in the task, or give the adapter something that needs no partner (an expert `unimodal`)'
)

CLIP_AS_IMAGES = 'write it in `json_lines` as `image` with "segments": 8, so many pictures of which are passes'


def stages(spec: PipelineSpec, context: RunContext, content: DatasetContent, items: list[Item]) -> list[StagePlan]:
    """What is to be read, by which towers, with what in them; nothing of it is stored."""
    modalities = tower_modalities(spec, content)
    written = () if spec.captioner is None else ("text",)
    require_modalities(content.splits, modalities, readable(spec.task, _given(content, written)), spec.task, written)
    if unread := unread_modalities({"": items}, modalities, "the towers read"):
        context.tell(Note(unread))
    towers = used_towers(spec, modalities)
    contents = {view[kind].digest for item in items for view in item.views() for kind in modalities if kind in view}
    graft = graft_of(spec, towers)
    plans = [StagePlan("read", f"{', '.join(modalities)}: {counted(len(contents), 'contents')}, not stored")]
    plans.append(StagePlan("towers", f"{type_of(spec.encoder)}: {towers_in_words(towers, modalities)}"))
    plans += [StagePlan("graft", line) for line in (graft.lines() if graft else ())]
    return plans + [StagePlan("graft", line) for line in filter(None, [unheard_partner_warning(spec)])]


def tower_modalities(spec: PipelineSpec, content: DatasetContent) -> tuple[str, ...]:
    """What goes through the towers: what the items have and the encoder takes."""
    given = _given(content, () if spec.captioner is None else ("text",))
    can = spec.encoder.modalities()
    return tuple(one for one in readable(spec.task, given) if can is None or one in can)


def _given(content: DatasetContent, written: Sequence[str]) -> list[str]:
    """What the first item has, and what a captioner writes."""
    item = next((item for items in content.splits.values() for item in items), None)
    return [*(item.views()[0] if item else ()), *written]


def require_modalities(
    splits: Splits, used: Sequence[str], given: Sequence[str], task: TaskSpec, written: Collection[str] = ()
) -> None:
    """That every pass of every item has what goes through the towers, but for what a captioner has still to write.

    Raises ``DataError`` for an item that lacks what the task needs, or what the other items have.
    """
    if needed := [modality for modality in task.needs if modality not in used]:
        raise DataError(
            f"task `{task.type}` needs {needed[0]}, and the encoder has no tower for it; take "
            f'{{"type": "dual", "{needed[0]}": {{...}}, ...}}'
        )
    if not used:
        raise DataError(f"the items have {', '.join(given)}, and the encoder has no tower for any of it")
    asked = [modality for modality in used if modality not in written]
    for name, items in splits.items():
        for item in items:
            for number, view in enumerate(item.views()):
                if lacking := [modality for modality in asked if modality not in view]:
                    where = f"pass {number} of item {item.id}" if item.passes else f"item {item.id}"
                    why = f"task `{task.type}` needs" if lacking[0] in task.needs else "other items have"
                    raise DataError(
                        f"{where} of split {name} has no {lacking[0]}, which {why}; {_remedy(view, lacking)}"
                    )


def _remedy(view: Mapping[str, object], lacking: Sequence[str]) -> str:
    if "video" not in view or "image" not in lacking:
        return "add it, or leave the item out"
    return f"it is a clip: {CLIP_AS_IMAGES}"


def readable(task: TaskSpec, given: Sequence[str]) -> list[str]:
    """Of what an item has, what its task reads where there are towers for it: pairs are of what they need alone."""
    return list(dict.fromkeys(task.needs if task.passes_are == "pairs" else [*task.needs, *given]))


def used_towers(spec: PipelineSpec, modalities: tuple[str, ...]) -> tuple[TowerShape, ...] | None:
    """The towers of those modalities; ``None`` where only loading tells. Raises ``DataError`` for clips without one."""
    shapes = spec.encoder.tower_shapes()
    if shapes is None:
        return None
    used = tuple(shape for shape in shapes if set(shape.modalities) <= set(modalities))
    require_tower_of_clips(modalities, {kind for shape in used for kind in shape.modalities})
    return used


def require_tower_of_clips(modalities: Collection[str], streams: Collection[str]) -> None:
    """Raises ``DataError`` where clips would be read and pass no tower: one of images is not theirs."""
    if "video" in modalities and "video" not in streams:
        raise DataError(
            "encoder: it sees clips frame by frame, and inside towers they need a model of clips (VideoMAE, ViViT, "
            f"TimeSformer); or {CLIP_AS_IMAGES}"
        )


def graft_of(spec: PipelineSpec, towers: tuple[TowerShape, ...] | None) -> GraftPlan | None:
    """The adapter inside the towers, where its size can be told."""
    if towers is None or not isinstance(spec.adapter, TowerAdapterSpec):
        return None
    counts = [shape.parameters for shape in towers]
    frozen = spec.encoder.frozen_parameters() if None in counts else sum(count for count in counts if count)
    return plan_graft(spec.adapter, towers, frozen)


def unheard_partner_warning(spec: PipelineSpec) -> str | None:
    """What to say of an adapter that never meets the partner that it needs."""
    apart = isinstance(spec.task, PairTaskSpec) and not spec.task.joint
    return (
        UNHEARD_PARTNER
        if apart and isinstance(spec.adapter, LayerAdapterSpec) and spec.adapter.needs_partner()
        else None
    )


def trainable(spec: PipelineSpec, content: DatasetContent, items: list[Item]) -> int | None:
    """Parameters of adapter and head, where they can be told."""
    towers = used_towers(spec, tower_modalities(spec, content))
    if towers is None:
        return None
    width = sum(shape.read_out for shape in towers)
    if spec.task.passes_are == "joined":
        width *= len(items[0].views())
    if spec.task.passes_are == "pairs":
        width = towers[0].read_out if towers else 0
    if spec.task.passes_are == "masks":
        width += next((shape.widths[-1] for shape in towers if shape.modalities == ("image",) and shape.depth), 0)
    graft = graft_of(spec, towers)
    inside = spec.adapter.level == "layers"
    adapter = spec.adapter.parameter_count(width) if not inside else graft.parameters if graft else None
    head = spec.task.head.parameter_count(width, spec.task.outputs(len(content.class_names))) if spec.task.head else 0
    return None if adapter is None or head is None else adapter + head


def towers_in_words(towers: tuple[TowerShape, ...] | None, modalities: tuple[str, ...]) -> str:
    """Each tower with its modalities, depth and width."""
    if towers is None:
        return ", ".join(modalities)
    return ", ".join(f"{'+'.join(one.modalities)} ({blocks_in_words(one.depth, one.width)})" for one in towers)
