"""Finished trainings of a run: written while it goes on, found again by a run that goes on where it was interrupted.

    NAME.partial/trainings/KEY.safetensors    parameters, and what regularizers save; in the metadata: how it ended

KEY is of the spec and the seed. Everything else that a training depends on stands in the metadata: code, data, weights.
"""

from __future__ import annotations

import hashlib
import json
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from torch import Tensor

from ..events import Tell
from ..spec.pipeline_spec import PipelineSpec
from ..stages.prepare import Prepared
from ..storage.claim import CHECKPOINT_EVERY, CHECKPOINTS
from ..storage.record import Json
from ..storage.run_folder import RunFolderError
from ..storage.store import identity_key
from ..storage.tensors import read_tensors, write_tensors
from .checkpoints.differences import differences
from .checkpoints.folder import BRING_BACK, Checkpoints, ResumeError
from .learner import TrainableModel
from .loop import Trained
from .members import Hear, heard_in, said_of
from .unread import State

#: Seconds of training that may wait to be written.
SECONDS = 1.0
_MODEL, _FILE, _ABOUT = "model", "file", "training"
_SAID = ("epoch", "selection", "seconds", "of", "sha256")
#: What a training does not depend on: where results go, and which trainings are done beside it.
_ELSEWHERE = {"name", "reporters", "search", "trials"}


@dataclass
class FinishedTrainings:
    """Of one run folder, and the checkpoints of those that are not finished.

    ``code(spec)``: what a training depends on that is installed here. ``require_ours()`` raises where the run folder is
    no longer this process's to write into.
    """

    folder: Path
    code: Callable[[PipelineSpec], Json]
    require_ours: Callable[[], None]
    tell: Tell
    #: Whether a training made with other code, data or weights is an error rather than done anew.
    strict: bool = True
    #: Seconds between two checkpoints of a training.
    every: float = CHECKPOINT_EVERY
    #: Waits where a process beside this one does a training: whether one did it. Of one that broke down it tells the
    #: epochs, and raises why.
    beside: Callable[[PipelineSpec, int, Hear], bool] = lambda spec, seed, hear: False
    #: How many were found so far that are of before.
    found: int = 0
    _waiting: list[tuple[PipelineSpec, Prepared, int, Trained]] = field(default_factory=list)
    _over: list[Checkpoints] = field(default_factory=list)
    _since: float = field(default_factory=time.perf_counter)
    _data: dict[str, str] = field(default_factory=dict)

    def holds(self, spec: PipelineSpec, seed: int) -> bool:
        """Whether there is one of a seed, if it can be read."""
        return self._path(spec, seed).is_file()

    def key(self, spec: PipelineSpec, seed: int) -> str:
        """Of the training of a seed: what its file is called."""
        return self._path(spec, seed).stem

    def checkpoints(self, trainings: Sequence[tuple[PipelineSpec, int]], prepared: Prepared) -> Checkpoints:
        """Of a training that is not finished, by spec and seed, or of several that are trained as one."""
        keys = [_key(spec, seed) for spec, seed in trainings]
        folder = self.folder.with_name(CHECKPOINTS) / (keys[0] if len(keys) == 1 else identity_key({"of": keys}))
        about = partial(self._of, trainings[0][0], prepared)
        return Checkpoints(folder, about, self.require_ours, self.tell, self.every, self.strict)

    def over(self, checkpoints: Checkpoints) -> None:
        """They go as soon as what came of the training is written."""
        self._over.append(checkpoints)

    def find(
        self, spec: PipelineSpec, prepared: Prepared, seed: int, model: TrainableModel, hear: Hear
    ) -> Trained | None:
        """The training of a seed, its parameters put into ``model``; ``None`` where none was finished.

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
        if differs := list(differences(about["of"], self._of(spec, prepared))):
            if not self.strict:
                return None
            raise ResumeError(
                f"{path.parent}: what was trained before was trained otherwise:"
                + "".join(f"\n  {one}" for one in differs)
                + f"\n{BRING_BACK}"
            )
        parts, at_the_start = _by_part(tensors), State.of(model)
        try:
            model.load_state_dict(parts.pop(_MODEL))
        except RuntimeError:  # of a component whose author changed it and not its version
            model.load_state_dict(at_the_start.tensors())
            return None
        self.found += not beside
        files = {stem.removeprefix(f"{_FILE}."): one for stem, one in parts.items()}
        heard = heard_in(about["heard"])
        return Trained(model.eval(), about["epoch"], about["selection"], about["seconds"], files, heard)

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
            about: Json = {"epoch": trained.epoch, "selection": trained.selection, "seconds": trained.seconds}
            about["heard"] = said_of(trained.heard)
            parts = {_MODEL: trained.model.state_dict()}
            parts |= {f"{_FILE}.{stem}": tensors for stem, tensors in trained.files.items()}
            tensors = {f"{part}/{name}": one for part, named in parts.items() for name, one in named.items()}
            said = json.dumps(about | {"of": self._of(spec, prepared), "sha256": _sha256(tensors)})
            write_tensors(self._path(spec, seed), tensors, {_ABOUT: said})
            del self._waiting[0]
        while self._over:
            self._over.pop().remove()
        self._since = time.perf_counter()

    def _path(self, spec: PipelineSpec, seed: int) -> Path:
        return self.folder / f"{_key(spec, seed)}.safetensors"

    def _of(self, spec: PipelineSpec, prepared: Prepared) -> Json:
        weights = {kind: tower.facts().weights for kind, tower in prepared.encoder.used().items()}
        if prepared.key not in self._data:
            self._data[prepared.key] = prepared.content.fingerprint()
        left_out = sorted(one.id for one in prepared.left_out)
        return {**self.code(spec), "data": self._data[prepared.key], "left out": left_out, "encoder": weights}


def trained_spec(spec: PipelineSpec) -> Json:
    """What of a spec a training depends on."""
    said = {key: value for key, value in spec.to_json().items() if key not in _ELSEWHERE}
    said["evaluation"] = {key: value for key, value in said["evaluation"].items() if key != "seeds"}
    return said


def _key(spec: PipelineSpec, seed: int) -> str:
    return identity_key({"pipeline": trained_spec(spec), "seed": seed})


def written_trainings(folder: Path) -> int:
    """How many finished trainings a folder holds."""
    return len(list(folder.glob("*.safetensors")))


def _about(path: Path) -> dict[str, Any]:
    """Raises ``RunFolderError``."""
    try:
        with safe_open(path, framework="pt") as file:
            about = json.loads(file.metadata()[_ABOUT])
            return {"heard": [], **about, **{key: about[key] for key in _SAID}}
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
