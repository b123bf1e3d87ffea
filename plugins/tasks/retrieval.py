"""Retrieval of images or clips by text, and of texts by image, both ways."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import log_softmax

from ...core.data.items import Item
from ...core.roles import PairTask
from .specs import RetrievalSpec

#: The k of recall at k.
RECALLS = (1, 5, 10)


class Retrieval(PairTask):
    """Logits [I, T] of every image with every text against their relevance, bool [I, T].

    Recall at k and median rank as in Karpathy and Fei-Fei, "Deep Visual-Semantic Alignments for Generating Image
    Descriptions", CVPR 2015: a query hits if any of what is relevant to it is among its first k.
    """

    primary = "mean_recall"

    def __init__(self, spec: RetrievalSpec) -> None:
        self.spec = spec

    def relevance(self, items: Sequence[Item]) -> Tensor:
        """bool [I, T]; with ``relevant`` ``own`` of each text the image of its own item alone."""
        if self.spec.relevant == "shared":
            return super().relevance(items)
        rows = self.targets(items, 0)
        return torch.arange(int(rows.max()) + 1 if len(rows) else 0)[:, None] == rows

    def losses(self, logits: Tensor, targets: Tensor) -> Tensor:
        """Symmetric InfoNCE, [T]: half of each text's own loss, half of its images' loss; their mean is the batch's.

        A query's loss is the mean of -log softmax over its relevant candidates (all the texts of an image). Source:
        Radford et al. 2021 (CLIP), with several positives as in Yang et al., "Unified Contrastive Learning in
        Image-Text-Label Space", CVPR 2022. Candidates without any relevant query count as negatives alone.
        """
        images, texts = log_softmax(logits, dim=1), log_softmax(logits, dim=0)  # over the texts, over the images
        by_text = -(texts * targets).sum(dim=0) / targets.sum(dim=0).clamp(min=1)
        shares = targets / targets.sum(dim=1, keepdim=True).clamp(min=1)
        by_image = -(images * shares).sum(dim=0) * (logits.shape[1] / targets.any(dim=1).sum().clamp(min=1))
        return (by_text + by_image) / 2

    def metrics(self, logits: Tensor, targets: Tensor) -> dict[str, float]:
        """``t2i_r1`` ... ``t2i_mean_rank`` (images found by text), ``i2t_r1`` ... (texts found by image, the best of
        its own among all), ``i2t_max_r1`` ... (images found by image, each by the best of its texts); ``mean_recall``
        of the six of ``t2i`` and ``i2t``.

        The rank of a query is that of its best relevant candidate, from 1: the mean over all orders of what scores the
        same. Recalls are in [0, 1], the share of ranks up to k.
        """
        scores, relevant = logits.cpu(), targets.cpu()
        found = {
            **_figures("t2i", mean_ranks(scores.T, relevant.T)),
            **_figures("i2t", mean_ranks(scores, relevant)),
            **_figures("i2t_max", mean_ranks(_best_of_each(scores, relevant), torch.eye(len(scores)).bool())),
        }
        recalls = [found[f"{way}_r{k}"] for way in ("t2i", "i2t") for k in RECALLS]
        return {**found, "mean_recall": sum(recalls) / len(recalls), "loss": float(self.losses(logits, targets).mean())}


def mean_ranks(scores: Tensor, relevant: Tensor) -> Tensor:
    """float64 [Q] from 1, of scores and relevance [Q, candidates]: the rank of the best relevant candidate.

    Of candidates that score the same, the mean over their orders: 1 + those before + irrelevant ties / (relevant ties +
    1). NaN, and what has nothing relevant, ranks last.
    """
    best = scores.masked_fill(~relevant, -torch.inf).amax(dim=1, keepdim=True)
    tied = scores == best
    before = (~(tied | (scores < best)) & ~relevant).sum(dim=1)
    irrelevant, own = (tied & ~relevant).sum(dim=1), (tied & relevant).sum(dim=1)
    return 1 + before + irrelevant.double() / (own + 1)


def _best_of_each(logits: Tensor, relevant: Tensor) -> Tensor:
    """[I, I]: image i with the texts of image j, by the best of them; minus infinity where it has none."""
    image, text = relevant.nonzero(as_tuple=True)
    none = logits.new_full((len(logits), len(logits)), -torch.inf)
    return none.scatter_reduce(1, image.expand(len(logits), -1), logits[:, text], "amax")


def _figures(way: str, ranks: Tensor) -> dict[str, float]:
    recalls = {f"{way}_r{k}": float((ranks <= k).double().mean()) for k in RECALLS}
    median, mean = statistics.median(ranks.tolist()), statistics.fmean(ranks.tolist())
    return {**recalls, f"{way}_median_rank": float(median), f"{way}_mean_rank": float(mean)}
