"""A few-shot training of GA-Net without a data set: the steps that the training loop takes, timed by `sections.py`."""

from __future__ import annotations

from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ...core.features.learner import FeatureLearner, HeldOut, Labelled
from ...core.features.model import FeatureModel
from ...core.features.stacked import stack
from ...core.graph.nodes import Nodes
from ...core.graph.queries import Queries
from ...core.training.learner import Learner
from ...core.training.unread import State
from ...plugins.adapters.ga_net import GANet
from ...plugins.adapters.specs import GANetSpec
from ...plugins.heads.linear import Linear
from ...plugins.heads.specs import LinearSpec
from ...plugins.tasks.classification import Classification
from ...plugins.tasks.specs import ClassificationSpec

SEEDS = 3
WIDTH, CLASSES, LABELLED, HELD_OUT = 512, 10, 160, 400


def learners(device: torch.device, as_one: bool) -> Sequence[Learner]:
    """One a seed, or one for all; messages were passed beforehand, as `Adapter.aggregate` does it."""
    found = [_learner(seed, device) for seed in range(SEEDS)]
    return [stack(found)] if as_one else found


def _learner(seed: int, device: torch.device) -> FeatureLearner:
    torch.manual_seed(seed)
    model = FeatureModel(GANet(GANetSpec(), WIDTH), Linear(LinearSpec(), WIDTH, CLASSES, None)).to(device)
    labelled, held_out = _nodes(LABELLED, device), _nodes(HELD_OUT, device)
    rows, classes = torch.arange(LABELLED, device=device), torch.arange(HELD_OUT, device=device) % CLASSES
    selection = HeldOut(Queries(lambda: [(held_out, slice(None))], held_out.x.numel()), classes)
    task = Classification(ClassificationSpec())
    return FeatureLearner(model, task, Labelled(labelled, rows, classes[:LABELLED]), selection)


def _nodes(items: int, device: torch.device) -> Nodes:
    x, received = (normalize(torch.randn(items, WIDTH), dim=-1).to(device) for _ in range(2))
    return Nodes(x, aggregated=(x, received, torch.ones(items, 1, device=device)))


def trained(learner: Learner, epochs: int) -> Tensor:
    """The last losses [members], read: the device is done."""
    parameters = list(learner.model.trainable().values())
    optimizer = torch.optim.AdamW(parameters, lr=1e-3, fused=True)
    rows = torch.arange(learner.items)
    for _ in range(epochs):
        optimizer.zero_grad(set_to_none=True)
        loss = learner.loss(rows)
        loss.sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        learner.rank()
        State.of(learner.model)
    return learner.loss(rows).detach().reshape(-1).cpu()
