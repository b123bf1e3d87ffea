"""Predict for new items by a pipeline that runs towers."""

from __future__ import annotations

import itertools
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from PIL.Image import Image
from torch import Tensor
from torch.nn.functional import interpolate

from ...registry.catalogue import Catalogue
from ..data.given_items import Contents, Row, name_of, rows_of
from ..data.items import DataError, Item
from ..data.prediction import Answer, Prediction, Segments
from ..graph.check_support import SUPPORT, check_layer_support, wrong
from ..graph.saved_support import class_prompts_in
from ..roles.specs import PairTaskSpec
from ..roles.task import PairTask, figures_of
from ..spec.pipeline_spec import PipelineSpec
from ..stages.composed_encoder import build_encoder, require_weights
from ..storage.adapter_config import TENSORS, LayerAdapter
from ..storage.tensors import fill, no_larger_than, read_tensors
from ..training.predictor import Predictor, finite
from .model import LayerModel, build_layer_model
from .module import LayerModule
from .open_towers import open_towers
from .pairs import Pairs
from .passes import Passes
from .patches import PATCHES
from .preprocessed import Reader
from .read_outs import ReadOuts, all_logits


class LayerPredictor(Predictor):
    """Lets new items go through the towers."""

    def __init__(self, spec: PipelineSpec, class_names: tuple[str, ...], model: LayerModel, passes: int) -> None:
        super().__init__(spec, class_names, passes)
        self._model = model
        self._module = LayerModule(spec, model, passes)

    @property
    def module(self) -> LayerModule:
        """Towers with the trained adapter in them and the head, which ``predict`` asks, too."""
        return self._module

    def features(
        self, images: Contents | None = None, texts: Contents | None = None, sounds: Contents | None = None
    ) -> dict[str, Any]:
        """What ``module`` is given of these items: tower to the keyword arguments of its forward, on its device."""
        items = list(self._items(images, texts, sounds))
        return dict(Passes(items, self._model.towers, self._reader()).batch(range(len(items))).inputs)

    def answer(self, items: Iterable[Item]) -> Iterator[Answer]:
        """Of a whole item, or of each of its passes."""
        if self._model.head is None:
            raise DataError(
                "a task of pairs has no classes to predict; ask similarity(images, texts), or on the command line for "
                "texts to find: --text QUERY"
            )
        if self.spec.task.passes_are == "masks":
            raise DataError("this run gives masks; ask masks(images, sounds), or --masks FOLDER on the command line")
        return itertools.chain.from_iterable(map(self._answers, self._few(items)))

    def _answers(self, items: Sequence[Item]) -> Sequence[Answer]:
        shares = self._scored(items).softmax(dim=-1)
        if shares.ndim == 2:
            return [Prediction.of(one, self.class_names) for one in shares]
        return [
            Segments(Prediction.of(row, self.class_names) for row in one[: len(item.views())])
            for one, item in zip(shares, items, strict=True)
        ]

    def _needed(self, given: Collection[str]) -> tuple[str, ...]:
        return self._model.towers.modalities

    @torch.no_grad()
    def read_outs(
        self, images: Contents | None = None, texts: Contents | None = None, sounds: Contents | None = None
    ) -> dict[str, Tensor]:
        """Tower to the unit vectors float32 [V, width] that it gives of each pass, the adapter in place, on the CPU."""
        parts = list(map(self._read_out, self._few(self._items(images, texts, sounds))))
        return {name: torch.cat([part[name] for part in parts]) for name in parts[0]}

    def _read_out(self, items: Sequence[Item]) -> dict[str, Tensor]:
        passes = Passes(items, self._model.towers, self._reader())
        read_out, _ = ReadOuts(self._model, passes, self.spec.encoder.batch_size).of(range(len(items)))
        names = [name_of(item) for item in items for _ in item.views()]
        return {
            name: finite(vectors.float().cpu(), names) for name, vectors in read_out.vectors.items() if name != PATCHES
        }

    def masks(
        self,
        images: Contents | None = None,
        texts: Contents | None = None,
        sounds: Contents | None = None,
        clips: Contents | None = None,
        every: float | None = None,
    ) -> list[tuple[NDArray[np.bool_], ...]]:
        """One tuple for each item, a mask bool [H, W] of each of its pictures, for a run whose task gives masks."""
        return list(self.masks_of(self._items(images, texts, sounds, clips, every)))

    def masks_of(self, items: Iterable[Item]) -> Iterator[tuple[NDArray[np.bool_], ...]]:
        """The same of items that ``open`` gave. Raises ``DataError`` for a picture that is no square: the encoder sees
        a part of it."""
        if self.spec.task.passes_are != "masks":
            raise DataError(f"task `{self.spec.task.type}` gives no masks; ask predict(...)")
        for few in self._few(items):
            sizes = [[_square(view["image"].read(), item) for view in item.views()] for item in few]
            for maps, own in zip(self._scored(few), sizes, strict=True):
                yield tuple(_mask(one, side) for one, side in zip(maps, own, strict=False))

    def similarity(
        self,
        images: Contents | None = None,
        texts: Contents = (),
        clips: Contents | None = None,
        every: float | None = None,
    ) -> Tensor:
        """Cosines float32 [I, T] of every image with every text, for a task of pairs: towers run apart, of a joint run
        too.

        A tuple of images is a clip, of which they are frames; ``clips`` are paths, cut as in ``predict``.
        """
        return self.similarity_of(map(self.open, self.shown(images, clips, every)), texts)

    def shown(self, images: Contents | None, clips: Contents | None, every: float | None) -> list[Row]:
        """What ``open`` takes, of images or clips that texts are looked for among."""
        self._pair_task()
        return self._rows({"image": images, "video": clips}, ("image",), every)

    @torch.no_grad()
    def similarity_of(self, shown: Iterable[Item], texts: Contents) -> Tensor:
        """The same, of images and clips that ``open`` gave."""
        said = map(self.open, rows_of({"text": texts}, ("text",)))
        parts = {
            kind: [self._apart(kind, few)[kind] for few in self._few(items)]
            for kind, items in (("image", shown), ("text", said))
        }
        if lacking := next((kind for kind, some in parts.items() if not some), None):
            raise DataError(f"nothing to compare: no {lacking} is given, or none that can be read")
        one, other = self._model.similarity({kind: torch.cat(some) for kind, some in parts.items()})
        return (one @ other.T).float().cpu()

    def _pair_task(self) -> PairTaskSpec:
        if not isinstance(self.spec.task, PairTaskSpec):
            raise DataError(f"task `{self.spec.task.type}` is none of pairs")
        return self.spec.task

    def _apart(self, modality: str, items: Sequence[Item]) -> Mapping[str, Tensor]:
        """What the tower of one modality gives, run by itself."""
        passes = Passes(items, self._model.towers, self._reader())
        vectors, _ = self._model.alone(passes, modality, [item.views() for item in items])
        return {modality: finite(vectors, list(map(name_of, items)))}

    def pair_figures(self, items: Sequence[Item], task: PairTask) -> Mapping[str, float]:
        """The metrics of a task of pairs, of items of an image and a text each. Raises ``DataError``."""
        pairs = Pairs(self._pair_task(), task, Passes(items, self._model.towers, self._reader()))
        scored = pairs.all_scores(self._model, self.spec.encoder.batch_size)
        return figures_of(task, scored.scores, scored.relevant)

    def _few(self, items: Iterable[Item]) -> Iterator[Sequence[Item]]:
        return self._batches(items, self.spec.encoder.batch_size)

    def _logits(self, items: Iterable[Item]) -> Iterator[Tensor]:
        return map(self._scored, self._few(items))

    def _scored(self, items: Sequence[Item]) -> Tensor:
        passes, size = Passes(items, self._model.towers, self._reader()), self.spec.encoder.batch_size
        logits = all_logits(self._model, ReadOuts(self._model, passes, size), len(items), size).logits
        return self.among(finite(logits.float().cpu(), list(map(name_of, items))))

    def _reader(self) -> Reader:
        return Reader(self._model.towers.encoders, keep=0)


