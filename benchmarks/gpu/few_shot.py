"""A few-shot training of GA-Net without a data set: by the training loop, timed by `sections.py`."""

from __future__ import annotations

import math
from collections.abc import Sequence

import torch
from torch import Tensor
from torch.nn.functional import normalize

from ...core.features.learner import FeatureLearner, HeldOut, Labelled
from ...core.features.model import FeatureModel
from ...core.features.stacked import stack
from ...core.graph.nodes import Nodes
from ...core.graph.queries import Queries
from ...core.pipeline import Pipeline
from ...core.training import recorders
from ...core.training.learner import Learner
from ...core.training.loop import Trained, train
from ...plugins.adapters.ga_net import GANet
from ...plugins.adapters.specs import GANetSpec
from ...plugins.heads.linear import Linear
from ...plugins.heads.specs import LinearSpec
from ...plugins.tasks.classification import Classification
from ...plugins.tasks.specs import ClassificationSpec
from ...registry.discovery import default_catalogue

SEEDS = 3
SPEC = {
    "name": "few-shot",
    "dataset": {"type": "digits"},
    "encoder": {"type": "open_clip", "model": "pocket"},
    "graph": {"type": "similarity", "threshold": 0.8},
    "adapter": {"type": "ga_net"},
    "task": {"type": "classification", "head": {"type": "linear"}},
    "trainer": {"optimizer": {"type": "adamw", "lr": 0.001}},
}
"""What is trained of it is its trainer; data and encoder are never opened."""
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


def trained(learner: Learner, epochs: int, replays: bool) -> Tensor:
    """The last losses [members], by the training loop; ``replays``: on CUDA, as it does it there."""
    spec = Pipeline.from_dict(SPEC, {"trainer.epochs": epochs}).spec
    before = dict(recorders.RECORDERS)
    if not replays:
        recorders.RECORDERS.clear()
    try:
        found = train(spec, default_catalogue(), learner, [(seed, _unheard) for seed in range(learner.members)])
    finally:
        recorders.RECORDERS.update(before)
    losses = [one.heard[-1][1] if isinstance(one, Trained) else math.nan for one in found]
    return torch.tensor(losses, dtype=torch.float64)


def _unheard(*epoch: object) -> None:
    """Nobody looks on."""
