"""PyTorch Geometric: its `Data`, and a `GCNConv` for its models that passes messages with our kernel.

Importing this module imports torch_geometric (seconds); nothing else in Graftwork does.
"""

from __future__ import annotations

import weakref
from typing import Any, cast

import torch
from torch import Tensor
from torch.utils.weak import WeakIdKeyDictionary

from .message_passing.normalise import operator
from .message_passing.propagate import message_pass
from .message_passing.propagate import propagate as pass_messages
from .sparse.csr import check_edges, check_range
from .sparse.sparse_graph import SparseGraph

try:
    from torch_geometric.data import Data
    from torch_geometric.nn import GCNConv as _PygGCNConv
    from torch_geometric.utils import add_remaining_self_loops, coalesce
except ImportError as error:
    raise ImportError("graftwork.triton_kernels.pyg needs PyTorch Geometric: pip install 'graftwork[pyg]'") from error


def from_data(data: Data, *, edge_weight: str | None = "edge_weight") -> SparseGraph:
    """A square graph from a PyG `Data`: row i hears the sources of the edges whose target is i.

    Args:
        data: with `edge_index` [2, E], and `num_nodes` (or what PyG infers it from, such as `x`).
        edge_weight: the attribute that holds the weights, floating [E]; without it, or for None, the graph is binary.

    Raises:
        ValueError: no `edge_index`, or as `SparseGraph.from_edge_index`; an edge given twice can be merged by
            `data.coalesce()` first.
    """
    if data.edge_index is None:
        raise ValueError("the Data has no edge_index [2, E], so no edges: set it first")
    weight = None if edge_weight is None else getattr(data, edge_weight, None)
    return SparseGraph.from_edge_index(data.edge_index, weight, num_rows=data.num_nodes)


def to_data(graph: SparseGraph, **attributes: Any) -> Data:
    """The graph as a PyG `Data`: `edge_index`, `edge_weight` unless it is binary, `num_nodes`, and other attributes.

    Raises:
        ValueError: a bipartite graph; a `Data` has one kind of node.
    """
    weight = {} if graph.weight is None else {"edge_weight": graph.weight}
    return Data(edge_index=graph.edge_index, num_nodes=graph.num_nodes, **weight, **attributes)


