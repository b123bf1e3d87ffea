"""Seeds that are trained as one have the results that they have one by one; what cannot be is trained one by one."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any, Literal

import pytest
import torch
from torch import Tensor, nn

from graftwork import Pipeline
from graftwork.core.events import EpochFinished, Event, Note, TrainingFinished
from graftwork.core.features import as_one, stacked
from graftwork.core.features.learner import FeatureLearner, Labelled
from graftwork.core.features.model import FeatureModel
from graftwork.core.features.recorded import NotStacked
from graftwork.core.graph.nodes import Nodes
from graftwork.core.roles import Adapter, AdapterSpec, OptimizerSpec
from graftwork.core.run.experiment import Experiment
from graftwork.core.storage.claim import PARTIAL, TRAININGS
from graftwork.core.training import finished, unread
from graftwork.core.training.checkpoints.folder import Checkpoints
from graftwork.core.training.devices import resolve_device
from graftwork.core.training.members import TrainingError
from graftwork.core.training.trial import Trial
from graftwork.plugins.adapters.clip_adapter import CLIPAdapter
from graftwork.plugins.adapters.specs import CLIPAdapterSpec
from graftwork.plugins.heads.linear import Linear
from graftwork.plugins.heads.specs import LinearSpec
from graftwork.plugins.tasks.classification import Classification
from graftwork.plugins.tasks.specs import ClassificationSpec
from graftwork.registry.catalogue import Catalogue, Plugin
from graftwork.registry.component import Component
from graftwork.triton_kernels.testing import counted
from graftwork.triton_kernels.testing.counts import Counts

from ..support.small_pipeline import SMALL, catalogue, pipeline
from .run.test_resume import Stopping, with_stopping
from .training.test_checkpoints import numbers_of

SEEDS = [0, 1, 2]


class OddSpec(AdapterSpec):
    """An adapter as a stranger may write it."""

    type: Literal["odd"] = "odd"
    way: Literal["looks", "drops", "normalises", "counts", "bursts"]


class Odd(Adapter):
    """z = x (1 + w), w [d] trained; and what its spec says."""

    limit: Tensor

    def __init__(self, spec: OddSpec, width: int) -> None:
        super().__init__()
        self.output_width, self._way, self.calls = width, spec.way, 0
        self.weight = nn.Parameter(torch.zeros(width))
        self.drop, self.norm = nn.Dropout(0.5), nn.BatchNorm1d(width)
        # Of seeds 0, 1, 2 the first number drawn is 0.50, 0.76, 0.61.
        self.register_buffer("limit", torch.tensor(0.015 if float(torch.rand(())) > 0.7 else 9.0))

    def forward(self, x: Tensor, graph: object = None) -> Tensor:
        if self._way == "looks":
            return x * (1 + self.weight) if float(self.weight.detach().sum()) < 9 else x
        if self._way == "drops":
            return self.drop(x) * (1 + self.weight)
        if self._way == "normalises":
            return x + self.norm(x) * self.weight
        if self._way == "counts":
            self.calls += 1
            return x * (1 + self.weight / self.calls)
        return x * torch.where(self.weight.abs().amax() > self.limit, torch.nan, 1 + self.weight)


class NormedSpec(OptimizerSpec):
    """An optimizer that does not say that it is elementwise."""

    type: Literal["normed"] = "normed"


def normed(spec: NormedSpec, parameters: list[nn.Parameter]) -> torch.optim.Optimizer:
    return torch.optim.SGD(parameters, lr=spec.lr)


def known() -> Catalogue:
    own = [
        Component("adapter", "odd", OddSpec, f"{__name__}:Odd", "a stranger's"),
        Component("optimizer", "normed", NormedSpec, f"{__name__}:normed", "a stranger's"),
    ]
    return Catalogue([Plugin("odd", "graftwork-odd", "1", components=own), *catalogue().plugins])


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("store")


@pytest.fixture(autouse=True)
def no_clock(monkeypatch: pytest.MonkeyPatch) -> None:
    """However slow the machine is, nothing is read because time is up."""
    monkeypatch.setattr(unread, "SECONDS", 1e9)


@pytest.fixture
def on_cpu(monkeypatch: pytest.MonkeyPatch) -> Callable[[], int]:
    """Seeds are trained as one here, too; gives how often they were."""
    monkeypatch.setattr(stacked, "DEVICES", frozenset({"cpu"}))
    monkeypatch.setattr(as_one, "LEAST", 2)
    count, stack = [0], stacked.stack

    def counting(learners: Any) -> Any:
        whole = stack(learners)
        count[0] += 1
        return whole

    monkeypatch.setattr(stacked, "stack", counting)
    return lambda: count[0]


class Seeds:
    """A trial trained with three seeds."""

    def __init__(self, store: Path, **overrides: Any) -> None:
        paths = {"dataset.shots": 2, "trainer.epochs": 8, "evaluation.seeds": SEEDS}
        paths |= {key.replace("__", "."): value for key, value in overrides.items()}
        spec = Pipeline.from_dict(SMALL, paths, known()).spec
        self.events: list[Event] = []
        experiment = Experiment(spec, known(), store, resolve_device("cpu"), self.events.append)
        self.trial: Trial[Any, Any] = next(experiment.trials())
        self.failure = ""
        try:
            experiment.train(self.trial, 1)
        except TrainingError as error:
            self.failure = str(error)
        self.scores = experiment.score(self.trial, "test")

    @property
    def notes(self) -> list[str]:
        return [event.message for event in self.events if isinstance(event, Note)]

    def ends(self) -> Iterator[tuple[int, int, int, float | None]]:
        """Training, seed, kept epoch, figure that selected."""
        for event in self.events:
            if isinstance(event, TrainingFinished):
                yield event.training, event.seed, event.epoch, event.selection

    def epochs(self) -> dict[int, list[tuple[int, int, float | None]]]:
        """Of each seed training, epoch and figure, as they were heard."""
        heard = [event for event in self.events if isinstance(event, EpochFinished)]
        of_seed = ([one for one in heard if one.seed == seed] for seed in SEEDS)
        return {seed: [(one.training, one.epoch, one.selection) for one in every] for seed, every in enumerate(of_seed)}

    def losses(self) -> Tensor:
        return torch.tensor([one.loss for seed in SEEDS for one in self.events if _is_of(one, seed)])


def _is_of(event: Event, seed: int) -> bool:
    return isinstance(event, EpochFinished) and event.seed == seed


def require_alike(one: Seeds, other: Seeds) -> None:
    """Parameters, losses and test figures to 1e-5; kept epochs and figures that selected as they are."""
    assert list(one.ends()) == list(other.ends())
    assert one.epochs() == other.epochs()
    torch.testing.assert_close(one.losses(), other.losses(), rtol=1e-5, atol=1e-5)
    for a, b in zip(one.trial.trained, other.trial.trained, strict=True):
        assert a.model.training is b.model.training is False
        torch.testing.assert_close(a.model.state_dict(), b.model.state_dict(), rtol=0, atol=1e-5)
    for score, expected in zip(one.scores, other.scores, strict=True):
        assert score.figures == pytest.approx(expected.figures, abs=1e-5)


ALONE = {"graph": None, "trainer__optimizer": {"type": "adamw", "lr": 0.003}}


@pytest.mark.parametrize(
    "overrides",
    [
        {},
        {"graph__pool": "train", "trainer__batch_size": 7, "trainer__accumulate": 2, "trainer__keep": "last"},
        {**ALONE, "adapter": {"type": "clip_adapter"}, "evaluation__select_on": "none"},
        {**ALONE, "adapter": {"type": "none"}, "trainer__optimizer": {"type": "sgd"}, "trainer__schedule": "constant"},
    ],
    ids=["ga_net", "batches of a pool", "clip_adapter", "linear"],
)
def test_seeds_as_one_are_seeds_one_by_one(overrides: Any, store: Path, on_cpu: Callable[[], int]) -> None:
    together = Seeds(store, **overrides)
    assert on_cpu() == 1
    assert together.notes == []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(stacked, "DEVICES", frozenset())
        apart = Seeds(store, **overrides)
    assert on_cpu() == 1
    require_alike(together, apart)
    if not overrides:
        assert len({epoch for _, _, epoch, _ in together.ends()}) > 1  # each has a best epoch of its own


def searched(folder: Path, store: Path, search: Any, **overrides: Any) -> tuple[Any, Any]:
    """What was told of the trainings of a search and which it chose, and its figures with the losses."""
    spec = {**SMALL, **overrides, "search": search, "reporters": [{"type": "stopping"}]}
    spec |= {"trainer": {**SMALL["trainer"], "epochs": 3}, "evaluation": {"seeds": SEEDS}}
    done = Pipeline.from_dict(spec, catalogue=with_stopping(catalogue())).run(folder, store).typed
    told = [one for one in Stopping.heard if isinstance(one, EpochFinished | TrainingFinished)]
    told.sort(key=lambda one: (one.training, isinstance(one, TrainingFinished), one.epoch))
    numbers = [number for one in told for number in (one.selection, getattr(one, "loss", 0.0))]
    numbers += [one.selection for one in done.tried] + [one for score in done.test.values() for one in score.per_seed]
    return ([(one.training, one.seed, one.epoch) for one in told], done.chosen, done.epochs_kept), numbers


def test_values_of_a_search_are_one_training_with_those_of_the_same_trainer(
    tmp_path: Path, store: Path, on_cpu: Callable[[], int]
) -> None:
    """Twelve trainings are two, and measured and told as one by one; a value of other shapes is none of them."""
    search = {"trainer.optimizer.lr": [0.01, 0.02], "graph.threshold": [0.2, 0.6]}
    shapes = {"adapter.bottleneck": [4, 8]}
    together = searched(tmp_path / "together", store, search)
    assert on_cpu() == 2
    each = searched(tmp_path / "each", store, shapes)
    assert on_cpu() == 4
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(stacked, "DEVICES", frozenset())
        apart = searched(tmp_path / "apart", store, search), searched(tmp_path / "each apart", store, shapes)
    assert on_cpu() == 4
    for (told, numbers), (expected, as_numbers) in zip((together, each), apart, strict=True):
        assert told == expected
        assert numbers == pytest.approx(as_numbers, abs=1e-5)


ODD = {**ALONE, "trainer__epochs": 2}


@pytest.mark.parametrize(
    ("overrides", "why"),
    [
        ({**ODD, "adapter": {"type": "odd", "way": "looks"}}, r"cannot be computed: vmap: .*calling"),
        ({**ODD, "adapter": {"type": "odd", "way": "drops"}}, r"cannot be computed: vmap: called random operation"),
        ({**ODD, "adapter": {"type": "odd", "way": "normalises"}}, "keeps something of what it saw"),
        ({**ODD, "adapter": {"type": "odd", "way": "counts"}}, "keeps something of what it saw"),
        ({"adapter": {"type": "ga_net", "bottleneck": 8, "layers": 2}, "trainer__epochs": 2}, "over a graph in every"),
        (
            {**ODD, "adapter": {"type": "none"}, "regularizers": [{"type": "ewc", "strength": 0.1, "anchor": "init"}]},
            "regularizer",
        ),
        ({**ODD, "adapter": {"type": "none"}, "trainer__precision": "bf16"}, "bf16"),
        ({**ODD, "adapter": {"type": "none"}, "trainer__optimizer": {"type": "normed"}}, "optimizer normed"),
    ],
    ids=["looks", "dropout", "batch norm", "counts", "graph", "regularizer", "bf16", "optimizer"],
)
def test_what_cannot_be_one_is_trained_one_by_one_and_that_is_said(
    overrides: Any, why: str, store: Path, on_cpu: Callable[[], int]
) -> None:
    together = Seeds(store, **overrides)
    assert on_cpu() == 0
    (note,) = together.notes
    assert re.search(f"^seeds are trained one by one: .*{why}", note)
    assert {len(epochs) for epochs in together.epochs().values()} == {2}


def test_seeds_that_cannot_be_one_draw_what_they_draw_one_by_one(store: Path, on_cpu: Callable[[], int]) -> None:
    """To the bit: each begins anew."""
    overrides = {**ODD, "adapter": {"type": "odd", "way": "drops"}}
    together = Seeds(store, **overrides)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(stacked, "DEVICES", frozenset())
        apart = Seeds(store, **overrides)
    assert (on_cpu(), len(together.notes), len(apart.notes)) == (0, 1, 0)
    assert torch.equal(together.losses(), apart.losses())


def test_one_seed_and_nothing_to_train_are_none_of_it(store: Path, on_cpu: Callable[[], int]) -> None:
    """Without a word."""
    solved = {"graph": None, "adapter": {"type": "none"}, "task__head": {"type": "logistic_regression"}}
    for overrides in ({"evaluation__seeds": [0], "trainer__epochs": 1}, {"trainer__epochs": 0}, solved):
        assert not [note for note in Seeds(store, **overrides).notes if "one by one" in note]
    assert on_cpu() == 0


def learner_of(items: int) -> FeatureLearner:
    model = FeatureModel(CLIPAdapter(CLIPAdapterSpec(), 8), Linear(LinearSpec(), 8, 2, None))
    labelled = Labelled(Nodes(torch.randn(items, 8)), torch.arange(items), torch.arange(items) % 2)
    return FeatureLearner(model, Classification(ClassificationSpec()), labelled)


def test_seeds_of_other_numbers_of_items_are_not_stacked() -> None:
    with pytest.raises(NotStacked, match="other numbers of items"):
        stacked.stack([learner_of(4), learner_of(6)])


def test_numbers_that_differ_in_the_first_step_are_not_stacked(monkeypatch: pytest.MonkeyPatch) -> None:
    """In a gradient that the loss at the start does not show, too: the head starts at zero."""
    learners = [learner_of(4), learner_of(4)]
    stacked.stack(learners)
    adapt = CLIPAdapter.forward

    def otherwise(self: Any, x: Tensor, graph: Any = None) -> Tensor:
        return adapt(self, x, graph) * (1.001 if torch._C._functorch.is_batchedtensor(x) else 1)

    monkeypatch.setattr(CLIPAdapter, "forward", otherwise)
    with pytest.raises(NotStacked, match="would compute other numbers"):
        stacked.stack(learners)


def test_a_seed_whose_loss_is_not_finite_is_named_and_harms_no_other(store: Path, on_cpu: Callable[[], int]) -> None:
    """As one by one, and those after it are trained, too."""
    overrides = {
        **ALONE,
        "adapter": {"type": "odd", "way": "bursts"},
        "trainer__optimizer": {"type": "adamw", "lr": 0.01},
    }
    together = Seeds(store, **overrides)
    assert on_cpu() == 1
    assert re.match("the loss is no longer finite in epoch [3-5] with seed 1; lower", together.failure)
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(stacked, "DEVICES", frozenset())
        apart = Seeds(store, **overrides)
    assert together.failure == apart.failure
    assert list(together.ends()) == list(apart.ends())
    assert {len(together.epochs()[seed]) for seed in (0, 2)} == {8}
    heard = len(apart.losses())  # up to where the second failed
    torch.testing.assert_close(together.losses()[:heard], apart.losses(), rtol=1e-5, atol=1e-5)


def test_a_batch_that_was_interrupted_is_gone_on_with(
    tmp_path: Path, on_cpu: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """All its seeds are written once they are done; one that is lost is trained again, alone."""
    monkeypatch.setattr(finished, "SECONDS", 0.0)

    def run(after: int) -> Any:
        spec = {**SMALL, "evaluation": {"seeds": SEEDS}, "reporters": [{"type": "stopping", "after": after}]}
        return Pipeline.from_dict(spec, catalogue=with_stopping(catalogue())).run(
            tmp_path / "run", tmp_path / "store", resume=True
        )

    with pytest.raises(KeyboardInterrupt):
        run(1)
    kept = sorted((tmp_path / f"run{PARTIAL}" / TRAININGS).glob("*.safetensors"))
    assert (len(kept), on_cpu()) == (3, 1)
    kept[0].unlink()
    run(4)
    assert on_cpu() == 1
    notes = [event.message for event in Stopping.heard if isinstance(event, Note)]
    assert "2 finished trainings of before found again, not repeated" in notes
    assert [event.seed for event in Stopping.heard if isinstance(event, TrainingFinished)] == SEEDS


def test_three_seeds_cost_few_operators_more_than_one_and_no_read(
    tmp_path: Path, store: Path, on_cpu: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """The difference of two lengths is what epochs cost; what an epoch of three costs is that of one and a few."""
    monkeypatch.setattr(finished, "SECONDS", 1e9)

    def counts_of(epochs: int, seeds: list[int]) -> Counts:
        spec = {"trainer__epochs": epochs, "trainer__schedule": "constant", "evaluation__seeds": seeds}
        with counted() as counts:
            pipeline(**spec).run(tmp_path / f"{epochs} {len(seeds)} {on_cpu()}", store)
        return counts

    pipeline(trainer__epochs=0).run(tmp_path / "stored", store)
    one, three = ([counts_of(epochs, seeds) for epochs in (2, 4)] for seeds in ([0], SEEDS))
    assert on_cpu() == 2
    of_one, of_three = ((long.launching - short.launching).total() for short, long in (one, three))
    assert of_one > 60
    assert of_three <= 1.1 * of_one
    assert not three[1].reads - three[0].reads
    monkeypatch.setattr(stacked, "DEVICES", frozenset())
    assert three[0].reads.total() <= counts_of(2, SEEDS).reads.total()


def test_a_batch_that_was_cut_in_its_middle_goes_on_as_one(
    tmp_path: Path, on_cpu: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Each seed with the epoch that is its best so far, to the same bits."""
    trainer = {"epochs": 4, "optimizer": {"type": "adamw", "lr": 0.1}, "batch_size": 32}
    spec = {**SMALL, "evaluation": {"seeds": SEEDS}, "trainer": trainer, "reporters": [{"type": "jsonl"}]}

    def run(name: str) -> Any:
        return Pipeline.from_dict(spec, catalogue=catalogue()).run(tmp_path / name, tmp_path / "store", resume=True)

    def numbers(name: str) -> Any:
        found = numbers_of(run(name).folder)
        return found | {"told": sorted(found["told"], key=lambda one: one["seed"])}  # several epochs of one at a time

    whole = numbers("whole")
    steps = [0]

    def due(self: Checkpoints) -> bool:
        steps[0] += 1
        if steps[0] == 11:
            raise KeyboardInterrupt
        return steps[0] == 10

    with monkeypatch.context() as patched:
        patched.setattr(Checkpoints, "due", due)
        with pytest.raises(KeyboardInterrupt):
            run("x")
    assert numbers("x") == whole
    assert on_cpu() == 3
