"""GraphAdapter: class vectors that hear two graphs of the classes, one of their texts and one of their images."""

from __future__ import annotations

from typing import ClassVar

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from ...core.roles import ClassPrompts, Head
from .cosine import zero_shot_scale
from .specs import GraphAdapterSpec


def class_messages(origins: Tensor, nodes: Tensor) -> Tensor:
    """Row k: what ``origins[k]`` hears when it joins the graph of ``nodes``, itself included. [K, d].

    For each k there is one graph, over origins[k] and all rows of ``nodes`` [K, d]. Its adjacency is the cosine,
    negative ones cut to 0, plus self-loops (so a node's own weight is 2), symmetrically normalised. Only the first row
    of each is needed, so no [K, K+1, K+1] tensor is made. A zero row, a class without images, is heard by nobody.
    """
    own, others = normalize(origins, dim=-1), normalize(nodes, dim=-1)
    edges = (own @ others.T).relu()
    own_loop = own.square().sum(-1) + 1
    own_degree = own_loop + edges.sum(-1)
    degrees = (others @ others.T).relu().sum(-1) + 1 + edges  # of node j in the graph of class k
    return (own_loop / own_degree)[:, None] * origins + (edges / (own_degree[:, None] * degrees).sqrt()) @ nodes


class GraphAdapter(Head):
    """z_k = alpha t_k + (1 - alpha) (beta h_k + (1 - beta) g_k); logits = s cos(x, z_k) (Li et al. 2023, 2309.13625).

    t_k is a class vector; h_k = tanh(m_k W + b_k), m_k what t_k hears in the graph of all class vectors; g_k the same
    with weights of its own in the graph of the visual prototypes, the mean vector of each class's labelled items.
    The graphs are of frozen vectors: what is heard never changes, and an epoch costs two products [C, d] x [d, d].
    """

    class_rows: ClassVar[tuple[str, ...]] = ("bias_textual", "bias_visual", "visual")

    visual: Tensor
    textual: Tensor
    class_vectors: Tensor

    def __init__(self, spec: GraphAdapterSpec, width: int, classes: int, prompts: ClassPrompts | None) -> None:
        super().__init__()
        assert prompts is not None, "the spec says that this head needs prompts"
        self.weight_textual, self.weight_visual = _weight(width), _weight(width)
        self.bias_textual, self.bias_visual = _bias(spec, classes, width), _bias(spec, classes, width)
        # The frozen text tower's are not saved; what is heard of the labelled items is.
        self.register_buffer("class_vectors", prompts.vectors, persistent=False)
        self.register_buffer("textual", class_messages(prompts.vectors, prompts.vectors), persistent=False)
        self.register_buffer("visual", torch.zeros(classes, width))
        self._spec, self._scale = spec, zero_shot_scale(spec.scale, prompts)

    def fit(self, x: Tensor, targets: Tensor) -> None:
        """Take the visual prototypes, the mean of the unit vectors of each class."""
        sums = torch.zeros_like(self.class_vectors).index_add_(0, targets, normalize(x, dim=-1))
        self.visual = class_messages(self.class_vectors, normalize(sums, dim=-1))

    def forward(self, x: Tensor) -> Tensor:
        """Logits [N, C]."""
        return self._scale * (normalize(x, dim=-1) @ normalize(self.adapted_classes(), dim=-1).T)

    def adapted_classes(self) -> Tensor:
        """z [C, d]."""
        textual = torch.tanh(self.textual @ self.weight_textual + self.bias_textual)
        visual = torch.tanh(self.visual @ self.weight_visual + self.bias_visual)
        heard = self._spec.beta * textual + (1 - self._spec.beta) * visual
        return self._spec.alpha * self.class_vectors + (1 - self._spec.alpha) * heard


def _weight(width: int) -> nn.Parameter:
    bound = width**-0.5
    return nn.Parameter(torch.empty(width, width).uniform_(-bound, bound))


def _bias(spec: GraphAdapterSpec, classes: int, width: int) -> nn.Parameter | float:
    return nn.Parameter(torch.zeros(classes, width)) if spec.class_bias else 0.0
