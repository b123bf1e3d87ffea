"""Feature adapters: identity at the start, the equations they document, and parameters that all train."""

from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from safetensors.torch import load, save
from torch import Tensor, nn
from torch.nn.functional import cross_entropy, gelu, normalize

from graftwork.core.features.model import FeatureModel
from graftwork.core.graph.nodes import Nodes
from graftwork.core.roles import Adapter, ClassPrompts
from graftwork.core.roles.adapter import aggregated_of
from graftwork.plugins.adapters import BottleneckSpec, DiffusionSpec, GANetSpec, NoneSpec
from graftwork.plugins.adapters.bottleneck import Bottleneck
from graftwork.plugins.adapters.diffusion import Diffusion, mixed
from graftwork.plugins.adapters.ga_net import GANet
from graftwork.plugins.adapters.identity import Identity
from graftwork.plugins.heads import CosineSpec, LinearSpec
from graftwork.plugins.heads.cosine import Cosine
from graftwork.plugins.heads.linear import Linear
from graftwork.triton_kernels import SparseGraph, attach
from graftwork.triton_kernels.testing import dense_adjacency, sparse_graphs

PHI = {"relu": torch.relu, "gelu": gelu, "tanh": torch.tanh}
seeds = st.integers(0, 2**20)
activations = st.sampled_from(("relu", "gelu", "tanh"))


@st.composite
def ga_net_specs(
    draw: st.DrawFn, min_bottleneck: int = 1, max_layers: int = 3, skips: tuple[float, ...] = (0.0, 0.3, 1.0)
) -> GANetSpec:
    return GANetSpec(
        bottleneck=draw(st.integers(min_bottleneck, min_bottleneck + 6)),
        layers=draw(st.integers(1, max_layers)),
        norm=draw(st.sampled_from(("sym", "row"))),
        self_message=draw(st.booleans()),
        activation=draw(activations),
        scale=draw(st.sampled_from((0.3, 1.0, 2.0))),
        loop=draw(st.sampled_from(("one", "nearest"))),
        skip=draw(st.sampled_from(skips)),
    )


@st.composite
def bottleneck_specs(draw: st.DrawFn, min_bottleneck: int = 1) -> BottleneckSpec:
    bottleneck = draw(st.integers(min_bottleneck, min_bottleneck + 6))
    return BottleneckSpec(bottleneck=bottleneck, activation=draw(activations), scale=draw(st.sampled_from((0.3, 2.0))))


def adapter_specs(min_bottleneck: int = 1) -> st.SearchStrategy[Any]:
    return ga_net_specs(min_bottleneck, skips=(0.0,)) | bottleneck_specs(min_bottleneck) | st.just(NoneSpec())


@st.composite
def attached_graphs(draw: st.DrawFn) -> SparseGraph:
    """A support graph with queries attached: square, not symmetric."""
    support = draw(sparse_graphs(min_nodes=1, max_nodes=6))
    return attach(support, draw(sparse_graphs(max_nodes=4, square=False, num_cols=support.num_nodes)))


any_graphs = sparse_graphs(min_nodes=1) | attached_graphs()


def build(spec: Any, width: int, seed: int = 0) -> Adapter:
    torch.manual_seed(seed)
    kinds: dict[type, Any] = {
        GANetSpec: GANet,
        DiffusionSpec: Diffusion,
        BottleneckSpec: Bottleneck,
        NoneSpec: Identity,
    }
    adapter: Adapter = kinds[type(spec)](spec, width)
    return adapter


def trained_long_ago(module: Adapter, seed: int = 1) -> Adapter:
    """The module in float64 with every parameter somewhere else, so that nothing hides behind a zero."""
    generator = torch.Generator().manual_seed(seed)
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=generator))
    return module.double()


def vectors(rows: int, width: int = 5, seed: int = 0, dtype: torch.dtype = torch.float64) -> Tensor:
    return normalize(torch.randn(rows, width, dtype=dtype, generator=torch.Generator().manual_seed(seed)), dim=-1)


