"""The graph stage: who is in the support set, and how a new image meets it without changing anything."""

from pathlib import Path
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor
from torch.nn.functional import normalize

from graftwork.core.data.shots import sample_shots
from graftwork.core.events import Event
from graftwork.core.features.model import FeatureModel
from graftwork.core.graph.nodes import Nodes
from graftwork.core.graph.queries import Queries, attach_queries, attached
from graftwork.core.graph.support import Support
from graftwork.core.roles import GraphError
from graftwork.core.run.experiment import Experiment, Trial
from graftwork.core.training.devices import resolve_device
from graftwork.plugins.adapters import GANetSpec
from graftwork.plugins.adapters.ga_net import GANet
from graftwork.plugins.graphs import SimilaritySpec
from graftwork.plugins.graphs.similarity import Similarity
from graftwork.plugins.heads import LinearSpec
from graftwork.plugins.heads.linear import Linear
from graftwork.triton_kernels import SparseGraph

from ...support.small_pipeline import catalogue, pipeline

WIDTH, CLASSES = 8, 3


def unit(rows: int, seed: int) -> Tensor:
    return normalize(torch.randn(rows, WIDTH, generator=torch.Generator().manual_seed(seed)), dim=-1)


def model_of(norm: Any, self_message: bool, layers: int, seed: int) -> FeatureModel:
    """A trained GA-Net with a linear head: no tensor of it is zero."""
    torch.manual_seed(seed)
    spec = GANetSpec(bottleneck=4, norm=norm, self_message=self_message, layers=layers)
    model = FeatureModel(GANet(spec, WIDTH), Linear(LinearSpec(scale=1.0), WIDTH, CLASSES, None))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.copy_(torch.randn(parameter.shape) / 2)
    return model


models = st.builds(model_of, st.sampled_from(("sym", "row")), st.booleans(), st.integers(1, 2), st.integers(0, 2**20))
builders = st.builds(
    lambda threshold, weight, cap: Similarity(SimilaritySpec(threshold=threshold, weight=weight, max_degree=cap)),
    st.sampled_from((0.0, 0.3, 0.7)),
    st.sampled_from(("binary", "cosine", "softmax")),
    st.sampled_from((None, 1, 3)),
)


def support_of(builder: Similarity, rows: int, seed: int) -> Support:
    x = unit(rows, seed)
    ids = tuple(f"item {row}" for row in range(rows))
    return Support(ids, Nodes(x, builder.connect(x)), torch.arange(rows) % CLASSES)


def neighbours(queries: Queries) -> list[list[int]]:
    """Whom each query hears."""
    ((nodes, rows),) = queries.parts()
    assert nodes.graph is not None
    return [row_of(nodes.graph, row) for row in range(len(nodes.x))[rows]]


def row_of(graph: SparseGraph, row: int) -> list[int]:
    columns: list[int] = graph.col[graph.rowptr[row] : graph.rowptr[row + 1]].tolist()
    return columns


@settings(max_examples=60)
@given(models, builders, st.integers(1, 12), st.integers(1, 6), st.integers(0, 2**20), st.data())
def test_a_query_does_not_depend_on_what_else_is_asked(
    model: FeatureModel, builder: Similarity, rows: int, queries: int, seed: int, data: st.DataObject
) -> None:
    """Alone, in a batch and in any order: the same neighbours, and logits equal to 1e-5."""
    support, x = support_of(builder, rows, seed), unit(queries, seed + 1)
    batch = attached(support, Nodes(x), builder)
    logits, sources = batch.logits(model), neighbours(batch)
    order = data.draw(st.permutations(range(queries)))
    shuffled = attached(support, Nodes(x[order]), builder)
    torch.testing.assert_close(shuffled.logits(model), logits[order], atol=1e-5, rtol=1e-5)
    assert neighbours(shuffled) == [sources[index] for index in order]
    for index in range(queries):
        alone = attached(support, Nodes(x[index : index + 1]), builder)
        torch.testing.assert_close(alone.logits(model)[0], logits[index], atol=1e-5, rtol=1e-5)
        assert neighbours(alone) == [sources[index]]


@settings(max_examples=60)
@given(models, builders, st.integers(1, 12), st.integers(1, 6), st.integers(0, 2**20))
def test_queries_do_not_change_the_support(
    model: FeatureModel, builder: Similarity, rows: int, queries: int, seed: int
) -> None:
    """Nobody hears a query: the support's outputs with queries attached are those of training."""
    support = support_of(builder, rows, seed)
    ((nodes, _),) = attached(support, Nodes(unit(queries, seed + 1)), builder).parts()
    with torch.no_grad():
        before, after = model(Nodes(support.x, support.graph)), model(nodes, slice(0, rows))
    torch.testing.assert_close(after, before, atol=1e-5, rtol=1e-5)


@given(builders, st.integers(1, 12), st.integers(0, 2**20))
def test_a_support_item_asked_again_hears_itself(builder: Similarity, rows: int, seed: int) -> None:
    """A query is a new node: the support item of the same vector is its nearest neighbour."""
    support = support_of(builder, rows, seed)
    for row, sources in enumerate(neighbours(attached(support, Nodes(support.x), builder))):
        assert row in sources


