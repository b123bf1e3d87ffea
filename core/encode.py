"""The encoder stage: media in, vectors out, each content encoded once and stored."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..registry.catalogue import Catalogue
from .assemble import build
from .dataset import DataError, Media
from .encoder import Encoder, EncoderError, EncoderFacts
from .events import Event, StageAdvanced, StageStarted
from .read_ahead import read
from .roles import EncoderSpec
from .store import Namespace, TextShelf, Vectors, VectorShelf, identity_key
from .unreadable import Unreadable

if TYPE_CHECKING:
    import torch

#: An interrupted run loses at most this many seconds of encoding, and usually nothing: see ``_encode``.
FLUSH_SECONDS = 20.0
Tell = Callable[[Event], None]


class EncoderStage:
    """Encodes with one encoder spec. The model is loaded only when something is not stored yet."""

    def __init__(
        self, spec: EncoderSpec, catalogue: Catalogue, store: Path, device: Callable[[], torch.device]
    ) -> None:
        component = catalogue.component_of(spec)
        self.spec, self._catalogue, self._device = spec, catalogue, device
        identity = {"component": component.name, "implementation": component.version, **spec.identity()}
        self.namespace = Namespace(store, "features", identity)
        self._encoder: Encoder | None = None
        self._given: EncoderFacts | None = None  # of the weights whose vectors this stage has given out

    def facts(self) -> EncoderFacts:
        """What is known of the weights: as noted beside the stored vectors, else from the loaded model."""
        return self._known_facts() or self.encoder.facts()

    @property
    def encoder(self) -> Encoder:
        """The loaded model. Raises ``EncoderError`` if vectors of other weights were given out already."""
        if self._encoder is None:
            encoder: Encoder = build(self._catalogue, self.spec, self._device())
            facts = encoder.facts()
            noted = self._noted_facts()
            if noted is None or noted.weights != facts.weights:
                self.namespace.note(asdict(facts))
            if self._given is not None and self._given.weights != facts.weights:
                raise EncoderError(
                    "encoder: the weights behind this spec are not those that the stored vectors come from "
                    f"(sha256 {facts.weights[:12]}, was {self._given.weights[:12]}); run again to encode all with them"
                )
            self._encoder = encoder
        return self._encoder

    def missing(self, modality: str, media: Iterable[Media]) -> list[Media]:
        """Those whose content is not stored, each content once. Loads nothing."""
        shelf = self._shelf(modality)
        stored = shelf.digests() if shelf else set()
        contents: dict[str, Media] = {}
        for one in media:
            contents.setdefault(one.digest, one)
        return [one for digest, one in contents.items() if digest not in stored]

    def encode(self, modality: str, media: Sequence[Media], tell: Tell = lambda event: None) -> Vectors:
        """Vectors float32 [N, d] of ``media``, from the store or freshly encoded (and stored).

        Raises ``Unreadable`` naming those that cannot be read, after everything readable was stored.
        """
        missing = self.missing(modality, media)
        total = len({one.digest for one in media})
        tell(StageStarted(f"encode {modality}", total, total - len(missing)))
        if missing:
            _ = self.encoder  # loading may find that the weights behind a tag changed: then all is missing
            missing = self.missing(modality, media)
            broken = self._encode(modality, missing, total - len(missing), tell)
            if broken:
                raise Unreadable(broken, media)
        shelf, self._given = self._shelf(modality), self.facts()
        assert shelf is not None
        return shelf.take([one.digest for one in media])

    def _shelf(self, modality: str) -> VectorShelf | None:
        facts, own = self._known_facts(), self.spec.modality_identity(modality)
        name = f"{modality}-{identity_key(own)}" if own else modality
        return VectorShelf(self.namespace, f"{facts.weights[:16]}/{name}") if facts else None

    def _known_facts(self) -> EncoderFacts | None:
        """Of the loaded model, else of the vectors given out, else as noted: another process may note others."""
        return self._encoder.facts() if self._encoder else self._given or self._noted_facts()

    def _noted_facts(self) -> EncoderFacts | None:
        about = self.namespace.about() or {}
        if not isinstance(about.get("weights"), str) or not about.keys() >= {"parameters", "logit_scale"}:
            return None
        return EncoderFacts(about["weights"], about["parameters"], about["logit_scale"])

    def _encode(self, modality: str, missing: Sequence[Media], done: int, tell: Tell) -> dict[str, str]:
        """Encode and store; digest to reason of what cannot be read."""
        waiting: list[tuple[str, Vectors]] = []
        broken: dict[str, str] = {}
        flushed = time.monotonic()
        try:
            with ThreadPoolExecutor(max_workers=4) as pool:
                for start in range(0, len(missing), self.spec.batch_size):
                    batch = missing[start : start + self.spec.batch_size]
                    digests, contents = _readable(zip(batch, pool.map(read, batch), strict=True), broken)
                    if contents:
                        self._note_truncated(modality, digests, contents)
                        vectors = self.encoder.encode(modality, contents).numpy()
                        waiting += zip(digests, vectors, strict=True)
                    tell(StageAdvanced(f"encode {modality}", done + start + len(batch)))
                    if time.monotonic() - flushed > FLUSH_SECONDS:
                        self._flush(modality, waiting)
                        flushed = time.monotonic()
        finally:
            self._flush(modality, waiting)
        return broken

    def truncated(self, media: Sequence[Media]) -> set[str]:
        """Digests of those texts that the encoder has cut, as noted when they were encoded. Loads nothing."""
        shelf = self._truncated_shelf()
        return {one.digest for one in media} & (shelf.all().keys() if shelf else set())

    def _truncated_shelf(self) -> TextShelf | None:
        facts = self._known_facts()
        return TextShelf(self.namespace, f"{facts.weights[:16]}/truncated") if facts else None

    def _note_truncated(self, modality: str, digests: Sequence[str], contents: Sequence[Any]) -> None:
        shelf = self._truncated_shelf()
        if modality != "text" or shelf is None or not self.encoder.truncated(contents):
            return
        cut = {digest: text for digest, text in zip(digests, contents, strict=True) if self.encoder.truncated([text])}
        shelf.add(list(cut), cut.values())

    def _flush(self, modality: str, waiting: list[tuple[str, Vectors]]) -> None:
        shelf = self._shelf(modality)
        if waiting and shelf:
            shelf.add([digest for digest, _ in waiting], [vector for _, vector in waiting])  # type: ignore[arg-type]
            waiting.clear()


def _readable(pairs: Iterable[tuple[Media, object]], broken: dict[str, str]) -> tuple[list[str], list[object]]:
    digests, contents = [], []
    for media, content in pairs:
        if isinstance(content, DataError):
            broken[media.digest] = str(content)
        else:
            digests.append(media.digest)
            contents.append(content)
    return digests, contents
