"""Contents as their encoders take them: read once, kept in memory as far as they fit."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from contextlib import closing
from itertools import islice
from typing import Any

from torch import Tensor

from ..data.items import DataError, Media, Splits
from ..events import Note, StageAdvanced, StageStarted, Tell
from ..roles.encoder import Encoder, preprocessed, truncated_of
from ..stages.beyond_window import REMARKS, heeded, remarks_in_words
from ..stages.prefetch import READERS, prefetched
from ..stages.text_facts import tell_of_texts

#: What is kept at most, in bytes; what lies beyond is read anew whenever it is needed.
KEEP = 4 << 30
#: Contents between two signs of progress.
STEP = 256


class Reader:
    """Preprocessed contents by modality and digest."""

    def __init__(self, encoders: Mapping[str, Encoder], keep: int = KEEP) -> None:
        self._encoders, self._room = encoders, keep
        self._kept: dict[tuple[str, str], Any] = {}
        self._remarks: dict[str, dict[str, str]] = {}

    def store(self, splits: Splits, tell: Tell) -> dict[str, str]:
        """Read everything once, and keep what fits; digest to reason of what cannot be read."""
        views = [view for items in splits.values() for item in items for view in item.views()]
        unreadable: dict[str, str] = {}
        for modality, encoder in self._encoders.items():
            by_digest = {view[modality].digest: view[modality] for view in views}
            unreadable |= self._read(modality, by_digest, tell)
            for name in REMARKS:
                remarks = (self._remarks.get(digest, {}) for digest in by_digest)
                if found := [one[name] for one in remarks if name in one]:
                    tell(Note(remarks_in_words(name, found, len(by_digest))))
            if modality == "text":
                texts = [one.read() for one in by_digest.values()]
                cut = sum(truncated_of(encoder, texts))
                tell_of_texts(sum(not text.strip() for text in texts), cut, len(texts), tell)
        return unreadable

    def contents(self, modality: str, media: Sequence[Media]) -> list[Any]:
        """Each as ``Encoder.preprocess`` gives it. Raises ``DataError`` for what can no longer be read."""
        return [self._content(modality, one) for one in media]

    def _content(self, modality: str, media: Media) -> Any:
        key = (modality, media.digest)
        return self._kept[key] if key in self._kept else self._preprocessed(modality, media)

    def _preprocessed(self, modality: str, media: Media) -> Any:
        encoder, found = self._encoders[modality], dict[str, str]()
        ready = preprocessed(encoder, modality, heeded(encoder, media.read(), found))
        if found:
            self._remarks[media.digest] = found
        return ready

    def _attempt(self, modality: str, media: Media) -> Any:
        try:
            return self._preprocessed(modality, media)
        except DataError as error:
            return error

    def _read(self, modality: str, by_digest: Mapping[str, Media], tell: Tell) -> dict[str, str]:
        """Digest to reason of what cannot be read."""
        broken: dict[str, str] = {}
        unread = [one for digest, one in by_digest.items() if (modality, digest) not in self._kept]
        stage, done = f"read {modality}", len(by_digest) - len(unread)
        tell(StageStarted(stage, len(by_digest), done))
        readers = 0 if modality == "text" else READERS  # a text is read already
        with closing(prefetched(lambda one: self._attempt(modality, one), unread, STEP, readers)) as ready:
            for start in range(0, len(unread), STEP):
                batch = unread[start : start + STEP]
                for media, content in zip(batch, islice(ready, STEP), strict=True):
                    if isinstance(content, DataError):
                        broken[media.digest] = str(content)
                    else:
                        self._keep(modality, media.digest, content)
                tell(StageAdvanced(stage, done + start + len(batch)))
        return broken

    def _keep(self, modality: str, digest: str, content: Any) -> None:
        size = sum(_bytes(content))
        if size <= self._room:
            self._room -= size
            self._kept[modality, digest] = content


def _bytes(content: Any) -> Iterable[int]:
    if isinstance(content, Tensor):
        yield content.nbytes
    elif isinstance(content, Mapping):
        for value in content.values():
            yield from _bytes(value)
    elif isinstance(content, list):
        for value in content:
            yield from _bytes(value)
    else:
        yield len(content) if isinstance(content, (str, bytes)) else getattr(content, "nbytes", 1 << 10)
