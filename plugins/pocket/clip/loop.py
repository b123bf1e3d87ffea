"""The training loop: replicas in threads, one optimiser, a running average of the weights."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, nn

from ..scenes.stencils import StencilBank
from .objective import PocketObjective
from .recipe import Recipe
from .replica import Replica
from .vocabulary import Tokenizer

#: Called after each step with its number and its contrastive and heads' losses; True ends the training.
Watcher = Callable[[int, float, float], bool]
#: The share of the training that is over, given the number of steps done: what the schedule follows.
Clock = Callable[[int], float]


@dataclass(frozen=True)
class TrainingRun:
    """What a training leaves: the averaged weights, and both losses at each step."""

    weights: dict[str, Tensor]
    contrast: list[float]
    heads: list[float]


class RunningAverage:
    """An exponential average of a model's weights and of its batch statistics."""

    def __init__(self, model: nn.Module, decay: float) -> None:
        self.decay, self.steps = decay, 0
        self.weights = {name: tensor.detach().clone() for name, tensor in model.state_dict().items()}

    @torch.no_grad()
    def update(self, model: nn.Module) -> None:
        """Take in the model's present state; early on the average follows it closely."""
        self.steps += 1
        decay = min(self.decay, self.steps / (self.steps + 10))
        for name, tensor in model.state_dict().items():
            if tensor.is_floating_point():
                self.weights[name].lerp_(tensor, 1 - decay)
            else:
                self.weights[name].copy_(tensor)


def train(
    model: PocketObjective, bank: StencilBank, tokenizer: Tokenizer, recipe: Recipe, clock: Clock, watch: Watcher
) -> TrainingRun:
    """Train ``model`` in place until ``clock`` reaches 1 or ``watch`` says so."""
    replicas = [Replica(model, bank, tokenizer, recipe, number) for number in range(recipe.replicas)]
    # Batch statistics stay with the replicas: the first one's are averaged and saved.
    seen = replicas[0].model.clip
    optimizer = adamw(model, recipe.learning_rate, recipe.weight_decay)
    average = RunningAverage(seen, recipe.average)
    run = TrainingRun(average.weights, [], [])
    with one_thread_each(), ThreadPoolExecutor(recipe.replicas) as pool:
        step = 0
        while (done := clock(step)) < 1:
            for group in optimizer.param_groups:
                group["lr"] = scheduled(recipe.learning_rate, recipe.warmup_steps, step, done)
            losses = list(pool.map(Replica.differentiate, replicas))
            gather_gradients(model, [replica.model for replica in replicas])
            torch.nn.utils.clip_grad_norm_(model.parameters(), recipe.clip_norm)
            optimizer.step()
            average.update(seen)
            step += 1
            contrast, heads = (sum(column) / len(losses) for column in zip(*losses, strict=True))
            run.contrast.append(contrast)
            run.heads.append(heads)
            if watch(step, contrast, heads):
                break
    return run


@contextmanager
def one_thread_each() -> Iterator[None]:
    """One thread an operation, for as long as the block runs: the replicas are what runs side by side."""
    before = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def adamw(
    model: nn.Module, learning_rate: float, weight_decay: float, fused: bool | None = None
) -> torch.optim.Optimizer:
    """AdamW on all parameters of ``model``, with decay on its matrices alone."""
    matrices = [parameter for parameter in model.parameters() if parameter.ndim > 1]
    # Gains, biases and the temperature are not decayed, as in CLIP.
    vectors = [parameter for parameter in model.parameters() if parameter.ndim < 2]
    groups = [{"params": matrices, "weight_decay": weight_decay}, {"params": vectors, "weight_decay": 0.0}]
    return torch.optim.AdamW(groups, lr=learning_rate, betas=(0.9, 0.98), fused=fused)


def scheduled(learning_rate: float, warmup_steps: int, step: int, done: float) -> float:
    """A linear warm-up, then half a cosine down to a hundredth."""
    warm = min(1.0, (step + 1) / warmup_steps)
    return learning_rate * warm * (0.01 + 0.99 * (0.5 + 0.5 * math.cos(math.pi * done)))


@torch.no_grad()
def gather_gradients(model: nn.Module, replicas: Sequence[nn.Module]) -> None:
    """The mean of the replicas' gradients, always added in the same order."""
    for parameter, *copies in zip(model.parameters(), *(replica.parameters() for replica in replicas), strict=True):
        gradients = [copied.grad for copied in copies if copied.grad is not None]
        parameter.grad = torch.stack(gradients).mean(0) if gradients else None
