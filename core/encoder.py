"""The encoder role: the frozen model."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ..registry.errors import UserError

if TYPE_CHECKING:
    from torch import Tensor

    from .frozen_tower import FrozenTower


class EncoderError(UserError):
    """The model cannot be loaded; the message says which file, and what does not fit."""


@dataclass(frozen=True, slots=True)
class EncoderFacts:
    """What later stages need to know of a loaded encoder; stored beside its vectors so that it need not load again."""

    #: sha256 (hex) of every weight: vectors of other weights never mix. An encoder without weights gives that of what
    #: else its vectors depend on (a table, a file), or of nothing: ``hashlib.sha256(b"").hexdigest()``. Its spec's
    #: fields and its code count by themselves.
    weights: str
    #: Number of frozen parameters; 0 of a fixed function.
    parameters: int
    #: The scale that turns its cosines into logits; ``None`` where it has none.
    logit_scale: float | None
    #: The commit of the hub that the weights come from; ``None`` for local files.
    revision: str | None = None


class Encoder(ABC):
    """Built as ``build(spec, device)``; ``device`` is a ``torch.device``."""

    @abstractmethod
    def facts(self) -> EncoderFacts:
        """Fingerprint, size and logit scale of the loaded weights."""

    @abstractmethod
    def encode(self, modality: str, batch: Sequence[Any]) -> Tensor:
        """Vectors of a batch: float32 [B, d] of unit length, on the CPU.

        ``modality`` is ``image`` (RGB-convertible ``PIL.Image``), ``text`` (``str``) or ``audio`` (``Waveform``);
        where ``preprocess`` makes something else of a content, that is taken too. Raises ``EncoderError`` for a
        modality that it does not have.
        """

    def preprocess(self, modality: str, content: Any) -> Any:
        """One content, as small as the model takes it. Called in threads, while the model works on others.

        So a batch in waiting holds resized pixels, never whole pictures. By default the content as it is.
        """
        return content

    def encode_tokens(self, modality: str, batch: Sequence[Any]) -> list[Tensor]:
        """Token vectors of a batch: for each item float32 [T_i, d], on the CPU; padding is left out.

        The tower's last hidden states after its final norm, and in CLIP-like models projected into the joint space, as
        its pooled vector is: patches (and the class token, where there is one) of an image, words of a text with its
        start and end tokens. Not normalised. Raises ``EncoderError`` for an encoder or a modality without tokens.
        """
        raise EncoderError(f"encoder: {type(self).__name__} gives no tokens of a {modality}; take other nodes")

    def towers(self) -> Sequence[FrozenTower]:
        """Its towers, for adapters inside them: one a modality, or one that takes several (a single-stream model).

        Raises ``EncoderError`` where it has none that can be entered.
        """
        raise EncoderError(
            f"encoder: {type(self).__name__} offers no towers to adapters inside them; take encoder `transformers` or "
            "`open_clip`, or an adapter on features"
        )

    def truncated(self, texts: Sequence[str]) -> list[bool]:
        """For each of ``texts``, whether it is longer than the text tower's window, so that its end is not heard."""
        return [False] * len(texts)
