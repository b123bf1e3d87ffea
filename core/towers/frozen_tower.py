"""A tower as an encoder offers it to adapters inside it: how a batch goes in, and what is read out."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from .tower import Tower


@dataclass(frozen=True, slots=True)
class FrozenTower:
    """One model of an encoder. ``tower.streams`` are the modalities it takes, all of them at once."""

    tower: Tower
    #: Modality to what ``Encoder.preprocess`` made of the contents of a batch -> keyword arguments of the tower's
    #: forward, on the model's device. Texts are tokenized and padded here.
    collate: Callable[[Mapping[str, Sequence[Any]]], dict[str, Tensor]]
    #: (what the forward returned, its keyword arguments) -> one vector an item [B, width], with gradients, any scale:
    #: the vector that ``encode`` would give, before normalisation.
    read_out: Callable[[Any, Mapping[str, Tensor]], Tensor]
    #: Width of the read-out.
    width: int

    @property
    def device(self) -> torch.device:
        """Where the model is."""
        return next(self.tower.model.parameters()).device
