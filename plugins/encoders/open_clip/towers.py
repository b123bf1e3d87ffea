"""An open_clip model's two sides as towers for adapters inside them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch import Tensor, nn

from ....core.roles import EncoderError
from ....core.towers.errors import TowerError
from ....core.towers.frozen_tower import FrozenTower
from ....core.towers.tower import Tower
from ..closed_tower import closed
from .files import APART
from .tokens import text_ends

#: ``inputs(modality, batch)``: what the model takes of preprocessed contents.
MakeInputs = Callable[[str, Sequence[Any]], Tensor]


class Side(nn.Module):
    """One side of a model whose modules stay the model's own: its blocks are found here, its forward is the model's."""

    def __init__(self, model: nn.Module, parts: Mapping[str, Any], encode: Callable[[Tensor], Tensor]) -> None:
        super().__init__()
        self._whole, self._encode = (model,), encode  # in a tuple: not a module of this one
        for name, part in parts.items():
            if isinstance(part, nn.Module):
                self.add_module(name, part)
            else:
                self.register_parameter(name, part)

    def forward(self, batch: Tensor) -> Tensor:
        """Vectors [B, embed_dim], not normalised, of pixels or token ids."""
        return self._encode(batch)

    def _apply(self, fn: Any, recurse: bool = True) -> Side:
        self._whole[0]._apply(fn, recurse)  # type: ignore[no-untyped-call]
        return self


def frozen_towers(name: str, model: Any, width: int, inputs: MakeInputs) -> tuple[FrozenTower, FrozenTower]:
    """Of images and of texts. Raises ``EncoderError`` where neither can be entered."""
    visual, text = _sides(model)
    towers = _tower("image", visual), _tower("text", text, lambda given: {"text": _text_mask(model, given["batch"])})
    if not any(tower.blocks for tower in towers):
        raise EncoderError(closed(name, ["image", "text"]))
    image, words = (
        FrozenTower(
            tower,
            lambda contents, modality=tower.name: {"batch": inputs(modality, contents[modality])},  # type: ignore[misc]
            lambda out, given: out,
            width,
        )
        for tower in towers
    )
    return image, words


def _sides(model: Any) -> tuple[Side, Side]:
    parts = {**dict(model.named_children()), **dict(model.named_parameters(recurse=False))}
    of_text = {name: part for name, part in parts.items() if name not in ("visual", *APART)}
    return Side(model, {"visual": model.visual}, model.encode_image), Side(model, of_text, model.encode_text)


def _tower(name: str, side: Side, masks: Callable[[Any], Mapping[str, Tensor | None]] | None = None) -> Tower:
    if name == "image" and hasattr(side.visual, "attnpool"):  # a ResNet: lists of blocks, but no tokens
        return Tower.closed(name, side)
    try:
        return Tower.of(name, side, masks=masks)
    except TowerError:
        return Tower.closed(name, side)


def _text_mask(model: Any, ids: Tensor) -> Tensor | None:
    """bool [B, context] from start to end token; ``None`` where the model pools in a way that does not tell."""
    ends = text_ends(model, ids)
    return None if ends is None else torch.arange(ids.shape[1], device=ids.device) <= ends[:, None]
