"""The graph of a run: how many neighbours a node has, and whom one item heard."""

from __future__ import annotations

import statistics
from collections.abc import Sequence
from dataclasses import dataclass

from ...registry.errors import GraftworkError
from ..graph.check_support import SUPPORT
from ..storage.adapter_config import FeatureAdapter, saved_in
from ..storage.item_predictions import ItemPrediction
from ..storage.tensors import read_tensors
from .blocks import Block, Chart, Lines, Missing, Part, Section, Table, count, number, row
from .charts import histogram_chart, neighbourhood_chart
from .picture_parts import worst_of
from .read_run import ReportedRun


@dataclass(frozen=True, slots=True)
class SavedGraph:
    """The graph over the support set, of the saved seed."""

    ids: Sequence[str]
    rowptr: Sequence[int]
    col: Sequence[int]
    #: Whether an item is one node.
    plain: bool

    @property
    def degrees(self) -> list[int]:
        """Of each node, a loop included."""
        return [after - before for before, after in zip(self.rowptr, self.rowptr[1:], strict=False)]

    def joined(self, ids: Sequence[str]) -> list[tuple[int, int]]:
        """Pairs of these items, by their places in ``ids``, with an edge in either direction."""
        row_of = {id_: number for number, id_ in enumerate(self.ids)}
        rows = [row_of.get(id_, -1) for id_ in ids]
        hears = [set(self.col[self.rowptr[one] : self.rowptr[one + 1]]) if one >= 0 else set() for one in rows]
        places = range(len(ids))
        return [(a, b) for a in places for b in places if a < b and (rows[b] in hears[a] or rows[a] in hears[b])]


def saved_graph(run: ReportedRun) -> SavedGraph | None:
    """``None`` where the folder holds no graph: a new item hears nothing of the support. Raises ``RunFolderError``."""
    path = run.folder / "adapter" / SUPPORT
    if run.result.graph is None or not path.is_file():
        return None
    facts, tensors = saved_in(run.folder / "adapter"), read_tensors(path)
    if "graph.rowptr" not in tensors or not isinstance(facts, FeatureAdapter):
        return None
    rowptr, col = tensors["graph.rowptr"].tolist(), tensors["graph.col"].tolist()
    plain = "layout.offsets" not in tensors and len(facts.support_ids) == len(rowptr) - 1
    return SavedGraph(facts.support_ids, rowptr, col, plain)


def graph_part(run: ReportedRun) -> Part:
    """Its size, the degrees of its nodes, and a neighbourhood."""
    title, found = "Graph", run.result.graph
    if found is None:
        return Missing(title, "no messages pass between items")
    sizes = [
        row(f"seed {seed}", count(nodes), count(edges), number(edges / max(nodes, 1), 1))
        for seed, nodes, edges in zip(run.result.seeds, found.support_nodes, found.support_edges, strict=False)
    ]
    blocks: list[Block] = [
        Table("The support graph", ["seed", "nodes", "edges", "edges a node"], sizes, sortable=False)
    ]
    blocks += [Lines(_words(run))] if _words(run) else []
    try:
        graph, answers = saved_graph(run), run.saved_answers
        heard = next((one for one in [*worst_of(run), *answers] if one.neighbours), None)
    except GraftworkError as error:
        return Section(title, [*blocks, Lines([str(error)], notes=True)])
    if graph is not None and any(graph.degrees):
        blocks.append(_degrees(graph.degrees, run.result.saved_seed))
    if heard is not None:
        blocks.append(_neighbourhood(heard, graph))
    return Section(title, blocks)


def _words(run: ReportedRun) -> list[str]:
    found = run.result.graph
    assert found is not None
    said = []
    if found.one_class:
        said.append(f"{statistics.fmean(found.one_class):.1%} of the edges between two items join items of one class.")
    shares = found.neighbour_shares or ()
    means = {name: statistics.fmean(one[name] for one in shares) for name in (shares[0] if shares else ())}
    return [*said, *(f"Neighbours have {mean:.1%} of a message {name}." for name, mean in means.items())]


def _degrees(degrees: Sequence[int], seed: int) -> Chart:
    said = (
        f"{len(degrees):,} nodes with {min(degrees)} to {max(degrees)} edges, median {statistics.median(degrees):g}; "
        f"{sum(one == 0 for one in degrees):,} nodes without any"
    )
    svg = histogram_chart(degrees, "edges of a node", "nodes")
    return Chart(f"Degrees in the support graph of seed {seed}: {said}", said, svg)


def _neighbourhood(heard: ItemPrediction, graph: SavedGraph | None) -> Chart:
    near = [(one.id, one.label, one.similarity) for one in heard.neighbours or ()]
    joined = graph.joined([id_ for id_, _, _ in near]) if graph is not None and graph.plain else []
    label = heard.label if isinstance(heard.label, str) else None
    alt = f"{heard.id}, of class {label}, heard " + "; ".join(
        f"{id_} ({own or 'unlabelled'}, cosine {cosine:.3f})" for id_, own, cosine in near
    )
    caption = (
        f"Whom {heard.id} heard (its class: {label}; predicted: {heard.prediction}): the five nearest at most, nearer "
        "where more alike; circles are of its class, squares of another, triangles were unlabelled; grey lines are "
        "edges among them"
    )
    return Chart(caption, alt, neighbourhood_chart(heard.id, label, near, joined))