def _square(picture: Image, item: Item) -> int:
    if picture.width != picture.height:
        raise DataError(
            f"{name_of(item)}: it is {picture.width} x {picture.height}, and a mask is made of a square picture, of "
            "which the encoder cuts nothing off; scale it to a square"
        )
    return picture.width


def _mask(logits: Tensor, side: int) -> NDArray[np.bool_]:
    scaled = interpolate(logits[None, None], size=(side, side), mode="bilinear", align_corners=False)
    found: NDArray[np.bool_] = (scaled[0, 0] > 0).numpy()
    return found


def load_layer_predictor(folder: Path, spec: PipelineSpec, catalogue: Catalogue, place: torch.device) -> LayerPredictor:
    """From a verified adapter folder. Raises ``RunFolderError`` where the frozen model is another."""
    facts = LayerAdapter.in_folder(folder)
    saved, stored = read_tensors(folder / TENSORS), folder / SUPPORT
    tensors = read_tensors(stored) if stored.exists() else {}
    check_layer_support(folder, spec, facts, tensors)
    encoder = build_encoder(catalogue, spec.encoder, place)
    require_weights(folder, encoder.weights, facts.modalities, facts.encoder_weights)
    towers = open_towers(encoder.tower, facts.modalities)
    prompts = class_prompts_in(tensors, "class_vectors", facts.logit_scale)
    class_names = tuple(facts.class_names)
    try:
        with no_larger_than(folder, saved):
            model = build_layer_model(spec, catalogue, towers, len(class_names), facts.passes, prompts)
    except DataError as error:  # class vectors of another width
        raise wrong(folder, str(error)) from None
    fill(model, folder, model.upgraded(saved))
    return LayerPredictor(spec, class_names, model.eval(), facts.passes)
