"""The Fisher information is that of a loop over items in float64, whatever a model is made of."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch
from torch import Tensor, nn
from torch.func import functional_call
from torch.nn.functional import cross_entropy, linear, normalize

from graftwork.benchmarks import Setting, fisher
from graftwork.core.data.items import DataError
from graftwork.core.roles import TrainingView
from graftwork.plugins.regularizers import graph_uses
from graftwork.plugins.regularizers.fisher import fisher_diagonal
from graftwork.plugins.regularizers.linear_uses import Uses, squares_of_linear

ITEMS, WIDTH, CLASSES = 23, 5, 4
FISHER = "graftwork.plugins.regularizers.fisher"


class Twice(nn.Module):
    """A weight in two places, its bias in one and elsewhere; another only in ``matmul``, and one that is not used."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, CLASSES)
        self.times, self.unused = nn.Parameter(torch.randn(WIDTH, WIDTH)), nn.Parameter(torch.ones(3))

    def forward(self, x: Tensor) -> Tensor:
        hidden = self.first(torch.tanh(self.first(x)))
        return self.second(hidden @ self.times + self.first.bias)


class Message(nn.Module):
    """As GA-Net's of what was aggregated once: a bias times a number of each item, and as it is."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.up = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        message = linear(x.sin(), self.down.weight) + x[:, :1] * self.down.bias
        return self.up(torch.relu(message + self.down(x)))


class InPlace(nn.Module):
    """What a layer gives is changed where it stands."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(WIDTH, WIDTH), nn.Linear(WIDTH, CLASSES)

    def forward(self, x: Tensor) -> Tensor:
        return self.second(self.first(x).mul_(3.0).relu_())


class Cosine(nn.Module):
    """A weight that is made of a parameter, which no ``linear`` is given."""

    def __init__(self) -> None:
        super().__init__()
        self.weight, self.scale = nn.Parameter(torch.randn(CLASSES, WIDTH)), nn.Parameter(torch.tensor(1.0))

    def forward(self, x: Tensor) -> Tensor:
        return self.scale.exp() * linear(normalize(x, dim=-1), normalize(self.weight, dim=-1))


class Reads(nn.Module):
    """What ``torch.func`` cannot transform: a number is read."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(CLASSES, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        return (x @ self.weight.T) * (2.0 + 0.0 * float(x.sum()))


class Half(nn.Module):
    """A weight in ``linear``, and a second time where that is not seen."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.randn(CLASSES, WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        return linear(x, self.weight) + x @ self.weight.T.sin()


def view_of(module: nn.Module, items: int = ITEMS) -> TrainingView:
    x, targets = torch.randn(items, WIDTH, dtype=torch.float64), torch.arange(items) % CLASSES
    return TrainingView(
        dict(module.named_parameters()),
        lambda: module(x),
        targets,
        lambda logits, against: cross_entropy(logits, against, reduction="none"),
        None,
        torch.Generator().manual_seed(0),
        batch=lambda rows: (module(x[rows]), targets[rows]),
        stateless=lambda at, rows: functional_call(module, dict(at), (x[rows],)),
    )


#: Who hears whom of so many rows, of which some are labelled items, in another order.
HEARD = torch.eye(ITEMS, dtype=torch.float64) + (torch.rand(ITEMS, ITEMS, dtype=torch.float64) < 0.1)
LABELLED = torch.arange(ITEMS - 1, 3, -2)


