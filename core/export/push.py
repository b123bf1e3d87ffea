"""``graftwork push``: a finished run in a repository of the hub, with a card of what was measured."""

from __future__ import annotations

import re
import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ...registry.catalogue import Catalogue
from ...registry.errors import UserError
from ..data.given_items import WORDS
from ..graft.hub import require_hub_id, upload
from ..run.load import load
from ..run.save_adapter import FRONT, model_card
from ..spec.load_spec import load_spec
from ..spec.pipeline_spec import PipelineSpec
from ..storage.adapter_config import FeatureAdapter, saved_in
from ..storage.manifest import ADAPTER, MANIFEST, Manifest, adapter_folder, seal
from ..storage.result import Result
from ..storage.run_folder import RunFolderError
from ..training.predictor import Predictor

CARD = "README.md"
#: What a run takes and gives, in the hub's words; of several modalities it has none.
_PIPELINE_TAGS = {"image": "image-classification", "text": "text-classification", "audio": "audio-classification"}
_HUB_ID = re.compile(r"[A-Za-z0-9][\w-]*/[A-Za-z0-9][\w.-]*")


@dataclass(frozen=True, slots=True)
class Pushed:
    """What was put there, or would be."""

    #: Name of each file to its bytes.
    files: Mapping[str, int]
    #: The text of the model card.
    card: str
    #: The commit's; ``None`` for a dry run.
    address: str | None
    #: What of the training data goes along.
    note: str


def push(
    run: str | Path,
    repo_id: str,
    *,
    private: bool | None = None,
    revision: str | None = None,
    token: str | None = None,
    example: str | None = None,
    dry_run: bool = False,
    catalogue: Catalogue | None = None,
) -> Pushed:
    """Put the adapter folder of a finished run into a repository of the hub, made if need be.

    ``load(repo_id)`` gets it. The card has the metrics of ``result.json`` with their conditions. ``example``, a
    picture, sound or text, becomes its widget, with the run's own answer; nothing else of the data is shown, but a
    run on features keeps the vectors and ids of its support items. Raises ``HubError`` without network, token or
    permission, ``RunFolderError`` for a run that is not whole.
    """
    require_hub_id(repo_id)
    with _prepared(Path(run), repo_id, example, catalogue) as (folder, note):
        files = {path.name: path.stat().st_size for path in sorted(folder.iterdir())}
        card, address = (folder / CARD).read_text(encoding="utf-8"), None
        if not dry_run:
            chosen = list(files)
            address = upload(folder, repo_id, private=private, revision=revision, token=token, files=chosen)
    return Pushed(files, card, address, note)


@contextmanager
def _prepared(run: Path, repo_id: str, example: str | None, catalogue: Catalogue | None) -> Iterator[tuple[Path, str]]:
    """The folder that is uploaded, and what of the data is in it."""
    adapter = adapter_folder(run)
    if adapter != run / ADAPTER:
        raise RunFolderError(f"{run} is an adapter alone; push its run folder, whose result.json the card is made of")
    spec, result = load_spec(adapter / "pipeline.json", catalogue=catalogue), Result.read(run / "result.json")
    with tempfile.TemporaryDirectory() as made:
        folder = Path(made) / "run"
        folder.mkdir()
        for name in Manifest.read(adapter / MANIFEST).files:
            if name != CARD:
                shutil.copyfile(adapter / name, folder / name)
        seal(folder)  # the card is edited on the hub: nothing vouches for it
        widget = _widget(load(run, device="cpu", catalogue=catalogue), example, folder, repo_id) if example else None
        front = {**FRONT, **_front(spec, result, widget)}
        given = '["image.png"]' if "image" in result.encoder else "[…]"
        (folder / CARD).write_text(model_card(spec, result, repo_id, given, front), encoding="utf-8")
        yield folder, _note(adapter)


def _front(spec: PipelineSpec, result: Result, widget: Mapping[str, Any] | None) -> dict[str, Any]:
    """The metadata of the card."""
    kinds = tuple(result.encoder)
    models = [getattr(spec.encoder.tower(kind), "model", None) for kind in kinds]
    bases = list(dict.fromkeys(one for one in models if isinstance(one, str) and _is_hub_id(one)))
    metrics = [{"type": name, "value": score.mean, "name": name} for name, score in result.test.items()]
    dataset = {"type": spec.dataset.type, "name": spec.dataset.type, "split": result.test_on}
    found = {
        "tags": ["graftwork", "adapter", spec.adapter.type, spec.task.type],
        # To be chosen by whoever owns the run: of `other` nobody may do anything yet.
        "license": "other",
        "license_name": "not-chosen-yet",
        "metrics": list(result.test),
        "model-index": [
            {"name": spec.name, "results": [{"task": {"type": spec.task.type}, "dataset": dataset, "metrics": metrics}]}
        ],
    }
    if bases:
        found["base_model"] = bases
    if len(kinds) == 1 and kinds[0] in _PIPELINE_TAGS and spec.task.type == "classification":
        found["pipeline_tag"] = _PIPELINE_TAGS[kinds[0]]
    if widget is not None:
        found["widget"] = [widget]
    return found


def _is_hub_id(model: str) -> bool:
    """A path may look like one."""
    return _HUB_ID.fullmatch(model) is not None and not Path(model).exists()


def _widget(predictor: Predictor, example: str, folder: Path, repo_id: str) -> Mapping[str, Any]:
    """The example and what the run says of it, as the hub shows them. A file is copied into ``folder``."""
    kinds = predictor.modalities
    if len(kinds) != 1 or kinds[0] not in _PIPELINE_TAGS:
        reads = " and ".join(WORDS[kind][0] for kind in kinds)
        raise UserError(
            f"--example: a widget shows a picture, a text or a sound, and this run reads {reads}; leave it out"
        )
    images, texts, sounds = ([example] if kind in kinds else None for kind in ("image", "text", "audio"))
    (answer,) = predictor.predict(images, texts, sounds)
    output = [
        {"label": label, "score": round(share, 4)} for label, share in list(answer.each()[0].probabilities.items())[:5]
    ]
    if kinds == ("text",):
        return {"text": example, "output": output}
    file = f"example{Path(example).suffix.lower()}"
    shutil.copyfile(example, folder / file)
    return {
        "src": f"https://huggingface.co/{repo_id}/resolve/main/{file}",
        "example_title": "example",
        "output": output,
    }


def _note(adapter: Path) -> str:
    about = saved_in(adapter)
    if not isinstance(about, FeatureAdapter) or not about.support_ids:
        return "no item of the data goes along; pipeline.json has the spec with its paths"
    return (
        f"vectors and ids of {len(about.support_ids)} support items go along (support.safetensors, "
        "adapter_config.json), and the spec with its paths (pipeline.json); no pictures, texts or predictions"
    )
