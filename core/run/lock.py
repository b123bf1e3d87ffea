"""A lock: everything that a pipeline's numbers depend on and that can be told before a model is loaded. Light.

    {"lock": 1, "graftwork": VERSION, "pipeline": SPEC, "plugins": {NAME: {"distribution": D, "version": V}},
     "components": {KIND.TYPE: VERSION or "VERSION, source DIGEST"}, "versions": {PACKAGE: VERSION},
     "models": {"encoder": IDENTITY, "captioner": IDENTITY},
     "encoder": {MODALITY: {"weights": SHA256, "revision": R}},
     "start_from": SHA256, "data_fingerprint": SHA256, "sha256": over all of the above}

``pipeline`` is the resolved spec: defaults filled in, paths absolute, nothing extended; ``plugins`` are what it uses.
``models`` is what each model's spec tells of its files; ``null`` where they are not on this machine. ``encoder`` has
the modalities whose weights were noted beside stored vectors. A run's ``lock.json`` is the same with ``chosen`` and
``sampled_items``.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...registry.catalogue import Catalogue
from ...registry.errors import UserError, one_line
from ...registry.version import __version__
from ..spec.components_in import components_tried
from ..spec.node_kinds import modalities_of
from ..spec.pipeline_spec import PipelineSpec
from ..stages.encode import EncoderStage
from ..stages.list_items import list_items
from ..stages.stage_plan import no_device
from ..storage.files import sha256_of
from ..storage.run_folder import MANIFEST, adapter_folder
from .provenance import made_with

if TYPE_CHECKING:
    from ..roles.encoder import EncoderFacts
    from ..training.trial import Trial
    from .experiment import Experiment

Json = dict[str, Any]
FORMAT = 1
#: A lock names every few-shot item.
MAX_BYTES = 1 << 26
_PACKAGES = (
    "torch",
    "open_clip_torch",
    "transformers",
    "numpy",
    "scikit-learn",
    "pydantic",
    "pluggy",
    "safetensors",
    "optuna",
)


class LockError(UserError):
    """A lock that cannot be read, was altered, or does not hold here; the message names each difference."""


def installed_versions() -> dict[str, str]:
    """Versions of the packages that results depend on."""
    return {name: found for name in _PACKAGES if (found := _version(name))}


def make_lock(
    spec: PipelineSpec, catalogue: Catalogue, store: Path, may_download: bool = False, data: str | None = None
) -> Json:
    """The lock of a pipeline here and now. Loads no model. ``data``: the data set's fingerprint, where it is known.

    Raises ``DataError`` where the data set is not here.
    """
    start = spec.trainer.start_from
    if data is None:
        data = list_items(spec.dataset, catalogue, store, lambda event: None, may_download).fingerprint()
    return sealed(
        {
            "lock": FORMAT,
            "graftwork": __version__,
            "pipeline": spec.to_json(),
            **made_with(components_tried(spec, catalogue), catalogue),
            "versions": installed_versions(),
            "models": _models(spec),
            "encoder": dict(_noted_weights(spec, catalogue, store)),
            "start_from": sha256_of(adapter_folder(Path(start)) / MANIFEST) if start else None,
            "data_fingerprint": data,
        }
    )


def lock_of(experiment: Experiment, best: Trial[Any, Any], store: Path) -> Json:
    """The contents of a run's ``lock.json``. Its data are those listed, items that could not be read among them."""
    drawn = zip(best.spec.seeds, [one.labelled for one in best.outcomes], strict=True)
    data = None if best.prepared.left_out else best.prepared.content.fingerprint()
    return sealed(
        {
            **make_lock(experiment.spec, experiment.catalogue, store, True, data),
            "encoder": weights_of(best),
            "chosen": best.values,
            "sampled_items": {seed: list(ids) for seed, ids in drawn} if best.spec.dataset.shots else "all",
        }
    )


def weights_of(trial: Trial[Any, Any]) -> Json:
    """What is known of the weights that a trial's vectors come from."""
    used = trial.prepared.encoder.used()
    return {kind: _weights(tower.facts()) for kind, tower in used.items()}


def sealed(lock: Json) -> Json:
    """``lock`` with its own sha256."""
    plain: Json = json.loads(json.dumps({key: value for key, value in lock.items() if key != "sha256"}))
    canonical = json.dumps(plain, sort_keys=True, separators=(",", ":"), allow_nan=False)
    return {**plain, "sha256": hashlib.sha256(canonical.encode()).hexdigest()}


def read_lock(lock: str | Path | Mapping[str, Any]) -> tuple[Json, str]:
    """A lock that was written by us and not altered since, and what messages call it. Raises ``LockError``."""
    if isinstance(lock, Mapping):
        return _whole(dict(lock), "the lock"), "the lock"
    try:
        with open(lock, "rb") as file:
            content = file.read(MAX_BYTES + 1)
        if len(content) > MAX_BYTES:
            raise LockError(f"{lock}: larger than {MAX_BYTES} bytes, the most that a lock holds")
        return _whole(json.loads(content), str(lock)), str(lock)
    except (OSError, ValueError, RecursionError) as error:
        raise LockError(one_line(f"{lock} cannot be read: {error}")) from None


def _whole(lock: Any, name: str) -> Json:
    """``lock``, if it is one of this format and whole. Raises ``LockError``."""
    if not isinstance(lock, dict) or "lock" not in lock:
        raise LockError(f"{name} is no lock; `graftwork lock SPEC` writes one")
    if lock["lock"] != FORMAT:
        raise LockError(one_line(f"{name} is a lock of format {lock['lock']!r}; this Graftwork reads {FORMAT}"))
    if sealed(lock)["sha256"] != lock.get("sha256") or not isinstance(lock.get("pipeline"), dict):
        raise LockError(f"{name} was altered since it was written; lock again: graftwork lock SPEC")
    return lock


def _weights(facts: EncoderFacts) -> Json:
    return {"weights": facts.weights, "revision": facts.revision}


def _models(spec: PipelineSpec) -> Json:
    captioner = spec.captioner if "text" in modalities_of(spec.graph, spec.dataset) else None
    models: Json = {"encoder": None if spec.encoder.missing_files() else _encoder_identity(spec)}
    if captioner is not None:
        models["captioner"] = None if captioner.missing_files() else captioner.identity()
    return models


def _encoder_identity(spec: PipelineSpec) -> Json:
    kinds = sorted(spec.encoder.modalities() or ("image", "text"))
    return {"identity": spec.encoder.identity(), **{kind: spec.encoder.modality_identity(kind) for kind in kinds}}


def _noted_weights(spec: PipelineSpec, catalogue: Catalogue, store: Path) -> Iterator[tuple[str, Json]]:
    stage = EncoderStage(spec.encoder, catalogue, store, no_device)
    for kind in sorted(spec.encoder.modalities() or ("image", "text")):
        if facts := stage.tower(kind).known_facts():
            yield kind, _weights(facts)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
