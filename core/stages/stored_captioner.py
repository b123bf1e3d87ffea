"""One captioner and what it has described: each picture once, stored under the captioner's identity."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from contextlib import closing
from functools import cached_property
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ...registry.build import build
from ...registry.catalogue import Catalogue
from ..data.items import DataError, Item, Media, Splits, some_of
from ..data.pictures import bare, bytes_of
from ..events import Note, StageAdvanced, StageStarted, Tell
from ..roles.captioner import Captioner, CaptionerError, PictureKey, WrittenCaptions, texts_of, written_texts_of
from ..roles.specs import CaptionerSpec
from ..storage.store import Namespace, TextShelf
from .prefetch import READERS, in_batches, prefetched
from .unreadable import Unreadable

if TYPE_CHECKING:
    import torch


class StoredCaptioner:
    """Describes with one captioner spec. The model is built only when a picture has no stored description."""

    def __init__(
        self, spec: CaptionerSpec, catalogue: Catalogue, store: Path, device: Callable[[], torch.device]
    ) -> None:
        component = catalogue.component_of(spec)
        self.spec, self.type, self._catalogue, self._device = spec, component.type, catalogue, device
        self.identity = {"component": component.name, "implementation": component.implementation, **spec.identity()}
        self.namespace = Namespace(store, "descriptions", self.identity)
        self._captioner: Captioner | None = None

    @property
    def captioner(self) -> Captioner:
        """The model, built when first asked for."""
        if self._captioner is None:
            captioner = build(Captioner, self._catalogue, self.spec, self._device())
            if self.namespace.about() is None or self._noted_weights() != captioner.weights():
                self.namespace.note({"weights": captioner.weights(), "spec": self.spec.model_dump(mode="json")})
            self._captioner = captioner
        return self._captioner

    def facts(self) -> dict[str, Any]:
        """What the descriptions depend on, with the weights where these were noted."""
        weights = self._noted_weights()
        return {**self.identity, **({"weights": weights} if weights else {})}

    @cached_property
    def written(self) -> WrittenCaptions | None:
        """The written descriptions, for a spec that only looks them up."""
        if not self.spec.written:
            return None
        return build(WrittenCaptions, self._catalogue, self.spec)

    @property
    def lacks_its_file(self) -> bool:
        """Whether asking for its descriptions would fail: a file of them that is not there."""
        return self.spec.written and self.spec.missing_files() is not None

    def texts(self, items: Sequence[Item]) -> list[str | None]:
        """The description of each item that has one already."""
        if self.written is not None:
            return written_texts_of(self.written, [_key(item) for item in items])
        stored = self._shelf().find([_picture(item).digest for item in items])
        return [stored.get(_picture(item).digest) for item in items]

    def known(self, items: Sequence[Item]) -> list[str]:
        """The descriptions that are there already."""
        return [text for text in self.texts(items) if text is not None]

    def missing(self, items: Sequence[Item]) -> list[Media]:
        """Pictures without a description, each content once."""
        texts = zip(map(_picture, items), self.texts(items), strict=True)
        return list({picture.digest: picture for picture, text in texts if text is None}.values())

    def describe(self, splits: Splits, tell: Tell = lambda event: None) -> dict[str, tuple[Item, ...]]:
        """The same splits, each item with its description as ``text``.

        Raises ``Unreadable`` naming the pictures that cannot be decoded, after all others were described and stored;
        ``CaptionerError`` naming the items that a file of written descriptions lacks.
        """
        items = [item for split in splits.values() for item in split]
        if unreadable := self.store(items, tell):
            raise Unreadable(unreadable, [_picture(item) for item in items])
        return self.described(splits)

    def described(self, splits: Splits) -> dict[str, tuple[Item, ...]]:
        """The same splits, of which every picture has a description, with it as ``text``."""
        texts = iter(self.known([item for split in splits.values() for item in split]))
        return {name: tuple(_with_text(item, next(texts)) for item in split) for name, split in splits.items()}

    def store(self, items: Sequence[Item], tell: Tell) -> dict[str, str]:
        """Describe and store what is not described yet; digest to reason of the pictures that cannot be decoded.

        Raises ``CaptionerError`` naming the items that a file of written descriptions lacks.
        """
        if self.written is not None:
            tell(StageStarted("describe", len(items), len(items)))
            self._require_written(items)
            return {}
        pictures = {_picture(item).digest for item in items}
        missing = self.missing(items)
        tell(StageStarted("describe", len(pictures), len(pictures) - len(missing)))
        if not missing:
            return {}
        with self.namespace.writing(lambda message: tell(Note(message))) as waited:
            if waited and not self.missing(items):
                tell(StageAdvanced("describe", len(pictures)))
                return {}
            if damage := self.namespace.damage():
                tell(Note(damage))
            _ = self.captioner  # loading may find that the weights behind a name changed: then all is missing
            missing = self.missing(items)
            return self._describe(missing, len(pictures) - len(missing), tell)

    def _require_written(self, items: Sequence[Item]) -> None:
        lacking = [item.id for item, text in zip(items, self.texts(items), strict=True) if text is None]
        if lacking:
            raise CaptionerError(
                f"captioner `{self.type}`: {len(lacking)} of {len(items)} items have no description; write them, or "
                f"take them out of the data set:{some_of(lacking)}"
            )

    def _describe(self, missing: Sequence[Media], done: int, tell: Tell) -> dict[str, str]:
        """Describe and store batch by batch; digest to reason of what cannot be read."""
        broken: dict[str, str] = {}
        size = self.spec.pictures_at_once()
        waiting = iter(missing)
        with closing(prefetched(_read, missing, ahead=size, threads=READERS, weight=bytes_of)) as ready:
            for contents in in_batches(ready, size, bytes_of):
                batch = list(zip(islice(waiting, len(contents)), contents, strict=True))
                readable = [(media, content) for media, content in batch if not isinstance(content, DataError)]
                broken |= {media.digest: str(content) for media, content in batch if isinstance(content, DataError)}
                if readable:
                    texts = texts_of(self.captioner, [content for _, content in readable])
                    self._shelf().add([media.digest for media, _ in readable], texts)
                for message in self.captioner.notes():
                    tell(Note(f"captioner `{self.type}`: {message}"))
                done += len(batch)
                tell(StageAdvanced("describe", done))
        return broken

    def _shelf(self) -> TextShelf:
        """Of the weights that are loaded, else of those that were noted: descriptions of two never mix."""
        weights = self._captioner.weights() if self._captioner else self._noted_weights()
        return TextShelf(self.namespace, f"{weights[:16]}/image" if weights else "image")

    def _noted_weights(self) -> str | None:
        noted = (self.namespace.about() or {}).get("weights")
        return noted if isinstance(noted, str) else None


def _read(media: Media) -> Any:
    """The bare picture, or the ``DataError`` that says why there is none."""
    try:
        return bare(media.read())
    except DataError as error:
        return error


def _picture(item: Item) -> Media:
    if "image" not in item.modalities:
        raise DataError(f"item {item.id} has no image to describe; remove the captioner")
    return item.modalities["image"]


def _key(item: Item) -> PictureKey:
    picture = _picture(item)
    return PictureKey(item.id, picture.bytes_digest, picture.source)


def _with_text(item: Item, text: str) -> Item:
    media = Media.of_text(text, f"description of {_picture(item).source}")
    return Item(item.id, {**item.modalities, "text": media}, item.target, groups=item.groups)
