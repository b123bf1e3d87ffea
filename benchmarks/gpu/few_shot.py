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
WARM_UP = 3
"""Epochs before one is captured."""
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


def trained(learner: Learner, epochs: int, captured: bool = False) -> Tensor:
    """The last losses [members], read: the device is done. ``captured``: from the fourth epoch on by a CUDA graph."""
    on_gpu = next(iter(learner.model.parameters())).is_cuda
    optimizer = torch.optim.AdamW(learner.model.trainable().values(), lr=1e-3, fused=True, capturable=on_gpu)
    rows = torch.arange(learner.items)

    def epoch() -> None:
        optimizer.zero_grad(set_to_none=True)
        learner.loss(rows).sum().backward()  # type: ignore[no-untyped-call]
        optimizer.step()
        learner.rank()

    for number in range(epochs):
        if captured and number == WARM_UP:
            torch.cuda.synchronize()
            optimizer.zero_grad(set_to_none=True)
            with torch.cuda.graph(graph := torch.cuda.CUDAGraph()):
                epoch()
            epoch = graph.replay
        epoch()
        State.of(learner.model)
    return learner.loss(rows).detach().reshape(-1).cpu()
