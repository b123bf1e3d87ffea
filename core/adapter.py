"""The adapter role on features: a small trainable module between frozen vectors and the head."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from ..triton_kernels import SparseGraph


class Adapter(nn.Module, ABC):
    """Built as ``build(spec, width)``; initial weights follow torch's global seed.

    At the start it should be the identity, so that training begins from the frozen model.
    """

    #: Width of what ``forward`` returns.
    output_width: int

    @abstractmethod
    def forward(self, x: Tensor, graph: SparseGraph | None = None) -> Tensor:
        """Adapted vectors [N, output_width] of node vectors [N, width].

        ``graph`` is [N, N] for adapters whose spec sets ``needs_graph``, else ``None``; row i lists whom i hears.
        """
