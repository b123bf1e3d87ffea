"""The answers of ``predict`` as they come: of items that can be read, and what becomes of the others."""

from __future__ import annotations

from collections import deque
from typing import TYPE_CHECKING

from ..say import say, say_note
from .prediction_files import Said

if TYPE_CHECKING:
    from collections.abc import Iterator, Sequence

    from ...data.given_items import Row
    from ...data.items import DataError, Item
    from ...training.predictor import Predictor


class Unread:
    """What becomes of items that cannot be read."""

    def __init__(self, on_error: str) -> None:
        self.on_error, self.count = on_error, 0

    def met(self, error: DataError) -> None:
        """One of them. Raises the error where it ends the command."""
        if self.on_error == "fail":
            raise error
        self.count += 1
        if self.on_error == "report":
            say(f"error: {error}", err=True)

    def end(self) -> None:
        """After the last item."""
        from ....registry.errors import counted

        if self.count and self.on_error == "report":
            raise SystemExit(2)
        if self.count:
            how = "recorded with the reason" if self.on_error == "record" else "left out"
            say_note(f"{counted(self.count, 'items')} that cannot be read: {how}")


def answers(predictor: Predictor, rows: Sequence[Row], unread: Unread) -> Iterator[Said]:
    """What is said of each item that can be read, and why not of each other one where that is recorded, in order."""
    names: deque[Said | str] = deque()
    for answer in predictor.answer(opened(predictor, rows, names, unread)):
        while isinstance(one := names.popleft(), Said):
            yield one
        each = answer.each()
        several = len(each) if len(each) > 1 else 0
        for number, prediction in enumerate(each, start=1):
            yield Said(one, number if several else 0, several, prediction)
    yield from (one for one in names if isinstance(one, Said))


def opened(predictor: Predictor, rows: Sequence[Row], names: deque[Said | str], unread: Unread) -> Iterator[Item]:
    """The items that can be read, whose names are added to ``names``; of others what is recorded."""
    from ...data.given_items import name_of, name_of_row
    from ...data.items import DataError

    for number, row in enumerate(rows):
        name = name_of_row(row, number)
        try:
            item = predictor.open(row, name)
        except DataError as error:
            unread.met(error)
            if unread.on_error == "record":
                names.append(Said(name, 0, 0, None, str(error)))
        else:
            names.append(name_of(item))
            yield item


def write_masks(predictor: Predictor, rows: Sequence[Row], folder: str, unread: Unread) -> None:
    """A PNG a picture, white where the mask is, in a new folder: ``1.png``; of an item of several ``1_1.png``."""
    from pathlib import Path

    from PIL import Image

    from ...data.items import DataError
    from ...layers.predictor import LayerPredictor
    from ...storage.files import require_writable

    if not isinstance(predictor, LayerPredictor):
        raise DataError(f"task `{predictor.spec.task.type}` gives no masks; leave --masks out")
    place = Path(folder)
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise DataError(f"--masks: {folder} is not empty; name a new folder")
    require_writable(place / "1.png")
    place.mkdir(parents=True, exist_ok=True)
    names: deque[Said | str] = deque()
    for item, masks in enumerate(predictor.masks_of(opened(predictor, rows, names, unread)), start=1):
        name = names.popleft()
        for number, mask in enumerate(masks, start=1):
            path = place / (f"{item}_{number}.png" if len(masks) > 1 else f"{item}.png")
            Image.fromarray(mask).save(path)
            say(f"{name}: {path}, {mask.mean():.1%} of it")
