"""Load a finished run."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Mapping
from pathlib import Path

from ...registry.catalogue import Catalogue
from ...registry.discovery import default_catalogue
from ...registry.errors import SpecError
from ..features.predictor import load_feature_predictor
from ..graft.hub import fetched
from ..layers.predictor import load_layer_predictor
from ..spec.load_spec import load_spec
from ..spec.node_kinds import modalities_of, used_captioner
from ..spec.pipeline_spec import PipelineSpec
from ..spec.policies import policy_of
from ..stages.encode import EncoderStage
from ..storage.adapter_config import CONFIG, saved_in
from ..storage.manifest import UNSEALED, adapter_folder, is_sealed
from ..storage.run_folder import RunFolderError, read_json_file
from ..training.devices import own_randomness, resolve_device
from ..training.predictor import Predictor
from .provenance import changed, not_installed, predicting, recorded
from .sequences.asked import UNTOLD, classes_of, state_after

#: What loading a run of the hub fetches.
ON_HUB = ("*.json", "*.safetensors")
TRANSDUCTIVE = (
    "was trained with the inductive policy `transductive`: its test items were nodes of the training graph. A new "
    "image was not, so it is attached to that graph (policy `attach`), and the run's figures do not speak of it"
)
OTHER_CODE = "was made with other code than is installed"
MAY_DIFFER = "predictions may differ from those that its result is of; run its pipeline again, or bring that code back"
READ_OTHERWISE = (
    "was trained before pictures were turned upright, scaled by their depth and laid on a background. Pictures with an "
    "orientation tag, more than 8 bits, transparent pixels or a palette now reach it otherwise than in its training: "
    "if it was trained on such pictures, run its pipeline again (docs/changed_results.md)"
)


class CodeWarning(UserWarning):
    """A component of the run has another version, or its plugin's source was edited since."""


class UnsealedWarning(UserWarning):
    """Nothing vouches for what stands beside the adapter in the run folder."""


class PolicyWarning(UserWarning):
    """Predictions follow another inductive policy than the run's figures."""


class TaskWarning(UserWarning):
    """The figures are of items whose task is known, and none was named."""


class ReadingWarning(UserWarning):
    """Pictures were read otherwise when the run was trained."""


def load(
    run: str | Path,
    *,
    device: str = "auto",
    revision: str | None = None,
    catalogue: Catalogue | None = None,
    after: str | None = None,
    task: str | None = None,
    stored: Callable[[PipelineSpec], EncoderStage] | None = None,
) -> Predictor:
    """Load a finished run: its folder, the ``adapter`` folder alone, or what ``graftwork push`` put on the hub.

    A hub id (OWNER/NAME) is fetched, safetensors and JSON alone, ``revision`` a branch, tag or commit; ``HubError``
    where that cannot be.

    Of a run over tasks the last state is loaded, or the one ``after`` a task; ``task`` is the one that new items are
    of, where it is known: answers are among its classes. ``stored`` gives the stage that has a pipeline's stored
    vectors: on features, frozen models that its store knows are then not loaded.

    Raises ``RunFolderError`` for a missing or altered file, where the frozen model's weights are not those that the
    adapter was trained on, or where a plugin is no longer installed. Warns (``PolicyWarning``) of a ``transductive``
    run, whose policy no new image can follow, (``TaskWarning``) where a task is known in the figures and is not named,
    (``CodeWarning``) of components whose code is not that of the run,
    (``ReadingWarning``) of a run whose pictures were read before orientation, depth and transparency were heeded, and
    (``UnsealedWarning``) of a run whose result nothing vouches for.
    """
    whole = fetched(run, revision, ON_HUB)
    source = whole if after is None else state_after(whole, after)
    folder = adapter_folder(source)
    catalogue = catalogue or default_catalogue()
    spec = _spec_of(run, folder, catalogue)
    place = resolve_device(device)
    if found := changed(recorded(folder), predicting(spec, catalogue), catalogue):
        warnings.warn(CodeWarning(f"{run} {OTHER_CODE}: {found}; {MAY_DIFFER}"), stacklevel=2)
    if not is_sealed(source):
        warnings.warn(UnsealedWarning(f"{run}: {UNSEALED}"), stacklevel=2)
    if policy_of(spec) == "transductive":
        warnings.warn(PolicyWarning(f"{run} {TRANSDUCTIVE}"), stacklevel=2)
    if _sees_pictures(spec) and "background" not in _dataset_written(folder):
        warnings.warn(ReadingWarning(f"{run} {READ_OTHERWISE}"), stacklevel=2)
    if (level := saved_in(folder).level) != spec.level:
        raise RunFolderError(f"{folder / 'pipeline.json'} is of level {spec.level}, and {CONFIG} beside it of {level}")
    with own_randomness(place):  # models draw initial weights before the saved ones take their place
        if spec.level == "layers":
            predictor: Predictor = load_layer_predictor(folder, spec, catalogue, place)
        else:
            predictor = load_feature_predictor(folder, spec, catalogue, place, stored and stored(spec))
    if task is not None:
        predictor.answer_among(classes_of(whole, task), task)
    elif spec.tasks is not None and spec.sequence.scenario == "task":
        warnings.warn(TaskWarning(f"{run}: {UNTOLD}"), stacklevel=2)
    return predictor


def _sees_pictures(spec: PipelineSpec) -> bool:
    """Through towers it is the encoder that says; on features the nodes and who describes."""
    if spec.level == "layers":
        return "image" in (spec.encoder.modalities() or ("image",))
    return "image" in modalities_of(spec) or used_captioner(spec) is not None


def _dataset_written(folder: Path) -> Mapping[str, object]:
    """The data set as the run wrote it: all of its fields, so that one it lacks was not known then."""
    dataset = read_json_file(folder / "pipeline.json").get("dataset")
    return dataset if isinstance(dataset, Mapping) else {}


def _spec_of(run: str | Path, folder: Path, catalogue: Catalogue) -> PipelineSpec:
    """The pipeline of a run. Raises ``RunFolderError`` naming the plugins of it that are no longer installed."""
    try:
        return load_spec(folder / "pipeline.json", catalogue=catalogue)
    except SpecError as error:
        if lacking := not_installed(recorded(folder), catalogue):
            raise RunFolderError(
                f"{run} was made with {', '.join(lacking)}, which is not installed here; pip install it\n{error}"
            ) from error
        raise