def dense_ga_net(adapter: GANet, spec: GANetSpec, x: Tensor, graph: SparseGraph) -> Tensor:
    """The docstring of ``GANet`` by hand, over a dense matrix."""
    weights = dict(adapter.named_parameters())
    bare = adjacency = dense_adjacency(graph)
    own = torch.ones(len(x), dtype=torch.float64)
    if spec.loop == "nearest" and len(x):
        own = torch.where(adjacency.max(1).values > 0, adjacency.max(1).values, own)
    loops = torch.where(adjacency.diagonal() == 0, own, 0.0)
    adjacency = adjacency + torch.diag(loops)
    degree = adjacency.sum(1)
    if spec.norm == "row":
        normalised = adjacency / degree[:, None]
    else:
        normalised = adjacency / (degree[:, None] * degree[None, :]).sqrt()
    h = x @ weights["down.weight"].T + weights["down.bias"]
    for layer in range(spec.layers):
        near = f"convolutions.{layer}.neighbours"
        message = normalised @ h @ weights[f"{near}.weight"].T + weights[f"{near}.bias"]
        if spec.self_message:
            message = message + h @ weights[f"convolutions.{layer}.own.weight"].T
        h = PHI[spec.activation](message)
    start = dense_mixed(x, bare, spec.skip) if spec.skip else x
    return start + spec.scale * (h @ weights["up.weight"].T + weights["up.bias"])


def dense_mixed(x: Tensor, adjacency: Tensor, share: float, steps: int = 1) -> Tensor:
    """unit((1 - a) x_i + a sum_j w_ij h_j / sum_j w_ij) node by node, a = 0 for one without neighbours."""
    h = x
    for _ in range(steps):
        rows = []
        for own, weights in zip(x, adjacency, strict=True):
            total = float(weights.sum())
            mean = sum((w / total * sender for w, sender in zip(weights, h, strict=True)), torch.zeros_like(own))
            mix = (1 - share) * own + share * mean if total else own
            rows.append(mix / mix.norm().clamp(min=1e-12))
        h = torch.stack(rows)
    return h


diffusion_specs = st.builds(DiffusionSpec, share=st.floats(0, 1), steps=st.integers(1, 3))


@given(ga_net_specs() | diffusion_specs, any_graphs, seeds)
def test_what_is_computed_once_gives_any_rows_at_any_parameters(spec: Any, graph: SparseGraph, seed: int) -> None:
    """One layer's messages come before its parameters: rows of what was aggregated give those rows, gradients too."""
    adapter, x = build(spec, 5, seed), vectors(graph.num_nodes, seed=seed)
    once = adapter.double().aggregate(x, graph)
    assert (once is None) == (getattr(spec, "layers", 1) > 1)
    if once is None:
        return
    rows = torch.arange(0, graph.num_nodes, 2)
    trained_long_ago(adapter)
    found, whole = adapter.forward_aggregated(*(one[rows] for one in once)), adapter(x, graph)[rows]
    torch.testing.assert_close(found, whole, atol=1e-9, rtol=1e-9)
    parameters = list(adapter.parameters())
    gradients = [torch.autograd.grad(one.square().sum(), parameters) for one in (found, whole) if parameters]
    for here, there in zip(*gradients or ((), ()), strict=True):
        torch.testing.assert_close(here, there, atol=1e-8, rtol=1e-8)


@given(diffusion_specs, any_graphs, seeds)
def test_diffusion_is_its_equation(spec: DiffusionSpec, graph: SparseGraph, seed: int) -> None:
    """Step by step over a dense matrix; nothing is trained."""
    adapter, x = build(spec, 5), vectors(graph.num_nodes, seed=seed)
    expected = dense_mixed(x, dense_adjacency(graph), spec.share, spec.steps)
    torch.testing.assert_close(adapter(x, graph), expected, atol=1e-9, rtol=1e-9)
    assert spec.parameter_count(5) == len(list(adapter.parameters())) == 0


