"""Training by one spec, whatever the level of the adapter: one seed, or several whose learner trains them as one."""

from __future__ import annotations

import time
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import torch
from torch import Generator, Tensor

from ...registry.build import build
from ...registry.catalogue import Catalogue
from ..roles.regularizer import Regularizer, TrainingView, files_of
from ..spec.pipeline_spec import PipelineSpec
from ..storage.manifest import adapter_folder
from .checkpoints.folder import Checkpoints
from .course import Course
from .learner import Learner, TrainableModel
from .members import Hear, Heard, Member, TrainingError
from .steps import Steps
from .unread import State, each, numbers_of, rank_of


@dataclass(slots=True)
class Trained:
    """The outcome of one training."""

    #: With the kept parameters in place.
    model: TrainableModel
    #: Epoch that was kept, from 1; 0 is the start.
    epoch: int
    #: Primary metric on the selection split at that epoch; ``None`` without one.
    selection: float | None
    #: Those before an interrupt included.
    seconds: float
    #: Regularizer files: stem to tensors.
    files: dict[str, dict[str, Tensor]] = field(default_factory=dict)
    #: What was told of its epochs.
    heard: Sequence[Heard] = ()


def train(
    spec: PipelineSpec,
    catalogue: Catalogue,
    learner: Learner,
    hears: Sequence[tuple[int, Hear]],
    checkpoints: Checkpoints | None = None,
) -> list[Trained | TrainingError]:
    """Fit the head, train the learner's model in place on its labelled items, keep the best (or last) epoch.

    ``hears``: a seed for each training that the learner is, and who is told of its epochs, in their order, of several
    at a time (``Unread``). A training whose loss is not finite has an error for its outcome, and leaves the others
    alone. The seconds of each are its share of what all took.

    ``checkpoints``: where it is written how far they came. Where one is found, they go on from there, to the same
    outcome, and the epochs before it are told again. Raises ``ResumeError`` where that cannot be.
    """
    start, seeds = time.perf_counter(), [seed for seed, _ in hears]
    learner.model.eval()
    learner.fit()
    regularizers, views = _started(spec, catalogue, learner, generator := torch.Generator().manual_seed(min(seeds)))
    members = [Member(spec, seed, hear) for seed, hear in hears]
    last = spec.trainer.epochs if learner.model.trainable() else 0
    if last:
        steps = Steps(spec, catalogue, learner, seeds)
        course = Course(learner, steps, members, regularizers, generator, checkpoints, start)
        if not course.resume():
            _offer_start(learner, members)
        course.train()
        start = course.began
    else:
        _offer_start(learner, members)
    found = [_kept(learner, index, member, last) for index, member in enumerate(members)]
    seconds = (time.perf_counter() - start) / len(members)
    for trained, member in zip(found, members, strict=True):
        if isinstance(trained, Trained):
            trained.seconds, trained.heard = seconds, member.heard
            for regularizer, view in zip(regularizers, views, strict=True):
                trained.files |= files_of(regularizer, view)
    return found


def _started(
    spec: PipelineSpec, catalogue: Catalogue, learner: Learner, generator: Generator
) -> tuple[list[Regularizer], list[TrainingView]]:
    """The regularizers, with the initial parameters in place."""
    regularizers = [build(Regularizer, catalogue, one) for one in spec.regularizers if learner.model.trainable()]
    previous = adapter_folder(Path(spec.trainer.start_from)) if spec.trainer.start_from else None
    views = [learner.view(previous, generator)] * len(regularizers) if regularizers else []
    for regularizer, view in zip(regularizers, views, strict=True):
        regularizer.start(view)
    return regularizers, views


def _offer_start(learner: Learner, members: Sequence[Member]) -> None:
    """The parameters before the first step are worth keeping, too."""
    if (ranks := _read(learner)) is not None and members[0].keeps:
        state = State.of(learner.model)
        for member, rank in zip(members, ranks, strict=True):
            member.best.offer(state, 0, rank)


def _read(learner: Learner) -> list[tuple[float, float]] | None:
    """Of each member."""
    rank = learner.rank()
    if rank is None:
        return None
    values = numbers_of([one for part in rank for one in each(part)])
    return [rank_of(*one) for one in zip(values[: learner.members], values[learner.members :], strict=True)]


def _kept(learner: Learner, index: int, member: Member, last: int) -> Trained | TrainingError:
    """The training of a member with the kept parameters in place."""
    if member.failure is not None:
        return member.failure
    best, state = member.best, member.best.state
    one = learner.member(index, state.tensors() if state else None)
    if state is None:
        ranks = _read(one)
        trained = Trained(one.model, last, ranks[0][0] if ranks else None, 0.0)
    else:
        trained = Trained(one.model, best.epoch, best.rank[0], 0.0)
    if last:  # the last step may have ruined what the last loss still looked well on
        member.require_finite(one.final_loss(), trained.epoch)
        member.require_finite(trained.selection or 0.0, trained.epoch)
    return member.failure or trained
