"""Trainings of several seeds as one: a GPU launches for all of them what it would launch for each."""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import torch
from torch import Generator, Tensor, nn
from torch.func import stack_module_state

from ...registry.errors import one_line
from ..graph.nodes import Nodes
from ..graph.queries import KEPT
from ..roles.regularizer import TrainingView
from ..roles.task import losses_of
from ..spec.pipeline_spec import PipelineSpec
from ..training.learner import Learner, OfLogits, Rank
from .learner import FeatureLearner, HeldOut
from .model import FeatureModel
from .recorded import NotStacked, Tensors, recorded

#: Kinds of devices on which seeds are trained as one. On a CPU it takes as long as one by one (decision 46).
DEVICES = frozenset({"cuda"})
#: How far what seeds compute as one may be from what each computes: a loss beside 1, a gradient beside the largest.
LOSS, GRADIENT = 1e-5, 1e-4


class StackedLearner(Learner):
    """The learners of several seeds as one, their heads fitted.

    Logits are ``vmap`` of the model over the members, recorded once as torch's operators and run without it from then
    on: ``vmap`` itself takes a host as long as it would take one by one. Losses and scores are an item's own, so that
    items of all members are rows to them. Ours.
    """

    same_each_time = True

    def __init__(self, learners: Sequence[FeatureLearner]) -> None:
        """Raises ``NotStacked`` for items in a graph, of several nodes or of other numbers by seed."""
        self._learners, first = learners, learners[0]
        self.items, self.members = first.items, len(learners)
        self._task, self._ranking = first.task, first.ranking
        self._labelled = _stacked([_labelled(one) for one in learners])
        selections = [_selection(one.selection) for one in learners if one.selection is not None]
        self._selection = _stacked(selections) if selections else None
        self.model: FeatureModel = _stacked_model([one.model for one in learners])
        self._state: Tensors = dict(self.model.named_parameters()) | dict(self.model.named_buffers())
        self._each = torch.arange(self.members, device=self._labelled["targets"].device)[:, None]
        self._recorded: dict[tuple[bool, torch.Size], Callable[[Tensors, Tensors], Tensor]] = {}

    def fit(self) -> None:
        """The heads were fitted, seed by seed."""

    def loss(self, rows: Tensor, of_logits: OfLogits | None = None) -> Tensor:
        """The task's mean loss, [members]; no regularizer looks at it."""
        labelled = self._labelled
        if len(rows) < self.items:
            rows = rows.T.to(self._each.device)
            labelled = {name: one[self._each, rows] for name, one in labelled.items()}
        losses = losses_of(self._task, self._logits(labelled), labelled["targets"].flatten(0, 1))
        return losses.view(self.members, -1).mean(dim=1)

    @torch.no_grad()
    def rank(self) -> Rank | None:
        """Of the selection split, in one pass; tensors [members]."""
        if self._selection is None:
            return None
        targets = self._selection["targets"].flatten(0, 1)
        return self._ranking.of_members(self._logits(self._selection), targets, self.members)

    def _logits(self, items: Tensors) -> Tensor:
        """[members * n, C], a member after the other."""
        key = (self.model.training, items["targets"].shape)
        if key not in self._recorded:
            self._recorded[key] = recorded(self.model, self._state, items)
        return self._recorded[key](self._state, items).flatten(0, 1)

    def member(self, index: int, state: Mapping[str, Tensor] | None) -> Learner:
        """The learner that was stacked, with its row."""
        whole = self.model.state_dict() if state is None else state
        one = self._learners[index]
        one.model.load_state_dict({name: rows[index] for name, rows in whole.items()})
        return one

    def final_loss(self) -> float:
        """A learner of one training has one: ``member``."""
        raise NotImplementedError

    def view(self, previous: Path | None, generator: Generator) -> TrainingView:
        """None: a spec with regularizers is not stacked."""
        raise NotImplementedError


def require_stackable(spec: PipelineSpec) -> None:
    """Raises ``NotStacked`` where a spec alone says that its seeds are trained one by one."""
    if spec.regularizers:
        raise NotStacked("a regularizer looks at one model")
    if spec.trainer.precision != "fp32":
        raise NotStacked("in bf16 seeds would compute other numbers as one")
    if not spec.trainer.optimizer.elementwise:
        raise NotStacked(f"optimizer {spec.trainer.optimizer.type} does not say that it is elementwise")


