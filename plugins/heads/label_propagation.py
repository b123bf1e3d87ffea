"""Label propagation over a graph of the pool, for new items by what their nearest nodes came to."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor
from torch.nn.functional import normalize, one_hot

from ...core.roles import ClassPrompts, Head
from ...triton_kernels import propagate, similarity_graph
from .specs import LabelPropagationSpec

#: The least share of a class, so that a logit is a number.
LEAST = 1e-6


class LabelPropagation(Head):
    """F(t) = alpha S F(t-1) + (1 - alpha) Y, F(0) = Y; logits = log(sum_j A_qj F_j / |F_j|_1).

    Y [n, C] are the pool's labels, one-hot, zero where there is none; S = D^-1/2 W D^-1/2 with W_ij = exp((cos - 1) /
    T) over the k nearest nodes of either end. A query q hears its k nearest, A_q = softmax(cos / T). Source: Zhou et
    al. 2004 (NIPS), their iteration; new items as in Delalleau et al. 2005 (AISTATS). A node that no label
    reaches says nothing, and a query that hears none gives every class the same.
    """

    class_rows: ClassVar[tuple[str, ...]] = ()

    sized_by_fit: ClassVar[tuple[str, ...]] = ("keys", "scores")
    keys: Tensor
    scores: Tensor

    def __init__(self, spec: LabelPropagationSpec, width: int, classes: int, prompts: ClassPrompts | None) -> None:
        super().__init__()
        self.register_buffer("keys", torch.empty(0, width))
        self.register_buffer("scores", torch.empty(0, classes))
        self._spec, self._classes = spec, classes

    @torch.no_grad()
    def fit(self, x: Tensor, targets: Tensor) -> None:
        """Spread the labels; ``targets`` are -1 for the unlabelled."""
        spec, keys = self._spec, normalize(x.float(), dim=-1)
        graph = similarity_graph(keys, 0.0, weight="cosine", max_degree=spec.neighbours)
        weighted = graph.with_weight(((graph.edge_weight - 1) / spec.temperature).exp(), symmetric=graph.symmetric)
        labels = one_hot(targets.clamp(min=0), self._classes).to(keys) * (targets >= 0)[:, None]
        scores = labels
        for _ in range(spec.steps):
            scores = spec.alpha * propagate(weighted, scores, norm="sym") + (1 - spec.alpha) * labels
        whole = scores.sum(dim=-1, keepdim=True).clamp(min=torch.finfo(scores.dtype).tiny)
        self.keys, self.scores = keys, scores / whole

    def forward(self, x: Tensor) -> Tensor:
        """Logits [N, C]."""
        near = (normalize(x, dim=-1) @ self.keys.T).topk(min(self._spec.neighbours, len(self.keys)), dim=-1)
        weights = (near.values / self._spec.temperature).softmax(dim=-1)
        shares = (weights[..., None] * self.scores[near.indices]).sum(dim=1)
        return shares.clamp(min=LEAST).log()
