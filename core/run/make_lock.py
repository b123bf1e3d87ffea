"""Make the lock of a pipeline, or of a run. Light."""

from __future__ import annotations

from collections.abc import Iterator
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...registry import __version__
from ...registry.catalogue import Catalogue
from ..spec.components_in import components_tried
from ..spec.node_kinds import used_captioner
from ..spec.pipeline_spec import PipelineSpec
from ..stages.context import RunContext
from ..stages.list_items import listed_for
from ..storage.files import sha256_of
from ..storage.manifest import MANIFEST, adapter_folder
from ..storage.record import Json
from .lock import Lock, Weights
from .provenance import made_with

if TYPE_CHECKING:
    from ..roles.encoder import EncoderFacts
    from ..training.trial import Trial
    from .experiment import Experiment

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


def installed_versions() -> dict[str, str]:
    """Versions of the packages that results depend on."""
    return {name: found for name in _PACKAGES if (found := _version(name))}


def make_lock(
    spec: PipelineSpec, catalogue: Catalogue, store: Path, may_download: bool = False, data: str | None = None
) -> Lock:
    """The lock of a pipeline here and now. Loads no model. ``data``: the data set's fingerprint, where it is known.

    Raises ``DataError`` where the data set is not here.
    """
    context = RunContext(catalogue, store, may_download=may_download)
    if data is None:
        data = listed_for(spec, context).fingerprint()
    plugins, components = made_with(components_tried(spec, catalogue), catalogue)
    return Lock(
        lock=1,
        graftwork=__version__,
        pipeline=spec.to_json(),
        plugins=plugins,
        components=components,
        versions=installed_versions(),
        models=_models(spec),
        encoder=dict(_noted_weights(spec, context)),
        start_from=_start(spec.trainer.start_from),
        data_fingerprint=data,
    ).sealed()


def lock_of(experiment: Experiment, best: Trial[Any, Any], store: Path) -> Lock:
    """The contents of a run's ``lock.json``. Its data are those listed, items that could not be read among them."""
    drawn = zip(best.spec.seeds, [one.labelled for one in best.outcomes], strict=True)
    data = None if best.prepared.left_out else best.prepared.content.fingerprint()
    lock = make_lock(experiment.spec, experiment.catalogue, store, True, data)
    sampled = {str(seed): list(ids) for seed, ids in drawn} if best.spec.dataset.shots else "all"
    own = {"encoder": weights_of(best), "chosen": best.values, "sampled_items": sampled}
    return lock.model_copy(update=own).sealed()


def weights_of(trial: Trial[Any, Any]) -> dict[str, Weights]:
    """What is known of the weights that a trial's vectors come from."""
    return {kind: _weights(tower.facts()) for kind, tower in trial.prepared.encoder.used().items()}


def _weights(facts: EncoderFacts) -> Weights:
    return Weights(weights=facts.weights, revision=facts.revision)


def _start(run: str | None) -> str | None:
    return sha256_of(adapter_folder(Path(run)) / MANIFEST) if run else None


def _models(spec: PipelineSpec) -> Json:
    captioner = used_captioner(spec)
    models: Json = {"encoder": None if spec.encoder.missing_files() else _encoder_identity(spec)}
    if captioner is not None:
        models["captioner"] = None if captioner.missing_files() else captioner.identity()
    return models


def _encoder_identity(spec: PipelineSpec) -> Json:
    kinds = sorted(spec.encoder.modalities() or ("image", "text"))
    return {"identity": spec.encoder.identity(), **{kind: spec.encoder.modality_identity(kind) for kind in kinds}}


def _noted_weights(spec: PipelineSpec, context: RunContext) -> Iterator[tuple[str, Weights]]:
    stage = context.encoder(spec)
    for kind in sorted(spec.encoder.modalities() or ("image", "text")):
        if facts := stage.tower(kind).known_facts():
            yield kind, _weights(facts)


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