@given(st.floats(0.05, 0.95), sparse_graphs(min_nodes=2, max_nodes=5), seeds)
@settings(max_examples=15)
def test_gradients_of_the_skip_message_are_those_of_differences(share: float, graph: SparseGraph, seed: int) -> None:
    """Through a fusion that is trained they reach every vector that a node hears."""
    x = vectors(graph.num_nodes, 3, seed).requires_grad_()
    assert torch.autograd.gradcheck(lambda h: mixed(h, graph, share, 2), (x,), atol=1e-5)


@given(ga_net_specs(), any_graphs)
def test_the_share_of_neighbours_is_what_is_left_beside_a_nodes_own(spec: GANetSpec, graph: SparseGraph) -> None:
    """Of each message; 0 for a node that hears nobody."""
    found = build(spec, 5).neighbour_shares(graph)
    bare = dense_adjacency(graph)
    own = torch.ones(len(bare), dtype=torch.float64)
    if spec.loop == "nearest":
        own = torch.where(bare.max(1).values > 0, bare.max(1).values, own)
    looped = bare + torch.diag(torch.where(bare.diagonal() == 0, own, 0.0))
    degree = looped.sum(1)
    normalised = looped / (degree[:, None] if spec.norm == "row" else (degree[:, None] * degree).sqrt())
    expected = 1 - normalised.diagonal() / normalised.sum(1)
    torch.testing.assert_close(found["bottleneck"], expected, atol=1e-6, rtol=0)
    if spec.skip:
        torch.testing.assert_close(found["skip"], spec.skip * (bare.sum(1) > 0).double())
    assert set(found) == {"bottleneck", *(["skip"] if spec.skip else [])}


def test_what_is_kept_of_the_skip_message_is_that_of_the_vectors_as_they_are() -> None:
    """Asked again, of changed vectors, over another graph, and where vectors train: always the equation."""
    spec = GANetSpec(bottleneck=4, skip=0.4)
    adapter, x = trained_long_ago(build(spec, 5)), vectors(9)
    assert isinstance(adapter, GANet)
    for graph in (ring(9), edgeless(9), ring(9)):
        for _ in range(3):
            torch.testing.assert_close(adapter(x, graph), dense_ga_net(adapter, spec, x, graph))
            x[0] = x[0].flip(0)
    leaf = vectors(9, seed=1).requires_grad_()
    adapter(leaf, ring(9)).square().sum().backward()
    expected = vectors(9, seed=1).requires_grad_()
    dense_ga_net(adapter, spec, expected, ring(9)).square().sum().backward()
    torch.testing.assert_close(leaf.grad, expected.grad)


@given(st.floats(0.01, 0.2), seeds)
def test_with_loops_as_near_as_the_nearest_the_encoders_cosines_do_not_matter(shift: float, seed: int) -> None:
    """exp((cosine - 1) / T): all cosines lower by as much, and every message is the same."""
    adapter, x = (
        trained_long_ago(build(GANetSpec(bottleneck=4, loop="nearest", skip=0.3), 5), seed),
        vectors(9, seed=seed),
    )
    cosines = 0.5 + 0.5 * torch.rand(18, generator=torch.Generator().manual_seed(seed))
    graphs = [ring(9).with_weight(((cosines - one - 1) / 0.05).exp()) for one in (0.0, shift)]
    torch.testing.assert_close(adapter(x, graphs[1]), adapter(x, graphs[0]), atol=1e-5, rtol=1e-5)


@given(adapter_specs(), any_graphs, seeds)
def test_an_untrained_adapter_is_the_identity(spec: Any, graph: SparseGraph, seed: int) -> None:
    """Whatever the settings, training begins from the frozen vectors, to the bit."""
    x = vectors(graph.num_nodes, dtype=torch.float32)
    out = build(spec, 5, seed)(x, graph)
    assert torch.equal(out, x)