def test_without_a_graph_queries_stand_alone() -> None:
    """Adapters without messages get the queries and nothing else."""
    x = unit(3, 0)
    support = Support(("a",), Nodes(unit(1, 1)), torch.tensor([0]))
    ((nodes, rows),) = attach_queries(support, Nodes(x), None, pipeline(adapter={"type": "bottleneck"}).spec).parts()
    assert nodes.graph is None
    assert torch.equal(nodes.x[rows], x)


def test_softmax_weights_are_a_softmax_over_node_and_neighbours() -> None:
    """With norm `row` a node's message is the softmax of cosine / temperature, its own cosine being 1."""
    builder = Similarity(SimilaritySpec(threshold=0.0, weight="softmax", temperature=0.1))
    x = unit(5, 3)
    graph = builder.connect(x).with_self_loops()
    cosine = (x @ x.T).masked_fill(x @ x.T < 0, -torch.inf)
    expected = (cosine / 0.1).softmax(-1)
    found = torch.zeros(5, 5)
    found[graph.row, graph.col] = (graph.edge_weight.double() / graph.degree()[graph.row]).float()
    torch.testing.assert_close(found, expected, atol=1e-5, rtol=1e-4)


def test_vectors_that_are_no_numbers_are_a_graph_error() -> None:
    """The message names the row."""
    x = unit(3, 0)
    x[1, 0] = torch.nan
    with pytest.raises(GraphError, match="1"):
        Similarity(SimilaritySpec(threshold=0.5)).connect(x)


class Stage:
    """The graph stage of a pipeline on few digits."""

    def __init__(self, store: Path, **overrides: Any) -> None:
        self.sources: list[Event] = []
        spec = pipeline(**overrides).spec
        self.experiment = Experiment(spec, catalogue(), store, resolve_device("cpu"), self.sources.append)
        self.trial: Trial = next(self.experiment.trials())
        self.splits = self.trial.prepared.content.splits

    def support(self, seed: int = 0) -> Support:
        return self.experiment.engine(self.trial.spec).support_sets.support(self.trial.spec, self.trial.prepared, seed)


def test_pool_labelled_holds_the_few_shot_sample(tmp_path: Path) -> None:
    """Every node has a label, and the nodes are exactly the sample of that seed."""
    stage = Stage(tmp_path, dataset__shots=3, graph__pool="labelled")
    support = stage.support(seed=4)
    assert support.ids == tuple(item.id for item in sample_shots(stage.splits["train"], 3, 4))
    targets = {item.id: item.target for item in stage.splits["train"]}
    assert support.targets.tolist() == [targets[id_] for id_ in support.ids]
    assert support.targets.bincount().tolist() == [3] * 10


def test_pool_train_adds_the_other_training_items_without_their_labels(tmp_path: Path) -> None:
    """All training items are nodes; a label is known for the sample alone."""
    stage = Stage(tmp_path, dataset__shots=3, graph__pool="train")
    support = stage.support()
    assert support.ids == tuple(item.id for item in stage.splits["train"])
    sample = {item.id: item.target for item in sample_shots(stage.splits["train"], 3, 0)}
    assert support.targets.tolist() == [sample.get(id_, -1) for id_ in support.ids]
    assert support.graph is not None
    assert support.graph.num_nodes == len(support.ids) == 120


@pytest.mark.parametrize("pool", ["labelled", "train"])
def test_no_validation_or_test_item_is_a_node(tmp_path: Path, pool: str) -> None:
    """The support set comes from the training split whatever the pool: no leak of the test distribution."""
    stage = Stage(tmp_path, dataset__shots=3, graph__pool=pool)
    elsewhere = {item.id for name in ("val", "test") for item in stage.splits[name]}
    assert not elsewhere & set(stage.support().ids)


def test_without_a_graph_adapter_the_pool_is_the_labelled_items(tmp_path: Path) -> None:
    """`pool: train` has no meaning for a bottleneck: nothing unlabelled is carried along."""
    stage = Stage(tmp_path, dataset__shots=3, graph__pool="train", adapter={"type": "bottleneck"})
    assert len(stage.support().ids) == 30
    assert stage.support().graph is None


def test_unlabelled_nodes_get_no_loss(tmp_path: Path) -> None:
    """Training items beyond the sample change nothing by their labels: without them the result is the same, to the
    bit.
    """
    common: dict[str, Any] = {"graph__pool": "train", "trainer__epochs": 8}
    with_labels = pipeline(dataset__shots=3, **common).run(tmp_path / "a", tmp_path / "store")
    without = pipeline(dataset__labelled_shots=3, **common).run(tmp_path / "b", tmp_path / "store")
    assert without.result["dataset"]["labelled"] == with_labels.result["dataset"]["labelled"] == [30]
    assert without.result["test"] == with_labels.result["test"]
    weights = [run.folder / "adapter" / "adapter_model.safetensors" for run in (with_labels, without)]
    assert weights[0].read_bytes() == weights[1].read_bytes()


def test_unlabelled_nodes_are_heard(tmp_path: Path) -> None:
    """They are not labelled, yet not idle: with `pool: train` the same sample gives other parameters."""
    runs = [
        pipeline(dataset__shots=3, graph__pool=pool).run(tmp_path / pool, tmp_path / "store")
        for pool in ("labelled", "train")
    ]
    weights = [(run.folder / "adapter" / "adapter_model.safetensors").read_bytes() for run in runs]
    assert weights[0] != weights[1]
    assert [run.result["pool"] for run in runs] == ["labelled", "train"]
    assert [run.result["graph"]["support_nodes"] for run in runs] == [[30], [120]]
