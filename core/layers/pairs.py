"""Every image with every text: scores of towers that run apart, or of pairs that pass the towers together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..roles.specs import PairTaskSpec
from ..roles.task import PairTask
from .model import LayerModel
from .passes import Passes, TowerInputs

#: Image-text pairs that go through the towers at once when nothing is trained.
CHUNK = 512


@dataclass(frozen=True, slots=True)
class Scored:
    """Scores of some images with some texts."""

    #: [I, T], cosine times scale.
    scores: Tensor
    #: bool [I, T]: whether the text belongs to the image.
    relevant: Tensor
    auxiliary: Tensor | float = 0.0


class Pairs:
    """Items of an image and a text each."""

    def __init__(self, spec: PairTaskSpec, task: PairTask, passes: Passes) -> None:
        self.spec, self.task, self.passes = spec, task, passes

    def apart(self, model: LayerModel, rows: Sequence[int]) -> Scored:
        """Each image and each text alone: an expert that needs a partner is silent."""
        firsts, relevant = self._images_of(rows)
        images, texts = self._alone("image", firsts), self._alone("text", rows)
        out = [model.run({"image": images, "text": None}), model.run({"image": None, "text": texts})]
        vectors = model.similarity({"image": out[0].vectors["image"], "text": out[1].vectors["text"]})
        return Scored(self.spec.scale * vectors[0] @ vectors[1].T, relevant, out[0].auxiliary + out[1].auxiliary)

    def together(self, model: LayerModel, rows: Sequence[int]) -> Scored:
        """Every pair of these rows at once: the score is the cosine of the two read-outs of that very pair."""
        firsts, relevant = self._images_of(rows)
        inputs = {"image": self._alone("image", firsts), "text": self._alone("text", rows)}
        which = relevant.new_ones(relevant.shape).nonzero()
        scores, auxiliary = self._joint(model, inputs, which)
        return Scored(scores.view(relevant.shape), relevant, auxiliary)

    @torch.no_grad()
    def all_scores(self, model: LayerModel, batch: int) -> Scored:
        """Of all items. ``joint``: the ``rerank`` best of each image and each text apart are scored as pairs, and stand
        before all others."""
        rows = range(len(self.passes))
        firsts, relevant = self._images_of(rows)
        asked = {"image": firsts, "text": rows}
        vectors = model.similarity({kind: self._all_alone(model, kind, one, batch) for kind, one in asked.items()})
        scores = self.spec.scale * vectors[0] @ vectors[1].T
        if not self.spec.joint:
            return Scored(scores, relevant)
        which = _candidates(scores, self.spec.rerank).nonzero()
        ranked = scores - 4 * self.spec.scale  # below every cosine times scale
        for part in torch.split(which, CHUNK):
            images, image_of = torch.unique(part[:, 0], return_inverse=True)
            texts, text_of = torch.unique(part[:, 1], return_inverse=True)
            inputs = {
                "image": self._alone("image", [firsts[index] for index in images.tolist()]),
                "text": self._alone("text", texts.tolist()),
            }
            ranked[part[:, 0], part[:, 1]] = self._joint(model, inputs, torch.stack([image_of, text_of], dim=-1))[0]
        return Scored(ranked, relevant)

    def _joint(
        self, model: LayerModel, inputs: Mapping[str, TowerInputs], which: Tensor
    ) -> tuple[Tensor, Tensor | float]:
        """Scores of pairs of (row of the images, row of the texts), int64 [P, 2]."""
        chosen = {name: _rows_of(inputs[name], which[:, column]) for column, name in enumerate(("image", "text"))}
        outputs = model.run(chosen)
        images, texts = model.similarity(outputs.vectors)
        return self.spec.scale * (images * texts).sum(dim=-1), outputs.auxiliary

    def _images_of(self, rows: Sequence[int]) -> tuple[list[int], Tensor]:
        """A row for each image among these, and which of them are whose: bool [I, T]."""
        items = [self.passes.items[row] for row in rows]
        firsts: dict[int, int] = {}
        for row, image in zip(rows, self.task.targets(items, 0).tolist(), strict=True):
            firsts.setdefault(image, row)
        device = self.passes.towers.frozen[0].device
        return list(firsts.values()), self.task.relevance(items).to(device)

    def _alone(self, modality: str, rows: Sequence[int]) -> TowerInputs:
        tower = next(one for one in self.passes.towers.frozen if one.tower.name == modality)
        return self.passes.inputs(tower, [self.passes.items[row].views()[0] for row in rows])

    def _all_alone(self, model: LayerModel, modality: str, rows: Sequence[int], batch: int) -> Tensor:
        other = "text" if modality == "image" else "image"
        parts: Iterator[Tensor] = (
            model.run({modality: self._alone(modality, rows[start : start + batch]), other: None}).vectors[modality]
            for start in range(0, len(rows), batch)
        )
        return torch.cat(list(parts))


def _rows_of(inputs: TowerInputs, rows: Tensor) -> TowerInputs:
    """Some of them, several times perhaps."""
    of = [inputs.contents[row] for row in rows.tolist()]
    return TowerInputs({key: value[rows] for key, value in inputs.items()}, of)


def _candidates(scores: Tensor, most: int) -> Tensor:
    """bool [I, T]: the best texts of each image and the best images of each text."""
    chosen = torch.zeros_like(scores, dtype=torch.bool)
    for axis in (0, 1):
        chosen.scatter_(axis, scores.topk(min(most, scores.shape[axis]), dim=axis).indices, True)
    return chosen
