"""Finished trainings of a run: written while it goes on, found again by a run that goes on where it was interrupted.

    NAME.partial/trainings/KEY.safetensors    parameters, and what regularizers save; in the metadata: how it ended

KEY is of the spec and the seed. Everything else that a training depends on stands in the metadata: code, data, weights.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ...registry.errors import UserError
from ..events import Note, Tell
from ..spec.pipeline_spec import PipelineSpec
from ..stages.prepare import Prepared
from ..storage.record import Json
from ..storage.run_folder import RunFolderError
from ..storage.store import identity_key
from ..storage.tensors import read_tensors, write_tensors
from .learner import TrainableModel
from .loop import Hear, Trained
from .unread import State

#: Seconds of training that may wait to be written.
SECONDS = 1.0
_MODEL, _FILE, _ABOUT = "model", "file", "training"
#: What a training does not depend on: where results go, and which trainings are done beside it.
_ELSEWHERE = {"name", "reporters", "search", "trials"}


class ResumeError(UserError):
    """An interrupted run cannot be gone on with; the message names what differs."""


@dataclass
class FinishedTrainings:
    """Of one run folder. ``code(spec)``: what a training depends on that is installed here.

    ``require_ours()`` raises where the run folder is no longer this process's to write into.
    """

    folder: Path
    code: Callable[[PipelineSpec], Json]
    require_ours: Callable[[], None]
    tell: Tell
    #: Whether a training made with other code, data or weights is an error rather than done anew.
    strict: bool = True
    #: Waits for a training that a process beside this one does, and tells of its epochs: whether one did.
    beside: Callable[[PipelineSpec, int, Hear], bool] = lambda spec, seed, hear: False
    #: How many were found so far that are of before.
    found: int = 0
    _waiting: list[tuple[PipelineSpec, Prepared, int, Trained]] = field(default_factory=list)
    _said: bool = False
    _since: float = field(default_factory=time.perf_counter)
    _data: dict[str, str] = field(default_factory=dict)

    def holds(self, spec: PipelineSpec, seed: int) -> bool:
        """Whether there is one of a seed, if it can be read. Where others alone are there, that is said."""
        if self.is_there(spec, seed):
            return True
        self._say_that_others_wait(seed)
        return False

    def others_are_ours(self) -> None:
        """Trainings come in no order from now on: that the first is not there means nothing."""
        self._said = True

    def is_there(self, spec: PipelineSpec, seed: int) -> bool:
        """Whether there is one of a seed."""
        return self._path(spec, seed).is_file()

    def key(self, spec: PipelineSpec, seed: int) -> str:
        """Of the training of a seed: what its file is called."""
        return self._path(spec, seed).stem

    def find(
        self, spec: PipelineSpec, prepared: Prepared, seed: int, model: TrainableModel, hear: Hear
    ) -> Trained | None:
        """The training of a seed, its parameters put into ``model``; ``None`` where none was finished. ``hear`` is told
        of the epochs of one that is done meanwhile.

        Raises ``ResumeError`` where it was done with other code, data or weights.
        """
        beside = self.beside(spec, seed, hear)
        if not self.holds(spec, seed):
            return None
        path = self._path(spec, seed)
        try:
            about, tensors = _about(path), read_tensors(path)
        except RunFolderError:  # a disk that filled up, a file that was altered: it is done again
            return None
        if about["sha256"] != _sha256(tensors):
            return None
        if differs := list(_differences(about["of"], self._of(spec, prepared))):
            if not self.strict:
                return None
            raise ResumeError(
                f"{path.parent}: what was trained before was trained otherwise:"
                + "".join(f"\n  {one}" for one in differs)
                + "\nbring that back, or begin anew: --restart"
            )
        parts, at_the_start = _by_part(tensors), State.of(model)
        try:
            model.load_state_dict(parts.pop(_MODEL))
        except RuntimeError:  # of a component whose author changed it and not its version
            model.load_state_dict(at_the_start.tensors())
            return None
        self.found += not beside
        files = {stem.removeprefix(f"{_FILE}."): one for stem, one in parts.items()}
        return Trained(model.eval(), about["epoch"], about["selection"], about["seconds"], files)

    def _say_that_others_wait(self, seed: int) -> None:
        """Once, and where none was found before: the spec may be another, and its trainings go with the run's end."""
        if self.strict and not self.found and not self._said and (count := written_trainings(self.folder)):
            which = f"{self.folder} holds {count} finished, and none is the first of this spec, of seed {seed}"
            self.tell(Note(f"{which}; what is of another spec is removed when this run ends, and Ctrl-C keeps it"))
        self._said = True

    def keep(self, spec: PipelineSpec, prepared: Prepared, seed: int, trained: Trained) -> None:
        """Write a training, at the latest with the first that ends ``SECONDS`` after the last was written."""
        self._waiting.append((spec, prepared, seed, trained))
        if time.perf_counter() - self._since >= SECONDS:
            self.write()

    def write(self) -> None:
        """Write those that wait."""
        if self._waiting:
            self.require_ours()
            self.folder.mkdir(exist_ok=True)
        while self._waiting:
            spec, prepared, seed, trained = self._waiting[0]
            about = {"epoch": trained.epoch, "selection": trained.selection, "seconds": trained.seconds}
            parts = {_MODEL: trained.model.state_dict()}
            parts |= {f"{_FILE}.{stem}": tensors for stem, tensors in trained.files.items()}
            tensors = {f"{part}/{name}": one for part, named in parts.items() for name, one in named.items()}
            said = json.dumps(about | {"of": self._of(spec, prepared), "sha256": _sha256(tensors)})
            write_tensors(self._path(spec, seed), tensors, {_ABOUT: said})
            del self._waiting[0]
        self._since = time.perf_counter()

    def _path(self, spec: PipelineSpec, seed: int) -> Path:
        said = {key: value for key, value in spec.to_json().items() if key not in _ELSEWHERE}
        said["evaluation"] = {key: value for key, value in said["evaluation"].items() if key != "seeds"}
        return self.folder / f"{identity_key({'pipeline': said, 'seed': seed})}.safetensors"

    def _of(self, spec: PipelineSpec, prepared: Prepared) -> Json:
        weights = {kind: tower.facts().weights for kind, tower in prepared.encoder.used().items()}
        if prepared.key not in self._data:
            self._data[prepared.key] = prepared.content.fingerprint()
        left_out = sorted(one.id for one in prepared.left_out)
        return {**self.code(spec), "data": self._data[prepared.key], "left out": left_out, "encoder": weights}


