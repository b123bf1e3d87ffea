"""A single-stream model of transformers: text and image as one sequence of one tower (ViLT)."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import wraps
from pathlib import Path
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import interpolate, pad

from ....core.roles import EncoderError
from ....core.towers.frozen_tower import FrozenTower
from ....core.towers.tower import Tower
from .sentence_modules import transformer_folder
from .side import Inputs, masked_mean
from .text import TextSide

#: In the order in which their tokens stand.
STREAMS = ("text", "image")


class SingleStream:
    """ViLT: words first, then the picture's class token and its patches."""

    def __init__(self, model: Any, root: Path, pooling: str) -> None:
        from transformers import AutoImageProcessor

        self._model, self._pooling = model, pooling
        self.text = TextSide(model, root, joint=False)
        folder = transformer_folder(root)
        self._processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        _draw_patches_alike(model.embeddings)

    def preprocess(self, modality: str, content: Any) -> Any:
        """A picture as pixels [3, H, W], resized as the processor does; a text as it is."""
        if modality != "image" or isinstance(content, Tensor):
            return content
        return self._processor(content.convert("RGB"), return_tensors="pt")["pixel_values"][0]

    def frozen_tower(self, width: int) -> FrozenTower:
        """The model as one tower of two streams."""
        name = "_".join(reversed(STREAMS))
        tower = Tower.of(name, self._model, streams=STREAMS, split=_split, masks=self.masks)
        return FrozenTower(tower, self.collate, self.read_out, width)

    def collate(self, contents: Mapping[str, Sequence[Any]]) -> dict[str, Any]:
        """Texts padded to the longest, pictures to the largest; both masked."""
        if lacking := [modality for modality in STREAMS if modality not in contents]:
            raise EncoderError(together(lacking))
        pixels = [one.to(self._model.device) for one in contents["image"]]
        height, width = (max(one.shape[axis] for one in pixels) for axis in (1, 2))
        room = [(0, width - one.shape[2], 0, height - one.shape[1]) for one in pixels]
        values = torch.stack([pad(one, more) for one, more in zip(pixels, room, strict=True)])
        whole = [torch.ones(one.shape[1:], dtype=torch.int64, device=one.device) for one in pixels]
        mask = torch.stack([pad(one, more) for one, more in zip(whole, room, strict=True)])
        picture = {"pixel_values": values.to(self._model.dtype), "pixel_mask": mask}
        return self.text.collate(contents["text"]) | picture

    def masks(self, inputs: Inputs) -> dict[str, Tensor]:
        """Where words stand; where the class token and patches of a picture stand, which come before its padding."""
        side = self._model.config.patch_size
        mask = inputs["pixel_mask"][:, None].float()
        patches = interpolate(mask, size=[extent // side for extent in mask.shape[2:]]).flatten(1).sum(1)
        most, longest = self._model.config.max_image_length, int(patches.max())
        places = torch.arange(1 + (min(longest, most) if most >= 0 else longest), device=mask.device)
        return {"text": self.text.mask(inputs), "image": places <= patches[:, None]}

    def read_out(self, out: Any, inputs: Inputs) -> Tensor:
        """The model's pooled vector; without a pooler the first token after the final norm; or as `pooling` says."""
        if self._pooling == "mean":
            mask = self.masks(inputs)
            whole = torch.cat([mask[stream] for stream in STREAMS], dim=1)
            return masked_mean(out.last_hidden_state, whole)
        pooler: Tensor | None = out.pooler_output if self._pooling in ("auto", "pooler") else None
        if pooler is None and self._pooling == "pooler":
            raise EncoderError("encoder.pooling: the model has no `pooler`; take `auto`, `cls` or `mean`")
        return out.last_hidden_state[:, 0] if pooler is None else pooler


def together(lacking: Sequence[str] = ()) -> str:
    """Why such a model gives no vector of one modality alone."""
    more = f"; {' and '.join(lacking)} is missing" if lacking else ""
    return (
        f"encoder: a single-stream model reads image and text together: it has no vector of either alone{more}; take "
        "an adapter inside its tower, or a model of two towers"
    )


def _split(inputs: Inputs) -> dict[str, slice]:
    words = inputs["input_ids"].shape[1]
    return {"text": slice(0, words), "image": slice(words, None)}


def _draw_patches_alike(embeddings: Any) -> None:
    """ViLT draws the order of its patches, and which of too many it takes, from torch's global randomness.

    Here it draws the same each time and leaves that randomness as it was: one input, one vector.
    """
    original = embeddings.visual_embed

    @wraps(original)
    def visual_embed(*args: Any, **kwargs: Any) -> Any:
        generator = torch.default_generator
        state = generator.get_state()
        generator.manual_seed(0)
        try:
            return original(*args, **kwargs)
        finally:
            generator.set_state(state)

    embeddings.visual_embed = visual_embed
