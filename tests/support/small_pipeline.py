"""A plugin as a third party would write it: small real components that the tests put into pipelines by name."""

import hashlib
import signal
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import torch
from torch import Tensor

from graftwork import Pipeline
from graftwork.core.data.items import DatasetContent, Item
from graftwork.core.data.shots import sample_shots
from graftwork.core.events import Event, Note
from graftwork.core.roles import (
    Captioner,
    CaptionerSpec,
    Dataset,
    DatasetSpec,
    Encoder,
    EncoderFacts,
    EncoderSpec,
    Reporter,
    ReporterSpec,
)
from graftwork.core.run.measured import notes_of
from graftwork.core.run.run import Run
from graftwork.plugins.datasets import DigitsSpec
from graftwork.plugins.datasets.digits import Digits
from graftwork.registry.catalogue import Catalogue, Plugin
from graftwork.registry.component import Component
from graftwork.registry.discovery import default_catalogue

WIDTH = 64


class FewDigitsSpec(DatasetSpec):
    """The first digits of each class and split; some targets may be turned into nonsense or taken away."""

    type: Literal["few_digits"] = "few_digits"
    train: int = 12
    val: int = 6
    test: int = 6
    rotate: Mapping[str, int] = {}
    """Split to what is added to its targets, modulo 10."""
    labelled_shots: int | None = None
    """Labels stay on the few-shot sample of seed 0 alone; every other training item has none."""
    only_val: str | None = None
    """The digits that the validation split has; all where none are named."""


class FewDigits(Dataset):
    """As its spec says."""

    def __init__(self, spec: FewDigitsSpec) -> None:
        self.spec = spec

    def load(self) -> DatasetContent:
        whole = Digits(DigitsSpec()).load()
        splits = {name: _first(whole.splits[name], getattr(self.spec, name)) for name in ("train", "val", "test")}
        for name, turn in self.spec.rotate.items():
            splits[name] = tuple(Item(one.id, one.modalities, (one.target + turn) % 10) for one in splits[name])  # type: ignore[operator]
        if self.spec.labelled_shots is not None:
            kept = {item.id for item in sample_shots(splits["train"], self.spec.labelled_shots, 0)}
            splits["train"] = tuple(
                Item(one.id, one.modalities, one.target if one.id in kept else None) for one in splits["train"]
            )
        if self.spec.only_val is not None:
            splits["val"] = tuple(one for one in splits["val"] if str(one.target) in self.spec.only_val)
        return DatasetContent(splits, whole.class_names, "few digits")


def _first(items: Sequence[Item], each: int) -> tuple[Item, ...]:
    counts = [0] * 10
    chosen = []
    for item in items:
        assert item.target is not None
        counts[item.target] += 1
        if counts[item.target] <= each:
            chosen.append(item)
    return tuple(chosen)


class PixelsSpec(EncoderSpec):
    """An encoder that needs no weights: pixels are the vector, and a text is a random direction of its own."""

    type: Literal["pixels"] = "pixels"
    marker: str = ""
    """Part of the identity: vectors of one marker are not found under another."""

    def width(self, modality: str) -> int:
        """64, of vectors as of tokens."""
        return WIDTH

    def token_width(self, modality: str) -> int:
        """As of vectors."""
        return WIDTH


class Pixels(Encoder):
    """Counts how often it was built and what it encoded."""

    built: ClassVar[list[str]] = []
    encoded: ClassVar[list[tuple[str, str]]] = []

    def __init__(self, spec: PixelsSpec, device: torch.device) -> None:
        self.spec = spec
        self.built.append(spec.marker)

    def facts(self) -> EncoderFacts:
        return EncoderFacts(hashlib.sha256(b"pixels").hexdigest(), 1000, 20.0)

    def encode(self, modality: str, batch: Sequence[Any]) -> Tensor:
        self.encoded += [(self.spec.marker, modality)] * len(batch)
        rows = [_pixels(one) if modality == "image" else _direction(one) for one in batch]
        return torch.nn.functional.normalize(torch.stack(rows), dim=-1)

    def encode_tokens(self, modality: str, batch: Sequence[Any]) -> list[Tensor]:
        return [_token_rows(one) for one in batch]


def _token_rows(one: Any) -> Tensor:
    """Of a picture its eight rows, each black elsewhere; of a text its words."""
    if isinstance(one, str):
        return torch.stack([_direction(word) for word in one.split()])
    return torch.block_diag(*_pixels(one).reshape(8, 8).unbind())


