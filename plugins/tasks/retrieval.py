"""Image-text retrieval, both ways."""

from __future__ import annotations

import statistics

import torch
from torch import Tensor
from torch.nn.functional import log_softmax

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
        """``t2i_r1`` ... ``t2i_median_rank`` (images found by text), ``i2t_r1`` ..., ``mean_recall`` of all six.

        The rank of a query is that of its best relevant candidate, from 1; candidates that score the same as it and
        are not relevant stand before it, so that equal scores everywhere earn nothing. Recalls are in [0, 1].
        """
        ranks = {"t2i": _ranks(logits.T, targets.T).cpu(), "i2t": _ranks(logits, targets).cpu()}
        found = {**_figures("t2i", ranks["t2i"]), **_figures("i2t", ranks["i2t"])}
        recalls = [found[f"{way}_r{k}"] for way in ("t2i", "i2t") for k in RECALLS]
        return {**found, "mean_recall": sum(recalls) / len(recalls), "loss": float(self.losses(logits, targets).mean())}


def _ranks(scores: Tensor, relevant: Tensor) -> Tensor:
    """int64 [Q] from 1, of scores and relevance [Q, candidates]; NaN, and what has nothing relevant, ranks last."""
    best = scores.masked_fill(~relevant, -torch.inf).amax(dim=1, keepdim=True)
    return 1 + (~(scores < best) & ~relevant).sum(dim=1)


def _figures(way: str, ranks: Tensor) -> dict[str, float]:
    recalls = {f"{way}_r{k}": float((ranks <= k).double().mean()) for k in RECALLS}
    return {**recalls, f"{way}_median_rank": float(statistics.median(ranks.tolist()))}
