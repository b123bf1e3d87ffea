"""The frozen model: what every encoder's spec has, and the shapes of its towers. Light: no torch."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Annotated, ClassVar

from pydantic import Field, field_validator

from ....registry.spec import Items
from .component import ComponentSpec, Json


@dataclass(frozen=True, slots=True)
class OnHand:
    """An encoder that is on this machine."""

    #: Its spec, without ``type``.
    fields: Json
    #: Of several that fit, the lowest is taken: 0 of a model trained on what people have, 1 of one made for trials.
    rank: int = 0


@dataclass(frozen=True, slots=True)
class TowerShape:
    """A tower as its configuration tells it, for adapters inside it."""

    #: What it takes: one modality, or several (a single-stream model).
    modalities: tuple[str, ...]
    #: Number of blocks; 0 where no adapter can enter, and the tower runs as it is.
    depth: int
    #: d of the hidden states, 0 without blocks; where it changes, that of each block.
    width: int | tuple[int, ...]
    #: Width of the vector that is read out.
    read_out: int
    #: Parameters of what runs, and of what its files hold beside (a head that goes unused); ``None``: loading tells.
    parameters: int | None = None

    @property
    def widths(self) -> tuple[int, ...]:
        """d of the hidden states of each block."""
        return (self.width,) * self.depth if isinstance(self.width, int) else self.width


def one_or_each(widths: Sequence[int]) -> int | tuple[int, ...]:
    """Blocks' widths as ``TowerShape.width`` has them."""
    return tuple(widths) if len(set(widths)) > 1 else widths[0] if widths else 0


def blocks_in_words(depth: int, width: int | Sequence[int]) -> str:
    """`6 blocks, width 384`, or `16 blocks, widths 16 to 320`."""
    if isinstance(width, int):
        return f"{depth} blocks, width {width}"
    return f"{depth} blocks, widths {min(width)} to {max(width)}"


class EncoderSpec(ComponentSpec):
    """The frozen model that turns images and texts into vectors."""

    #: Whether it may have towers for adapters inside them; one that gives vectors alone sets this to `False`.
    has_towers: ClassVar[bool] = True

    batch_size: Annotated[int, Field(ge=1)] = 64
    """Items a forward pass. Not part of the cache key."""
    templates: Annotated[Items[str], Field(min_length=1)] = ("a photo of a {}.",)
    """Prompts for class names; `{}` stands for the name. A class vector is the mean over the templates."""

    @field_validator("templates")
    @classmethod
    def _templates_name_the_class(cls, templates: tuple[str, ...]) -> tuple[str, ...]:
        for template in templates:
            if "{}" not in template:
                raise ValueError(f"template {template!r} has no {{}} for the class name")
        return templates

    @classmethod
    def on_hand(cls) -> Sequence[OnHand]:
        """Those of this type whose models are on this machine, the best first; `graftwork init` takes one that fits.

        By looking for files alone: nothing is fetched or loaded.
        """
        return ()

    def tower(self, modality: str) -> EncoderSpec:
        """The encoder whose model encodes that modality. A composed encoder gives a part of itself, others themselves.

        Vectors are stored under the identity of their tower: exchanging one leaves those of the other in place.
        """
        return self

    def is_composed(self) -> bool:
        """Whether it holds the specs of other encoders, so that it is built with what builds them."""
        return any(isinstance(getattr(self, name), EncoderSpec) for name in type(self).model_fields)

    def modalities(self) -> frozenset[str] | None:
        """What it can encode, if it can be told without loading the model."""
        return None

    def shares_space(self) -> bool | None:
        """Whether image and text vectors lie in one space, so that they can be compared; ``None``: not known."""
        return None

    def seen(self, modality: str) -> str:
        """The modality whose tower encodes that one: `image` for `video` where no tower takes clips: frame by frame."""
        can = self.modalities()
        return "image" if modality == "video" and (can is None or "video" not in can) else modality

    def takes_together(self) -> bool:
        """Whether it reads its modalities together, as one sequence: it has no vector of one of them alone."""
        return False

    def identity(self) -> Json:
        """What a vector of any modality depends on besides its input: weights, architecture. Cheap; no torch."""
        return self.model_dump(mode="json", exclude={"batch_size", "templates"})

    def modality_identity(self, modality: str) -> Json:
        """What the vectors of that modality alone depend on: its preprocessing. Not to be repeated in ``identity``."""
        return {}

    def missing_files(self) -> str | None:
        """What must be on this machine and is not, and how to get it; ``None`` where nothing is missing. No torch."""
        return None

    def width(self, modality: str) -> int | None:
        """Width of the vectors of a modality, if it can be told without loading the model."""
        return None

    def token_width(self, modality: str) -> int | None:
        """Width of the tokens of a modality; ``None`` where it has none, or where only loading tells."""
        return None

    def tower_shapes(self) -> tuple[TowerShape, ...] | None:
        """Its towers, for adapters inside them, if they can be told without loading the model."""
        return None

    def frozen_parameters(self) -> int | None:
        """Number of frozen parameters, if it can be told without loading the model."""
        return None
