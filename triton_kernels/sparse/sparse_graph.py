"""The graph every stage passes on: compressed sparse rows, weighted or binary, square or bipartite."""

from __future__ import annotations

from collections.abc import Hashable
from dataclasses import dataclass, field, replace
from typing import Any, Literal

import torch
from torch import Tensor

from .csr import check_arrays, check_edges, check_range, rowptr_of
from .structure import Structure


@dataclass(frozen=True)
class Search:
    """How `similarity_graph` found a graph."""

    threshold: float
    """tau, a float32 number: the least cosine of an edge, given or found."""
    screen: str
    """What the pairs were screened with (`screens.py`)."""
    recall: float | None = None
    """Of an approximate search: the share of the edges of sampled rows that it found, measured afterwards."""


@dataclass(frozen=True, eq=False, repr=False)
class SparseGraph:
    """Edges as compressed sparse rows: row i receives messages, the columns of row i send them.

    The tensors are not to be changed in place: what is derived from them (transpose, normalised weights) is cached.
    The constructor checks shapes and types only, so that it never waits for a GPU; `validate` checks the contents,
    and `from_edge_index` builds from edges in any order.

    Raises:
        ValueError: a tensor with the wrong shape, dtype or device; a symmetric graph that is not square.
    """

    rowptr: Tensor
    """int64 [num_rows + 1]: row i's edges are rowptr[i] to rowptr[i + 1]."""
    col: Tensor
    """int64 [num_edges]: the sending node of each edge, ascending and without repeats inside a row."""
    weight: Tensor | None
    """float32 [num_edges], or None for a binary graph (every weight is 1)."""
    num_rows: int
    num_cols: int
    symmetric: bool = False
    """Equal to its own transpose, weights included. Trusted by the constructor, found out by `from_edge_index`."""
    search: Search | None = None
    """How the edges were found, if `similarity_graph` found them."""
    _cache: dict[Hashable, Any] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        for name, tensor, length, dtype in (
            ("rowptr", self.rowptr, self.num_rows + 1, torch.int64),
            ("col", self.col, self.num_edges, torch.int64),
            ("weight", self.weight, self.num_edges, torch.float32),
        ):
            if tensor is None:
                continue
            if tensor.dtype != dtype or tensor.shape != (length,):
                found = f"{tensor.dtype} {list(tensor.shape)}"
                raise ValueError(f"SparseGraph.{name} must be {dtype} [{length}], got {found}")
            if tensor.device != self.col.device:
                raise ValueError(f"SparseGraph.{name} is on {tensor.device}, col on {self.col.device}: use one device")
        if self.symmetric and self.num_rows != self.num_cols:
            raise ValueError(f"a symmetric graph is square, this one is {self.num_rows} x {self.num_cols}")

    def __repr__(self) -> str:
        kind = ("binary" if self.weight is None else "weighted") + (", symmetric" if self.symmetric else "")
        return f"SparseGraph({self.num_rows} x {self.num_cols}, {self.num_edges} edges, {kind})"

    @classmethod
    def from_edge_index(
        cls, edge_index: Tensor, edge_weight: Tensor | None = None, *, num_rows: int, num_cols: int | None = None
    ) -> SparseGraph:
        """A graph from PyG's convention: edge_index integer [2, E] with senders above receivers, in any order.

        `num_cols` defaults to `num_rows` (a square graph); edge_weight is floating [E], kept as float32. Whether the
        graph is symmetric is found out, not asked.

        Raises:
            ValueError: wrong shapes, a node out of range, an edge given twice, a weight that is not finite.
        """
        cols = num_rows if num_cols is None else num_cols
        check_edges(edge_index, edge_weight)
        col, row = edge_index.long()
        check_range("edge_index has a sender out of range:", col, cols)
        check_range("edge_index has a receiver out of range:", row, num_rows)
        graph = from_pairs(row, col, edge_weight, num_rows, cols).validate()
        return replace(graph, symmetric=graph._equals_transpose())

    @property
    def num_nodes(self) -> int:
        """Nodes of a square graph; a bipartite one has two counts, so it raises ValueError."""
        if self.num_rows != self.num_cols:
            raise ValueError(f"{self} is bipartite: ask for num_rows (receivers) or num_cols (senders)")
        return self.num_rows

    @property
    def num_edges(self) -> int:
        """Stored edges; a symmetric pair counts twice."""
        return self.col.numel()

    @property
    def device(self) -> torch.device:
        """Where the tensors live."""
        return self.col.device

    @property
    def structure(self) -> Structure:
        """Where the edges are, without weights; what is derived from that is cached and shared by `with_weight`."""
        if "structure" not in self._cache:
            self._cache["structure"] = Structure(self.rowptr, self.col, self.num_cols)
        structure: Structure = self._cache["structure"]
        return structure

    @property
    def row(self) -> Tensor:
        """int64 [num_edges]: the receiving node of each edge."""
        return self.structure.row

    def with_weight(self, weight: Tensor | None, *, symmetric: bool = False) -> SparseGraph:
        """The same edges with other weights (float32 [num_edges], or None): cheap, for weights that are learned.

        `symmetric` is trusted; True only if (i, j) and (j, i) carry the same weight.
        """
        graph = replace(self, weight=weight, symmetric=symmetric or (weight is None and self.symmetric))
        graph._cache["structure"] = self.structure
        return graph

    @property
    def edge_index(self) -> Tensor:
        """int64 [2, num_edges] in PyG's convention: senders (columns) above receivers (rows)."""
        return torch.stack((self.col, self.row))

    @property
    def edge_weight(self) -> Tensor:
        """float32 [num_edges]; ones for a binary graph."""
        return torch.ones_like(self.col, dtype=torch.float32) if self.weight is None else self.weight

    def degree(self) -> Tensor:
        """float64 [num_rows]: the sum of each row's weights."""
        if self.weight is None:
            return self.rowptr.diff().double()
        return torch.segment_reduce(self.weight.double(), "sum", offsets=self.rowptr, initial=0)

    def transpose(self) -> SparseGraph:
        """The graph with senders and receivers exchanged (itself when symmetric); cached."""
        if self.symmetric:
            return self
        if "transpose" not in self._cache:
            self._cache["transpose"] = self._transposed()
        transposed: SparseGraph = self._cache["transpose"]
        return transposed

    def _transposed(self) -> SparseGraph:
        structure = self.structure.transpose()
        weight = None if self.weight is None else self.weight[self.structure.order]
        graph = SparseGraph(structure.rowptr, structure.col, weight, self.num_cols, self.num_rows)
        graph._cache["structure"] = structure
        return graph

    def _equals_transpose(self) -> bool:
        if self.num_rows != self.num_cols:
            return False
        here = Structure(
            self.rowptr, self.col, self.num_cols
        )  # not the cached one: a symmetric graph needs no transpose
        other, weight = here.transpose(), self.edge_weight
        same = torch.equal(self.rowptr, other.rowptr) and torch.equal(self.col, other.col)
        return same and torch.equal(weight, weight[here.order])

    def with_self_loops(self, loop: Literal["one", "nearest"] = "one") -> SparseGraph:
        """A + I: a loop at every node without one; cached. Raises ValueError for a bipartite graph.

        A loop weighs 1; or with `nearest` as much as the heaviest edge of its row, and 1 in a row without weight.
        """
        if ("loops", loop) not in self._cache:
            self._cache["loops", loop] = self._looped(loop)
        looped: SparseGraph = self._cache["loops", loop]
        return looped

    def _looped(self, loop: Literal["one", "nearest"]) -> SparseGraph:
        row, col, weight = self.row, self.col, self.weight
        bare = torch.ones(self.num_nodes, dtype=torch.bool, device=self.device)
        bare[col[row == col]] = False
        loops = bare.nonzero().squeeze(1)
        # Edges are sorted and stay so: each moves up by the loops before it, and a loop stands behind smaller columns.
        added, left = (_counts(one) for one in (bare, col < row))
        place = torch.arange(self.num_edges, device=self.device) + added[row] + (bare[row] & (col > row))
        smaller = left[self.rowptr[1:]] - left[self.rowptr[:-1]]
        order = torch.cat((place, (self.rowptr[:-1] + added[:-1] + smaller)[loops]))
        if weight is not None:
            own = weight.new_ones(self.num_nodes)
            if loop == "nearest":
                heaviest = torch.segment_reduce(weight.detach(), "max", offsets=self.rowptr, initial=0)
                own = torch.where(heaviest > 0, heaviest, own)
            weight = weight.new_empty(len(order)).index_copy(0, order, torch.cat((weight, own[loops])))
        col = col.new_empty(len(order)).index_copy_(0, order, torch.cat((col, loops)))
        return replace(self, rowptr=self.rowptr + added, col=col, weight=weight, search=None)

    def to(self, device: torch.device | str) -> SparseGraph:
        """The same graph on another device (itself when it is there already)."""
        if torch.device(device) == self.device:
            return self
        weight = None if self.weight is None else self.weight.to(device)
        return replace(self, rowptr=self.rowptr.to(device), col=self.col.to(device), weight=weight)

    def validate(self) -> SparseGraph:
        """Itself, once its contents are known to be sound; for graphs read from a file or built by hand.

        Raises:
            ValueError: row pointers that do not span the edges, columns out of range, unsorted or repeated, a weight
                that is not finite, a graph marked symmetric that is not.
        """
        check_arrays(self.rowptr, self.col, self.weight, self.num_cols)
        if self.symmetric and not self._equals_transpose():
            raise ValueError("the graph is marked symmetric but differs from its transpose: pass symmetric=False")
        return self


def _counts(marked: Tensor) -> Tensor:
    """int64 [n + 1]: how many of n are marked before each place."""
    counts = torch.zeros(len(marked) + 1, dtype=torch.int64, device=marked.device)
    torch.cumsum(marked, 0, out=counts[1:])
    return counts


def from_pairs(
    row: Tensor, col: Tensor, weight: Tensor | None, num_rows: int, num_cols: int, symmetric: bool = False
) -> SparseGraph:
    """Sort edges (int64 [E] each) into a graph; they are trusted, unlike `SparseGraph.from_edge_index`'s."""
    order = (row * num_cols + col).argsort()
    weight = None if weight is None else weight[order].float()
    return SparseGraph(rowptr_of(row, num_rows), col[order], weight, num_rows, num_cols, symmetric=symmetric)
