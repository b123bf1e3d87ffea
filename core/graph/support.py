"""The support set that a trained graph carries with it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from torch import Tensor

from ...triton_kernels import SparseGraph
from ..roles.specs import GraphSpec
from .centre import Centre
from .nodes import Nodes


@dataclass(frozen=True, slots=True)
class Support:
    """What predictions refer to: the training nodes and their graph."""

    #: Item ids.
    ids: tuple[str, ...]
    #: The items as nodes, with the graph over them (``None``: no messages pass between items).
    nodes: Nodes
    #: int64 [items]; -1 for an unlabelled one.
    targets: Tensor
    #: What the graph's relative settings came to; ``None`` where there are none.
    resolved: GraphSpec | None = None
    #: With policy ``transductive``: split to its first item and the one after its last.
    splits: Mapping[str, tuple[int, int]] = field(default_factory=dict)
    #: What its vectors, and those of queries, are moved by.
    centre: Centre = field(default_factory=dict)

    @property
    def x(self) -> Tensor:
        """float32 [S, d]: the frozen node vectors."""
        return self.nodes.x

    @property
    def graph(self) -> SparseGraph | None:
        """[S, S], or ``None``."""
        return self.nodes.graph
