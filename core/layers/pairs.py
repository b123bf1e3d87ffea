"""Every image with every text: scores of towers that run apart, or of pairs that pass the towers together."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from ..data.items import DataError
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
    """Items of an image and a text each; of several passes, each shows a frame of the item's clip."""

    def __init__(self, spec: PairTaskSpec, task: PairTask, passes: Passes) -> None:
        """Raises ``DataError`` for clips that would pass the towers together with texts."""
        self.spec, self.task, self.passes = spec, task, passes
        if spec.joint and (clip := next((item for item in passes.items if len(item.views()) > 1), None)):
            raise DataError(
                f"task.joint: a pair that passes the towers together is one image and one text, and item {clip.id} has "
                f'{len(clip.views())} frames; set "joint": false'
            )

    def apart(self, model: LayerModel, rows: Sequence[int]) -> Scored:
        """Each image and each text alone: an expert that needs a partner is silent."""
        firsts, relevant = self._images_of(rows)
        (images, of_images), (texts, of_texts) = self._run(model, "image", firsts), self._run(model, "text", rows)
        vectors = model.similarity({"image": images, "text": texts})
        return Scored(self.spec.scale * vectors[0] @ vectors[1].T, relevant, of_images + of_texts)

    def together(self, model: LayerModel, rows: Sequence[int]) -> Scored:
        """Every pair of these rows at once: the score is the cosine of the two read-outs of that very pair."""
        firsts, relevant = self._images_of(rows)
        inputs = {"image": self._alone("image", firsts), "text": self._alone("text", rows)}
        which = torch.cartesian_prod(*map(torch.arange, relevant.shape))
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
        which = _candidates(scores, self.spec.rerank).nonzero().cpu()  # how many there are must be known: one read
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
        """Scores of pairs of (row of the images, row of the texts), int64 [P, 2] on the CPU."""
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
        """What its tower takes of each item's first pass."""
        tower = next(one for one in self.passes.towers.frozen if one.tower.name == modality)
        return self.passes.inputs(tower, [self.passes.items[row].views()[0] for row in rows])

    def _run(self, model: LayerModel, modality: str, rows: Sequence[int]) -> tuple[Tensor, Tensor | float]:
        """Unit vectors [N, width] of one modality of those items alone, and what the adapter adds to the loss."""
        views = [self.passes.items[row].views() for row in rows]
        shown = [one if modality == "image" else one[:1] for one in views]  # the words are the same in every pass
        return model.alone(self.passes, modality, shown)

    def _all_alone(self, model: LayerModel, modality: str, rows: Sequence[int], batch: int) -> Tensor:
        parts: Iterator[Tensor] = (
            self._run(model, modality, rows[start : start + batch])[0] for start in range(0, len(rows), batch)
        )
        return torch.cat(list(parts))


def _rows_of(inputs: TowerInputs, rows: Tensor) -> TowerInputs:
    """Some of them, several times perhaps."""
    of = [inputs.contents[row] for row in rows.tolist()]
    return TowerInputs({key: value[rows.to(value.device)] for key, value in inputs.items()}, of)


def _candidates(scores: Tensor, most: int) -> Tensor:
    """bool [I, T]: the best texts of each image and the best images of each text."""
    chosen = torch.zeros_like(scores, dtype=torch.bool)
    for axis in (0, 1):
        chosen.scatter_(axis, scores.topk(min(most, scores.shape[axis]), dim=axis).indices, True)
    return chosen
