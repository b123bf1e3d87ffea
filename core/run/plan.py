"""What a run would do: stages, what is stored, what is missing, parameters. Loads no model and no torch."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from ...registry.catalogue import Catalogue
from ...registry.errors import counted
from ..data.items import DataError, DatasetContent, Item
from ..data.modalities import require_modalities
from ..events import Event, Note
from ..features import plan as features
from ..layers import plan as layers
from ..spec.node_kinds import modalities_of, nodes_in_words, used_captioner
from ..spec.pipeline_spec import PipelineSpec
from ..spec.policies import policy_in_words
from ..spec.search_values import trial_count
from ..stages.context import RunContext
from ..stages.list_items import listed_for, require_splits, used_splits
from ..stages.list_tasks import labelled_sample, require_earlier, require_tasks
from ..stages.near_duplicates import near_duplicates
from ..stages.stage_plan import Plan, StagePlan, type_of
from ..stages.stored_captioner import StoredCaptioner
from ..storage.adapter_config import Trained
from ..storage.manifest import adapter_folder
from .search import regularized
from .sequences.plan import sequence_stages, trainings_of


def make_plan(
    spec: PipelineSpec,
    catalogue: Catalogue,
    store: Path,
    tell: Callable[[Event], None] = lambda event: None,
    leaks_above: float | None = None,
) -> Plan:
    """Plan a run. Reads the data set's listing and the store; downloads nothing. Raises ``DataError``.

    ``leaks_above``: the cosine from which contents of two splits are told as near-duplicates; ``None``: nobody asks.
    All that it stores is the digests of files that it had to read.
    """
    context = RunContext(catalogue, store, tell)
    try:
        content = listed_for(spec, context)
    except DataError as error:
        raise DataError("\n".join([str(error), *(f"missing, too: {one}" for one in missing_files(spec))])) from error
    require_splits(content, spec)
    require_tasks(spec, content)
    if spec.tasks is not None:
        require_earlier(regularized(spec, catalogue), content)
    _require_start(spec, context, content)
    for damage in _damages(spec, context):
        tell(Note(damage))
    used = used_splits(content, spec)
    items = [item for split in used.values() for item in split]
    labelled = len(labelled_sample(spec, content.splits.get("train", ()), spec.seeds[0]))
    sizes = ", ".join(f"{name} {len(split)}" for name, split in content.splits.items())
    stages = [
        StagePlan(
            "dataset",
            f"{type_of(spec.dataset)}: {counted(len(content.class_names), 'classes')}; {sizes}; {labelled} labelled",
        )
    ]
    stages += sequence_stages(spec, content) if spec.tasks is not None else []
    captioner = context.captioner(spec)
    stages += _described(captioner, items)
    if captioner is None and spec.level == "features":
        require_modalities(used, modalities_of(spec))
    level = layers if spec.level == "layers" else features
    stages += level.stages(spec, context, content, items)
    if spec.graph and spec.adapter.needs_graph:
        nodes = nodes_in_words(spec)
        stages.append(StagePlan("graph", f"{type_of(spec.graph)}: nodes {nodes}, pool {spec.graph.pool}"))
    trials = trial_count(spec)
    counts = f"{counted(trials, 'combinations')} x {counted(len(spec.seeds), 'seeds')}"
    counts += f", {counted(spec.trainer.epochs, 'epochs')}"
    stages.append(StagePlan("train", f"{type_of(spec.adapter)}: {counts}"))
    select = f"selected on {spec.evaluation.select_on}" if spec.evaluation.select_on != "none" else "no selection"
    policy = f", {spec.evaluation.inductive} ({policy_in_words(spec)})" if spec.level == "features" else ""
    stages.append(StagePlan("evaluate", f"on {spec.evaluation.test_on}, {select}{policy}"))
    return Plan(
        spec.name,
        tuple(stages),
        trials * len(spec.seeds) if spec.tasks is None else trainings_of(spec),
        level.trainable(spec, content, items),
        spec.encoder.frozen_parameters(),
        missing_files(spec),
        None if leaks_above is None else near_duplicates(spec, context, content, leaks_above),
    )


def _require_start(spec: PipelineSpec, context: RunContext, content: DatasetContent) -> None:
    """The run that this one starts from, and what regularizers need of it, as the run will: ``UserError`` without.

    Which weights are here is known where they are noted beside stored vectors; the run looks at all of them.
    """
    previous = None
    if spec.tasks is not None:  # its first task has none before it, and each other one the one before
        return
    if spec.trainer.start_from:
        previous, encoder = adapter_folder(Path(spec.trainer.start_from)), context.encoder(spec)
        kinds = layers.tower_modalities(spec, content) if spec.level == "layers" else modalities_of(spec)
        read = (*kinds, "text") if spec.task.uses_prompts() else kinds
        noted = {kind: encoder.tower(kind).known_facts() for kind in read}
        here = {kind: facts.weights if facts else None for kind, facts in noted.items()}
        Trained.in_folder(previous).require_weights(Path(spec.trainer.start_from), here)
    for regularizer in spec.regularizers:
        regularizer.require_previous(previous)


def _damages(spec: PipelineSpec, context: RunContext) -> list[str]:
    """What is stored and cannot be told without a model: its run will load it."""
    encoder, captioner = context.encoder(spec), context.captioner(spec)
    namespaces = [encoder.tower(kind).namespace for kind in spec.encoder.modalities() or ("image", "text")]
    namespaces += [captioner.namespace] if captioner else []
    return sorted({damage for one in namespaces if (damage := one.damage())})


def missing_files(spec: PipelineSpec) -> tuple[str, ...]:
    """What the models of a pipeline lack on this machine. Looks at files alone."""
    captioner = used_captioner(spec)
    reasons = [captioner.missing_files() if captioner else None, spec.encoder.missing_files()]
    return tuple(reason for reason in reasons if reason)


def _described(captioner: StoredCaptioner | None, items: list[Item]) -> list[StagePlan]:
    if captioner is None:
        return []
    total = len({item.modalities["image"].digest for item in items})
    missing = total if captioner.lacks_its_file else len(captioner.missing(items))
    return [StagePlan("describe", captioner.type, total, total - missing)]
