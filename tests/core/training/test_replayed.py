"""What is replayed is what is computed as ever; what would be something else is computed as ever.

A GPU records into a CUDA graph. Here ``make_fx`` records: it keeps the operators, and a replay runs no Python, either.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils.checkpoint import checkpoint

from graftwork.core.features.as_one import LEAST
from graftwork.core.roles import Adapter, AdapterSpec, OptimizerSpec
from graftwork.core.training import replayed, unread
from graftwork.core.training.replayed import WARM_UP, Compute, Found, Replayed
from graftwork.registry.catalogue import Catalogue, Plugin
from graftwork.registry.component import Component

from ...support.small_pipeline import catalogue
from .. import test_stacked_seeds
from ..test_stacked_seeds import ALONE, Seeds, require_alike, store  # noqa: F401  (a fixture)

EPOCHS = replayed.WORTH
FORWARDS: list[str] = []


def only_signs(parameter: Tensor) -> None:
    assert parameter.grad is not None
    parameter.grad.sign_()


class AnySpec(AdapterSpec):
    """An adapter as a stranger may write it."""

    type: Literal["any"] = "any"
    way: Literal[
        "plain", "looks", "drops", "normalises", "counts", "rolls", "skips", "bursts", "moves", "hooked", "reenters"
    ]


class Any_(Adapter):
    """z = x (1 + w), w [d] trained; and what its spec says."""

    seen: Tensor

    def __init__(self, spec: AnySpec, width: int) -> None:
        super().__init__()
        self.output_width, self._way, self.calls = width, spec.way, 0
        self.weight = nn.Parameter(torch.zeros(width))
        self.drop, self.norm = nn.Dropout(0.5), nn.BatchNorm1d(width)
        self.register_buffer("seen", torch.zeros(()), persistent=False)
        if spec.way == "hooked":
            self.weight.register_post_accumulate_grad_hook(only_signs)

    def forward(self, x: Tensor, graph: object = None) -> Tensor:
        FORWARDS.append(self._way)
        return x * (1 + self.weight) if self._way in ("plain", "hooked") else getattr(self, self._way)(x)

    def looks(self, x: Tensor) -> Tensor:
        return x * (1 + self.weight) if float(self.weight.detach().sum()) < 9 else x

    def drops(self, x: Tensor) -> Tensor:
        dropped: Tensor = self.drop(x)
        return dropped * (1 + self.weight)

    def normalises(self, x: Tensor) -> Tensor:
        return x + self.norm(x) * self.weight

    def counts(self, x: Tensor) -> Tensor:
        self.calls += 1
        return x * (1 + self.weight / self.calls)

    def rolls(self, x: Tensor) -> Tensor:
        return x * (1 + self.weight + random.random())

    def skips(self, x: Tensor) -> Tensor:
        """Seldom: a replay that is tried is most often the same."""
        return x if random.random() < 0.03 else x * (1 + self.weight)

    def bursts(self, x: Tensor) -> Tensor:
        return x * torch.where(self.weight.abs().amax() > 0.02, torch.nan, 1 + self.weight)

    def reenters(self, x: Tensor) -> Tensor:
        """What ``torch.autograd.grad`` refuses, and ``backward`` does not."""
        found: Tensor = checkpoint(lambda x, weight: x * (1 + weight), x, self.weight, use_reentrant=True)
        return found

    def moves(self, x: Tensor) -> Tensor:
        """A buffer that is not saved."""
        self.seen += 1
        return x * (1 + self.weight / self.seen)


def fx_graph(compute: Compute) -> Compute:
    """As a CUDA graph does it: nothing is computed now, and a replay writes over what the last one gave."""
    buffers: list[Tensor] = []
    graph = make_fx(lambda: list(compute()), tracing_mode="fake", _allow_non_fake_inputs=True)()

    def replay() -> Found:
        found = graph()
        if not buffers:
            buffers.extend(torch.empty_like(one) for one in found if one is not None)
        places = iter(buffers)
        return [None if one is None else next(places).copy_(one) for one in found]

    return replay


@pytest.fixture
def recorded(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    """Trainings of a CPU are recorded, too."""
    monkeypatch.setitem(replayed.RECORDERS, "cpu", fx_graph)
    monkeypatch.setattr(unread, "SECONDS", 1e9)
    yield
    FORWARDS.clear()


class KeepsSpec(OptimizerSpec):
    """An optimizer that keeps the last gradients and writes into the new ones."""

    type: Literal["keeps"] = "keeps"


class Keeps(torch.optim.SGD):
    """Of the mean of a gradient and of what it stepped by last."""

    def step(self, closure: Any = None) -> None:
        for one in (one for one in self.param_groups[0]["params"] if one.grad is not None):
            last, self.state[one]["last"] = self.state[one].get("last", one.grad), one.grad
            one.grad.add_(last.clone()).mul_(0.5)
        super().step()


def keeps(spec: KeepsSpec, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    return Keeps(parameters, lr=spec.lr)


def known() -> Catalogue:
    own = [
        Component("adapter", "any", AnySpec, f"{__name__}:Any_", "a stranger's"),
        Component("optimizer", "keeps", KeepsSpec, f"{__name__}:keeps", "a stranger's"),
    ]
    return Catalogue([Plugin("any", "graftwork-any", "1", components=own), *catalogue().plugins])


def trained(folder: Any, way: str, **overrides: Any) -> tuple[Seeds, int]:
    """Its seeds, and how often the adapter's Python ran."""
    more = {"adapter": {"type": "any", "way": way}, "trainer__epochs": EPOCHS} | overrides
    FORWARDS.clear()
    random.seed(0)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(test_stacked_seeds, "known", known)
        found = Seeds(folder, **{**ALONE, **more})
    return found, len(FORWARDS)


