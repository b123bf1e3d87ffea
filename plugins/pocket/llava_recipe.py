"""Every number that decides what the pocket LLaVA becomes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from .compose import Mix


@dataclass(frozen=True)
class LlavaSize:
    """The architecture; the defaults are the shipped one's."""

    stem: int = 192
    """Channels at the end of the vision tower's convolutions, and width of its attention."""
    tower: int = 256
    """Width of the four image tokens that leave the tower."""
    tower_depth: int = 1
    width: int = 96
    """Width of the language model."""
    inner: int = 192
    depth: int = 2
    heads: int = 4


@dataclass(frozen=True)
class Stage:
    """One part of the training, with a schedule of its own."""

    steps: int
    learning_rate: float


@dataclass(frozen=True)
class LlavaRecipe:
    """The training recipe; the defaults make the shipped checkpoint."""

    size: LlavaSize = field(default_factory=LlavaSize)
    seed: int = 0
    batch: int = 32
    """Pictures a replica and step."""
    replicas: int = 2
    """Threads that each differentiate their own batch; gradients are averaged in a fixed order."""
    pictures: int = 60_000
    """Rendered once and kept in memory; both stages draw their batches from them."""
    looking: Stage = field(default_factory=lambda: Stage(4000, 2e-3))
    """The vision tower alone, from facts and from the pocket CLIP."""
    describing: Stage = field(default_factory=lambda: Stage(1500, 2e-3))
    """Projector and language model, from descriptions; the tower is frozen."""
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
        looking, describing = (
            replace(stage, steps=max(1, round(share * stage.steps))) for stage in (self.looking, self.describing)
        )
        pictures = max(1, round(share * self.pictures))
        return replace(self, pictures=pictures, looking=looking, describing=describing)