@given(adapter_specs(min_bottleneck=16), seeds)
def test_every_parameter_has_a_gradient_after_one_step(spec: Any, seed: int) -> None:
    """The up-projection learns at once, and everything before it from the second step on."""
    adapter, x = build(spec, 12, seed), vectors(30, 12, seed, torch.float32)
    graph = ring(30)
    readout = vectors(12, 3, seed + 1, torch.float32)
    targets = torch.arange(30) % 3
    moved: set[str] = set()
    for _ in range(2):
        adapter.zero_grad()
        loss = cross_entropy(adapter(x, graph) @ readout, targets)
        if not list(adapter.parameters()):
            return
        loss.backward()
        moved |= {name for name, one in adapter.named_parameters() if one.grad is not None and one.grad.any()}
        torch.optim.SGD(adapter.parameters(), lr=1.0).step()
    assert moved == {name for name, _ in adapter.named_parameters()}


def ring(nodes: int) -> SparseGraph:
    there = torch.arange(nodes)
    back = (there + 1) % nodes
    return SparseGraph.from_edge_index(
        torch.stack((torch.cat((there, back)), torch.cat((back, there)))), num_rows=nodes
    )


@given(st.integers(1, 40), st.integers(1, 40))
def test_the_papers_plain_form_has_2dr_r2_2r_d_parameters(d: int, r: int) -> None:
    """One layer without a self-message: 2dr + r² + 2r + d."""
    spec = GANetSpec(bottleneck=r, layers=1, self_message=False)
    assert spec.parameter_count(d) == 2 * d * r + r * r + 2 * r + d
    assert sum(one.numel() for one in build(spec, d).parameters()) == 2 * d * r + r * r + 2 * r + d


def test_d_512_and_r_64_are_70272_parameters() -> None:
    """The number that the design names."""
    assert GANetSpec(bottleneck=64, self_message=False).parameter_count(512) == 70_272


@given(adapter_specs(), st.integers(1, 30))
def test_parameter_count_is_that_of_the_built_module(spec: Any, width: int) -> None:
    """``plan`` tells the number without building; it must be the same number."""
    assert spec.parameter_count(width) == sum(one.numel() for one in build(spec, width).parameters())


@given(ga_net_specs(), any_graphs, seeds)
def test_ga_net_is_its_equation(spec: GANetSpec, graph: SparseGraph, seed: int) -> None:
    """Equal to the documented equation over a dense matrix, attached graphs included; gradients, too."""
    adapter = trained_long_ago(build(spec, 5), seed)
    x = vectors(graph.num_nodes, seed=seed).requires_grad_()
    assert isinstance(adapter, GANet)
    found, expected = adapter(x, graph), dense_ga_net(adapter, spec, x, graph)
    torch.testing.assert_close(found, expected, atol=1e-9, rtol=1e-9)
    if not graph.num_nodes:
        return
    each = [torch.autograd.grad(out.square().sum(), [x, *adapter.parameters()]) for out in (found, expected)]
    for one, other in zip(*each, strict=True):
        torch.testing.assert_close(one, other, atol=1e-7, rtol=1e-7)


@given(bottleneck_specs(), seeds)
def test_bottleneck_is_its_equation(spec: BottleneckSpec, seed: int) -> None:
    """Z = M + a (phi(M Wd + bd) Wu + bu)."""
    adapter, x = trained_long_ago(build(spec, 5), seed), vectors(6, seed=seed)
    w = dict(adapter.named_parameters())
    hidden = PHI[spec.activation](x @ w["down.weight"].T + w["down.bias"])
    expected = x + spec.scale * (hidden @ w["up.weight"].T + w["up.bias"])
    torch.testing.assert_close(adapter(x), expected, atol=1e-12, rtol=1e-12)


