"""The sides of a loaded model as towers for adapters inside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor

from ....core.roles import EncoderError, TowerShape
from ....core.towers.errors import TowerError
from ....core.towers.frozen_tower import FrozenTower
from ....core.towers.tower import Tower
from ..closed_tower import closed
from .side import Inputs, Side

#: ``vectors(side, out, inputs)``: what is read out, [B, d].
Vectors = Callable[[Side, Any, Inputs], Tensor]


def frozen_towers(
    model: str, sides: Mapping[str, Side], shapes: Sequence[TowerShape], vectors: Vectors
) -> tuple[FrozenTower, ...]:
    """One a side. Raises ``EncoderError`` where none can be entered."""
    found = tuple(_frozen(sides[shape.modalities[0]], shape, vectors) for shape in shapes)
    if not any(one.tower.blocks for one in found):
        raise EncoderError(closed(model, [shape.modalities[0] for shape in shapes]))
    return found


def _frozen(side: Side, shape: TowerShape, vectors: Vectors) -> FrozenTower:
    return FrozenTower(
        _tower(side, shape),
        lambda contents: side.collate(contents[side.modality]),
        lambda out, inputs: vectors(side, out, inputs),
        shape.read_out,
    )


def _tower(side: Side, shape: TowerShape) -> Tower:
    if shape.depth:
        try:
            found = Tower.of(side.modality, side.module, masks=lambda inputs: {side.modality: side.mask(inputs)})
        except TowerError:
            pass
        else:
            if tuple(found.widths) == shape.widths:  # else its structure is none that the configuration tells
                return found
    return Tower.closed(side.modality, side.module)
