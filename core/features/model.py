"""The trainable whole: fusion where there is one, adapter, read-out, head."""

from __future__ import annotations

from dataclasses import replace

import torch
from torch import Tensor

from ...registry.build import build
from ...registry.catalogue import Catalogue
from ..data.items import DataError
from ..data.layout import Readout, read_out
from ..graph.fusion import CrossAttention, TokenPair
from ..graph.nodes import Nodes
from ..graph.queries import KEPT
from ..roles.adapter import Adapter, adapted_of, adapted_of_aggregated, aggregated_of, width_of
from ..roles.head import ClassPrompts, Head, logits_of
from ..spec.node_kinds import item_width
from ..spec.pipeline_spec import PipelineSpec
from ..training.learner import TrainableModel


class FeatureModel(TrainableModel):
    """Logits from nodes; trained are ``adapter.*``, ``head.*`` and ``fusion.*``."""

    head: Head

    def __init__(
        self,
        adapter: Adapter,
        head: Head,
        fusion: CrossAttention | None = None,
        readout: Readout = "mean",
        blend: float = 0.0,
        fits_pool: bool = False,
        width: int | None = None,
    ) -> None:
        super().__init__()
        #: Numbers a node, where that is known.
        self.width = width
        self.adapter: Adapter = adapter
        self.head = head
        self.fusion = fusion
        self._readout, self._blend, self._fits_pool = readout, blend, fits_pool

    def forward(self, nodes: Nodes, rows: Tensor | slice = slice(None)) -> Tensor:
        """Logits [len(rows), C] of those items of ``nodes``. Without a graph only those items are computed."""
        logits = logits_of(self.head, self.adapted(nodes, rows))
        if self._blend == 0:
            return logits
        assert nodes.zero_shot is not None, "zero-shot logits are to be blended in"
        return logits + self._blend * nodes.zero_shot[rows]

    def adapted(self, nodes: Nodes, rows: Tensor | slice) -> Tensor:
        """What the head is given: one adapted vector [len(rows), width] for each of those items."""
        if isinstance(rows, slice) and rows == slice(None):
            return self.items(nodes)
        return self.items(nodes.select(rows)) if nodes.graph is None else self.items(nodes)[rows]

    def fit_head(self, nodes: Nodes, rows: Tensor, targets: Tensor) -> None:
        """Show the labelled items to the head as the adapter gives them now, before it is trained: ``Head.fit``.

        Those of ``nodes`` that are not in ``rows`` have no label; a head that fits the pool is shown them, too.
        """
        if self._fits_pool:
            known, targets = targets, targets.new_full((len(nodes),), -1)
            targets[rows] = known
            rows = torch.arange(len(nodes), device=rows.device)
        with torch.no_grad():
            self.head.fit(self.adapted(nodes, rows), targets)

    def items(self, nodes: Nodes) -> Tensor:
        """One adapted vector an item, [N, width]."""
        if nodes.aggregated:
            adapted = adapted_of_aggregated(self.adapter, nodes.aggregated)
        else:
            x = torch.cat([self.fused(one) for one in nodes.inputs]) if nodes.inputs else nodes.x
            adapted = adapted_of(self.adapter, x, nodes.graph)
        return adapted if nodes.layout is None else read_out(adapted, nodes.layout, self._readout)

    def aggregated(self, nodes: Nodes) -> Nodes:
        """The same items without a graph: what the adapter makes of it before it trains is computed once.

        ``nodes`` themselves where there is nothing to compute once: no graph, vectors that a fusion trains, an adapter
        whose parameters come before its messages, more than ``KEPT`` numbers.
        """
        if nodes.graph is None or nodes.inputs or nodes.x.numel() > KEPT:
            return nodes
        found = aggregated_of(self.adapter, nodes.x, nodes.graph)
        return nodes if found is None else replace(nodes, graph=None, aggregated=found)

    def fused(self, inputs: Tensor | TokenPair) -> Tensor:
        """Vectors [N, d] made of tokens; vectors that were made before as they are."""
        if isinstance(inputs, Tensor):
            return inputs
        assert self.fusion is not None, "tokens are to be fused"
        return self.fusion(inputs)  # type: ignore[no-any-return]


def build_model(
    spec: PipelineSpec,
    catalogue: Catalogue,
    width: int,
    classes: int,
    prompts: ClassPrompts | None,
    text_width: int | None = None,
) -> FeatureModel:
    """Adapter and head for nodes of ``width``; initial weights follow torch's global seed.

    ``prompts`` are in the space of what is read out of the nodes. ``text_width``: of the words, where a fusion is
    trained. Raises ``DataError`` when the head's class vectors and the items' vectors have different widths.
    """
    adapter = build(Adapter, catalogue, spec.adapter, width)
    if spec.task.head is None:
        raise DataError("the task has no head, and nothing else makes logits; add one")
    if not spec.task.head.uses_prompts():
        prompts = None
    item = item_width(spec, width_of(adapter))
    if prompts is not None and prompts.vectors.shape[-1] != item:
        raise DataError(
            f"class vectors have width {prompts.vectors.shape[-1]}, adapted ones {item}: they cannot "
            'be compared; take head {"type": "linear"}, or nodes in the space of the text encoder'
        )
    head = build(Head, catalogue, spec.task.head, item, classes, prompts)
    graph = spec.graph
    fusion = CrossAttention(width, text_width, graph.fusion_rank) if graph and graph.fuses and text_width else None
    fits = spec.task.head.fits_pool
    readout: Readout = graph.readout if graph else "mean"
    return FeatureModel(adapter, head, fusion, readout, spec.task.blend_share, fits, width)
