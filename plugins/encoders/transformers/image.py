"""Images through a model of transformers: pixels, hidden states, pooling."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from ..maps import tokens_of_map
from .side import Hidden, Inputs, Side, masked_mean, side_by_side

Pixels = Mapping[str, Tensor]


class ImageSide(Side):
    """The image side of a loaded model."""

    modality = "image"

    def __init__(self, model: Any, folder: Path, joint: bool, image_size: int | None) -> None:
        from transformers import AutoImageProcessor

        self._model = model
        self.module = model.vision_model if joint else model
        self.projection = getattr(model, "visual_projection", None) if joint else None  # SigLIP pools by attention
        self._processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        self._more: dict[str, Any] = {}
        if image_size is not None:
            self._resize_to(image_size)
        names = [name for name, _ in self.module.named_parameters()]
        self.has_class_token = any(name.endswith(("cls_token", "class_embedding")) for name in names)
        registers = getattr(self.module.config, "num_register_tokens", 0) or 0
        self._timm = getattr(self.module, "timm_model", None)  # within transformers' wrapper; it knows how it pools
        self.prefix = int(getattr(self._timm, "num_prefix_tokens", int(self.has_class_token) + registers))

    def preprocess(self, picture: Any) -> Pixels:
        """One picture as the model takes it: a tensor a key, without the batch axis."""
        made = self._processor(picture.convert("RGB"), return_tensors="pt")
        return {key: value[0] for key, value in made.items()}

    def collate(self, batch: Sequence[Pixels]) -> dict[str, Any]:
        """Preprocessed pictures side by side."""
        return side_by_side(batch, self._model) | self._more

    def mask(self, inputs: Inputs) -> Tensor | None:
        """Where patches stand, in models of any aspect ratio."""
        mask: Tensor | None = inputs.get("pixel_attention_mask")
        return None if mask is None else mask.bool()

    def states(self, out: Any) -> Tensor:
        """Class token where there is one, registers, patches; positions of a convolutional map."""
        states = tokens_of_map(out.last_hidden_state, getattr(self.module.config, "num_features", None))
        if self.module.config.model_type in ("clip_vision_model", "metaclip_2_vision_model"):
            states = _attribute(self.module, "post_layernorm")(states)  # CLIP's own norm is that of its pooled token
        return states

    def pooled(self, hidden: Hidden, pooling: str) -> Tensor:
        """Vectors [B, d]. Raises ``EncoderError`` for a pooling that the model does not have."""
        if pooling == "auto":
            by_token = self.has_class_token and self._timm is None
            pooling = "cls" if by_token else "pooler" if hidden.pooler is not None else "mean"
        if pooling == "mean":
            return masked_mean(hidden.states[:, self.prefix :], hidden.mask[:, self.prefix :])
        if pooling == "cls" and self.has_class_token:
            return hidden.states[:, 0]
        if pooling == "pooler" and hidden.pooler is not None:
            return hidden.pooler
        raise self.no_pooling(pooling, "`auto` or `mean`")

    def _resize_to(self, side: int) -> None:
        """Preprocess to another size; positions are interpolated where the model can."""
        size = dict(self._processor.size)
        self._processor.size = {"shortest_edge": side} if "shortest_edge" in size else {"height": side, "width": side}
        if getattr(self._processor, "crop_size", None):
            self._processor.crop_size = {"height": side, "width": side}
        if "interpolate_pos_encoding" in inspect.signature(self.module.forward).parameters:
            self._more = {"interpolate_pos_encoding": True}


def _attribute(module: Any, name: str) -> Any:
    """``module.name``, or that of the one module that it wraps (older transformers wrap the tower once more)."""
    return getattr(module, name, None) or getattr(module.vision_model, name)
