"""Clips through a model of transformers that takes several frames at once: VideoMAE, ViViT, TimeSformer."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from torch import Tensor

from ....core.data.video import VideoFrames
from ....core.roles import EncoderError
from .side import Hidden, Side, masked_mean, side_by_side


class VideoSide(Side):
    """The side of a loaded model of clips."""

    modality = "video"

    def __init__(self, model: Any, folder: Path) -> None:
        from transformers import AutoImageProcessor

        self._model = self.module = model
        self._processor = AutoImageProcessor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        self._frames = int(model.config.num_frames)
        self.has_class_token = any(name.endswith("cls_token") for name, _ in model.named_parameters())
        self.prefix = int(self.has_class_token)

    def preprocess(self, content: VideoFrames) -> Mapping[str, Tensor]:
        """The frames of one clip as the model takes them, [F, 3, H, W]. Raises ``EncoderError`` for another number."""
        if len(content) != self._frames:
            raise EncoderError(
                f"encoder.model: a `{self._model.config.model_type}` that takes {self._frames} frames of a clip is "
                f'given {len(content)}; set "frames": {self._frames} in `dataset`'
            )
        made = self._processor([frame.convert("RGB") for frame in content], return_tensors="pt")["pixel_values"]
        return {"pixel_values": made.reshape(self._frames, *made.shape[-3:])}

    def collate(self, batch: Sequence[Mapping[str, Tensor]]) -> dict[str, Any]:
        """Clips side by side, [B, F, 3, H, W]."""
        return side_by_side(batch, self._model)

    def pooled(self, hidden: Hidden, pooling: str) -> Tensor:
        """Vectors [B, d]; ``auto``: the class token, where there is none the mean over tokens."""
        if pooling == "auto":
            pooling = "cls" if self.has_class_token else "mean"
        if pooling == "mean":
            return masked_mean(hidden.states[:, self.prefix :], hidden.mask[:, self.prefix :])
        if pooling == "cls" and self.has_class_token:
            return hidden.states[:, 0]
        if pooling == "pooler" and hidden.pooler is not None:
            return hidden.pooler
        raise self.no_pooling(pooling, "`auto` or `mean`")