def written_trainings(folder: Path) -> int:
    """How many finished trainings a folder holds."""
    return len(list(folder.glob("*.safetensors")))


def _about(path: Path) -> dict[str, Any]:
    """Raises ``RunFolderError``."""
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads(file.metadata()[_ABOUT])
            return {key: about[key] for key in ("epoch", "selection", "seconds", "of", "sha256")}
    except (OSError, SafetensorError, ValueError, KeyError, TypeError) as error:
        raise RunFolderError(f"{path} cannot be read: {error}") from None


def _sha256(tensors: Mapping[str, Tensor]) -> str:
    """Of names and numbers: a disk may give back others than it was given."""
    digest = hashlib.sha256()
    for name in sorted(tensors):
        plain = tensors[name].detach().cpu().contiguous()
        digest.update(f"{name} {plain.dtype} {tuple(plain.shape)}\n".encode())
        digest.update(plain.flatten().view(torch.uint8).numpy().tobytes())
    return digest.hexdigest()


def _by_part(tensors: Mapping[str, Tensor]) -> dict[str, dict[str, Tensor]]:
    parts: dict[str, dict[str, Tensor]] = {_MODEL: {}}
    for key, tensor in tensors.items():
        part, _, name = key.partition("/")
        parts.setdefault(part, {})[name] = tensor
    return parts


def _differences(before: Any, now: Any, at: str = "") -> Iterator[str]:
    if isinstance(before, dict) and isinstance(now, dict):
        for key in {**before, **now}:
            yield from _differences(before.get(key), now.get(key), f"{at}.{key}" if at else key)
    elif before != now:
        yield f"{at}: was {json.dumps(before)}, is {json.dumps(now)}"
