"""Every number that decides what the pocket LLaVA becomes."""

from __future__ import annotations

from dataclasses import dataclass, field, replace

from ..scenes.compose import Mix


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

    def shortened(self, share: float) -> Stage:
        """The stage with only ``share`` of its steps."""
        return replace(self, steps=max(1, round(share * self.steps)))


@dataclass(frozen=True)
class Round:
    """Both stages once, on pictures of their own; each round goes on where the last one ended."""

    pictures: int
    """Rendered once and kept in memory; batches are drawn from them."""
    looking: Stage
    """The vision tower alone learns, from facts and from the pocket CLIP."""
    describing: Stage
    """Projector and language model learn, from descriptions; the tower is frozen."""

    @property
    def steps(self) -> int:
        """Of both stages."""
        return self.looking.steps + self.describing.steps

    def shortened(self, share: float) -> Round:
        """The round with only ``share`` of its pictures and steps."""
        pictures = max(1, round(share * self.pictures))
        return Round(pictures, self.looking.shortened(share), self.describing.shortened(share))


@dataclass(frozen=True)
class LlavaRecipe:
    """The training recipe; the defaults make the shipped checkpoint."""

    size: LlavaSize = field(default_factory=LlavaSize)
    seed: int = 0
    batch: int = 32
    """Pictures a replica and step."""
    replicas: int = 2
    """Threads that each differentiate their own batch; gradients are averaged in a fixed order."""
    rounds: tuple[Round, ...] = (
        Round(60_000, Stage(4000, 2e-3), Stage(1200, 2e-3)),
        Round(80_000, Stage(2500, 1.5e-3), Stage(1000, 1.5e-3)),
        Round(60_000, Stage(1800, 1.5e-3), Stage(700, 1.5e-3)),
        Round(60_000, Stage(1800, 1.5e-3), Stage(700, 1.5e-3)),
    )
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
        """The recipe with only ``share`` of its pictures and steps."""
        return replace(self, rounds=tuple(part.shortened(share) for part in self.rounds))
