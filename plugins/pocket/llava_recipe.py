"""Every number that decides what the pocket LLaVA becomes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Self

from .compose import Mix


@dataclass(frozen=True)
class LlavaSize:
    """The architecture; the defaults are the shipped one's."""

    stem: int = 192
    """Channels at the end of the vision tower's convolutions, and width of its attention."""
    tower: int = 256
    """Width of the four image tokens that leave the tower."""
    tower_depth: int = 1
    width: int = 128
    """Width of the language model."""
    inner: int = 256
    depth: int = 2
    heads: int = 4


@dataclass(frozen=True)
class Stage:
    """One part of the training, with a schedule of its own."""

    steps: int
    learning_rate: float

    def shortened(self, share: float) -> Self:
        """The stage with only ``share`` of its steps."""
        return replace(self, steps=max(1, round(share * self.steps)))


@dataclass(frozen=True)
class LookingStage(Stage):
    """A stage of the vision tower, on pictures of its own."""

    pictures: int
    """Rendered once and kept in memory; batches are drawn from them."""

    def shortened(self, share: float) -> Self:
        """The stage with only ``share`` of its steps and pictures."""
        return replace(super().shortened(share), pictures=max(1, round(share * self.pictures)))


@dataclass(frozen=True)
class LlavaRecipe:
    """The training recipe; the defaults make the shipped checkpoint."""

    size: LlavaSize = field(default_factory=LlavaSize)
    seed: int = 0
    batch: int = 32
    """Pictures a replica and step."""
    replicas: int = 2
    """Threads that each differentiate their own batch; gradients are averaged in a fixed order."""
    looking: tuple[LookingStage, ...] = (LookingStage(4000, 2e-3, 60_000), LookingStage(2500, 1.5e-3, 80_000))
    """The vision tower alone learns, from facts and the pocket CLIP; each stage starts where the last one ended."""
    describing: Stage = Stage(2000, 2e-3)
    """Projector and language model learn from descriptions of the last pictures; the tower is frozen."""
    warmup_steps: int = 60
    weight_decay: float = 0.05
    clip_norm: float = 1.0
    emphasis: float = 6.0
    """What telling which character or shape it is counts for in the heads' loss; other facts count 1."""
    teacher_weight: float = 3.0
    """Weight of one minus the cosine between the tower's guess at the pocket CLIP's embedding and the embedding."""
    strange_prompts: float = 0.3
    """Share of pictures asked about in tokens drawn at random, so that no wording of a prompt matters."""
    average: float = 0.997
    """Decay of the running average of the weights, which is what is saved."""
    half_precision: bool = True
    """Whether the tower's products run in bfloat16 (twice as fast where the processor has it)."""
    digit_variants: int = 400
    letter_variants: int = 80
    mix: Mix = field(
        default_factory=lambda: Mix(
            arrangements={"close-up": 0.5, "single": 0.21, "several": 0.12, "pair": 0.13, "bare": 0.04}
        )
    )

    def shortened(self, share: float) -> LlavaRecipe:
        """The recipe with only ``share`` of its pictures and of each stage's steps."""
        looking = tuple(stage.shortened(share) for stage in self.looking)
        return replace(self, looking=looking, describing=self.describing.shortened(share))
