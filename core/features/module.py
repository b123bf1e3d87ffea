"""A trained pipeline on features as a torch module: an item's vectors in, logits out."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import torch
from torch import Tensor, nn

from ..data.items import DataError
from ..data.tokens import Tokens
from ..graph.check_support import same_centre, same_width
from ..graph.make_nodes import nodes_of, zero_shot_logits
from ..graph.nodes import Nodes
from ..graph.queries import Queries, attach_queries
from ..graph.support import Support
from ..roles.graph import GraphBuilder
from ..roles.head import ClassPrompts
from ..spec.node_kinds import token_modalities, vector_modalities
from ..spec.pipeline_spec import PipelineSpec
from .model import FeatureModel

#: What stands behind a modality's name where its tokens are meant.
TOKENS = "_tokens"


class FeatureModule(nn.Module):
    """``module(image=…)``, or ``module(image=…, text=…)``: float32 [N, d] each, as the frozen encoder gives them, and
    ``Tokens`` as ``image_tokens`` where nodes are made of these.

    Logits [N, C], differentiable, classes in the order of the predictor's ``class_names``. Its parameters are those of
    adapter, head and fusion; the frozen encoder is no part of it. It attaches items to the run's support set, by the
    run's inductive policy, on the device that the run was loaded on.
    """

    def __init__(
        self,
        spec: PipelineSpec,
        model: FeatureModel,
        support: Support,
        builder: GraphBuilder | None,
        blended: ClassPrompts | None,
    ) -> None:
        super().__init__()
        self.model = model
        self.spec, self.support = spec, support
        self._builder, self._blended = builder, blended

    @property
    def takes(self) -> tuple[str, ...]:
        """The names of what it is given."""
        return (*vector_modalities(self.spec), *(kind + TOKENS for kind in token_modalities(self.spec)))

    def forward(self, **features: Tensor | Tokens) -> Tensor:
        """See the class. Raises ``TypeError`` where something lacks or is not known."""
        if features.keys() != set(self.takes):
            raise TypeError(f"this run takes {', '.join(self.takes)}, and was given {', '.join(features) or 'nothing'}")
        vectors = {name: one for name, one in features.items() if isinstance(one, Tensor)}
        tokens = {name.removesuffix(TOKENS): one for name, one in features.items() if isinstance(one, Tokens)}
        parts = self.met(self.nodes(vectors, tokens)).parts()
        return torch.cat([self.model(nodes, rows) for nodes, rows in parts])

    def nodes(self, vectors: Mapping[str, Tensor], tokens: Mapping[str, Tokens]) -> Nodes:
        """Items as nodes, their zero-shot logits beside them where these are blended in."""
        graph = self.spec.graph
        same_centre(self.support.centre, vectors)
        nodes = nodes_of(vectors, tokens, graph, self.support.centre)
        if self._blended is not None:
            logits = zero_shot_logits(vectors, graph, self._blended, self.spec.task.blend_by)
            nodes = replace(nodes, zero_shot=logits)
        return nodes.to(self.support.targets.device)

    def met(self, nodes: Nodes) -> Queries:
        """Nodes that met the support set. Raises ``DataError`` for nodes of another width than the run's."""
        if self.model.width not in (None, nodes.width):
            raise DataError(
                f"items have {nodes.width} numbers each, and the run was trained on {self.model.width}: they are "
                "vectors of another encoder"
            )
        same_width(self.support.x, nodes.x)
        return attach_queries(self.support, nodes, self._builder, self.spec)
