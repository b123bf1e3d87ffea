"""Sounds through Whisper's encoder, which hears a window of fixed length, filled up with silence."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....core.roles import EncoderError
from .audio import AudioSide
from .side import Inputs

#: What stands before the names of the encoder's tensors, in a whole Whisper and in one that tells sounds apart.
_PREFIX = {r"^(model\.)?encoder\.": ""}
#: Frames of the spectrogram to one of the encoder's.
_STRIDE = 2


def load_encoder(folder: Path, config: Any, dtype: torch.dtype) -> Any:
    """The encoder of a Whisper, whole or alone, without its decoder. Raises ``EncoderError`` for tensors it lacks."""
    from transformers.models.whisper.modeling_whisper import WhisperEncoder

    model, said = WhisperEncoder.from_pretrained(
        folder,
        config=config,
        dtype=dtype,
        key_mapping=_PREFIX,
        use_safetensors=True,
        local_files_only=True,
        trust_remote_code=False,
        output_loading_info=True,
    )
    if lacking := sorted(said["missing_keys"]):
        raise EncoderError(f"encoder.model: the weights in {folder} lack {', '.join(lacking[:5])} of {len(lacking)}")
    return model.eval().requires_grad_(False)


class WhisperSide(AudioSide):
    """The window's frames that hold sound are its tokens; the rest is masked."""

    def seconds_heard(self) -> float:
        """The window."""
        return float(self._extractor.n_samples) / float(self._extractor.sampling_rate)

    def mask(self, inputs: Inputs) -> Tensor:
        """bool [B, T], true where a frame holds samples of the sound."""
        mask: Tensor = inputs["attention_mask"][:, ::_STRIDE].bool()
        return mask

    def _features(self, samples: NDArray[np.float32], rate: int) -> Mapping[str, Any]:
        made = self._extractor(samples, sampling_rate=rate, return_attention_mask=True, return_tensors="np")
        return {"input_features": made["input_features"].astype(np.float32), "attention_mask": made["attention_mask"]}
