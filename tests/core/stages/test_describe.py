"""The describe stage: stored by content, resumed item by item, overlapped with reading, and blind to every label."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import threading
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Literal

import numpy as np
import pytest
import torch
from PIL import Image, PngImagePlugin

from graftwork.core.data.items import DataError, Item, Media
from graftwork.core.data.pictures import file_media
from graftwork.core.events import Event, Note, StageAdvanced, StageStarted
from graftwork.core.roles import Captioner, CaptionerSpec
from graftwork.core.stages.stored_captioner import StoredCaptioner
from graftwork.core.stages.unreadable import Unreadable
from graftwork.plugins.captioners import TransformersCaptionerSpec
from graftwork.plugins.captioners.transformers import TransformersCaptioner
from graftwork.plugins.datasets import DigitsSpec, ImageFolderSpec
from graftwork.plugins.datasets.digits import Digits
from graftwork.plugins.datasets.folders.image_folder import ImageFolder
from graftwork.registry.catalogue import Catalogue, Plugin
from graftwork.registry.component import Component
from graftwork.registry.discovery import default_catalogue

Patch = pytest.MonkeyPatch


class ScriptedSpec(CaptionerSpec):
    """Says what it is told to say."""

    type: Literal["scripted"] = "scripted"
    at_once: int = 4

    def identity(self) -> dict[str, Any]:
        return {}

    def pictures_at_once(self) -> int:
        return self.at_once


class Scripted(Captioner):
    """Says the grey value of the first pixel, or what ``says`` maps it to."""

    asked: ClassVar[list[list[int]]] = []
    says: ClassVar[dict[int, str]] = {}
    loaded: ClassVar[str | None] = None
    waits_for: ClassVar[threading.Event | None] = None
    waited: ClassVar[list[bool]] = []

    def __init__(self, spec: ScriptedSpec, device: torch.device) -> None:
        pass

    def weights(self) -> str | None:
        return self.loaded

    def describe(self, images: Sequence[Any]) -> list[str]:
        if self.waits_for is not None:
            self.waited.append(self.waits_for.wait(timeout=30))
        values = [image.getpixel((0, 0)) for image in images]
        self.asked.append(values)
        return [self.says.get(value, f"grey {value}") for value in values]

    def notes(self) -> list[str]:
        return ["it is late"] if len(self.asked) == 2 else []


@pytest.fixture(autouse=True)
def fresh() -> None:
    Scripted.asked, Scripted.says, Scripted.loaded, Scripted.waits_for, Scripted.waited = [], {}, None, None, []


SCRIPTED = Component("captioner", "scripted", ScriptedSpec, f"{__name__}:Scripted", "made for a test")


def stage(store: Path, **fields: Any) -> StoredCaptioner:
    catalogue = Catalogue([Plugin("tests", "tests", "1", components=(SCRIPTED,)), *default_catalogue().plugins])
    return StoredCaptioner(ScriptedSpec(**fields), catalogue, store, lambda: torch.device("cpu"))


def grey(value: int) -> Item:
    media = Media(f"{value:064x}", f"grey {value}", lambda: Image.new("L", (2, 2), value))
    return Item(f"items/{value}", {"image": media}, value % 3)


def texts(described: dict[str, tuple[Item, ...]]) -> list[str]:
    return [item.modalities["text"].read() for item in described["train"]]


def test_every_item_gets_its_own_description_and_keeps_the_rest(tmp_path: Path) -> None:
    """Ids, targets and pictures stay; equal pictures are described once."""
    items = (grey(1), grey(2), Item("again", grey(1).modalities, 0))
    described = stage(tmp_path).describe({"train": items})
    assert texts(described) == ["grey 1", "grey 2", "grey 1"]
    assert [(one.id, one.target) for one in described["train"]] == [(one.id, one.target) for one in items]
    assert Scripted.asked == [[1, 2]]


def test_what_is_stored_can_be_read_by_a_person(tmp_path: Path) -> None:
    """JSON lines of digest and text, an ``about.json`` beside them."""
    stage(tmp_path).describe({"train": (grey(7),)})
    (shard,) = tmp_path.rglob("*.jsonl")
    assert json.loads(shard.read_text()) == {"digest": f"{7:064x}", "text": "grey 7"}
    (about,) = tmp_path.rglob("about.json")
    assert json.loads(about.read_text())["identity"]["component"] == "captioner.scripted"


def test_events_count_and_pass_on_what_the_captioner_notes(tmp_path: Path) -> None:
    """Started with what is stored, advanced by the batch, a note under the captioner's name."""
    stage(tmp_path).describe({"train": (grey(0), grey(1))})
    heard: list[Event] = []
    stage(tmp_path).describe({"train": tuple(grey(value) for value in range(8))}, heard.append)
    assert [event for event in heard if not isinstance(event, Note)] == [
        StageStarted("describe", 8, 2),
        StageAdvanced("describe", 6),
        StageAdvanced("describe", 8),
    ]
    assert heard.count(Note("captioner `scripted`: it is late")) == 1


