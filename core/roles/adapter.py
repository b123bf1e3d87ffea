"""The adapter role on features: a small trainable module between frozen vectors and the head."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import torch
from torch import Tensor, nn

from ...triton_kernels import SparseGraph
from .contract import broken, form


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

    def aggregate(self, x: Tensor, graph: SparseGraph) -> tuple[Tensor, ...] | None:
        """What ``forward`` computes of vectors and graph before any trained parameter: tensors [N, …], a row a node.

        Neither trains, so a training computes this once, and then no epoch sees a graph: it asks
        ``forward_aggregated`` for the labelled and the selecting rows alone. ``None``: parameters come before
        messages, and each epoch runs ``forward`` over all nodes; so it does where a subclass has a ``forward`` of its
        own and no ``aggregate``, or a hook waits for its call. Source: Wu et al. 2019 (arXiv 1902.07153).
        """
        return None

    def forward_aggregated(self, *aggregated: Tensor) -> Tensor:
        """Rows [n, output_width] of ``forward``, to rounding, from the same rows of what ``aggregate`` gave."""
        raise NotImplementedError

    def neighbour_shares(self, graph: SparseGraph) -> Mapping[str, Tensor]:
        """The weight that neighbours have in each node's message, 0 to 1, float64 [N] for each message by its name.

        For the result, so that nobody takes a graph for heard that is not. Empty: the adapter does not say.
        """
        return {}


def width_of(adapter: Adapter) -> int:
    """Its ``output_width``. Raises ``ContractError`` where it sets none."""
    width = getattr(adapter, "output_width", None)
    if not isinstance(width, int):
        raise broken("adapter", adapter, "sets no output_width; set it in __init__")
    return width


def adapted_of(adapter: Adapter, x: Tensor, graph: SparseGraph | None) -> Tensor:
    """Vectors [N, output_width] of nodes [N, width]. Raises ``ContractError`` for another shape."""
    return _checked(adapter, adapter(x) if graph is None else adapter(x, graph), x.shape[0])


def aggregated_of(adapter: Adapter, x: Tensor, graph: SparseGraph) -> tuple[Tensor, ...] | None:
    """What it computes once of nodes [N, width], in place of its ``forward``; ``None`` where that must run.

    Raises ``ContractError`` where that is not a row a node.
    """
    if not _stands_for_forward(adapter):
        return None
    with torch.no_grad():
        given = adapter.aggregate(x, graph)
    if given is None:
        return None
    if not given or not all(isinstance(one, Tensor) and one.ndim and len(one) == len(x) for one in given):
        raise broken("adapter", adapter, f"`aggregate` gave {form(given)} for {len(x)} nodes; it gives a row a node")
    return tuple(given)


def _stands_for_forward(adapter: Adapter) -> bool:
    """Whether ``aggregate`` was written for the ``forward`` that would run: a subclass may override that alone."""
    if "forward" in vars(adapter) or adapter._forward_hooks or adapter._forward_pre_hooks:
        return False
    depth = {name: _depth(adapter, name) for name in ("forward", "aggregate", "forward_aggregated")}
    return depth["forward"] >= max(depth["aggregate"], depth["forward_aggregated"])


def _depth(adapter: Adapter, name: str) -> int:
    """Classes before the one in the order of resolution that has the method."""
    return next(depth for depth, one in enumerate(type(adapter).__mro__) if name in vars(one))


def adapted_of_aggregated(adapter: Adapter, aggregated: Sequence[Tensor]) -> Tensor:
    """Vectors [n, output_width] of n rows of what it computed once. Raises ``ContractError`` for another shape."""
    return _checked(adapter, adapter.forward_aggregated(*aggregated), aggregated[0].shape[0])


def _checked(adapter: Adapter, given: Tensor, nodes: int) -> Tensor:
    """``nodes`` comes of a shape, not of ``len``, which torch.export would take for a constant."""
    if not isinstance(given, Tensor) or given.shape != (nodes, adapter.output_width):
        width = adapter.output_width
        raise broken("adapter", adapter, f"gave {form(given)} for {nodes} nodes, and its output_width is {width}")
    return given
