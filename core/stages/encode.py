"""The encoder stage: media in, vectors or tokens out, each content encoded once by the tower of its modality."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np

from ...registry.catalogue import Catalogue
from ..data.items import Media
from ..events import Event, Tell
from ..roles.encoder import Encoder, EncoderFacts
from ..roles.specs import EncoderSpec
from ..storage.store import Array, Vectors
from .stored_encoder import TOKENS, VECTORS, Form, StoredEncoder
from .unreadable import Unreadable

if TYPE_CHECKING:
    import torch

    from ..data.tokens import Tokens


def _quiet(event: Event) -> None:
    """Hear nothing."""


class EncoderStage:
    """Encodes with one encoder spec. Its models are loaded only when something of theirs is not stored yet."""

    def __init__(
        self,
        spec: EncoderSpec,
        catalogue: Catalogue,
        store: Path,
        device: Callable[[], torch.device],
        towers: list[StoredEncoder] | None = None,
    ) -> None:
        self.spec, self._catalogue, self._store, self._device = spec, catalogue, store, device
        # Those of a whole run, where it shares them.
        self._towers = [] if towers is None else towers
        self._used: dict[str, StoredEncoder] = {}

    def tower(self, modality: str) -> StoredEncoder:
        """What encodes that modality; modalities of one model share one."""
        spec = self.spec.tower(self.spec.seen(modality))
        found = next((tower for tower in self._towers if tower.spec == spec), None)
        if found is None:
            found = StoredEncoder(spec, self._catalogue, self._store, self._device)
            self._towers.append(found)
        return found

    def used(self) -> dict[str, StoredEncoder]:
        """The towers of the modalities that this stage has given vectors or tokens of."""
        return dict(self._used)

    def facts(self, modality: str) -> EncoderFacts:
        """What is known of the weights of a modality's tower; loads it where nothing is stored."""
        return self.tower(modality).facts()

    def open(self, modality: str) -> Encoder:
        """The loaded model of a modality, to run it oneself."""
        self._used[modality] = self.tower(modality)
        return self.tower(modality).encoder

    def load(self) -> None:
        """Load every model. Raises ``EncoderError`` for one that is not on this machine."""
        for modality in self.spec.modalities() or ("image", "text"):
            _ = self.tower(modality).encoder

    def missing(self, modality: str, media: Iterable[Media]) -> list[Media]:
        """Those whose vector is not stored, each content once. Loads nothing."""
        return self.tower(modality).missing(VECTORS, modality, media)

    def missing_tokens(self, modality: str, media: Iterable[Media]) -> list[Media]:
        """Those whose tokens are not stored, each content once. Loads nothing."""
        return self.tower(modality).missing(TOKENS, modality, media)

    def store(self, form: Form, modality: str, media: Sequence[Media], tell: Tell = _quiet) -> dict[str, str]:
        """Encode and store what is not stored yet; digest to reason of what cannot be read."""
        return self.tower(modality).store(form, modality, media, tell)

    def vectors(self, modality: str, media: Sequence[Media]) -> Vectors:
        """Vectors float32 [N, d] of ``media``, all of which are stored."""
        return np.stack(self._take(VECTORS, modality, media))

    def tokens(self, modality: str, media: Sequence[Media]) -> Tokens:
        """Tokens of ``media``, all of which are stored; see ``Encoder.encode_tokens``."""
        import torch

        from ..data.tokens import Tokens

        rows = self._take(TOKENS, modality, media)
        offsets = torch.tensor([0, *map(len, rows)]).cumsum(0)
        return Tokens(torch.from_numpy(np.concatenate(rows)), offsets)

    def encode(self, modality: str, media: Sequence[Media], tell: Tell = _quiet) -> Vectors:
        """Vectors float32 [N, d] of ``media``, from the store or freshly encoded (and stored).

        Raises ``Unreadable`` naming those that cannot be read, after everything readable was stored.
        """
        self._require_stored(VECTORS, modality, media, tell)
        return self.vectors(modality, media)

    def encode_tokens(self, modality: str, media: Sequence[Media], tell: Tell = _quiet) -> Tokens:
        """Tokens of ``media``, from the store or freshly encoded (and stored).

        Raises ``EncoderError`` for an encoder without tokens, and ``Unreadable`` as ``encode`` does.
        """
        self._require_stored(TOKENS, modality, media, tell)
        return self.tokens(modality, media)

    def truncated(self, media: Sequence[Media]) -> set[str]:
        """Digests of those texts that the encoder has cut, as noted when they were encoded. Loads nothing."""
        return self.tower("text").truncated(media)

    def _require_stored(self, form: Form, modality: str, media: Sequence[Media], tell: Tell) -> None:
        if unreadable := self.store(form, modality, media, tell):
            raise Unreadable(unreadable, media)

    def _take(self, form: Form, modality: str, media: Sequence[Media]) -> list[Array]:
        self._used[modality] = self.tower(modality)
        return self.tower(modality).take(form, modality, media)