class GCNConv(_PygGCNConv):  # type: ignore[misc]
    """`torch_geometric.nn.GCNConv` with Graftwork's message passing: same arguments, parameters and results.

    The edges are sorted and normalised when a forward first sees them and are remembered as long as the same tensors
    come again unchanged. On the CPU their values are compared, so that writing through ``.data`` or NumPy is seen; on a
    GPU, where comparing would wait for it, identity, address and version are: after ``edge_index.data[...] = ...`` give
    another tensor there. Edges given twice count twice and existing self-loops keep their weight, as in PyG. Weights
    that are learned are normalised anew, differentiably. Where PyG's own machinery is asked for (an explanation, hooks
    on messages, a sparse tensor for `edge_index`), for weights of float64, which make PyG's result float64, and for a
    graph without nodes PyG's own forward runs.

    Raises:
        ValueError: an aggregation other than a sum (`aggr="add"`).
    """

    def __init__(
        self,
        in_channels: int,
        out_channels: int,
        improved: bool = False,
        cached: bool = False,
        add_self_loops: bool | None = None,
        normalize: bool = True,
        bias: bool = True,
        **options: Any,
    ) -> None:
        if options.get("aggr", "add") not in ("add", "sum"):
            raise ValueError(f"GCNConv sums messages (aggr='add'), got aggr={options['aggr']!r}: use PyG's own")
        super().__init__(in_channels, out_channels, improved, cached, add_self_loops, normalize, bias, **options)

    def reset_parameters(self) -> None:
        """New parameters, and no edges remembered."""
        super().reset_parameters()
        self._last = _LastGraph()

    def jittable(self, typing: str | None = None) -> _PygGCNConv:
        """PyG's own layer with these very parameters, as its `jittable` makes it."""
        return self.__prepare_scriptable__().jittable(typing)

    def __prepare_scriptable__(self) -> _PygGCNConv:
        """PyG's own layer with these very parameters, for TorchScript, which cannot read ours and asks for this."""
        theirs = _PygGCNConv(1, 1)  # which writes the functions that TorchScript reads
        theirs.__dict__ = {name: value for name, value in vars(self).items() if name != "_last"}
        return theirs

    def forward(self, x: Tensor, edge_index: Tensor | SparseGraph, edge_weight: Tensor | None = None) -> Tensor:
        """New node features.

        Args:
            x: floating [..., N, in_channels].
            edge_index: integers [2, E], sources above targets; or a square `SparseGraph` [N, N] with its own weights,
                to which loops of weight 1 are added where `add_self_loops` is set.
            edge_weight: floating [E], or None for ones.

        Returns:
            [..., N, out_channels].

        Raises:
            ValueError: an edge_index of another shape or type, a node out of range, weights that are not finite.
        """
        if (
            not isinstance(x, Tensor)
            or not isinstance(edge_index, (Tensor, SparseGraph))
            or self._needs_pyg(x, edge_index, edge_weight)
        ):
            # PyG generates its propagate from this line, which it looks for in the text of the class itself:
            # propagate_type: (x: Tensor, edge_weight: Tensor | None)
            return cast(Tensor, super().forward(x, edge_index, edge_weight))
        nodes_first = self.lin(x).movedim(-2, 0)  # [N, ..., out]: a batch is only more features
        out = self._passed(nodes_first.reshape(len(nodes_first), -1), edge_index, edge_weight)
        out = out.reshape(nodes_first.shape).movedim(0, -2)
        return out if self.bias is None else out + self.bias

    def _passed(self, h: Tensor, edge_index: Tensor | SparseGraph, edge_weight: Tensor | None) -> Tensor:
        if torch.compiler.is_compiling() and isinstance(edge_index, Tensor):
            return cast(Tensor, _compiled_pass(edge_index, edge_weight, h, self.normalize, False, *self._edges))
        graph = self._graph(edge_index, edge_weight, len(h))
        return pass_messages(graph, h, norm="sym" if self.normalize else None)

    @property
    def _edges(self) -> tuple[float | None, bool]:
        """The weight of a loop that is added, and whether senders stand below receivers."""
        return (2.0 if self.improved else 1.0) if self.add_self_loops else None, self.flow == "target_to_source"

    def _needs_pyg(self, x: Tensor, edge_index: Tensor | SparseGraph, edge_weight: Tensor | None) -> bool:
        if isinstance(edge_index, SparseGraph):
            return False
        if x.shape[-2] == 0 or (edge_weight is not None and edge_weight.dtype == torch.float64):
            return True
        if torch.compiler.is_compiling() and edge_weight is not None and edge_weight.requires_grad:
            return True
        stages = ("propagate", "message", "aggregate", "message_and_aggregate")
        hooks = (getattr(self, f"_{stage}_forward{when}_hooks", None) for stage in stages for when in ("_pre", ""))
        return edge_index.layout != torch.strided or bool(self.explain) or any(hooks)

    def _graph(self, edge_index: Tensor | SparseGraph, edge_weight: Tensor | None, nodes: int) -> SparseGraph:
        if isinstance(edge_index, SparseGraph):
            if edge_weight is not None or self.improved:
                raise ValueError("a SparseGraph brings its own weights and loops: give no edge_weight, improved=False")
            return edge_index.with_self_loops() if self.add_self_loops else edge_index
        if self._caches and self._last.cached is not None and self._cached_edge_index is not None:
            return self._last.cached  # PyG's promise to look at the edges once
        tensors = [edge_index] if edge_weight is None else [edge_index, edge_weight]
        graph = self._last.of(tensors, nodes)
        if graph is None:
            graph = _sorted(edge_index, edge_weight, nodes, *self._edges)
            self._last.keep(tensors, nodes, graph)
        if self._caches and self._last.graph is graph:
            *_, values = operator(graph, "sym", False, torch.float32)
            edges = graph.edge_index.flip(0) if self.flow == "target_to_source" else graph.edge_index
            self._last.cached = graph
            self._cached_edge_index: tuple[Tensor, Tensor | None] | None = (edges, values)  # PyG's name for it
        return graph

    @property
    def _caches(self) -> bool:
        return bool(self.cached and self.normalize)


def _sorted(
    edge_index: Tensor, edge_weight: Tensor | None, nodes: int, loop: float | None, flipped: bool
) -> SparseGraph:
    weight = None if edge_weight is None else edge_weight.reshape(-1)
    check_edges(edge_index, weight)
    check_range("edge_index has a node out of range:", edge_index.flatten(), nodes)
    if flipped:
        edge_index = edge_index.flip(0)
    if loop is not None:
        edge_index, weight = add_remaining_self_loops(edge_index, weight, loop, nodes)
    edge_index, weight = _merged(edge_index, weight, nodes)
    return SparseGraph.from_edge_index(edge_index, weight, num_rows=nodes)


