"""Every image with every text: scores of towers that run apart, or of pairs that pass the towers together."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain

import torch
from torch import Tensor

from ..roles.specs import PairTaskSpec
from ..roles.task import PairTask, losses_of
from .model import LayerModel, of_items
from .passes import Passes, TowerInputs

#: Passes of image-text pairs that go through the towers at once when nothing is trained.
CHUNK = 512


@dataclass(frozen=True, slots=True)
class Scored:
    """Scores of some images with some texts."""

    #: [I, T], cosine times scale.
    scores: Tensor
    #: bool [I, T]: whether the text belongs to the image.
    relevant: Tensor
    auxiliary: Tensor | float = 0.0


@dataclass(frozen=True, slots=True)
class _Shown:
    """Images (clips: all their frames, one after another) and texts, as their towers take them."""

    images: TowerInputs
    texts: TowerInputs
    #: Frames of each image.
    counts: list[int]


class Pairs:
    """Items of an image and a text each; of several passes, each shows a frame of the item's clip.

    A text that passes the towers together with a clip does so with each of its frames; the score of that pair is the
    cosine of the mean of its images' read-outs and the mean of its texts'.
    """

    def __init__(self, spec: PairTaskSpec, task: PairTask, passes: Passes) -> None:
        self.spec, self.task, self.passes = spec, task, passes

    def apart(self, model: LayerModel, rows: Sequence[int]) -> Scored:
        """Each image and each text alone: an expert that needs a partner is silent."""
        firsts, relevant = self._images_of(rows)
        (images, of_images), (texts, of_texts) = self._run(model, "image", firsts), self._run(model, "text", rows)
        vectors = model.similarity({"image": images, "text": texts})
        return Scored(self.spec.scale * vectors[0] @ vectors[1].T, relevant, of_images + of_texts)

    def loss(self, model: LayerModel, groups: Sequence[Sequence[int]]) -> Tensor:
        """Of all these rows apart; with ``joint`` the mean loss of the pairs within each group is added."""
        apart = self.apart(model, list(dict.fromkeys(chain.from_iterable(groups))))
        loss = self._loss(apart) + apart.auxiliary
        if not self.spec.joint:
            return loss
        together, auxiliary = self.together(model, groups)
        return loss + torch.stack(list(map(self._loss, together))).mean() + auxiliary

    def _loss(self, scored: Scored) -> Tensor:
        return losses_of(self.task, scored.scores, scored.relevant).mean()

    def together(self, model: LayerModel, groups: Sequence[Sequence[int]]) -> tuple[list[Scored], Tensor | float]:
        """Every pair within each group of rows: its score is the cosine of the two read-outs of that very pair."""
        rows = list(dict.fromkeys(chain.from_iterable(groups)))
        place = {row: number for number, row in enumerate(rows)}
        found = [self._images_of(group) for group in groups]
        sides = [(firsts, group) for (firsts, _), group in zip(found, groups, strict=True)]
        pairs = [torch.cartesian_prod(*(torch.tensor([place[row] for row in side]) for side in of)) for of in sides]
        scores, auxiliary = self._joint(model, self._shown(rows, rows), torch.cat(pairs))
        parts = zip(torch.split(scores, list(map(len, pairs))), found, strict=True)
        return [Scored(part.view(relevant.shape), relevant) for part, (_, relevant) in parts], auxiliary

    @torch.no_grad()
    def confusable(self, model: LayerModel, batch: int) -> list[list[int]]:
        """For each row the rows of the ``negatives`` images that score best with its text apart and are not its own."""
        rows = range(len(self.passes))
        firsts, relevant = self._images_of(rows)
        scores = self._all_apart(model, firsts, batch).masked_fill(relevant, -torch.inf)
        most = min(self.spec.negatives, len(firsts) - 1)
        best = scores.topk(max(most, 0), dim=0)
        return [
            [firsts[image] for image, there in zip(images, finite, strict=True) if there]
            for images, finite in zip(best.indices.T.tolist(), best.values.isfinite().T.tolist(), strict=True)
        ]

    def _all_apart(self, model: LayerModel, firsts: Sequence[int], batch: int) -> Tensor:
        """Scores [I, T] of all images with all texts."""
        asked = {"image": firsts, "text": range(len(self.passes))}
        vectors = model.similarity({kind: self._all_alone(model, kind, one, batch) for kind, one in asked.items()})
        return self.spec.scale * vectors[0] @ vectors[1].T

    @torch.no_grad()
    def all_scores(self, model: LayerModel, batch: int) -> Scored:
        """Of all items. ``joint``: the ``rerank`` best of each image and each text apart are scored as pairs, and stand
        before all others."""
        rows = range(len(self.passes))
        firsts, relevant = self._images_of(rows)
        scores = self._all_apart(model, firsts, batch)
        if not self.spec.joint:
            return Scored(scores, relevant)
        which = _candidates(scores, self.spec.rerank).nonzero().cpu()  # how many there are must be known: one read
        ranked = scores - 4 * self.spec.scale  # below every cosine times scale
        frames = max(len(item.views()) for item in self.passes.items)
        for part in torch.split(which, max(CHUNK // frames, 1)):
            images, image_of = torch.unique(part[:, 0], return_inverse=True)
            texts, text_of = torch.unique(part[:, 1], return_inverse=True)
            shown = self._shown([firsts[index] for index in images.tolist()], texts.tolist())
            ranked[part[:, 0], part[:, 1]] = self._joint(model, shown, torch.stack([image_of, text_of], dim=-1))[0]
        return Scored(ranked, relevant)

    def _joint(self, model: LayerModel, shown: _Shown, which: Tensor) -> tuple[Tensor, Tensor | float]:
        """Scores of pairs of (number of the image, number of the text), int64 [P, 2] on the CPU."""
        ends = list(accumulate(shown.counts))
        frames = [range(end - count, end) for end, count in zip(ends, shown.counts, strict=True)]
        pairs = [(frames[image], text) for image, text in which.tolist()]
        counts = [len(of) for of, _ in pairs]
        chosen = {
            "image": _rows_of(shown.images, [frame for of, _ in pairs for frame in of]),
            "text": _rows_of(shown.texts, [text for of, text in pairs for _ in of]),
        }
        outputs = model.run(chosen)
        vectors = {name: of_items(outputs.vectors[name], counts) for name in chosen}
        one, other = model.similarity(vectors)
        return self.spec.scale * (one * other).sum(dim=-1), outputs.auxiliary

    def _images_of(self, rows: Sequence[int]) -> tuple[list[int], Tensor]:
        """A row for each image among these, and which of them are whose: bool [I, T]."""
        items = [self.passes.items[row] for row in rows]
        firsts: dict[int, int] = {}
        for row, image in zip(rows, self.task.targets(items, 0).tolist(), strict=True):
            firsts.setdefault(image, row)
        device = self.passes.towers.frozen[0].device
        return list(firsts.values()), self.task.relevance(items).to(device)

    def _shown(self, images: Sequence[int], texts: Sequence[int]) -> _Shown:
        """The images of some rows and the texts of others."""
        frames = [self.passes.items[row].views() for row in images]
        words = [self.passes.items[row].views()[0] for row in texts]
        towers = {one.tower.name: one for one in self.passes.towers.frozen}
        return _Shown(
            self.passes.inputs(towers["image"], list(chain.from_iterable(frames))),
            self.passes.inputs(towers["text"], words),
            list(map(len, frames)),
        )

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


def _rows_of(inputs: TowerInputs, rows: Sequence[int]) -> TowerInputs:
    """Some of them, several times perhaps."""
    chosen = torch.tensor(rows)
    return TowerInputs(
        {key: value[chosen.to(value.device)] for key, value in inputs.items()}, [inputs.contents[row] for row in rows]
    )


def _candidates(scores: Tensor, most: int) -> Tensor:
    """bool [I, T]: the best texts of each image and the best images of each text."""
    chosen = torch.zeros_like(scores, dtype=torch.bool)
    for axis in (0, 1):
        chosen.scatter_(axis, scores.topk(min(most, scores.shape[axis]), dim=axis).indices, True)
    return chosen
