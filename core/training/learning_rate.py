"""The learning rate over the steps of a training."""

from __future__ import annotations

from torch.optim import Optimizer
from torch.optim.lr_scheduler import CosineAnnealingLR, LinearLR, LRScheduler, SequentialLR

from ..spec.pipeline_spec import TrainerSpec


def scheduler_of(trainer: TrainerSpec, optimizer: Optimizer, steps: int) -> LRScheduler | None:
    """What changes the rates of ``optimizer`` after each of ``steps`` steps; ``None`` where they stay as they are.

    Of w steps of warm-up step k, from 1, has k/w of the rate; the cosine begins after them (ours; a linear warm-up is
    of Goyal et al., arXiv 1706.02677, sec. 2.2).
    """
    warm = round(trainer.warmup * steps)
    warm = 0 if warm == 1 else warm  # one step would have the whole rate
    rest = CosineAnnealingLR(optimizer, max(steps - warm, 1)) if trainer.schedule == "cosine" else None
    if not warm:
        return rest
    rise = LinearLR(optimizer, 1 / warm, total_iters=warm - 1)
    return SequentialLR(optimizer, [rise, rest], [warm]) if rest is not None else rise
