"""The encoder role: the frozen model, and what it gives held against its promise."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from ...registry.errors import UserError
from .contract import broken, form

if TYPE_CHECKING:
    from torch import Tensor

    from ..storage.store import Array
    from ..towers.frozen_tower import FrozenTower


#: Frames of clips that an image tower sees at a time.
FRAMES_AT_ONCE = 64


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
    """Built as ``build(spec, device)``; ``device`` is a ``torch.device``.

    A composed one, whose spec holds those of other encoders, is built as ``build(spec, device, assemble)``:
    ``assemble(part, device)`` builds a part. ``graftwork.core.stages.composed_encoder:compose`` does that for any whose
    ``tower`` gives a part for each modality.
    """

    #: Whether it has a tower of clips (modality ``video``); without one that of images sees them, frame by frame.
    takes_clips: bool = False

    @abstractmethod
    def facts(self) -> EncoderFacts:
        """Fingerprint, size and logit scale of the loaded weights."""

    @abstractmethod
    def encode(self, modality: str, batch: Sequence[Any]) -> Tensor:
        """Vectors of a batch: float32 [B, d] of unit length, on the CPU.

        ``modality`` is ``image`` (RGB-convertible ``PIL.Image``), ``text`` (``str``) or ``audio`` (``Waveform``); with
        ``takes_clips`` also ``video`` (``VideoFrames``);
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

    def class_probabilities(self, modality: str, batch: Sequence[Any]) -> Tensor:
        """float32 [B, C] over the C classes that the frozen model itself was trained to tell apart, on the CPU.

        Raises ``EncoderError`` for a model without a classifier.
        """
        raise EncoderError(
            f"encoder: {type(self).__name__} tells no classes of a {modality} apart; take encoder `timm`"
        )

    def towers(self) -> Sequence[FrozenTower]:
        """Its towers, for adapters inside them: one a modality, or one that takes several (a single-stream model).

        Raises ``EncoderError`` where it has none that can be entered.
        """
        raise EncoderError(
            f"encoder: {type(self).__name__} offers no towers to adapters inside them; take encoder `transformers`, "
            "`open_clip` or `timm`, or an adapter on features"
        )

    def truncated(self, texts: Sequence[str]) -> list[bool]:
        """For each of ``texts``, whether it is longer than the text tower's window, so that its end is not heard."""
        return [False] * len(texts)

    def seconds_heard(self) -> float | None:
        """How much of a sound the audio tower takes in, in seconds; ``None``: all of it, or there is no such tower."""
        return None


def preprocessed(encoder: Encoder, modality: str, content: Any) -> Any:
    """As ``Encoder.preprocess`` gives it; of a clip that no tower takes as a whole, a list: each frame as a picture."""
    if not _by_frames(encoder, modality):
        return encoder.preprocess(modality, content)
    return content if isinstance(content, list) else [encoder.preprocess("image", frame) for frame in content]


def encoded(encoder: Encoder, modality: str, batch: Sequence[Any]) -> Tensor:
    """As ``Encoder.encode`` gives it; of clips seen frame by frame the mean of the frames' vectors, of unit length."""
    if not _by_frames(encoder, modality):
        return encoder.encode(modality, batch)
    import torch
    from torch.nn.functional import normalize

    return torch.stack([normalize(frames.mean(dim=0), dim=-1) for frames in encoded_tokens(encoder, modality, batch)])


def encoded_tokens(encoder: Encoder, modality: str, batch: Sequence[Any]) -> list[Tensor]:
    """As ``Encoder.encode_tokens`` gives it; of clips seen frame by frame one token a frame, in the order of time."""
    if not _by_frames(encoder, modality):
        return encoder.encode_tokens(modality, batch)
    import torch

    clips = [preprocessed(encoder, modality, one) for one in batch]
    frames = [frame for clip in clips for frame in clip]
    parts = [
        encoder.encode("image", frames[start : start + FRAMES_AT_ONCE])
        for start in range(0, len(frames), FRAMES_AT_ONCE)
    ]
    return list(torch.split(torch.cat(parts), list(map(len, clips))))


def _by_frames(encoder: Encoder, modality: str) -> bool:
    return modality == "video" and not encoder.takes_clips


def vectors_of(encoder: Encoder, modality: str, batch: Sequence[Any]) -> list[Array]:
    """A float32 vector [d] each. Raises ``ContractError`` for another shape or count, and for what is not finite."""
    given = encoded(encoder, modality, batch)
    if _dimensions(given) != 2 or len(given) != len(batch):
        raise broken("encoder", encoder, f"gave {form(given)} for {_many(batch, modality)}; `encode` gives [B, d]")
    return list(_array(encoder, given, modality))


def tokens_of(encoder: Encoder, modality: str, batch: Sequence[Any]) -> list[Array]:
    """Float32 tokens [T, d] each. Raises ``ContractError`` as ``vectors_of`` does."""
    given = encoded_tokens(encoder, modality, batch)
    if not isinstance(given, list) or len(given) != len(batch) or any(_dimensions(one) != 2 for one in given):
        forms = ", ".join(map(form, given[:3])) if isinstance(given, list) else form(given)
        raise broken(
            "encoder", encoder, f"gave {forms} for {_many(batch, modality)}; `encode_tokens` gives a list of [T, d]"
        )
    return [_array(encoder, one, modality) for one in given]


def truncated_of(encoder: Encoder, texts: Sequence[str]) -> list[bool]:
    """Which texts it cuts. Raises ``ContractError`` where it does not say so of each."""
    given = encoder.truncated(texts)
    if not isinstance(given, list) or len(given) != len(texts):
        count = len(given) if isinstance(given, list) else form(given)
        raise broken("encoder", encoder, f"gave {count} for {len(texts)} texts; `truncated` gives a list, a bool each")
    return given


def _dimensions(given: object) -> int | None:
    """``None`` of what is no tensor."""
    import torch

    return given.ndim if isinstance(given, torch.Tensor) else None


def _array(encoder: Encoder, given: Tensor, modality: str) -> Array:
    import torch

    if not given.isfinite().all():
        raise broken("encoder", encoder, f"gave NaN or infinity for an input ({modality})")
    array: Array = given.detach().to("cpu", torch.float32).numpy()
    return array


def _many(batch: Sequence[Any], modality: str) -> str:
    return f"{len(batch)} input{'' if len(batch) == 1 else 's'} ({modality})"
