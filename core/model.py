"""The trainable whole: adapter, then head."""

from __future__ import annotations

import torch
from torch import Tensor, nn

from ..registry.catalogue import Catalogue
from .adapter import Adapter
from .assemble import build
from .dataset import DataError
from .graph import Nodes
from .head import ClassPrompts, Head
from .pipeline_spec import PipelineSpec


class GraftedModel(nn.Module):
    """Logits from node vectors. Its state dict, ``adapter.*`` and ``head.*``, is what a run saves."""

    def __init__(self, adapter: Adapter, head: Head) -> None:
        super().__init__()
        self.adapter: Adapter = adapter
        self.head: Head = head

    def forward(self, nodes: Nodes, rows: Tensor | slice = slice(None)) -> Tensor:
        """Logits [len(rows), C] of those rows of ``nodes``. Without a graph only those rows are computed."""
        return self.head(self.adapted(nodes, rows))  # type: ignore[no-any-return]

    def adapted(self, nodes: Nodes, rows: Tensor | slice) -> Tensor:
        """What the head is given: adapted vectors [len(rows), width] of those rows."""
        if nodes.graph is None:
            return self.adapter(nodes.x[rows])  # type: ignore[no-any-return]
        return self.adapter(nodes.x, nodes.graph)[rows]  # type: ignore[no-any-return]

    def fit_head(self, nodes: Nodes, rows: Tensor, targets: Tensor) -> None:
        """Show the labelled rows to the head as the adapter gives them now, before it is trained: ``Head.fit``."""
        with torch.no_grad():
            self.head.fit(self.adapted(nodes, rows), targets)

    def query_logits(self, nodes: Nodes) -> Tensor:
        """Logits [Q, C] of the attached queries, without gradients."""
        with torch.no_grad():
            return self(nodes, slice(len(nodes.x) - nodes.queries, None))  # type: ignore[no-any-return]

    def trainable(self) -> dict[str, nn.Parameter]:
        """Trainable parameters by name."""
        return {name: parameter for name, parameter in self.named_parameters() if parameter.requires_grad}


def build_model(
    spec: PipelineSpec, catalogue: Catalogue, width: int, classes: int, prompts: ClassPrompts | None
) -> GraftedModel:
    """Adapter and head for vectors of ``width``; initial weights follow torch's global seed.

    Raises ``DataError`` when the head's class vectors and the adapted vectors have different widths.
    """
    adapter: Adapter = build(catalogue, spec.adapter, width)
    if spec.task.head is None:
        raise DataError("the task has no head, and nothing else makes logits; add one")
    if prompts is not None and prompts.vectors.shape[-1] != adapter.output_width:
        raise DataError(
            f"class vectors have width {prompts.vectors.shape[-1]}, adapted ones {adapter.output_width}: they cannot "
            'be compared; take head {"type": "linear"}, or nodes in the space of the text encoder'
        )
    head: Head = build(catalogue, spec.task.head, adapter.output_width, classes, prompts)
    return GraftedModel(adapter, head)
