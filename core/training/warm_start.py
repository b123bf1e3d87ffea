"""Begin a training from the parameters of a finished run: the next task of a sequence."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import torch
from torch import Tensor

from ..roles.head import Head
from ..storage.adapter_config import TENSORS, Trained, unfit
from ..storage.files import sha256_of
from ..storage.manifest import MANIFEST, adapter_folder
from ..storage.result_parts import HeadClasses, StartedFrom
from ..storage.run_folder import RunFolderError
from ..storage.tensors import read_tensors, require_taken_whole
from .learner import TrainableModel


def started_from(run: Path, classes: Sequence[str]) -> StartedFrom:
    """What a run over ``classes`` takes over from ``run``. Raises ``RunFolderError`` where that is no finished run."""
    folder = adapter_folder(run)
    before = Trained.in_folder(folder).class_names
    taken = HeadClasses(
        kept=[name for name in classes if name in before],
        new=[name for name in classes if name not in before],
        dropped=[name for name in before if name not in classes],
    )
    return StartedFrom(run=str(run), sha256=sha256_of(folder / MANIFEST), classes=taken)


def start_from(
    model: TrainableModel, run: Path, classes: Sequence[str] | None = None, weights: Mapping[str, str] | None = None
) -> None:
    """Put the saved adapter and head of ``run`` into ``model``. Raises ``RunFolderError`` where they do not fit.

    ``classes`` are the names here: rows of the head are taken over by name, new classes keep the fresh rows that they
    have, and ``model.rows_before`` and ``classes_before`` say which is which. ``weights``: sha256 of the frozen towers'
    weights by modality, which must be those that the run was trained on. What ``Head.fit`` sizes may have another
    length there: training fits it to this run's labelled items anew.
    """
    folder = adapter_folder(run)
    tensors, facts = read_tensors(folder / TENSORS), Trained.in_folder(folder)
    facts.require_sound(folder)
    facts.require_weights(run, weights or {})
    saved, own = model.upgraded(tensors), model.state_dict()
    require_taken_whole(folder, saved, own)
    sized_by_fit = {f"head.{name}" for name in model.head.sized_by_fit} if model.head else set()
    for name in {f"head.{name}" for name in (model.head and model.head.class_rows) or ()} - sized_by_fit:
        if name in saved and saved[name].shape[:1] != (count := len(facts.class_names),):
            form = list(saved[name].shape)
            raise unfit(folder, f"`graftwork.class_names` has {count} entries, and `{name}` of {TENSORS} is {form}")
    if classes is not None and tuple(classes) != tuple(facts.class_names):
        saved = _by_name(model, saved, own, started_from(run, classes), facts.class_names, classes)
    for name in sorted((own.keys() | saved.keys()) - sized_by_fit):
        shapes = [tuple(tensors[name].shape) if name in tensors else "absent" for tensors in (saved, own)]
        if shapes[0] != shapes[1]:
            raise RunFolderError(f"{run} does not fit this pipeline: {name} is {shapes[0]} there and {shapes[1]} here")
    model.load_state_dict(saved)


def _by_name(
    model: TrainableModel,
    saved: Mapping[str, Tensor],
    own: Mapping[str, Tensor],
    start: StartedFrom,
    before: Sequence[str],
    classes: Sequence[str],
) -> dict[str, Tensor]:
    """``saved``, with the rows of the head in the order of ``classes``."""
    rows = torch.tensor([before.index(name) if name in start.classes.kept else -1 for name in classes])
    model.classes_before = rows
    found = dict(saved)
    for name in _class_rows(model.head, saved, own, len(before), len(classes), start):
        if name in saved and name in own and saved[name].shape == (len(before), *own[name].shape[1:]):
            found[name] = own[name].detach().cpu().clone()
            found[name][rows >= 0] = saved[name][rows[rows >= 0]].to(found[name].dtype)
            model.rows_before[name] = rows
    return found


def _class_rows(
    head: Head | None,
    saved: Mapping[str, Tensor],
    own: Mapping[str, Tensor],
    before: int,
    here: int,
    start: StartedFrom,
) -> list[str]:
    """Names in the state dict of what has a row a class. Raises ``RunFolderError`` where the head does not say."""
    if head is None:
        return []
    if head.class_rows is not None:
        return [f"head.{name}" for name in head.class_rows]
    sized = {f"head.{name}" for name in head.sized_by_fit}
    of_head = [name for name in own if name.startswith("head.") and name not in sized]
    if any(before in saved[name].shape or here in own[name].shape for name in of_head if name in saved):
        raise RunFolderError(
            f"{start.run} has other classes, or in another order, and {type(head).__name__} does not say which of its "
            "tensors have a row a class (`class_rows`); start from a run with the same classes in one order"
        )
    return []