def test_empty_descriptions_are_stored_too(tmp_path: Path) -> None:
    """A greedy model would say nothing again."""
    Scripted.says = {3: ""}
    assert texts(stage(tmp_path).describe({"train": (grey(3), grey(4))})) == ["", "grey 4"]
    stage(tmp_path).describe({"train": (grey(3), grey(4))})
    assert Scripted.asked == [[3, 4]]


def test_descriptions_of_other_weights_are_not_mixed(tmp_path: Path) -> None:
    """The weights behind a name moved: noticed when they are loaded, and everything is described by the new ones."""
    Scripted.loaded = "a" * 40
    stage(tmp_path).describe({"train": (grey(1), grey(2))})
    Scripted.loaded, Scripted.says = "b" * 40, {1: "new 1", 2: "new 2", 3: "new 3"}
    assert texts(stage(tmp_path).describe({"train": (grey(1), grey(2), grey(3))})) == ["new 1", "new 2", "new 3"]
    assert stage(tmp_path).missing([grey(1), grey(2), grey(3)]) == []


def test_unreadable_pictures_are_named_after_the_others_are_stored(tmp_path: Path) -> None:
    """All of them at once; then nothing else is left to describe."""

    def broken(number: int) -> Item:
        def read() -> Any:
            raise DataError(f"picture {number}: not a readable image")

        return Item(f"broken/{number}", {"image": Media(f"{100 + number:064x}", f"picture {number}", read)}, 0)

    items = (grey(1), broken(1), grey(2), broken(2), grey(3))
    with pytest.raises(Unreadable, match=r"^2 of 5 cannot be read(.|\n)*picture 1: not a.*\n  picture 2: not a"):
        stage(tmp_path, at_once=2).describe({"train": items})
    assert [media.source for media in stage(tmp_path).missing(items)] == ["picture 1", "picture 2"]


def test_the_next_batch_is_read_while_this_one_is_described(tmp_path: Path) -> None:
    """The captioner waits until a picture of the second batch is being read, and it is; never more than two are."""
    Scripted.waits_for = threading.Event()
    read: list[int] = []

    def item(value: int) -> Item:
        def decode() -> Image.Image:
            if value >= 2 and Scripted.waits_for is not None:
                Scripted.waits_for.set()
            read.append(value)
            assert value // 2 <= len(Scripted.asked) + 1
            return Image.new("L", (2, 2), value)

        return Item(str(value), {"image": Media(f"{value:064x}", str(value), decode)}, 0)

    stage(tmp_path, at_once=2).describe({"train": tuple(item(value) for value in range(8))})
    assert Scripted.waited == [True] * 4
    assert sorted(read) == list(range(8))


# Killed and resumed

KILLED = """
import os, signal, sys
from pathlib import Path
from graftwork.core.events import StageAdvanced
import torch
from graftwork.core.stages.stored_captioner import StoredCaptioner
from graftwork.plugins.captioners import TransformersCaptionerSpec
from graftwork.plugins.datasets import DigitsSpec
from graftwork.plugins.datasets.digits import Digits
from graftwork.registry.discovery import default_catalogue

def hear(event):
    if isinstance(event, StageAdvanced) and event.done == 60:
        os.kill(os.getpid(), signal.SIGKILL)

spec = TransformersCaptionerSpec.model_validate_json(sys.argv[1])
stage = StoredCaptioner(spec, default_catalogue(), Path(sys.argv[2]), lambda: torch.device("cpu"))
stage.describe({"train": Digits(DigitsSpec()).load().splits["train"][:100]}, hear)
"""


