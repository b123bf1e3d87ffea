"""The stage ``dataset``: a data set listed, with its files remembered and its notes told."""

from __future__ import annotations

from dataclasses import replace

from ...registry.build import build
from ..data.duplicates import with_duplicates_told
from ..data.file_memo import FileMemo
from ..data.items import MAX_NAMED, DataError, DatasetContent, Items, Splits
from ..data.modalities import unread_modalities
from ..data.names import alike
from ..events import Note
from ..roles.dataset import Dataset, content_of
from ..roles.specs import DatasetSpec
from ..spec.node_kinds import modalities_of, used_captioner
from ..spec.pipeline_spec import PipelineSpec
from .context import RunContext
from .list_tasks import joined, names_of, of_data_sets, require_tasks

#: What may be done without a validation split.
NO_VAL = (
    '; set "select_on": "none" to keep the last epoch ("labelled": and to choose search values by the labelled items), '
    "or make a validation split"
)


def list_items(spec: PipelineSpec, context: RunContext) -> Items:
    """The items of the splits that the pipeline uses. Raises ``DataError``, also for a split that is not there."""
    with context.stage("dataset"):
        content = listed_for(spec, context)
        require_splits(content, spec)
        require_tasks(spec, content)
    return Items(content, used_splits(content, spec), ())


def listed_for(spec: PipelineSpec, context: RunContext) -> DatasetContent:
    """What a pipeline's data set holds, or all data sets of its tasks as one. Raises ``DataError``."""
    if several := of_data_sets(spec):
        assert not isinstance(spec.tasks, int)
        names = names_of(spec.tasks or ())
        return joined(spec, [listed(one, context, f"{name}: ") for name, one in zip(names, several, strict=True)])
    return listed(spec.dataset, context)


def listed(spec: DatasetSpec, context: RunContext, of: str = "") -> DatasetContent:
    """What the data set holds; ``of`` stands before its notes. Raises ``DataError``."""
    dataset = build(Dataset, context.catalogue, spec)
    dataset.files = FileMemo(context.store, context.tell)
    dataset.may_download, dataset.to_score = context.may_download, context.to_score
    content = with_duplicates_told(_with_names_told(content_of(dataset)), spec.duplicates)
    for note in content.notes:
        context.tell(Note(of + note))
    return content


def _with_names_told(content: DatasetContent) -> DatasetContent:
    """The same, with a note of classes that look alike and are learned as different ones."""
    if groups := alike(content.class_names):
        more = f"; and {len(groups) - MAX_NAMED} more" if len(groups) > MAX_NAMED else ""
        named = "; ".join(groups[:MAX_NAMED]) + more
        note = f"classes that look alike are different classes; spell them in one way if they are one: {named}"
        return replace(content, notes=(*content.notes, note))
    return content


def used_splits(content: DatasetContent, spec: PipelineSpec) -> Splits:
    """The splits that the pipeline uses, of those that are there."""
    wanted = dict.fromkeys(["train", *spec.evaluation.held_out])
    return {name: content.splits[name] for name in wanted if name in content.splits}


def note_unread(splits: Splits, spec: PipelineSpec, context: RunContext) -> None:
    """Tell of modalities that neither nodes nor a captioner are made of."""
    nodes, described = modalities_of(spec), () if used_captioner(spec) is None else ("image",)
    if unread := unread_modalities(splits, tuple(dict.fromkeys((*nodes, *described))), "the nodes are made of"):
        context.tell(Note(unread))


def require_splits(content: DatasetContent, spec: PipelineSpec) -> None:
    """Raises ``DataError`` where the data set lacks a split that is trained, selected or reported on."""
    wanted = {"train": "train", "select_on": spec.evaluation.selecting_split, "test_on": spec.evaluation.test_on}
    for key, name in wanted.items():
        if name is not None and not content.splits.get(name):
            has = ", ".join(split for split, items in content.splits.items() if items) or "no items"
            remedy = "" if name != "val" else NO_VAL
            raise DataError(f"evaluation.{key}: the data set has no split `{name}`; it has {has}{remedy}")
