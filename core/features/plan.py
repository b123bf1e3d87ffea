"""What a run on features would encode and train. Light: no torch."""

from __future__ import annotations

from ..data.items import DatasetContent, Item, Media
from ..spec.node_kinds import item_width, modalities_of, node_width, token_modalities, vector_modalities
from ..spec.pipeline_spec import PipelineSpec
from ..stages.context import RunContext
from ..stages.list_items import note_unread
from ..stages.prompts import class_prompts
from ..stages.stage_plan import StagePlan, type_of


def stages(spec: PipelineSpec, context: RunContext, content: DatasetContent, items: list[Item]) -> list[StagePlan]:
    """What is to be encoded, and what of it is stored."""
    stage, captioner = context.encoder(spec), context.captioner(spec)
    note_unread({"": items}, spec, context)
    of = {kind: [item.modalities[kind] for item in items if kind in item.modalities] for kind in modalities_of(spec)}
    known, undescribed = of.get("text", []), 0
    if captioner is not None:
        known = [] if captioner.lacks_its_file else list(map(Media.of_text, captioner.known(items)))
        undescribed = len(items) if captioner.lacks_its_file else len(captioner.missing(items))
    of |= {"text": known}
    work = [(f"encode {kind}", kind, of[kind], stage.missing) for kind in vector_modalities(spec)]
    work += [(f"encode {kind} tokens", kind, of[kind], stage.missing_tokens) for kind in token_modalities(spec)]
    if spec.task.uses_prompts():
        work.append(("encode prompts", "text", class_prompts(spec.encoder, content.class_names), stage.missing))
    plans = []
    for name, modality, wanted, missing_of in work:
        missing = len(missing_of(modality, wanted))
        stored = len({one.digest for one in wanted}) - missing
        more = undescribed if modality == "text" and name != "encode prompts" else 0
        plans.append(StagePlan(name, type_of(spec.encoder.tower(modality)), stored + missing + more, stored))
    return plans


def trainable(spec: PipelineSpec, content: DatasetContent, items: list[Item]) -> int | None:
    """Parameters of adapter, head and fusion, where they can be told."""
    classes = len(content.class_names)
    node = node_width(spec)
    if node is None or spec.task.head is None:
        return None
    counts = [spec.adapter.parameter_count(node)]
    counts.append(spec.task.head.parameter_count(item_width(spec, node), classes))
    if spec.graph is not None and spec.graph.fuses:
        text = spec.encoder.token_width("text")
        counts.append(None if text is None else spec.graph.parameter_count(node, text))
    return None if None in counts else sum(count for count in counts if count)
