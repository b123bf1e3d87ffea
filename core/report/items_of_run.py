"""The items that a run was trained and scored on, as its data set gives them today: pictures and descriptions."""

from __future__ import annotations

import base64
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from PIL.Image import Image, Resampling

from ...registry.catalogue import Catalogue
from ...registry.errors import GraftworkError, one_line
from ..data.items import Item
from ..data.pictures import bare
from ..run.item_predictions import content_key
from ..spec.load_spec import spec_from_dict
from ..spec.pipeline_spec import PipelineSpec
from ..stages.context import RunContext
from ..stages.list_items import listed_for
from ..stages.stored_captioner import StoredCaptioner
from ..storage.item_predictions import ItemPrediction
from .read_run import ReportedRun

#: Pixels of a thumbnail's longer side, and of a neighbour's; drawn half as large, for screens of many pixels.
LARGE, SMALL = 192, 96


@dataclass(frozen=True)
class ItemsOfRun:
    """What is there of the data today."""

    #: Id to item, of each split.
    by_split: dict[str, dict[str, Item]]
    #: Why there is none, or not all; empty where all is as it was.
    lacking: str
    #: Whether the data are those of the run, to the byte.
    same: bool
    captioner: StoredCaptioner | None = None

    def item(self, split: str, id_: str, said: ItemPrediction | None = None) -> Item | None:
        """The item, where it is still the one that the run saw."""
        found = self.by_split.get(split, {}).get(id_)
        if found is None or self.same:
            return found
        return found if said is not None and said.content == content_key(found) else None

    def support_item(self, id_: str) -> Item | None:
        """A training item."""
        return self.item("train", id_)

    def descriptions(self, items: Sequence[Item]) -> list[str | None]:
        """What a model, or the data set, says of each; ``None`` where nothing is there. Describes nothing anew."""
        if self.captioner is not None:
            try:
                return self.captioner.texts(items)
            except GraftworkError:
                return [None] * len(items)
        return [_text(item) for item in items]


def items_of(run: ReportedRun, catalogue: Catalogue, store: Path) -> ItemsOfRun:
    """Lists the data set of a run. Data that are gone, or are not readable here, are said, and are no error."""
    try:
        spec = _spec_of(run, catalogue)
        context = RunContext(catalogue, store)
        content = listed_for(spec, context)
    except (GraftworkError, OSError) as error:
        return ItemsOfRun({}, one_line(f"its data set cannot be read any more: {error}"), False)
    by_split = {name: {item.id: item for item in items} for name, items in content.splits.items()}
    same = content.fingerprint() == run.result.dataset.fingerprint
    changed = "its data set is another since: only items that are as they were are shown"
    return ItemsOfRun(by_split, "" if same else changed, same, context.captioner(spec))


def _spec_of(run: ReportedRun, catalogue: Catalogue) -> PipelineSpec:
    if not run.pipeline:
        raise GraftworkError("the run folder holds no pipeline.json")
    return spec_from_dict(run.pipeline, catalogue=catalogue)


def _text(item: Item) -> str | None:
    media = item.views()[0].get("text")
    if media is None:
        return None
    try:
        text = media.read()
    except (GraftworkError, OSError):
        return None
    return text if isinstance(text, str) else None


def thumbnail(item: Item, side: int) -> str | None:
    """The first picture of an item as a ``data:`` address, its longer side of at most ``side`` pixels; ``None`` where
    it has none, or it cannot be read."""
    media = item.views()[0].get("image")
    if media is None:
        return None
    try:
        picture = bare(media.read())
    except (GraftworkError, OSError):
        return None
    if not isinstance(picture, Image):
        return None
    grown = max(1, 48 // max(picture.size))  # a digit of 8 pixels is drawn in squares
    small = picture.convert("RGB")
    if grown > 1:
        small = small.resize((picture.width * grown, picture.height * grown), Resampling.NEAREST)
    small.thumbnail((side, side))
    content = io.BytesIO()
    small.save(content, "WEBP", quality=75)
    return "data:image/webp;base64," + base64.b64encode(content.getvalue()).decode()
