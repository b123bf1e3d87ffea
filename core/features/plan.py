"""What a run on features would encode and train. Light: no torch."""

from __future__ import annotations

from pathlib import Path

from ...registry.catalogue import Catalogue
from ..data.items import DatasetContent, Item
from ..spec.node_kinds import item_width, modalities_of, node_width, token_modalities, vector_modalities
from ..spec.pipeline_spec import PipelineSpec
from ..stages.describe import CaptionerStage
from ..stages.encode import EncoderStage
from ..stages.prompts import class_prompts
from ..stages.stage_plan import StagePlan, lacks_its_file, no_device, type_of


def stages(
    spec: PipelineSpec,
    catalogue: Catalogue,
    store: Path,
    content: DatasetContent,
    items: list[Item],
    captioner: CaptionerStage | None,
) -> list[StagePlan]:
    """What is to be encoded, and what of it is stored."""
    stage = EncoderStage(spec.encoder, catalogue, store, no_device)
    of = {
        kind: [item.modalities[kind] for item in items if kind in item.modalities]
        for kind in modalities_of(spec.graph, spec.dataset)
    }
    known, undescribed = of.get("text", []), 0
    if captioner is not None:
        known = [] if lacks_its_file(captioner) else captioner.known(items)
        undescribed = len(items) if lacks_its_file(captioner) else len(captioner.missing(items))
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
        plans.append(StagePlan(name, type_of(spec.encoder.tower(modality)), stored + missing + more, stored))
    return plans


def trainable(spec: PipelineSpec, content: DatasetContent, items: list[Item]) -> int | None:
    """Parameters of adapter, head and fusion, where they can be told."""
    classes = len(content.class_names)
    node = node_width(spec.graph, spec.dataset, spec.encoder)
    if node is None or spec.task.head is None:
        return None
    counts = [spec.adapter.parameter_count(node)]
    counts.append(spec.task.head.parameter_count(item_width(spec.graph, node), classes))
    if spec.graph is not None and spec.graph.fuses:
        text = spec.encoder.token_width("text")
        counts.append(None if text is None else spec.graph.parameter_count(node, text))
    return None if None in counts else sum(count for count in counts if count)
