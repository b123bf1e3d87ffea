"""The encoder role: the frozen model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..registry.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor


class EncoderError(UserError):
    """The model cannot be loaded; the message says which file, and what does not fit."""


@dataclass(frozen=True, slots=True)
class EncoderFacts:
    """What later stages need to know of a loaded encoder; stored beside its vectors so that it need not load again."""

    #: sha256 (hex) of every weight: vectors of other weights never mix.
    weights: str
    #: Number of frozen parameters.
    parameters: int
    #: The scale that turns its cosines into logits; ``None`` where it has none.
    logit_scale: float | None


class Encoder(ABC):
    """Built as ``build(spec, device)``; ``device`` is a ``torch.device``."""

    @abstractmethod
    def facts(self) -> EncoderFacts:
        """Fingerprint, size and logit scale of the loaded weights."""

    @abstractmethod
    def encode(self, modality: str, batch: Sequence[Any]) -> Tensor:
        """Vectors of a batch: float32 [B, d] of unit length, on the CPU.

        ``modality`` is ``image`` (RGB-convertible ``PIL.Image``) or ``text`` (``str``). Raises ``EncoderError`` for a
        modality that the model does not have.
        """

    def truncated(self, texts: Sequence[str]) -> int:
        """How many of ``texts`` are longer than the model reads, so that ``encode`` cuts them."""
        return 0
