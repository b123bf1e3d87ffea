"""Sounds through a model of transformers: resampling, features, hidden states, pooling."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from math import gcd
from pathlib import Path
from threading import Lock
from typing import Any

import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor

from ....core.data.items import DataError
from ....core.data.sounds import open_sound, require_few
from ....core.data.waveform import Waveform
from .files import takes_waveforms
from .side import Hidden, Inputs, Side, masked_mean, side_by_side

#: A sound shorter than this part of a second is filled up with silence: it would not make one frame.
SHORTEST = 10
#: Seconds of a frame of AST's filter banks, and from one to the next (Kaldi's, which its extractor calls).
FRAME, FRAME_STEP = 0.025, 0.010
_GLOBAL_RANDOMNESS = Lock()


class AudioSide(Side):
    """The audio side of a loaded model: AST, CLAP, wav2vec 2.0 and its like."""

    modality = "audio"

    def __init__(self, model: Any, folder: Path, joint: bool) -> None:
        from transformers import AutoFeatureExtractor

        self._model = model
        self.module = model.audio_model if joint else model
        self.projection = model.audio_projection if joint else None
        self._extractor = AutoFeatureExtractor.from_pretrained(folder, local_files_only=True, trust_remote_code=False)
        self._of_samples = takes_waveforms(model.config.to_dict())
        names = {name.rpartition(".")[2] for name, _ in self.module.named_parameters()}
        self.has_class_token = "cls_token" in names
        self.prefix = len(names & {"cls_token", "distillation_token"})

    def preprocess(self, content: Waveform) -> Mapping[str, Tensor]:
        """One sound as the model takes it: a tensor a key, without the batch axis.

        It is resampled to the rate that the model was trained with. Raises ``DataError`` for one without samples.
        """
        content, rate = open_sound(content), int(self._extractor.sampling_rate)
        samples = resampled(content.samples, content.rate, rate)
        samples = np.pad(samples, (0, max(0, rate // SHORTEST - len(samples))))
        made = (
            self._clap(samples, rate) if hasattr(self._extractor, "nb_max_samples") else self._features(samples, rate)
        )
        return {key: torch.as_tensor(np.asarray(value[0])) for key, value in made.items()}

    def seconds_heard(self) -> float | None:
        """What the extractor takes of a sound; ``None`` for models that take samples, of any number."""
        if self._of_samples:
            return None
        rate = float(self._extractor.sampling_rate)
        if (most := getattr(self._extractor, "nb_max_samples", None)) is not None:
            return float(most) / rate
        frames = getattr(self._extractor, "max_length", None)
        return None if frames is None else (int(frames) - 1) * FRAME_STEP + FRAME

    def collate(self, batch: Sequence[Mapping[str, Tensor]]) -> dict[str, Any]:
        """Features side by side; samples padded to the longest, and masked."""
        if self._of_samples:
            return self._padded([one["input_values"].to(self._model.dtype) for one in batch])
        return side_by_side(batch, self._model)

    def groups(self, batch: Sequence[Mapping[str, Tensor]]) -> list[list[int]]:
        """Rows that go through the model together: samples of one length, since some norms of it hear padding."""
        if not self._of_samples:
            return super().groups(batch)
        lengths = [len(one["input_values"]) for one in batch]
        return [[row for row, one in enumerate(lengths) if one == length] for length in sorted(set(lengths))]

    def mask(self, inputs: Inputs) -> Tensor | None:
        """Frames of wav2vec 2.0 and its like that hold samples; spectrograms have one length."""
        if not self._of_samples:
            return None
        samples = inputs["attention_mask"]
        frames = int(self._frames(torch.tensor(samples.shape[1])))
        mask: Tensor = torch.arange(frames, device=samples.device) < self._frames(samples.sum(1))[:, None]
        return mask

    def states(self, out: Any) -> Tensor:
        """Tokens; the map of CLAP, [B, d, F, T], position by position."""
        states: Tensor = out.last_hidden_state
        return states.flatten(2).transpose(1, 2) if states.ndim == 4 else states

    def pooled(self, hidden: Hidden, pooling: str) -> Tensor:
        """Vectors [B, d]; ``auto``: the model's own, else the mean over frames."""
        if pooling in ("auto", "pooler") and hidden.pooler is not None:
            return hidden.pooler
        if pooling in ("auto", "mean"):
            return masked_mean(hidden.states[:, self.prefix :], hidden.mask[:, self.prefix :])
        if pooling == "cls" and self.has_class_token:
            return hidden.states[:, 0]
        raise self.no_pooling(pooling, "`auto` or `mean`")

    def _features(self, samples: NDArray[np.float32], rate: int) -> Mapping[str, Any]:
        made = self._extractor(samples, sampling_rate=rate, return_tensors="np")
        return {key: value.astype(np.float32) for key, value in made.items() if key != "attention_mask"}

    def _clap(self, samples: NDArray[np.float32], rate: int) -> Mapping[str, Any]:
        """CLAP's extractor cuts long sounds at random places, by numpy's global randomness: here always at the same.

        Without fusion the middle is taken; with it, the three excerpts of seed 0. Only a long sound is marked as long.
        """
        most, fuses = self._extractor.nb_max_samples, self._extractor.truncation == "fusion"
        if not fuses:
            start = max(0, len(samples) - most) // 2
            samples = samples[start : start + most]
        with _GLOBAL_RANDOMNESS:
            state = np.random.get_state()
            np.random.seed(0)
            try:
                made = self._extractor(samples, sampling_rate=rate, return_tensors="np")
            finally:
                np.random.set_state(state)
        features = made["input_features"].astype(np.float32)
        return {"input_features": features, "is_longer": np.array([[fuses and len(samples) > most]])}

    def _padded(self, sounds: Sequence[Tensor]) -> dict[str, Any]:
        device = self._model.device
        lengths = torch.tensor([len(one) for one in sounds], device=device)
        values = torch.nn.utils.rnn.pad_sequence(list(sounds), batch_first=True).to(device)
        mask = torch.arange(values.shape[1], device=device) < lengths[:, None]
        return {"input_values": values, "attention_mask": mask.long()}

    def _frames(self, samples: Tensor) -> Tensor:
        frames: Tensor = self._model._get_feat_extract_output_lengths(samples)
        return frames


def resampled(samples: NDArray[np.float32], rate: int, wanted: int) -> NDArray[np.float32]:
    """Samples [T] at another rate, by a polyphase filter that keeps what both rates can hold.

    Raises ``DataError`` for more than a sound may have.
    """
    if rate == wanted:
        return samples
    from scipy.signal import resample_poly  # type: ignore[import-untyped]

    try:
        require_few(len(samples) * wanted / rate)
    except ValueError as error:
        raise DataError(f"{error}: of {rate:,} Hz it is resampled to {wanted:,}") from None
    common = gcd(rate, wanted)
    made: NDArray[np.float32] = resample_poly(samples, wanted // common, rate // common).astype(np.float32)
    return made