@given(bottleneck_specs(), st.sampled_from(("sym", "row")), seeds)
def test_bottleneck_is_ga_net_without_its_graph(spec: BottleneckSpec, norm: Any, seed: int) -> None:
    """A GA-Net whose convolution is the identity, on nodes without edges, is the bottleneck of the same weights."""
    r = spec.bottleneck
    graph_spec = GANetSpec(bottleneck=r, norm=norm, self_message=False, activation=spec.activation, scale=spec.scale)
    bottleneck, ga_net = trained_long_ago(build(spec, 5), seed), build(graph_spec, 5).double()
    convolution = {
        "convolutions.0.neighbours.weight": torch.eye(r, dtype=torch.float64),
        "convolutions.0.neighbours.bias": torch.zeros(r, dtype=torch.float64),
    }
    ga_net.load_state_dict(bottleneck.state_dict() | convolution)
    x = vectors(7, seed=seed)
    torch.testing.assert_close(ga_net(x, edgeless(7)), bottleneck(x), atol=1e-12, rtol=1e-12)


def edgeless(nodes: int) -> SparseGraph:
    return SparseGraph.from_edge_index(torch.empty(2, 0, dtype=torch.int64), num_rows=nodes)


@given(ga_net_specs(), any_graphs, seeds)
def test_renumbering_the_nodes_renumbers_the_outputs(spec: GANetSpec, graph: SparseGraph, seed: int) -> None:
    """Permutation equivariance: the order of nodes carries no meaning."""
    adapter, x = trained_long_ago(build(spec, 5), seed), vectors(graph.num_nodes, seed=seed)
    order = torch.randperm(graph.num_nodes, generator=torch.Generator().manual_seed(seed))
    place = order.argsort()
    renumbered = SparseGraph.from_edge_index(place[graph.edge_index], graph.weight, num_rows=graph.num_nodes)
    torch.testing.assert_close(adapter(x[order], renumbered), adapter(x, graph)[order], atol=1e-9, rtol=1e-9)


@given(ga_net_specs(max_layers=1), sparse_graphs(min_nodes=1), seeds)
def test_a_lone_node_becomes_a_plain_bottleneck(spec: GANetSpec, graph: SparseGraph, seed: int) -> None:
    """Without neighbours Â is 1: whatever else is in the graph, the two weights of a layer add up to one."""
    nodes = graph.num_nodes
    with_lone = SparseGraph.from_edge_index(graph.edge_index, graph.weight, num_rows=nodes + 1)
    adapter, x = trained_long_ago(build(spec, 5), seed), vectors(nodes + 1, seed=seed)
    w = dict(adapter.named_parameters())
    both = w["convolutions.0.neighbours.weight"]
    if spec.self_message:
        both = both + w["convolutions.0.own.weight"]
    down = x[nodes] @ w["down.weight"].T + w["down.bias"]
    hidden = PHI[spec.activation](down @ both.T + w["convolutions.0.neighbours.bias"])
    expected = x[nodes] + spec.scale * (hidden @ w["up.weight"].T + w["up.bias"])
    torch.testing.assert_close(adapter(x, with_lone)[nodes], expected, atol=1e-9, rtol=1e-9)


@given(adapter_specs(), seeds)
def test_state_dicts_survive_safetensors_to_the_bit(spec: Any, seed: int) -> None:
    """Saved and loaded into a module of another seed: the same outputs, bit for bit."""
    graph, x = ring(9), vectors(9, dtype=torch.float32)
    first = trained_long_ago(build(spec, 5), seed).float()
    second = build(spec, 5, seed + 1)
    second.load_state_dict(load(save(first.state_dict())))
    assert torch.equal(first(x, graph), second(x, graph))


@given(adapter_specs(), st.integers(1, 30), st.integers(1, 30))
def test_one_adapter_fits_any_number_of_nodes(spec: Any, some: int, others: int) -> None:
    """No parameter's shape depends on N: the same module takes graphs of any size."""
    adapter = trained_long_ago(build(spec, 5))
    for nodes in (some, others):
        assert adapter(vectors(nodes), edgeless(nodes)).shape == (nodes, adapter.output_width)


def test_ga_net_asks_for_its_graph() -> None:
    """Without a graph there are no messages to pass, and it says so."""
    with pytest.raises(ValueError, match="give it a graph"):
        build(GANetSpec(), 5)(vectors(2))