def test_a_killed_run_is_resumed_item_by_item(tmp_path: Path, tiny_llava: Path, monkeypatch: Patch) -> None:
    """SIGKILL after 60 of 100 real pictures: the next run describes the other 40, and not one more."""
    spec = TransformersCaptionerSpec(model=str(tiny_llava), prompt="describe the picture.", max_new_tokens=4)
    spec = spec.model_copy(update={"batch_size": 4})
    arguments = [sys.executable, "-c", KILLED, spec.model_dump_json(), str(tmp_path)]
    assert subprocess.run(arguments, timeout=300, check=False).returncode == -signal.SIGKILL
    stage = StoredCaptioner(spec, default_catalogue(), tmp_path, lambda: torch.device("cpu"))
    items = Digits(DigitsSpec()).load().splits["train"][:100]
    described: list[int] = []
    describe = stage.captioner.describe

    def counted(images: Sequence[Any]) -> list[str]:
        described.append(len(images))
        return describe(images)

    monkeypatch.setattr(stage.captioner, "describe", counted)
    assert len(stage.describe({"train": items})["train"]) == 100
    assert sum(described) == 40


# No label reaches a model

LABELS = ("zebrafinch", "quokkalike")


def labelled_folder(root: Path) -> Path:
    """Class folders; names, comments and file names spell the label wherever a PNG can hold one."""
    rng = np.random.default_rng(0)
    for label in LABELS:
        (root / label).mkdir(parents=True)
        for number in range(10):
            comment = PngImagePlugin.PngInfo()
            comment.add_text("Title", f"a {label}")
            image = Image.fromarray(rng.integers(0, 256, (20, 20, 3), np.uint8))
            image.save(root / label / f"{label}-{number}.png", pnginfo=comment)
    return root


def everything_in(value: Any, seen: set[int] | None = None) -> list[str]:
    """Every text that can be reached from ``value`` without calling anything: containers, attributes, metadata."""
    seen = set() if seen is None else seen
    if id(value) in seen or isinstance(value, (int, float, torch.Tensor, np.ndarray, type(None))):
        return []
    seen.add(id(value))
    if isinstance(value, (str, bytes)):
        return [value if isinstance(value, str) else value.decode("latin-1")]
    if isinstance(value, dict):
        return [text for pair in value.items() for one in pair for text in everything_in(one, seen)]
    if isinstance(value, (list, tuple, set)):
        return [text for one in value for text in everything_in(one, seen)]
    return everything_in(getattr(value, "__dict__", {}), seen)


def test_no_label_reaches_a_model(tmp_path: Path, tiny_llava: Path, monkeypatch: Patch) -> None:
    """All that enters the captioner, its processor and its model, for a data set that spells its labels everywhere."""
    content = ImageFolder(ImageFolderSpec(root=str(labelled_folder(tmp_path / "data")))).load()
    spec = TransformersCaptionerSpec(
        model=str(tiny_llava), prompt="describe the picture.", max_new_tokens=2, batch_size=4
    )
    stage = StoredCaptioner(spec, default_catalogue(), tmp_path / "store", lambda: torch.device("cpu"))
    captioner = stage.captioner
    assert isinstance(captioner, TransformersCaptioner)
    entered: list[Any] = []

    def spied(owner: Any, name: str) -> None:
        original = getattr(owner, name)

        def spy(*arguments: Any, **keywords: Any) -> Any:
            entered.append((arguments, keywords))
            return original(*arguments, **keywords)

        monkeypatch.setattr(owner, name, spy)

    spied(captioner, "describe")
    spied(captioner._processor, "apply_chat_template")
    spied(captioner._processor.tokenizer, "__call__")
    spied(captioner._model, "generate")
    stage.describe(content.splits)
    said = everything_in(entered)
    assert len(entered) >= 3 * 5
    assert "describe the picture." in said
    assert not [text for text in said for label in LABELS if label in text.lower()]
    ids = [keywords["input_ids"] for _, keywords in entered if "input_ids" in keywords]
    assert {row for batch in ids for row in map(tuple, batch.tolist())} == {tuple(ids[0][0].tolist())}


def test_a_spy_would_have_found_a_label(tmp_path: Path) -> None:
    """The search of the test above does see names and comments of a picture that is passed as it was opened."""
    path = labelled_folder(tmp_path) / LABELS[0] / f"{LABELS[0]}-0.png"
    with Image.open(path) as opened:
        assert any(LABELS[0] in text for text in everything_in(([opened], {})))
    assert any(LABELS[0] in text for text in everything_in(file_media(path).read()))
