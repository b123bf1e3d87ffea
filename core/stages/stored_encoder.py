"""One frozen model and what it has encoded: each content once, stored under the model's identity."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import closing
from dataclasses import asdict, dataclass
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...registry.catalogue import Catalogue
from ..data.items import DataError, Media
from ..events import Note, StageAdvanced, StageStarted, Tell
from ..roles.encoder import Encoder, EncoderError, EncoderFacts, preprocessed, tokens_of, truncated_of, vectors_of
from ..roles.specs import EncoderSpec
from ..storage.store import Array, ArrayShelf, Namespace, TextShelf, TokenShelf, VectorShelf, identity_key
from .beyond_window import REMARKS, heeded, remarks_in_words
from .composed_encoder import build_part
from .prefetch import READERS, prefetched

if TYPE_CHECKING:
    import torch

#: An interrupted run loses at most this many seconds of encoding, and usually nothing; and so many bytes wait at most.
FLUSH_SECONDS, FLUSH_BYTES = 20.0, 1 << 26


@dataclass(frozen=True, slots=True)
class Form:
    """What is kept of a content: one vector, or one a token."""

    name: str
    shelf: type[ArrayShelf]
    encode: Callable[[Encoder, str, Sequence[Any]], list[Array]]


VECTORS = Form("", VectorShelf, vectors_of)
TOKENS = Form(" tokens", TokenShelf, tokens_of)


class StoredEncoder:
    """Encodes with one model. It is loaded only when something is not stored yet."""

    def __init__(
        self, spec: EncoderSpec, catalogue: Catalogue, store: Path, device: Callable[[], torch.device]
    ) -> None:
        self.spec, self._catalogue, self._store, self._device = spec, catalogue, store, device
        self.namespace = self._named()
        self._encoder: Encoder | None = None
        self._given: EncoderFacts | None = None  # of the weights whose vectors this tower has given out

    @property
    def loaded(self) -> bool:
        """Whether the model is in memory."""
        return self._encoder is not None

    def facts(self) -> EncoderFacts:
        """What is known of the weights: as noted beside the stored vectors, else from the loaded model."""
        return self.known_facts() or self.encoder.facts()

    @property
    def encoder(self) -> Encoder:
        """The loaded model. Raises ``EncoderError`` if vectors of other weights were given out already."""
        if self._encoder is None:
            encoder = build_part(self._catalogue, self.spec, self._device())
            facts = encoder.facts()
            self.namespace = self._named()  # loading may have fetched files that are known by their content
            noted = self._noted_facts()
            if noted is None or noted.weights != facts.weights:
                self.namespace.note({**asdict(facts), "spec": self.spec.model_dump(mode="json")})
            if self._given is not None and self._given.weights != facts.weights:
                raise EncoderError(
                    "encoder: the weights behind this spec are not those that the stored vectors come from "
                    f"(sha256 {facts.weights[:12]}, was {self._given.weights[:12]}); run again to encode all with them"
                )
            self._encoder = encoder
        return self._encoder

    def missing(self, form: Form, modality: str, media: Iterable[Media]) -> list[Media]:
        """Those whose content is not stored in that form, each content once. Loads nothing."""
        shelf = self._shelf(form, modality)
        contents: dict[str, Media] = {}
        for one in media:
            contents.setdefault(one.digest, one)
        stored = shelf.stored(list(contents)) if shelf else set()
        return [one for digest, one in contents.items() if digest not in stored]

    def store(self, form: Form, modality: str, media: Sequence[Media], tell: Tell) -> dict[str, str]:
        """Encode and store those of ``media`` that are not stored yet; digest to reason of what cannot be read."""
        missing = self.missing(form, modality, media)
        total = len({one.digest for one in media})
        tell(StageStarted(f"encode {modality}{form.name}", total, total - len(missing)))
        broken: dict[str, str] = {}
        if missing:
            with self.namespace.writing(lambda message: tell(Note(message))) as waited:
                if waited and not self.missing(form, modality, media):
                    tell(StageAdvanced(f"encode {modality}{form.name}", total))
                else:
                    broken = self._encode_all(form, modality, media, total, tell)
        if modality != "text" and form is VECTORS:
            self._tell_remarks(media, tell)
        return broken

    def _encode_all(self, form: Form, modality: str, media: Sequence[Media], total: int, tell: Tell) -> dict[str, str]:
        """Encode and store what is missing once the model is loaded."""
        if damage := self.namespace.damage():
            tell(Note(damage))
        _ = self.encoder  # loading may find that the weights behind a tag changed: then all is missing
        missing = self.missing(form, modality, media)
        return self._encode(form, modality, missing, total - len(missing), tell)

    def take(self, form: Form, modality: str, media: Sequence[Media]) -> list[Array]:
        """A float32 array for each of ``media``. Raises ``KeyError`` for one that is not stored."""
        shelf, self._given = self._shelf(form, modality), self.facts()
        assert shelf is not None
        return shelf.take([one.digest for one in media])

    def truncated(self, media: Sequence[Media]) -> set[str]:
        """Digests of those texts that the encoder has cut, as noted when they were encoded. Loads nothing."""
        shelf = self._noted_shelf("truncated")
        return shelf.stored([one.digest for one in media]) if shelf else set()

    def _tell_remarks(self, media: Sequence[Media], tell: Tell) -> None:
        """Of contents that are heard or seen in part, as noted when they were encoded."""
        for name in REMARKS:
            shelf = self._noted_shelf(name)
            noted = shelf.find([one.digest for one in media]) if shelf else {}
            if found := [noted[one.digest] for one in media if one.digest in noted]:
                tell(Note(remarks_in_words(name, found, len(media))))

    def _noted_shelf(self, name: str) -> TextShelf | None:
        facts = self.known_facts()
        return TextShelf(self.namespace, f"{facts.weights[:16]}/{name}") if facts else None

    def _note_truncated(self, digests: Sequence[str], texts: Sequence[Any]) -> None:
        shelf = self._noted_shelf("truncated")
        which = truncated_of(self.encoder, texts)
        if shelf is None or not any(which):
            return
        shelf.add(list(itertools.compress(digests, which)), itertools.compress(texts, which))

    def _note_remarks(self, digests: Sequence[str], remarks: Mapping[str, Mapping[str, str]]) -> None:
        for name in REMARKS:
            noted = {digest: remarks[digest][name] for digest in digests if name in remarks.get(digest, {})}
            shelf = self._noted_shelf(name)
            if shelf is not None and noted:
                shelf.add(list(noted), noted.values())

    def _named(self) -> Namespace:
        component = self._catalogue.component_of(self.spec)
        identity = {"component": component.name, "implementation": component.implementation, **self.spec.identity()}
        return Namespace(self._store, "features", identity)

    def _shelf(self, form: Form, modality: str) -> ArrayShelf | None:
        facts, own = self.known_facts(), self.spec.modality_identity(self.spec.seen(modality))
        name = f"{modality}-{identity_key(own)}" if own else modality
        folder = f"{name}{form.name.replace(' ', '-')}"
        return form.shelf(self.namespace, f"{facts.weights[:16]}/{folder}") if facts else None

    def known_facts(self) -> EncoderFacts | None:
        """Of the loaded model, else of the vectors given out, else as noted: another process may note others."""
        return self._encoder.facts() if self._encoder else self._given or self._noted_facts()

    def _noted_facts(self) -> EncoderFacts | None:
        about = self.namespace.about() or {}
        if not isinstance(about.get("weights"), str) or not about.keys() >= {"parameters", "logit_scale"}:
            return None
        return EncoderFacts(about["weights"], about["parameters"], about["logit_scale"], about.get("revision"))

    def _encode(self, form: Form, modality: str, missing: Sequence[Media], done: int, tell: Tell) -> dict[str, str]:
        """Encode and store; digest to reason of what cannot be read."""
        encoder, shelf, size = self.encoder, self._shelf(form, modality), items_at_once(self.spec, modality)
        assert shelf is not None
        unstored, broken = _Unstored(shelf), dict[str, str]()
        remarks: dict[str, dict[str, str]] = {}
        readers = 0 if modality == "text" else READERS  # a text is read already
        ready = prefetched(lambda media: _read(encoder, modality, media, remarks), missing, ahead=size, threads=readers)
        try:
            with closing(ready):
                for start in range(0, len(missing), size):
                    batch = missing[start : start + size]
                    digests, contents = _readable(zip(batch, islice(ready, size), strict=True), broken)
                    self._note_remarks(digests, remarks)
                    if contents:
                        if modality == "text":
                            self._note_truncated(digests, contents)
                        unstored.add(digests, form.encode(encoder, modality, contents))
                    tell(StageAdvanced(f"encode {modality}{form.name}", done + start + len(batch)))
        finally:
            unstored.flush()
        return broken


def items_at_once(spec: EncoderSpec, modality: str) -> int:
    """Of a batch; a clip counts as several pictures."""
    return max(1, spec.batch_size // 8) if modality == "video" else spec.batch_size


class _Unstored:
    """What is encoded and waits to be written with others: a shard holds many items."""

    def __init__(self, shelf: ArrayShelf) -> None:
        self._shelf = shelf
        self._digests: list[str] = []
        self._rows: list[Array] = []
        self._bytes, self._since = 0, time.monotonic()

    def add(self, digests: Sequence[str], rows: Sequence[Array]) -> None:
        """Take an array a digest; write them all when it is time."""
        self._digests += digests
        self._rows += rows
        self._bytes += sum(row.nbytes for row in rows)
        if self._bytes > FLUSH_BYTES or time.monotonic() - self._since > FLUSH_SECONDS:
            self.flush()

    def flush(self) -> None:
        """Write what waits."""
        if self._digests:
            self._shelf.add(self._digests, self._rows)
        self._digests, self._rows = [], []
        self._bytes, self._since = 0, time.monotonic()


def _read(encoder: Encoder, modality: str, media: Media, remarks: dict[str, dict[str, str]]) -> object:
    try:
        found: dict[str, str] = {}
        ready = preprocessed(encoder, modality, heeded(encoder, media.read(), found))
        if found:
            remarks[media.digest] = found
        return ready
    except DataError as error:
        return error if media.source in str(error) else DataError(f"{media.source}: {error}")


def _readable(pairs: Iterable[tuple[Media, object]], broken: dict[str, str]) -> tuple[list[str], list[object]]:
    digests, contents = [], []
    for media, content in pairs:
        if isinstance(content, DataError):
            broken[media.digest] = str(content)
        else:
            digests.append(media.digest)
            contents.append(content)
    return digests, contents