ADAPTERS = {
    "ga_net": GANetSpec(bottleneck=16),
    "ga_net plain, two layers": GANetSpec(bottleneck=16, layers=2, norm="sym", self_message=False, activation="tanh"),
    "bottleneck": BottleneckSpec(bottleneck=16),
    "none": NoneSpec(),
}
HEADS: dict[str, Any] = {
    "cosine": CosineSpec(),
    "cosine with a trained scale": CosineSpec(train_scale=True),
    "linear": LinearSpec(),
    "linear from prompts": LinearSpec(init="prompts"),
}


def grafted(adapter_spec: Any, head_spec: Any, classes: int = 3, width: int = 12) -> FeatureModel:
    prompts = ClassPrompts(vectors(classes, width, 5, torch.float32), 20.0)
    head: nn.Module = {CosineSpec: Cosine, LinearSpec: Linear}[type(head_spec)](head_spec, width, classes, prompts)
    return FeatureModel(build(adapter_spec, width), head)  # type: ignore[arg-type]


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("adapter", ADAPTERS)
def test_every_adapter_trains_with_every_head(adapter: str, head: str) -> None:
    """After two optimizer steps no trainable tensor lacks a gradient, and thirty steps lower the loss."""
    model = grafted(ADAPTERS[adapter], HEADS[head])
    if not model.trainable():
        assert (adapter, head) == ("none", "cosine")
        return
    x, targets = vectors(30, 12, dtype=torch.float32), torch.arange(30) % 3
    nodes = Nodes(x, ring(30) if adapter.startswith("ga_net") else None)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01, weight_decay=0)
    losses, without_gradient = [], set(model.trainable())
    for step in range(31):
        optimizer.zero_grad()
        loss = cross_entropy(model(nodes), targets)
        loss.backward()
        losses.append(loss.item())
        if step <= 2:
            without_gradient -= {n for n, one in model.trainable().items() if one.grad is not None and one.grad.any()}
        optimizer.step()
    assert not without_gradient
    assert losses[-1] < losses[0] - 1e-3


class _Noisy(GANet):
    """A plugin's: noise before its messages."""

    def forward(self, x: Tensor, graph: SparseGraph | None = None) -> Tensor:
        return super().forward(x + 1, graph)


class _NoisyDiffusion(Diffusion):
    """The same of another adapter."""

    def forward(self, x: Tensor, graph: SparseGraph | None = None) -> Tensor:
        return super().forward(x + 1, graph)


class _Before:
    """Stands before an adapter in the order of resolution."""

    def forward(self, x: Tensor, graph: SparseGraph | None = None) -> Tensor:
        return x


class _Mixed(_Before, GANet):
    """Takes the other one's `forward`."""


class _Other(GANet):
    """Nothing of its own in what a training computes."""

    def neighbour_shares(self, graph: SparseGraph) -> dict[str, Tensor]:
        return {}


@pytest.mark.parametrize(
    ("made", "spec", "once"),
    [
        (_Noisy, GANetSpec(), False),
        (_NoisyDiffusion, DiffusionSpec(), False),
        (_Mixed, GANetSpec(), False),
        (_Other, GANetSpec(), True),
        (GANet, GANetSpec(), True),
    ],
)
def test_a_forward_of_its_own_is_not_passed_over(made: Any, spec: Any, once: bool) -> None:
    """Nor is a hook, or a method put in its place: what was computed once would stand for another ``forward``."""
    x, graph = vectors(4, seed=1), ring(4)
    assert (aggregated_of(made(spec, 5), x, graph) is not None) == once
    hooked, before, replaced = made(spec, 5), made(spec, 5), made(spec, 5)
    hooked.register_forward_hook(lambda module, given, found: found * 2)
    before.register_forward_pre_hook(lambda module, given: given)
    replaced.forward = lambda x, graph=None: x
    assert [aggregated_of(one, x, graph) for one in (hooked, before, replaced)] == [None, None, None]
