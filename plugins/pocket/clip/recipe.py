"""Every number that decides what the pocket CLIP becomes."""

from __future__ import annotations

from dataclasses import dataclass, field

from ..scenes.compose import Mix


@dataclass(frozen=True)
class Recipe:
    """The training recipe; the defaults make the shipped checkpoint."""

    vision: str = "resnet-small"
    """A name in ``towers.VISION_TOWERS``."""
    seed: int = 0
    steps: int = 5500
    batch: int = 64
    """Pictures a replica and step."""
    replicas: int = 2
    """Threads that each render and differentiate their own batch; gradients are averaged in a fixed order."""
    captioned: float = 0.5
    """Share of a batch's pictures that bring a caption; every caption is compared with every picture."""
    learning_rate: float = 1e-3
    warmup_steps: int = 60
    weight_decay: float = 0.05
    clip_norm: float = 1.0
    heads_weight: float = 3.0
    """Weight of the fact heads' loss beside the contrastive one."""
    average: float = 0.997
    """Decay of the running average of the weights, which is what is saved."""
    digit_variants: int = 400
    letter_variants: int = 80
    vocabulary_captions: int = 4000
    mix: Mix = field(default_factory=Mix)