def stack(learners: Sequence[FeatureLearner]) -> StackedLearner:
    """Fit the heads, and take the first step as one and one by one: losses, gradients, what selects.

    The models are as they were. Raises ``NotStacked`` where that is refused or differs.
    """
    for one in learners:
        one.model.eval()
        one.fit()
    try:
        whole = StackedLearner(learners)
        _require_same(whole, learners)
    except NotStacked:
        raise
    except Exception as error:  # of any component; what is wrong of itself is so one by one, too
        raise NotStacked(f"as one they cannot be computed: {one_line(str(error))[:200]}") from error
    return whole


def _require_same(whole: StackedLearner, learners: Sequence[FeatureLearner]) -> None:
    apart = [_first_step(one) for one in learners]
    if not all(one.ranking.by_scores for one in learners if one.selection is not None):
        raise NotStacked("the figure that selects is no mean over items")
    together = _first_step(whole)
    numbers, gradients = (torch.cat(of_seeds) for of_seeds in zip(*apart, strict=True))
    near = (together[0] - numbers).abs() <= LOSS * numbers.abs().clamp(min=1)
    along = (together[1] - gradients).abs() <= GRADIENT * gradients.abs().amax(dim=1, keepdim=True)
    if not bool(near.all() & along.all()):
        raise NotStacked("as one they would compute other numbers")


def _first_step(learner: Learner) -> tuple[Tensor, Tensor]:
    """Loss and what selects [members, 1 or 3], and gradients [members, P]."""
    rank = learner.rank() or ()
    model = learner.model.train()
    buffers = list(model.buffers())
    before = _kept(model, buffers)
    loss = learner.loss(torch.arange(learner.items))
    gradients = torch.autograd.grad(loss.sum(), list(model.trainable().values()), materialize_grads=True)
    if _kept(model, buffers) != before:
        raise NotStacked("the model keeps something of what it saw")
    model.eval()
    numbers = [torch.as_tensor(one, dtype=torch.float64, device=loss.device) for one in (loss.detach(), *rank)]
    return _side_by_side(numbers, learner.members), _side_by_side(gradients, learner.members)


def _kept(model: nn.Module, buffers: Sequence[Tensor]) -> tuple[object, object]:
    """What differs once a model changed one of those buffers, or a plain attribute."""
    plain = [
        {name: one for name, one in vars(of).items() if isinstance(one, int | float | str)} for of in model.modules()
    ]
    return plain, [(now is one, now._version) for now, one in zip(model.buffers(), buffers, strict=True)]


def _side_by_side(tensors: Sequence[Tensor], members: int) -> Tensor:
    return torch.cat([one.reshape(members, -1) for one in tensors], dim=1)


def _labelled(learner: FeatureLearner) -> tuple[Nodes, Tensor]:
    nodes, rows = learner.all
    return _alone(nodes, rows), learner.labelled.targets


def _selection(selection: HeldOut) -> tuple[Nodes, Tensor]:
    nodes, rows = next(iter(selection.queries.parts()))
    return _alone(nodes, rows), selection.targets


def _alone(nodes: Nodes, rows: Tensor | slice) -> Nodes:
    """Nodes that are items without a graph, all of them asked for. Raises ``NotStacked`` for others."""
    if nodes.graph is not None:
        raise NotStacked("the adapter passes messages over a graph in every epoch")
    if nodes.layout is not None or nodes.inputs or not isinstance(rows, slice) or rows != slice(None):
        raise NotStacked("an item has several nodes, or what a fusion trains")
    return nodes


def _stacked(every: Sequence[tuple[Nodes, Tensor]]) -> Tensors:
    """Nodes and their targets, side by side."""
    found = [_tensors(nodes) | {"targets": targets} for nodes, targets in every]
    if len({tuple((name, one.shape) for name, one in of_seed.items()) for of_seed in found}) > 1:
        raise NotStacked("seeds have other numbers of items")
    if sum(one.numel() for of_seed in found for one in of_seed.values()) > KEPT:
        raise NotStacked("a seed alone is work enough for a device")
    return {name: torch.stack([of_seed[name] for of_seed in found]) for name in found[0]}


def _tensors(nodes: Nodes) -> Tensors:
    """By name; of what was aggregated by its place."""
    found = {"x": nodes.x} if nodes.zero_shot is None else {"x": nodes.x, "zero_shot": nodes.zero_shot}
    return found | {str(place): one for place, one in enumerate(nodes.aggregated)}


def _stacked_model(models: Sequence[FeatureModel]) -> FeatureModel:
    """The first one, whose every parameter and buffer holds those of all, [members, …]."""
    parameters, buffers = stack_module_state(list(models))
    whole = copy.deepcopy(models[0])
    for name, one in (parameters | buffers).items():
        path, _, own = name.rpartition(".")
        setattr(whole.get_submodule(path), own, nn.Parameter(one, one.requires_grad) if name in parameters else one)
    return whole
