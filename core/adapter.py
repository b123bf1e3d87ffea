"""The adapter role on features: a small trainable module between frozen vectors and the head."""

from __future__ import annotations

from abc import ABC, abstractmethod

from torch import Tensor, nn

from ..registry.errors import GraftworkError
from ..triton_kernels import SparseGraph


class AdapterError(GraftworkError):
    """An adapter does not give what it says it gives; the message says which, what, and how to try it by itself."""


class Adapter(nn.Module, ABC):
    """Built as ``build(spec, width)``; initial weights follow torch's global seed.

    At the start it should be the identity, so that training begins from the frozen model. It is in ``train()`` while it
    is trained and in ``eval()`` while it is selected on, tested and asked, so that dropout does what it says.
    """

    #: Width of what ``forward`` returns.
    output_width: int

    @abstractmethod
    def forward(self, x: Tensor, graph: SparseGraph | None = None) -> Tensor:
        """Adapted vectors [N, output_width] of node vectors [N, width].

        ``graph`` is [N, N] for adapters whose spec sets ``needs_graph``, else ``None``; row i lists whom i hears.
        """


def require_width(adapter: Adapter) -> int:
    """Its ``output_width``. Raises ``AdapterError`` where it sets none."""
    width = getattr(adapter, "output_width", None)
    if not isinstance(width, int):
        raise AdapterError(f"adapter {type(adapter).__name__} sets no output_width; set it in __init__")
    return width


def require_shape(adapter: Adapter, given: Tensor, nodes: int) -> None:
    """Whether it gave a vector of its ``output_width`` for each of the nodes. Raises ``AdapterError``."""
    if given.shape != (nodes, adapter.output_width):
        raise AdapterError(
            f"adapter {type(adapter).__name__} gave {list(given.shape)} for {nodes} nodes, and its output_width is "
            f"{adapter.output_width}: mend its forward (`graftwork plugins check` of its package tries it by itself)"
        )