def both(folder: Any, way: str, **overrides: Any) -> tuple[Seeds, Seeds, int, int]:
    """Recorded and as ever."""
    now, calls = trained(folder, way, **overrides)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(replayed, "RECORDERS", {})
        ever, as_ever = trained(folder, way, **overrides)
    return now, ever, calls, as_ever


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize("way", ["plain", "drops"])
@pytest.mark.parametrize("schedule", ["cosine", "constant"])
def test_a_replayed_training_is_the_training(store: Any, way: str, schedule: str) -> None:  # noqa: F811
    """To the bit, what dropout draws and the learning rate of each step included; its Python runs for the first epochs
    alone."""
    now, ever, calls, as_ever = both(store, way, trainer__schedule=schedule)
    require_alike(now, ever)
    assert torch.equal(now.losses(), ever.losses())
    assert as_ever - calls >= len(test_stacked_seeds.SEEDS) * 2 * (EPOCHS - WARM_UP - 4)


@pytest.mark.usefixtures("recorded")
def test_an_optimizer_may_keep_gradients_and_write_into_them(store: Any) -> None:  # noqa: F811
    now, ever, calls, as_ever = both(store, "plain", trainer__optimizer={"type": "keeps", "lr": 0.1})
    require_alike(now, ever)
    assert torch.equal(now.losses(), ever.losses())
    assert calls < as_ever


@pytest.mark.usefixtures("recorded")
@pytest.mark.parametrize("way", ["looks", "counts", "rolls", "skips", "moves", "normalises", "hooked", "reenters"])
def test_what_a_replay_would_get_wrong_is_computed_as_ever(store: Any, way: str) -> None:  # noqa: F811
    """A look at a number, a count of calls, Python's own chance, a buffer that is not saved, running means (which this
    recorder leaves out), what hears of a gradient that is there, reentrant
    checkpoints: epochs run its Python."""
    now, ever, calls, as_ever = both(store, way)
    assert calls >= as_ever or way in ("normalises", "hooked", "reenters")  # whose ranks are replayed, not its steps
    require_alike(now, ever)
    assert torch.equal(now.losses(), ever.losses())


@pytest.mark.usefixtures("recorded")
def test_a_loss_that_is_not_finite_is_found_where_it_is_as_ever(store: Any) -> None:  # noqa: F811
    now, ever, calls, as_ever = both(store, "bursts")
    assert calls < as_ever
    assert now.failure == ever.failure
    assert "no longer finite" in now.failure


@pytest.mark.usefixtures("recorded")
def test_batches_regularizers_and_few_epochs_are_computed_as_ever(store: Any) -> None:  # noqa: F811
    """Another selection of items each step, and what a regularizer keeps, are not the same each time."""
    regularizer = [{"type": "ewc", "strength": 0.1, "anchor": "init"}]
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("GRAFTWORK_REPLAY", "0")
        _, _, calls, as_ever = both(store, "plain")
        assert calls == as_ever
    for overrides in ({"trainer__epochs": EPOCHS - 1}, {"regularizers": regularizer, "evaluation__select_on": "none"}):
        _, _, calls, as_ever = both(store, "plain", **overrides)
        assert calls == as_ever
    now, ever, _, _ = both(store, "plain", trainer__batch_size=7)
    assert torch.equal(now.losses(), ever.losses())


@pytest.mark.usefixtures("recorded")
def test_what_cannot_be_recorded_is_computed() -> None:
    """An error of recording is none of the training."""

    def refuses(compute: Compute) -> Compute:
        raise RuntimeError("operation not permitted when stream is capturing")

    model = nn.Linear(2, 1)
    again = Replayed(lambda: [model.weight.detach().sum()], model, refuses)
    assert [again()[0] for _ in range(WARM_UP + 3)] == [model.weight.detach().sum()] * (WARM_UP + 3)


def test_few_trainings_are_not_one(monkeypatch: pytest.MonkeyPatch, store: Any) -> None:  # noqa: F811
    """Three seeds are faster one by one, each replayed."""
    from graftwork.core.features import stacked

    monkeypatch.setattr(stacked, "DEVICES", frozenset({"cpu"}))
    monkeypatch.setattr(stacked, "stack", lambda learners: pytest.fail("they are few"))
    assert len(test_stacked_seeds.SEEDS) < LEAST
    assert not Seeds(store, **ALONE, adapter={"type": "clip_adapter"}, trainer__epochs=1).failure
