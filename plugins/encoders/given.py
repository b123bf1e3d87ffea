"""The encoder of vectors that are given: none."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import torch
from torch import Tensor
from torch.nn.functional import normalize

from ...core.roles import Encoder, EncoderError, EncoderFacts
from .specs import GivenSpec


class Given(Encoder):
    """Takes vectors as they are, at unit length."""

    def __init__(self, spec: GivenSpec, device: torch.device) -> None:
        self.spec = spec

    def facts(self) -> EncoderFacts:
        """No weights."""
        return EncoderFacts(hashlib.sha256(b"").hexdigest(), 0, None)

    def encode(self, modality: str, batch: Sequence[Any]) -> Tensor:
        """float32 [B, d]. Raises ``EncoderError`` for vectors of several widths."""
        if modality != "vector":
            raise EncoderError(f"encoder `given` takes vectors that are ready, and no {modality}; name a model")
        widths = {len(one) for one in batch}
        if len(widths) > 1:
            raise EncoderError(f"vectors of widths {' and '.join(map(str, sorted(widths)))}; all need one width")
        return normalize(torch.from_numpy(np.stack(batch).astype(np.float32)), dim=-1)
