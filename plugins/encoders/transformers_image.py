"""Images through a model of transformers: pixels, hidden states, pooling."""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from ...core.encoder import EncoderError

Pixels = Mapping[str, Tensor]


@dataclass(frozen=True, slots=True)
class Hidden:
    """What a tower gives of a batch."""

    #: Last hidden states after the tower's final norm, [B, T, d].
    states: Tensor
    #: bool [B, T], ``True`` where a token stands.
    mask: Tensor
    #: The model's own pooled vector [B, d], before any projection; ``None`` where it has none.
    pooler: Tensor | None


def masked_mean(states: Tensor, mask: Tensor) -> Tensor:
    """Mean over the tokens of [B, T, d] that stand in ``mask`` [B, T]."""
    weights = mask[..., None].to(states.dtype)
    return (states * weights).sum(1) / weights.sum(1).clamp(min=1)


class ImageTower:
    """The image side of a loaded model."""

    def __init__(self, model: Any, folder: Path, joint: bool, image_size: int | None) -> None:
        from transformers import AutoImageProcessor

        self._model, self._joint = model, joint
        self._tower = model.vision_model if joint else model
        self._processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        self._more: dict[str, Any] = {}
        if image_size is not None:
            self._resize_to(image_size)
        names = [name for name, _ in self._tower.named_parameters()]
        self.has_class_token = any(name.endswith(("cls_token", "class_embedding")) for name in names)
        registers = getattr(self._tower.config, "num_register_tokens", 0) or 0
        self.prefix = int(self.has_class_token) + registers

    def preprocess(self, picture: Any) -> Pixels:
        """One picture as the model takes it: a tensor a key, without the batch axis."""
        made = self._processor(picture.convert("RGB"), return_tensors="pt")
        return {key: value[0] for key, value in made.items()}

    def hidden(self, batch: Sequence[Pixels]) -> Hidden:
        """Hidden states of preprocessed pictures."""
        inputs = self._inputs(batch)
        out = self._tower(**inputs, **self._more)
        states = out.last_hidden_state
        if states.ndim == 4:  # the map of a convolutional network, [B, d, H, W]
            states = states.flatten(2).transpose(1, 2)
        if self._tower.config.model_type in ("clip_vision_model", "metaclip_2_vision_model"):
            states = _attribute(self._tower, "post_layernorm")(states)  # CLIP's own norm is that of its pooled token
        mask = inputs.get("pixel_attention_mask")
        mask = mask.bool() if mask is not None else torch.ones(states.shape[:2], dtype=torch.bool, device=states.device)
        pooler = getattr(out, "pooler_output", None)
        return Hidden(states, mask, pooler.flatten(1) if pooler is not None else None)

    def pooled(self, hidden: Hidden, pooling: str) -> Tensor:
        """Vectors [B, d]. Raises ``EncoderError`` for a pooling that the model does not have."""
        if pooling == "auto":
            pooling = "cls" if self.has_class_token else "pooler" if hidden.pooler is not None else "mean"
        if pooling == "mean":
            return masked_mean(hidden.states[:, self.prefix :], hidden.mask[:, self.prefix :])
        if pooling == "cls" and self.has_class_token:
            return hidden.states[:, 0]
        if pooling == "pooler" and hidden.pooler is not None:
            return hidden.pooler
        raise EncoderError(f"encoder.pooling: the image tower has no `{pooling}`; take `auto` or `mean`")

    def projected(self, batch: Sequence[Pixels]) -> Tensor:
        """Vectors [B, d] in the joint space."""
        pooled: Tensor = self._model.get_image_features(**self._inputs(batch), **self._more).pooler_output
        return pooled

    def projected_tokens(self, states: Tensor) -> Tensor:
        """CLIP's projection of each hidden state; SigLIP pools by attention, and its states stay as they are."""
        projection = getattr(self._model, "visual_projection", None)
        return states if projection is None else projection(states)

    def _inputs(self, batch: Sequence[Pixels]) -> dict[str, Tensor]:
        inputs = {key: torch.stack([one[key] for one in batch]).to(self._model.device) for key in batch[0]}
        return {
            key: value.to(self._model.dtype) if value.is_floating_point() else value for key, value in inputs.items()
        }

    def _resize_to(self, side: int) -> None:
        """Preprocess to another size; positions are interpolated where the model can."""
        size = dict(self._processor.size)
        self._processor.size = {"shortest_edge": side} if "shortest_edge" in size else {"height": side, "width": side}
        if getattr(self._processor, "crop_size", None):
            self._processor.crop_size = {"height": side, "width": side}
        if "interpolate_pos_encoding" in inspect.signature(self._tower.forward).parameters:
            self._more = {"interpolate_pos_encoding": True}


def _attribute(module: Any, name: str) -> Any:
    """``module.name``, or that of the one module that it wraps (older transformers wrap the tower once more)."""
    return getattr(module, name, None) or getattr(module.vision_model, name)
