"""Load a finished run whose adapter sits inside towers, and predict for new items."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...registry.catalogue import Catalogue
from ..data.items import DataError, Item, Media
from ..data.pictures import open_picture
from ..data.prediction import Prediction
from ..data.sounds import file_audio, open_sound
from ..graph.saved_support import class_prompts_in
from ..spec.pipeline_spec import PipelineSpec
from ..stages.composed_encoder import build_encoder, require_weights
from ..storage.adapter_config import TENSORS, LayerAdapter
from ..storage.tensors import read_tensors
from .model import LayerModel, build_layer_model
from .open_towers import open_towers
from .passes import Passes
from .preprocessed import Reader
from .read_outs import ReadOuts, all_logits

#: One content, or one a pass.
Contents = Sequence[Any]
WORDS = {"image": "images", "text": "texts", "audio": "sounds"}


class LayerPredictor:
    """A trained pipeline; made by ``load``."""

    def __init__(self, spec: PipelineSpec, class_names: tuple[str, ...], model: LayerModel, passes: int) -> None:
        self.spec, self.class_names, self.passes = spec, class_names, passes
        self._model = model

    @property
    def modalities(self) -> tuple[str, ...]:
        """What it must be given of each item."""
        return self._model.towers.modalities

    def predict(
        self, images: Contents | None = None, texts: Contents | None = None, sounds: Contents | None = None
    ) -> list[Any]:
        """One ``Prediction`` for each item, in order; a list of them where each pass is predicted (``events``).

        ``images`` are paths, ``PIL.Image`` objects or uint8 arrays; ``sounds`` paths or ``Waveform``; a tuple of them
        for an item of several passes (two pictures of one statement, the segments of a clip). Raises ``DataError``.
        """
        if self._model.head is None:
            raise DataError("a task of pairs has no classes to predict; ask similarity(images, texts)")
        items = self._items({"image": images, "text": texts, "audio": sounds})
        if not items:
            return []
        shares = self._logits(items).softmax(dim=-1).float().cpu()
        if shares.ndim == 2:
            return [Prediction.of(one, self.class_names) for one in shares]
        counts = [len(item.views()) for item in items]
        return [
            [Prediction.of(row, self.class_names) for row in one[:count]]
            for one, count in zip(shares, counts, strict=True)
        ]

    def logits(
        self, images: Contents | None = None, texts: Contents | None = None, sounds: Contents | None = None
    ) -> Tensor:
        """Logits float32 on the CPU, [N, C] or [N, S, C], classes in the order of ``class_names``."""
        return self._logits(self._items({"image": images, "text": texts, "audio": sounds})).float().cpu()

    @torch.no_grad()
    def read_outs(
        self, images: Contents | None = None, texts: Contents | None = None, sounds: Contents | None = None
    ) -> dict[str, Tensor]:
        """Tower to the unit vectors float32 [V, width] that it gives of each pass, the adapter in place, on the CPU."""
        items = self._items({"image": images, "text": texts, "audio": sounds})
        passes = Passes(items, self._model.towers, self._reader())
        source = ReadOuts(self._model, passes, self.spec.encoder.batch_size)
        read_out, _ = source.of(range(len(items)))
        return {name: vectors.float().cpu() for name, vectors in read_out.vectors.items()}

    @torch.no_grad()
    def similarity(self, images: Contents, texts: Contents) -> Tensor:
        """Cosines float32 [I, T] of every image with every text, for a task of pairs: towers run apart."""
        vectors: dict[str, Tensor] = {}
        for modality, contents in (("image", images), ("text", texts)):
            items = self._items({modality: contents}, (modality,))
            passes = Passes(items, self._model.towers, self._reader())
            tower = next(one for one in self._model.towers.frozen if one.tower.name == modality)
            inputs = passes.inputs(tower, [item.modalities for item in items])
            vectors |= self._model.run({modality: inputs}).vectors
        one, other = self._model.similarity(vectors)
        return (one @ other.T).float().cpu()

    def _logits(self, items: Sequence[Item]) -> Tensor:
        passes, size = Passes(items, self._model.towers, self._reader()), self.spec.encoder.batch_size
        return all_logits(self._model, ReadOuts(self._model, passes, size), len(items), size).logits

    def _reader(self) -> Reader:
        return Reader(self._model.towers.encoders, keep=0)

    def _items(self, given: Mapping[str, Contents | None], needed: Sequence[str] | None = None) -> list[Item]:
        needed = self.modalities if needed is None else needed
        for modality in needed:
            if given.get(modality) is None:
                raise DataError(f"this pipeline hears {' and '.join(needed)}: give {WORDS[modality]}, too")
        counts = {WORDS[modality]: len(given[modality] or ()) for modality in needed}
        if len(set(counts.values())) > 1:
            raise DataError(" and ".join(f"{count} {name}" for name, count in counts.items()) + " do not match")
        rows = zip(*(given[modality] or () for modality in needed), strict=True)
        return [self._item(str(number), dict(zip(needed, row, strict=True))) for number, row in enumerate(rows)]

    def _item(self, name: str, contents: Mapping[str, Any]) -> Item:
        several = {kind: value for kind, value in contents.items() if isinstance(value, (tuple, list))}
        shared = {kind: _media(kind, value) for kind, value in contents.items() if kind not in several}
        lengths = set(map(len, several.values()))
        if len(lengths) > 1:
            raise DataError(f"item {name}: its modalities have {' and '.join(map(str, sorted(lengths)))} passes")
        passes = lengths.pop() if lengths else 0
        if self.spec.task.passes_are == "joined" and passes != self.passes:
            raise DataError(f"item {name} has {passes or 1} passes, and this pipeline reads {self.passes} together")
        if self.spec.task.passes_are in ("one", "pairs") and passes:
            raise DataError(f"item {name}: this pipeline takes one content a modality, not {passes}")
        views = tuple({kind: _media(kind, value[n]) for kind, value in several.items()} for n in range(passes))
        return Item(name, shared, None, views)


def _media(modality: str, content: Any) -> Media:
    if modality == "text":
        if not isinstance(content, str):
            raise DataError(f"a text is a str, not a {type(content).__name__}")
        return Media.of_text(content)
    if modality == "audio" and isinstance(content, (str, Path)):
        return file_audio(Path(content))
    opened = open_sound(content) if modality == "audio" else open_picture(content)
    # Contents that are given, not read from files, are known by being what they are: nothing of them is stored.
    return Media(hashlib.sha256(str(id(content)).encode()).hexdigest(), modality, lambda: opened)


def load_layer_predictor(folder: Path, spec: PipelineSpec, catalogue: Catalogue, place: torch.device) -> LayerPredictor:
    """From a verified adapter folder. Raises ``RunFolderError`` where the frozen model is another."""
    facts = LayerAdapter.in_folder(folder)
    encoder = build_encoder(catalogue, spec.encoder, place)
    require_weights(folder, encoder, facts.modalities, facts.encoder_weights)
    towers = open_towers(encoder.tower, facts.modalities)
    stored = folder / "support.safetensors"
    prompts = class_prompts_in(read_tensors(stored), "class_vectors", facts.logit_scale) if stored.exists() else None
    class_names = tuple(facts.class_names)
    model = build_layer_model(spec, catalogue, towers, len(class_names), facts.passes, prompts)
    model.load_state_dict(read_tensors(folder / TENSORS))
    return LayerPredictor(spec, class_names, model.eval(), facts.passes)