class Heard(nn.Module):
    """As a graph network: weights before messages, in them and behind them, and one that no ``linear`` is given."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.own, self.up = nn.Linear(WIDTH, 3), nn.Linear(3, 3, bias=False), nn.Linear(3, CLASSES)
        self.scale, self.unused = nn.Parameter(torch.ones(CLASSES)), nn.Parameter(torch.ones(2))

    def hidden(self, x: Tensor) -> Tensor:
        return torch.tanh(HEARD @ torch.tanh(self.down(x)))

    def forward(self, x: Tensor) -> Tensor:
        hidden = torch.tanh(self.own(HEARD @ self.hidden(x)) + self.hidden(x))
        return self.up(hidden)[LABELLED] * self.scale


class Behind(Heard):
    """Everything comes through one narrow place behind the messages."""

    def forward(self, x: Tensor) -> Tensor:
        return self.up(torch.tanh(self.own(HEARD @ self.hidden(x))))[LABELLED]


class Past(Heard):
    """What was heard also comes past every weight behind the messages."""

    def forward(self, x: Tensor) -> Tensor:
        hidden = HEARD @ self.hidden(x)
        return self.up(torch.tanh(self.own(hidden)))[LABELLED] + hidden[LABELLED][:, :1] * torch.arange(CLASSES)


class Both(Heard):
    """A weight before the messages and behind them."""

    def forward(self, x: Tensor) -> Tensor:
        return self.up(torch.tanh(self.own(HEARD @ torch.tanh(self.own(torch.tanh(self.down(x)))))))[LABELLED]


class Nodes(Heard):
    """Two rows an item, read out as their mean."""

    def forward(self, x: Tensor) -> Tensor:
        return self.up(self.own(self.hidden(x))[:22].view(11, 2, 3).mean(dim=1).tanh())


def heard(module: nn.Module) -> TrainingView:
    x = torch.randn(ITEMS, WIDTH, dtype=torch.float64)
    targets = torch.arange(len(module(x))) % CLASSES
    of = (dict(module.named_parameters()), lambda: module(x), targets)
    return TrainingView(*of, lambda a, b: cross_entropy(a, b, reduction="none"), None, torch.Generator().manual_seed(0))


@pytest.mark.parametrize("at_once", [32, 3])
@pytest.mark.parametrize("kind", [Heard, Behind, Past, Both, Nodes])
def test_in_a_graph_it_is_a_loop_over_items(kind: Any, at_once: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whatever is heard of where, and however many items are carried on at once."""
    monkeypatch.setattr(graph_uses, "AT_ONCE", at_once)
    view = heard(kind().double())
    expected = fisher.by_a_loop(view)
    for name, one in fisher_diagonal(view).items():
        torch.testing.assert_close(one, expected[name], rtol=1e-10, atol=1e-14)


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (Heard, {"own.weight", "up.weight", "up.bias"}),
        (Behind, {"down.weight", "down.bias", "own.weight", "up.weight", "up.bias"}),
        (Past, {"own.weight", "up.weight", "up.bias"}),
        (Both, {"down.weight", "down.bias", "own.weight", "up.weight", "up.bias"}),
        (Nodes, {"down.weight", "down.bias", "own.weight", "up.weight", "up.bias"}),
    ],
)
def test_what_comes_through_own_rows_is_known_without_going_back_from_the_logits(kind: Any, names: set[str]) -> None:
    """Where something comes past them that is seen, and left to backward passes from the logits."""
    view = heard(kind().double())
    with Uses(view.parameters) as noted:
        losses = view.losses(view.logits(), view.targets)
    assert set(graph_uses.squares_in_graph(view.parameters, losses, noted.found)) == names


@pytest.fixture(autouse=True)
def seeded() -> None:
    torch.manual_seed(0)


@pytest.mark.parametrize("rows", [1024, 7, 1])
@pytest.mark.parametrize("kind", [Twice, Message, InPlace, Cosine, Reads, Half])
def test_it_is_a_loop_over_items(kind: Callable[[], nn.Module], rows: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many go through at once."""
    monkeypatch.setattr(f"{FISHER}.ROWS", rows)
    view = view_of(kind().double())
    expected = fisher.by_a_loop(view)
    for name, one in fisher_diagonal(view).items():
        torch.testing.assert_close(one, expected[name], rtol=1e-10, atol=1e-14)


def known(module: nn.Module) -> set[str]:
    view = view_of(module.double())
    assert view.batch is not None
    batch = view.batch
    return set(squares_of_linear(view.parameters, ITEMS, lambda: view.losses(*batch(torch.arange(ITEMS)))))


@pytest.mark.parametrize(
    ("kind", "names"),
    [
        (Twice, {"first.weight", "second.weight", "second.bias"}),
        (Message, {"down.weight", "down.bias", "up.weight", "up.bias"}),
        (InPlace, {"second.weight", "second.bias"}),
        (Cosine, set()),
        (Half, set()),
    ],
)
def test_what_linear_alone_uses_is_known_without_any_items_gradient(kind: Any, names: set[str]) -> None:
    """Whatever has another use is left to the others: it is seen by the whole gradient."""
    assert known(kind()) == names


@pytest.mark.parametrize("what", ["CLIP-Adapter", "GA-Net", "GA-Net of two layers"])
def test_of_the_adapters_it_is_a_loop_over_items(what: Any) -> None:
    """In a learner's view, with a graph and without, in float64."""
    view = fisher.features(what, 70, "cpu", torch.float64)
    expected = fisher.by_a_loop(view)
    for name, one in fisher_diagonal(view).items():
        torch.testing.assert_close(one, expected[name], rtol=1e-9, atol=1e-14)


def test_inside_a_tower_it_is_a_loop_over_items() -> None:
    view = fisher.tower(3, True, "cpu", torch.float64)
    expected = fisher.eight_in_turn(view)
    for name, one in fisher_diagonal(view).items():
        torch.testing.assert_close(one, expected[name], rtol=1e-8, atol=1e-14)


def test_labels_that_are_drawn_need_one_class_an_item() -> None:
    """Soft answers have no class to draw."""
    view = view_of(Cosine().double())
    object.__setattr__(view, "targets", torch.rand(ITEMS, CLASSES))
    with pytest.raises(DataError, match=r'labels "sampled" draws one class an item.*take "empirical"'):
        fisher_diagonal(view, "sampled")


def test_what_is_measured_runs() -> None:
    """At sizes that say nothing of speed, each candidate with the numbers of the loop."""
    for case in fisher.cases(Setting(quick=True)):
        inputs = case.inputs()
        first, *others = [candidate.prepare(inputs)() for candidate in case.candidates]
        assert isinstance(first, dict)
        for other in others:
            assert isinstance(other, dict)
            for name, one in first.items():
                torch.testing.assert_close(other[name], one, rtol=1e-3, atol=1e-3 * float(one.max()))
