"""Every number that decides what the pocket towers become; the defaults make the shipped ones."""

from __future__ import annotations

from dataclasses import dataclass, field, fields, replace
from typing import Any, Self

from .loop import Schedule


@dataclass(frozen=True)
class TowerSize:
    """The architecture of one transformer."""

    width: int
    depth: int = 4
    heads: int = 4
    inner: int = 384


@dataclass(frozen=True)
class TowerRecipe:
    """What all of them have."""

    seed: int = 0
    schedule: Schedule = field(default_factory=lambda: Schedule(4000))

    @property
    def stages(self) -> dict[str, Schedule]:
        """Its schedules by the names of their fields, in the order in which they are followed."""
        found = {one.name: getattr(self, one.name) for one in fields(self)}
        return {name: found[name] for name in ("looking", "schedule") if name in found}

    def shortened(self, share: float) -> Self:
        """The recipe with only ``share`` of its steps."""
        shorter: dict[str, Any] = {name: stage.shortened(share) for name, stage in self.stages.items()}
        return replace(self, **shorter)


@dataclass(frozen=True)
class AstRecipe(TowerRecipe):
    """The audio tower."""

    schedule: Schedule = field(default_factory=lambda: Schedule(1500))
    size: TowerSize = field(default_factory=lambda: TowerSize(96))
    sounds: int = 16_000
    """Drawn once; batches are drawn from them."""


@dataclass(frozen=True)
class SceneClipRecipe(TowerRecipe):
    """The image and text towers."""

    looking: Schedule = field(default_factory=lambda: Schedule(600, learning_rate=2e-3, warmup_steps=100))
    """First the image tower learns alone, to tell what lies under its patches."""
    schedule: Schedule = field(default_factory=lambda: Schedule(2600, learning_rate=1.5e-3))
    vision: TowerSize = field(default_factory=lambda: TowerSize(128))
    text: TowerSize = field(default_factory=lambda: TowerSize(96, inner=256))
    projection: int = 128
    dense_weight: float = 1.0
    """Weight of the heads' loss beside the contrastive one."""


@dataclass(frozen=True)
class ViltRecipe(TowerRecipe):
    """The single-stream model."""

    looking: Schedule = field(
        default_factory=lambda: Schedule(600, 32, learning_rate=2e-3, warmup_steps=100, average=0.995)
    )
    """First it learns without words, to tell what lies under its patches."""
    schedule: Schedule = field(default_factory=lambda: Schedule(8000, 32, learning_rate=1.5e-3))
    size: TowerSize = field(default_factory=lambda: TowerSize(128))
    described: tuple[int, ...] = (1, 2, 2, 3)
    """Of how many objects captions speak, drawn for each batch: short texts are where words find their objects."""
    mismatched: float = 0.5
    """Share of pictures that come with a caption that is not theirs: their neighbour's, where it differs."""
    strange: float = 0.2
    """Share of these that come with the caption of another scene altogether."""
    masked: float = 0.3
    """Share of the words of true captions that are hidden and to be guessed."""
    seen_by: int = 2
    """Behind this block (from 1) patches tell what lies under them, as behind the last one, and words where it lies."""
    judged_by: int = 3
    """Behind this block words tell what is true of the object they speak of, and are judged; the last block gathers."""
    dense_weight: float = 1.0
    """Weight of the heads on patches, of those on words for places, and of those for what is true of their object."""
    word_weight: float = 0.5
    """Weight of the hidden words."""
    claim_weight: float = 4.0
    """Weight of the heads that judge words: whether its object is so, and how many in the picture are."""
