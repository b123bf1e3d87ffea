"""A data set for every task that runs towers: tiny pictures, words and tones whose label needs all of them."""

import hashlib
from collections.abc import Mapping
from typing import Any, Literal

import numpy as np
from PIL import Image

from graftwork.core.data.items import DataError, DatasetContent, Item, Media
from graftwork.core.data.waveform import Waveform
from graftwork.core.roles import Dataset, DatasetSpec
from graftwork.registry.catalogue import Catalogue, Plugin
from graftwork.registry.component import Component
from graftwork.registry.discovery import default_catalogue

COLOURS = {"red": (220, 20, 20), "green": (20, 180, 20), "blue": (20, 20, 220)}
TONES = (440.0, 880.0, 1760.0)


class LittleSpec(DatasetSpec):
    """Squares of one colour, and a word or a tone that names a colour."""

    type: Literal["little"] = "little"
    task: Literal["same", "image", "vqa", "both", "clip", "pairs"] = "same"
    train: int = 24
    val: int = 12
    test: int = 12
    drop: str | None = None
    """An item that loses its text."""
    broken: str | None = None
    """A clip whose first sound cannot be decoded."""


class Little(Dataset):
    """Items in a fixed order of colours and shades."""

    def __init__(self, spec: LittleSpec) -> None:
        self.spec = spec

    def load(self) -> DatasetContent:
        make = getattr(self, f"_{self.spec.task}")
        splits = {}
        start = 0
        for name in ("train", "val", "test"):
            count = getattr(self.spec, name)
            items = [make(f"{name}-{n}", start + n) for n in range(count)]
            splits[name] = tuple(_without_text(one) if one.id == self.spec.drop else one for one in items)
            start += count
        return DatasetContent(splits, self._classes(), f"little {self.spec.task}")

    def _classes(self) -> tuple[str, ...]:
        return {"same": ("no", "yes"), "both": ("false", "true"), "vqa": ("no", "yes", "maybe")}.get(
            self.spec.task, tuple(COLOURS)
        )

    def _same(self, name: str, n: int) -> Item:
        shown, said = n % 3, (n // 3) % 3
        return Item(name, {"image": picture(shown, n), "text": word(said)}, int(shown == said))

    def _image(self, name: str, n: int) -> Item:
        return Item(name, {"image": picture(n % 3, n)}, n % 3)

    def _vqa(self, name: str, n: int) -> Item:
        shown, said = n % 3, (n // 3) % 3
        answers: Mapping[int, float] = {1: 1.0, 2: 0.3} if shown == said else {0: 1.0}
        return Item(name, {"image": picture(shown, n), "text": word(said)}, answers)

    def _both(self, name: str, n: int) -> Item:
        left, right, said = n % 3, (n // 2) % 3, (n // 3) % 3
        true = left == said == right
        pictures = ({"image": picture(left, n)}, {"image": picture(right, n + 1)})
        return Item(name, {"text": word(said)}, int(true), pictures)

    def _clip(self, name: str, n: int) -> Item:
        heard = tuple((n + step) % 3 for step in range(2 + n % 2))
        seen = [picture(n % 3, n + 7 * step) for step in range(len(heard))]
        sounds = [tone(which, n) for which in heard]
        if name == self.spec.broken:
            sounds[0] = Media("broken", f"tone of {name}", lambda: _refuse(f"tone of {name}: the sound is empty"))
        passes = tuple({"image": one, "audio": sound} for one, sound in zip(seen, sounds, strict=True))
        return Item(name, {}, heard, passes)

    def _pairs(self, name: str, n: int) -> Item:
        return Item(name, {"image": picture(n // 2 % 3, n // 2), "text": word(n // 2 % 3, n)}, n // 2)


def _refuse(reason: str) -> Any:
    raise DataError(reason)


def _without_text(item: Item) -> Item:
    kept = {kind: one for kind, one in item.modalities.items() if kind != "text"}
    return Item(item.id, kept, item.target, item.passes)


def picture(colour: int, shade: int) -> Media:
    rgb = np.array(list(COLOURS.values())[colour]) + shade % 30
    image = Image.fromarray(np.broadcast_to(rgb, (16, 16, 3)).astype(np.uint8))
    return Media(hashlib.sha256(f"{colour} {shade}".encode()).hexdigest(), f"square {colour} {shade}", lambda: image)


def word(colour: int, more: int | None = None) -> Media:
    return Media.of_text(f"a {list(COLOURS)[colour]} square" + ("" if more is None else f" {more}"))


def tone(which: int, more: int) -> Media:
    time = np.arange(8000 + 10 * (more % 5)) / 16000
    samples = (0.5 * np.sin(2 * np.pi * TONES[which] * time)).astype(np.float32)
    digest = hashlib.sha256(f"tone {which} {more}".encode()).hexdigest()
    return Media(digest, f"tone {which}", lambda: Waveform(samples, 16000))


def with_little_data() -> Catalogue:
    """What is installed, and this data set."""
    component = Component("dataset", "little", LittleSpec, f"{__name__}:Little", "tiny")
    return Catalogue([Plugin("little", "little-data", "1", components=(component,)), *default_catalogue().plugins])


def pipeline(task: str, data: str, encoder: Any, adapter: Any, **more: Any) -> dict[str, Any]:
    """A short training of one seed."""
    return {
        "name": "little",
        "device": "cpu",
        "dataset": {"type": "little", "task": data},
        "encoder": encoder,
        "adapter": adapter,
        "task": {"type": task, **({} if task == "retrieval" else {"head": {"type": "linear"}})},
        "trainer": {"epochs": 2, "batch_size": 12, "optimizer": {"type": "adamw", "lr": 0.01}},
        "reporters": [],
        **more,
    }