def _pixels(picture: Any) -> Tensor:
    grey = np.asarray(picture.convert("L").resize((8, 8)), np.float32)
    return torch.from_numpy(grey).flatten() + 1


def _direction(text: str) -> Tensor:
    seed = int.from_bytes(hashlib.sha256(text.encode()).digest()[:4])
    return torch.randn(WIDTH, generator=torch.Generator().manual_seed(seed))


class BrightnessSpec(CaptionerSpec):
    """Describes how bright a picture is."""

    type: Literal["brightness"] = "brightness"
    wording: str = "a picture of brightness {}"


class Brightness(Captioner):
    """Remembers every argument that it was given."""

    seen: ClassVar[list[Sequence[Any]]] = []

    def __init__(self, spec: BrightnessSpec, device: torch.device) -> None:
        self.spec = spec

    def describe(self, images: Sequence[Any]) -> list[str]:
        self.seen.append(images)
        return [self.spec.wording.format(int(np.asarray(image.convert("L")).mean()) // 16) for image in images]


class FragileSpec(ReporterSpec):
    """Raises when it hears an event of that name, or when it is closed."""

    type: Literal["fragile"] = "fragile"
    breaks_on: str = "RunStarted"
    error: Literal["runtime", "interrupt", "SIGINT", "SIGTERM", "SIGHUP"] = "runtime"


class Fragile(Reporter):
    """As its spec says."""

    def __init__(self, spec: FragileSpec, folder: Path) -> None:
        self.spec = spec

    def hear(self, event: Event) -> None:
        if type(event).__name__ == self.spec.breaks_on:
            if self.spec.error.startswith("SIG"):
                signal.raise_signal(signal.Signals[self.spec.error])
            raise KeyboardInterrupt if self.spec.error == "interrupt" else RuntimeError("the reporter is broken")

    def close(self) -> None:
        if self.spec.breaks_on == "close":
            raise RuntimeError("the reporter is broken")


class HearingSpec(ReporterSpec):
    """Keeps every event."""

    type: Literal["hearing"] = "hearing"


class Hearing(Reporter):
    """As its spec says."""

    heard: ClassVar[list[Event]] = []

    def __init__(self, spec: HearingSpec, folder: Path) -> None:
        self.heard.clear()

    def hear(self, event: Event) -> None:
        self.heard.append(event)


def notes_heard(run: Run) -> list[str]:
    """Every note of the run but those on the epochs kept: which those are, the machine's arithmetic decides."""
    notes = [event.message for event in Hearing.heard if isinstance(event, Note)]
    return [note for note in notes if note not in notes_of(run.typed)]


COMPONENTS = (
    Component("dataset", "few_digits", FewDigitsSpec, f"{__name__}:FewDigits", "a few of the digits"),
    Component("encoder", "pixels", PixelsSpec, f"{__name__}:Pixels", "pixels as vectors"),
    Component("captioner", "brightness", BrightnessSpec, f"{__name__}:Brightness", "says how bright a picture is"),
    Component("reporter", "fragile", FragileSpec, f"{__name__}:Fragile", "raises"),
    Component("reporter", "hearing", HearingSpec, f"{__name__}:Hearing", "keeps events"),
)


def catalogue() -> Catalogue:
    """What is installed, and this plugin."""
    return Catalogue([Plugin("tests", "graftwork-tests", "1", components=COMPONENTS), *default_catalogue().plugins])


#: A pipeline of a second: few digits, pixels, GA-Net.
SMALL: dict[str, Any] = {
    "version": 1,
    "name": "small",
    "dataset": {"type": "few_digits"},
    "encoder": {"type": "pixels"},
    "graph": {"type": "similarity", "threshold": 0.8},
    "adapter": {"type": "ga_net", "bottleneck": 8},
    "task": {"type": "classification", "head": {"type": "linear"}},
    "trainer": {"epochs": 5, "optimizer": {"type": "adamw", "lr": 0.01}},
    "reporters": [],
}


def pipeline(**overrides: Any) -> Pipeline:
    """``SMALL`` with overrides, dots written as two underscores: ``pipeline(trainer__epochs=2)``."""
    paths = {key.replace("__", "."): value for key, value in overrides.items()}
    return Pipeline.from_dict(SMALL, paths, catalogue())
