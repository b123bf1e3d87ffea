"""The captioner stage: every picture described once, the descriptions stored by content."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from ..registry.catalogue import Catalogue
from .assemble import build
from .captioner import Captioner
from .dataset import DataError, Item, Media
from .encode import Tell
from .events import StageAdvanced, StageStarted
from .roles import CaptionerSpec
from .store import Namespace, TextShelf

if TYPE_CHECKING:
    import torch

BATCH = 16


class CaptionerStage:
    """Describes with one captioner spec. The model is built only when a picture has no stored description."""

    def __init__(
        self, spec: CaptionerSpec, catalogue: Catalogue, store: Path, device: Callable[[], torch.device]
    ) -> None:
        component = catalogue.component_of(spec)
        self.spec, self._catalogue, self._device = spec, catalogue, device
        identity = {"component": component.name, "implementation": component.version, **spec.identity()}
        namespace = Namespace(store, "descriptions", identity)
        self._shelf = TextShelf(namespace, "image")
        self._namespace = namespace

    @cached_property
    def captioner(self) -> Captioner:
        """The model, built when first asked for."""
        built: Captioner = build(self._catalogue, self.spec, self._device())
        return built

    def missing(self, items: Sequence[Item]) -> list[Media]:
        """Pictures without a stored description, each content once."""
        stored = self._shelf.all()
        pictures = {item.modalities["image"].digest: item.modalities["image"] for item in items}
        return [media for digest, media in pictures.items() if digest not in stored]

    def describe(
        self, splits: Mapping[str, Sequence[Item]], tell: Tell = lambda event: None
    ) -> dict[str, tuple[Item, ...]]:
        """The same splits, each item with its description as ``text``. The captioner sees pictures alone."""
        items = [item for split in splits.values() for item in split]
        missing = self.missing(items)
        total = len({item.modalities["image"].digest for item in items})
        tell(StageStarted("describe", total, total - len(missing)))
        for start in range(0, len(missing), BATCH):
            batch = missing[start : start + BATCH]
            texts = self.captioner.describe([media.read() for media in batch])
            if len(texts) != len(batch):
                component = self._catalogue.component_of(self.spec)
                raise DataError(
                    f"captioner `{component.type}` gave {len(texts)} descriptions for {len(batch)} pictures"
                )
            if self._namespace.about() is None:
                self._namespace.note({})
            self._shelf.add([media.digest for media in batch], texts)
            tell(StageAdvanced("describe", total - len(missing) + start + len(batch)))
        texts_of = self._shelf.all()
        return {name: tuple(_with_text(item, texts_of) for item in split) for name, split in splits.items()}


def _with_text(item: Item, texts: Mapping[str, str]) -> Item:
    picture = item.modalities["image"]
    text = Media.of_text(texts[picture.digest], f"description of {picture.source}")
    return Item(item.id, {**item.modalities, "text": text}, item.target)
