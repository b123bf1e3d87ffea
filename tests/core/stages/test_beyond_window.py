"""What an encoder does not hear or read is said: sounds, prompts, and classes that are one to it."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch
from torch import Tensor

from graftwork.core.data.items import DataError, DatasetContent, Item, Items, Media
from graftwork.core.data.waveform import Waveform
from graftwork.core.events import Event, Note
from graftwork.core.layers.preprocessed import Reader
from graftwork.core.stages.context import RunContext
from graftwork.core.stages.encode import EncoderStage
from graftwork.core.stages.prompts import encode_prompts
from graftwork.plugins.encoders.transformers.audio import AudioSide

from ...support.small_pipeline import Pixels, PixelsSpec, catalogue, pipeline

WINDOW = 30


def first_letters(self: Pixels, modality: str, batch: Sequence[Any]) -> Tensor:
    """As ``Pixels``, of the beginning of a text, in lower case; of a sound its first samples."""
    if modality == "audio":
        return torch.nn.functional.normalize(torch.stack([torch.from_numpy(one.samples[:8]) for one in batch]), dim=-1)
    from ...support import small_pipeline

    rows = [small_pipeline._direction(one[:WINDOW].lower()) for one in batch]
    return torch.nn.functional.normalize(torch.stack(rows), dim=-1)


@pytest.fixture(autouse=True)
def short_sighted(monkeypatch: pytest.MonkeyPatch) -> None:
    """An encoder that reads 30 letters and hears a tenth of a second."""
    monkeypatch.setattr(Pixels, "encode", first_letters)
    monkeypatch.setattr(Pixels, "truncated", lambda self, texts: [len(text) > WINDOW for text in texts])
    monkeypatch.setattr(Pixels, "seconds_heard", lambda self: 0.1)


def stage(tmp_path: Path) -> EncoderStage:
    return EncoderStage(PixelsSpec(), catalogue(), tmp_path, lambda: torch.device("cpu"))


def notes(heard: list[Event]) -> list[str]:
    return [event.message for event in heard if isinstance(event, Note)]


def sound(seconds: float, rate: int = 1000) -> Media:
    samples = np.random.default_rng(int(seconds * 1000)).random(int(seconds * rate)).astype(np.float32)
    return Media(hashlib.sha256(samples.tobytes()).hexdigest(), f"{seconds}.wav", lambda: Waveform(samples, rate))


@pytest.mark.parametrize(("seconds", "longer"), [((0.05, 0.1), 0), ((0.101, 0.05), 1), ((12.0, 3.0, 0.1), 2)])
def test_sounds_that_are_heard_in_part_are_counted(tmp_path: Path, seconds: tuple[float, ...], longer: int) -> None:
    """At any rate, also when their vectors come from the store; exactly the window is heard whole."""
    expected = [
        f"{longer} of {len(seconds)} sounds are longer than the 0.1 s that the encoder hears; it hears a part of each"
    ]
    for _ in range(2):  # the second time from the store
        heard: list[Event] = []
        stage(tmp_path).encode("audio", [sound(one) for one in seconds], heard.append)
        assert notes(heard) == (expected if longer else [])


def test_sounds_whose_channels_cancel_are_counted(tmp_path: Path) -> None:
    """When they are encoded, from the store, and through towers."""
    media = [sound(0.05), *(replace_read(sound(one)) for one in (0.06, 0.07))]
    expected = "2 of 3 sounds have channels that cancel each other when they are mixed to one (20 dB or more are lost)"
    for _ in range(2):
        heard: list[Event] = []
        stage(tmp_path).encode("audio", media, heard.append)
        assert [note.startswith(expected) for note in notes(heard)] == [True]
    heard = []
    items = [Item(str(number), {"audio": one}) for number, one in enumerate(media)]
    Reader({"audio": Pixels(PixelsSpec(), torch.device("cpu"))}).store({"train": items}, heard.append)
    assert [note.startswith(expected) for note in notes(heard)] == [True]


def replace_read(media: Media) -> Media:
    """The same sound, mixed of channels that cancel."""
    return replace(media, read=lambda: replace(media.read(), cancelled=True))


def test_texts_through_towers_are_counted_too() -> None:
    """Those that say nothing, and those that are cut; each content once."""
    texts = ["", "  ", "one", "two" * WINDOW, "one"]
    items = [Item(str(number), {"text": Media.of_text(text, f"text {number}")}) for number, text in enumerate(texts)]
    heard: list[Event] = []
    Reader({"text": Pixels(PixelsSpec(), torch.device("cpu"))}).store({"train": items}, heard.append)
    assert notes(heard) == [
        "2 of 4 descriptions are empty; what the encoder makes of them is that of the empty text",
        "1 of 4 descriptions are longer than the encoder reads; it sees their beginning",
    ]


def test_sounds_through_towers_are_counted_too(tmp_path: Path) -> None:
    """Where nothing is stored, as they are read."""
    items = [Item(str(one), {"audio": sound(one)}) for one in (0.05, 2.0, 3.0)]
    heard: list[Event] = []
    Reader({"audio": Pixels(PixelsSpec(), torch.device("cpu"))}).store({"train": items}, heard.append)
    assert notes(heard) == ["2 of 3 sounds are longer than the 0.1 s that the encoder hears; it hears a part of each"]


@pytest.mark.parametrize(
    ("extractor", "of_samples", "seconds"),
    [
        ({"max_length": 1024, "num_mel_bins": 128}, False, 10.255),
        ({"max_length": 64}, False, 0.655),
        ({"nb_max_samples": 480_000, "max_length_s": 10}, False, 30.0),
        ({"max_length": 64}, True, None),
        ({}, False, None),
    ],
    ids=["AST", "pocket:ast", "CLAP", "wav2vec 2.0", "unknown"],
)
def test_how_much_a_tower_hears_follows_its_extractor(
    extractor: dict[str, Any], of_samples: bool, seconds: float | None
) -> None:
    """Frames of AST, samples of CLAP; models of samples hear all."""
    side = AudioSide.__new__(AudioSide)
    side._extractor, side._of_samples = SimpleNamespace(sampling_rate=16_000, **extractor), of_samples
    assert side.seconds_heard() == (None if seconds is None else pytest.approx(seconds))


def prompts(tmp_path: Path, *names: str, templates: tuple[str, ...] = ("a photo of a {}.",)) -> list[str]:
    heard: list[Event] = []
    spec = pipeline(encoder__templates=list(templates), task__head={"type": "cosine"}).spec
    context = RunContext(catalogue(), tmp_path, heard.append, find_device=lambda: torch.device("cpu"))
    encode_prompts(Items(DatasetContent({}, names, "no split"), {}, ()), spec, context.encoder(spec), context)
    return notes(heard)


def test_prompts_beyond_the_window_are_counted(tmp_path: Path) -> None:
    """With the first of them; what fits is not."""
    assert prompts(tmp_path, "cat", "dog") == []
    (said,) = prompts(tmp_path, "cat", "dog that is asleep on the sofa")
    assert said.startswith("1 of 2 class prompts are longer than the encoder reads; it sees their beginning: a photo")


@pytest.mark.parametrize(
    ("names", "templates", "reason"),
    [
        (("dog on the long red sofa", "dog on the long red chair"), ("a photo of a {}.",), "cut to one beginning"),
        (("cat", "dog"), ("what can be seen in this picture is a {}.",), "cut to one beginning"),
        (("tv", "TV"), ("a photo of a {}.",), "it takes their names for one"),
        (("tv", "cat", "Tv", "TV"), ("{}", "a {}"), "it takes their names for one"),
    ],
)
def test_classes_that_are_one_to_the_encoder_are_refused(
    tmp_path: Path, names: tuple[str, ...], templates: tuple[str, ...], reason: str
) -> None:
    """Both names, and what to change."""
    with pytest.raises(DataError, match=reason) as error:
        prompts(tmp_path, *names, templates=templates)
    assert f"{names[0]} = " in str(error.value)


def test_one_template_that_tells_them_apart_is_enough(tmp_path: Path) -> None:
    """Another is cut before the name."""
    assert len(prompts(tmp_path, "cat", "dog", templates=("{}", "what can be seen in this picture is a {}."))) == 1