def _merged(edge_index: Tensor, weight: Tensor | None, nodes: int) -> tuple[Tensor, Tensor | None]:
    """Every edge once; of repeated ones the weights add up."""
    once, _ = coalesce(edge_index, None, nodes)
    if once.shape == edge_index.shape:
        return edge_index, weight
    weight = torch.ones(edge_index.shape[1], device=edge_index.device) if weight is None else weight
    return cast(tuple[Tensor, Tensor], coalesce(edge_index, weight, nodes, reduce="sum"))


class _Seen:
    """A tensor as it was. Writing through ``.data`` or NumPy raises no version: on the CPU the values are compared."""

    def __init__(self, tensor: Tensor) -> None:
        self._tensor, self._version, self._place = weakref.ref(tensor), tensor._version, tensor.data_ptr()
        self._values = tensor.detach().clone() if tensor.device.type == "cpu" else None

    def still(self, tensor: Tensor) -> bool:
        """Whether this is that tensor, unchanged."""
        same = self._tensor() is tensor and self._version == tensor._version and self._place == tensor.data_ptr()
        return same and (self._values is None or torch.equal(self._values, tensor))


class _LastGraph:
    """The graph of the tensors that came last, known while nothing changes them; a copy of a layer starts afresh."""

    def __init__(self) -> None:
        self.graph: SparseGraph | None = None
        self.cached: SparseGraph | None = None
        self._nodes = 0
        self._seen: list[_Seen] = []

    def of(self, tensors: list[Tensor], nodes: int) -> SparseGraph | None:
        """The graph kept for these very tensors, if nothing has changed them since."""
        same = nodes == self._nodes and len(tensors) == len(self._seen)
        known = same and all(seen.still(one) for one, seen in zip(tensors, self._seen, strict=True))
        return self.graph if known else None

    def keep(self, tensors: list[Tensor], nodes: int, graph: SparseGraph) -> None:
        """Remember the graph, unless its weights are learned or nothing would tell that they changed."""
        if any(one.requires_grad or one.is_inference() for one in tensors):
            self.graph = None
            return
        self.graph, self._nodes = graph, nodes
        self._seen = [_Seen(one) for one in tensors]

    def __reduce__(self) -> tuple[type[_LastGraph], tuple[()]]:
        return _LastGraph, ()


_COMPILED: WeakIdKeyDictionary = WeakIdKeyDictionary()
"""What `torch.compile` traces has no layer to remember edges in: edge_index to how it was read to its graph."""


@torch.library.custom_op("graftwork::gcn_conv_pass", mutates_args=())
def _compiled_pass(
    edge_index: Tensor, edge_weight: Tensor | None, h: Tensor, normalize: bool, transposed: bool, loop: float | None,
    flipped: bool,
) -> Tensor:  # fmt: skip
    """Messages [N, r] of h [N, r] over the edges, sorted when they are first seen; or over their transpose."""
    tensors = [edge_index] if edge_weight is None else [edge_index, edge_weight]
    last = _COMPILED.setdefault(edge_index, {}).setdefault((loop, flipped), _LastGraph())  # type: ignore[no-untyped-call]
    graph = last.of(tensors, len(h))
    if graph is None:
        graph = _sorted(edge_index, edge_weight, len(h), loop, flipped)
        last.keep(tensors, len(h), graph)
    return message_pass(graph, h, "sym" if normalize else None, transposed=transposed)


@_compiled_pass.register_fake
def _(edge_index: Tensor, edge_weight: Tensor | None, h: Tensor, *more: Any) -> Tensor:
    return h.new_empty(h.shape)


def _remember(ctx: Any, inputs: tuple[Any, ...], output: Tensor) -> None:
    edge_index, edge_weight, _, *ctx.settings = inputs
    ctx.save_for_backward(edge_index, edge_weight)


def _pass_back(ctx: Any, gradient: Tensor) -> tuple[Any, ...]:
    normalize, transposed, *more = ctx.settings
    back = _compiled_pass(*ctx.saved_tensors, gradient.contiguous(), normalize, not transposed, *more)
    return None, None, back, None, None, None, None


_compiled_pass.register_autograd(_pass_back, setup_context=_remember)
