"""Begin a training from the parameters of a finished run: the next task of a sequence."""

from __future__ import annotations

from pathlib import Path

from ..storage.adapter_config import TENSORS
from ..storage.manifest import adapter_folder
from ..storage.run_folder import RunFolderError
from ..storage.tensors import read_tensors
from .learner import TrainableModel


def start_from(model: TrainableModel, run: Path) -> None:
    """Put the saved adapter and head of ``run`` into ``model``. Raises ``RunFolderError`` where they do not fit.

    What ``Head.fit`` sizes may have another length there: training fits it to this run's labelled items anew.
    """
    saved = read_tensors(adapter_folder(run) / TENSORS)
    own = model.state_dict()
    sized_by_fit = {f"head.{name}" for name in model.head.sized_by_fit} if model.head else set()
    for name in sorted((own.keys() | saved.keys()) - sized_by_fit):
        shapes = [tuple(tensors[name].shape) if name in tensors else "absent" for tensors in (saved, own)]
        if shapes[0] != shapes[1]:
            raise RunFolderError(f"{run} does not fit this pipeline: {name} is {shapes[0]} there and {shapes[1]} here")
    model.load_state_dict(saved)
