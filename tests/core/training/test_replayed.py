"""What is replayed is what is computed as ever; what would be something else is computed as ever.

A GPU records into a CUDA graph. Here ``make_fx`` records: it keeps the operators, and a replay runs no Python, either.
"""

from __future__ import annotations

import itertools
import random
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from types import SimpleNamespace
from typing import Any, Literal

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils.checkpoint import checkpoint

from graftwork.core.features.as_one import LEAST
from graftwork.core.roles import Adapter, AdapterSpec, OptimizerSpec
from graftwork.core.training import recorders, unread
from graftwork.core.training.checkpoints.attributes import Traces
from graftwork.core.training.recorders import WORTH, Compute, Found
from graftwork.core.training.replayed import TRIALS, WARM_UP, Replayed, Watched
from graftwork.registry.catalogue import Catalogue, Plugin
from graftwork.registry.component import Component

from ...support.small_pipeline import catalogue
from .. import test_stacked_seeds
from ..test_stacked_seeds import ALONE, Seeds, require_alike, store  # noqa: F401  (a fixture)

EPOCHS = WORTH
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
    monkeypatch.setitem(recorders.RECORDERS, "cpu", lambda device: fx_graph)
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
        patched.setattr(recorders, "RECORDERS", {})
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
    again = Replayed(lambda given: [model.weight.detach().sum()], Watched(model), refuses, WORTH)
    assert [again()[0] for _ in range(WARM_UP + 3)] == [model.weight.detach().sum()] * (WARM_UP + 3)


def test_few_trainings_are_not_one(monkeypatch: pytest.MonkeyPatch, store: Any) -> None:  # noqa: F811
    """Three seeds are faster one by one, each replayed."""
    from graftwork.core.features import stacked

    monkeypatch.setattr(stacked, "DEVICES", frozenset({"cpu"}))
    monkeypatch.setattr(stacked, "stack", lambda learners: pytest.fail("they are few"))
    assert len(test_stacked_seeds.SEEDS) < LEAST
    assert not Seeds(store, **ALONE, adapter={"type": "clip_adapter"}, trainer__epochs=1).failure


class Weighted(nn.Module):
    """x w, w [2] trained."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))

    def forward(self, x: Tensor) -> Tensor:
        return (x * self.weight.detach()).sum()


def replays_of(batches: Iterable[Tensor], record: Any, times: int = 200) -> list[int]:
    """How often each batch was computed as ever; every result is right."""
    model, seen = Weighted(), list[int]()

    def compute(given: Tensor) -> Found:
        seen[-1:] = [seen[-1] + 1]
        return [model(given)]

    again = Replayed(compute, Watched(model), record, times, lambda given: [model(given)])
    for batch in batches:
        seen.append(0)
        (found,) = again(batch)
        assert found == batch.sum()
    return seen


def test_what_a_recording_holds_fast_is_found_beside_other_tensors() -> None:
    """It is right beside the batch that it was recorded with, and wrong beside the next."""

    def holds(compute: Compute) -> Compute:
        found = compute()
        return lambda: found

    batches = [torch.rand(3, 2) for _ in range(WARM_UP + 5)]
    assert replays_of(batches, holds) == [1] * len(batches)
    assert replays_of(batches, fx_graph) == [1] * (WARM_UP + TRIALS) + [0] * 3


def test_forms_that_come_often_are_recorded_and_no_more_than_four() -> None:
    """A last, smaller batch is seldom; of many forms those are recorded that come often first."""
    sizes = [*[8] * 19, 5] * 8
    found = replays_of((torch.rand(size, 2) for size in sizes), fx_graph, len(sizes))
    assert [one for one, size in zip(found, sizes, strict=True) if size == 5] == [1] * 8
    assert sum(found) == 8 + WARM_UP + TRIALS
    sizes = [1, 2, 3, 4, 5, 6] * 10
    found = replays_of((torch.rand(size, 2) for size in sizes), lambda compute: compute)
    assert [size for one, size in zip(found, sizes, strict=True) if not one][-6:] == [3, 4, 1, 2, 3, 4]
    assert sum(replays_of((torch.rand(size, 2) for size in sizes), fx_graph, len(sizes))) == len(sizes)  # ten of each


class Keeper(nn.Module):
    """What a module of a stranger's may keep beside parameters and buffers."""

    def __init__(self) -> None:
        super().__init__()
        self.numbers, self.last = [0.0, float("nan")], {"mean": torch.zeros(2), "seen": (np.zeros(2), [0])}
        self.own, self.chance, self.dice = torch.Generator(), random.Random(0), np.random.default_rng(0)
        self.line, self.beside = deque([1], maxlen=1), nn.Linear(1, 1)
        self.of = SimpleNamespace(calls=0)
        self.register_buffer("unsaved", torch.zeros(1), persistent=False)
        self.unsaved: Tensor


KEEPING: dict[str, Callable[[Keeper], object]] = {
    "a list": lambda one: one.numbers.append(1.0),
    "a tensor in a dictionary": lambda one: one.last["mean"].add_(1),
    "another tensor of the same numbers": lambda one: one.last.update(mean=torch.zeros(2)),
    "an array": lambda one: one.last["seen"][0].__setitem__(0, 1),
    "a list in a tuple in a dictionary": lambda one: one.last["seen"][1].append(1),
    "torch's generator": lambda one: torch.rand(1, generator=one.own),
    "Python's": lambda one: one.chance.random(),
    "numpy's": lambda one: one.dice.random(),
    "a queue": lambda one: one.line.append(2),
    "an object": lambda one: setattr(one.of, "calls", 1),
    "a new attribute": lambda one: setattr(one, "fresh", 1),
    "an attribute of a part": lambda one: setattr(one.beside, "fresh", 1),
    "a buffer that is not saved": lambda one: one.unsaved.add_(1),
    "an iterator": lambda one: setattr(one, "counter", itertools.count()),
}


@pytest.mark.parametrize("what", KEEPING)
def test_what_is_kept_anywhere_is_seen(what: str) -> None:
    """In the model, and in a module beside it; what nobody touches is the same."""
    for of in (lambda one: (one,), lambda one: (nn.Linear(1, 1), [one])):
        keeper = Keeper()
        traces = Traces(*of(keeper))
        assert not traces.changed()
        KEEPING[what](keeper)
        assert traces.changed()
