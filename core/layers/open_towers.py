"""The towers that a pipeline runs, and which modalities of its items go through them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from ..data.items import DataError, Splits
from ..data.modalities import unread_modalities
from ..events import Note
from ..roles.encoder import Encoder
from ..roles.specs import TaskSpec
from ..stages.context import RunContext
from ..stages.encode import EncoderStage
from ..towers.frozen_tower import FrozenTower
from .plan import readable, require_modalities, require_tower_of_clips


@dataclass(frozen=True, slots=True)
class OpenTowers:
    """Loaded, frozen."""

    #: What goes through them, in a fixed order.
    modalities: tuple[str, ...]
    #: Each with its streams among ``modalities``.
    frozen: tuple[FrozenTower, ...]
    #: Modality to the encoder that preprocesses it.
    encoders: Mapping[str, Encoder]

    @property
    def width(self) -> int:
        """Of all read-outs side by side."""
        return sum(tower.width for tower in self.frozen)


def open_towers(encoder_of: Callable[[str], Encoder], modalities: Sequence[str]) -> OpenTowers:
    """Load the encoder and take the towers of those modalities.

    Raises ``EncoderError`` where it offers none, ``DataError`` where a single-stream model lacks one of its modalities,
    and for clips without a tower of their own.
    """
    encoders = {modality: encoder_of(modality) for modality in modalities}
    towers: list[FrozenTower] = []
    for encoder in dict.fromkeys(encoders.values()):
        own = [modality for modality in modalities if encoders[modality] is encoder]
        for offered in encoder.towers():
            streams = set(offered.tower.streams)
            if streams <= set(own):
                towers.append(offered)
            elif streams & set(own):
                lacking = ", ".join(sorted(streams - set(own)))
                raise DataError(
                    f"encoder: its model reads {' and '.join(offered.tower.streams)} together, and the items have no "
                    f"{lacking}; take an encoder with a tower for each modality"
                )
    require_tower_of_clips(modalities, {stream for one in towers for stream in one.tower.streams})
    return OpenTowers(tuple(modalities), tuple(towers), encoders)


def shared_modalities(splits: Splits, stage: EncoderStage, task: TaskSpec, context: RunContext) -> tuple[str, ...]:
    """What every pass of every item has and the encoder takes.

    Raises ``DataError`` for an item that lacks what the task needs, or what the other items have.
    """
    first = next(item for items in splits.values() for item in items)
    given, can = readable(task, list(first.views()[0])), stage.spec.modalities()
    used = tuple(modality for modality in given if can is None or modality in can)
    require_modalities(splits, used, given, task)
    if unread := unread_modalities(splits, used, "the towers read"):
        context.tell(Note(unread))
    return used
