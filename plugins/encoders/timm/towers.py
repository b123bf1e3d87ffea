"""A model of timm as a tower for adapters inside it."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from torch import Tensor, nn

from ....core.roles import EncoderError
from ....core.towers.errors import TowerError
from ....core.towers.frozen_tower import FrozenTower
from ....core.towers.lockstep import walked
from ....core.towers.tower import Tower
from ..closed_tower import closed


class ReadOut(nn.Module):
    """A model up to its vector: what its classifier reads, or what that gives."""

    def __init__(self, model: Any, output: str) -> None:
        super().__init__()
        self.model, self._logits = model, output == "logits"

    def forward(self, pixels: Tensor) -> Tensor:
        """Vectors [B, d] of pixels [B, 3, H, W], not normalised."""
        if self._logits:
            return self.model(pixels)  # type: ignore[no-any-return]
        return self.model.forward_head(self.model.forward_features(pixels), pre_logits=True)  # type: ignore[no-any-return]


def frozen_tower(name: str, model: ReadOut, inputs: Callable[[Sequence[Any]], Tensor], picture: Any) -> FrozenTower:
    """Its tower, tried on a preprocessed picture. Raises ``EncoderError`` where its blocks are no places to stop."""

    def collate(contents: Mapping[str, Sequence[Any]]) -> dict[str, Tensor]:
        return {"pixels": inputs(contents["image"])}

    try:
        tower = Tower.of("image", model)
        vector = walked(tower, collate({"image": [picture]}))
    except TowerError as error:
        raise EncoderError(closed(name, ["image"], str(error))) from error
    return FrozenTower(tower, collate, lambda out, given: out, vector.shape[1])
