"""What a reader of a result should know of the items' texts: examples, how many are empty, how many were cut."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ..data.items import Item, Items, Media
from ..events import Note, Tell
from .encode import EncoderStage
from .stored_captioner import StoredCaptioner

EXAMPLES = 3


@dataclass(frozen=True, slots=True)
class TextFacts:
    """Facts about the texts of the splits that a run uses."""

    #: Identity of the captioner, and its weights; ``None`` where the data set brought the texts.
    captioner: Mapping[str, Any] | None
    #: Items with a text.
    items: int
    #: Items whose text is empty: their vector is that of the empty text.
    empty: int
    #: Items whose text is longer than the encoder reads: what lies beyond is cut.
    truncated: int
    #: The first items of the first split: ``id``, ``source`` of the picture, ``description``.
    examples: tuple[dict[str, str], ...]

    def to_json(self) -> dict[str, Any]:
        """Without the examples, which stand for themselves in a result."""
        captioner = None if self.captioner is None else dict(self.captioner)
        return {"captioner": captioner, "items": self.items, "empty": self.empty, "truncated": self.truncated}


def text_facts(items: Items, captioner: StoredCaptioner | None, encoder: EncoderStage, tell: Tell) -> TextFacts:
    """Look at every text once. Tells a ``Note`` about empty and about cut ones. Texts must be encoded already."""
    texts = [item.modalities["text"] for item in items.of_all_splits()]
    cut = encoder.truncated(texts)
    empty, truncated = sum(not text.read().strip() for text in texts), sum(text.digest in cut for text in texts)
    tell_of_texts(empty, truncated, len(texts), tell)
    first = next(iter(items.splits.values()))[:EXAMPLES]
    facts = captioner.facts() if captioner else None
    return TextFacts(facts, len(texts), empty, truncated, tuple(_example(item) for item in first))


def tell_of_texts(empty: int, truncated: int, of: int, tell: Tell) -> None:
    """Notes on so many texts that say nothing, and that are cut."""
    if empty:
        tell(Note(f"{empty} of {of} descriptions are empty; what the encoder makes of them is that of the empty text"))
    if truncated:
        tell(Note(f"{truncated} of {of} descriptions are longer than the encoder reads; it sees their beginning"))


def _example(item: Item) -> dict[str, str]:
    text: Media = item.modalities["text"]
    source = item.modalities["image"].source if "image" in item.modalities else text.source
    return {"id": item.id, "source": source, "description": text.read()}
