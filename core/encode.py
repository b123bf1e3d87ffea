"""The encoder stage: media in, vectors out, each content encoded once and stored."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING

from ..registry.catalogue import Catalogue
from .assemble import build
from .dataset import DataError, Media
from .encoder import Encoder, EncoderFacts
from .events import Event, StageAdvanced, StageStarted
from .roles import EncoderSpec
from .store import Namespace, Vectors, VectorShelf

if TYPE_CHECKING:
    import torch

#: An interrupted run loses at most this many seconds of encoding, and usually nothing: see ``_encode``.
FLUSH_SECONDS = 20.0
MAX_NAMED = 10
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

    def facts(self) -> EncoderFacts:
        """What is known of the weights: as noted beside the stored vectors, else from the loaded model."""
        about = self.namespace.about()
        if self._encoder is None and about is not None:
            return EncoderFacts(about["weights"], about["parameters"], about["logit_scale"])
        return self.encoder.facts()

    @property
    def encoder(self) -> Encoder:
        """The loaded model."""
        if self._encoder is None:
            self._encoder = build(self._catalogue, self.spec, self._device())
            facts = self._encoder.facts()
            if (self.namespace.about() or {}).get("weights") != facts.weights:
                self.namespace.note(asdict(facts))
        return self._encoder

    def missing(self, modality: str, media: Iterable[Media]) -> list[Media]:
        """Those whose content is not stored, each content once. Loads nothing."""
        shelf = self._shelf(modality)
        stored = shelf.digests() if shelf else set()
        return [one for digest, one in {one.digest: one for one in media}.items() if digest not in stored]

    def encode(self, modality: str, media: Sequence[Media], tell: Tell = lambda event: None) -> Vectors:
        """Vectors float32 [N, d] of ``media``, from the store or freshly encoded (and stored).

        Raises ``DataError`` naming the unreadable ones, after everything readable was stored.
        """
        missing = self.missing(modality, media)
        total = len({one.digest for one in media})
        tell(StageStarted(f"encode {modality}", total, total - len(missing)))
        if missing:
            _ = self.encoder  # loading may find that the weights behind a tag changed: then all is missing
            missing = self.missing(modality, media)
            self._encode(modality, missing, total - len(missing), tell)
        shelf = self._shelf(modality)
        assert shelf is not None
        return shelf.take([one.digest for one in media])

    def _shelf(self, modality: str) -> VectorShelf | None:
        about = self.namespace.about()
        return VectorShelf(self.namespace, f"{about['weights'][:16]}/{modality}") if about else None

    def _encode(self, modality: str, missing: Sequence[Media], done: int, tell: Tell) -> None:
        waiting: list[tuple[str, Vectors]] = []
        broken: list[str] = []
        flushed = time.monotonic()
        try:
            with ThreadPoolExecutor(max_workers=4) as pool:
                for start in range(0, len(missing), self.spec.batch_size):
                    batch = missing[start : start + self.spec.batch_size]
                    digests, contents = _readable(zip(batch, pool.map(_read, batch), strict=True), broken)
                    if contents:
                        vectors = self.encoder.encode(modality, contents).numpy()
                        waiting += zip(digests, vectors, strict=True)
                    tell(StageAdvanced(f"encode {modality}", done + start + len(batch)))
                    if time.monotonic() - flushed > FLUSH_SECONDS:
                        self._flush(modality, waiting)
                        flushed = time.monotonic()
        finally:
            self._flush(modality, waiting)
        if broken:
            more = f"\n  and {len(broken) - MAX_NAMED} more" if len(broken) > MAX_NAMED else ""
            raise DataError(
                f"{len(broken)} of {len(missing)} cannot be read; remove or replace them "
                f"(the others are encoded and stored):\n  " + "\n  ".join(broken[:MAX_NAMED]) + more
            )

    def _flush(self, modality: str, waiting: list[tuple[str, Vectors]]) -> None:
        shelf = self._shelf(modality)
        if waiting and shelf:
            shelf.add([digest for digest, _ in waiting], [vector for _, vector in waiting])  # type: ignore[arg-type]
            waiting.clear()


def _read(media: Media) -> object:
    try:
        return media.read()
    except DataError as error:
        return error


def _readable(pairs: Iterable[tuple[Media, object]], broken: list[str]) -> tuple[list[str], list[object]]:
    digests, contents = [], []
    for media, content in pairs:
        if isinstance(content, DataError):
            broken.append(str(content))
        else:
            digests.append(media.digest)
            contents.append(content)
    return digests, contents
