"""What a user hands over becomes items: one content alone, lists of them, several passes, and what is refused."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from graftwork.core.data.given_items import name_of, open_item, rows_of
from graftwork.core.data.items import DataError
from graftwork.core.data.media_files import read_file
from graftwork.core.data.pictures import open_picture
from graftwork.core.data.sounds import open_sound
from graftwork.core.data.waveform import Waveform

PICTURE = Image.new("L", (4, 4), 7)
SOUND = Waveform(np.zeros(8, np.float32), 16000)


@pytest.mark.parametrize(
    ("kind", "alone"),
    [("image", "mine.png"), ("image", Path("mine.png")), ("image", PICTURE), ("audio", SOUND), ("text", "a cat")],
)
def test_one_content_alone_is_one_item(kind: str, alone: Any) -> None:
    """A path is no sequence of letters."""
    assert rows_of({kind: alone}, (kind,)) == [{kind: alone}]


def test_rows_hold_what_is_needed_of_each_item() -> None:
    """In order; what nobody reads is refused, not left away."""
    given = {"text": ["a", "b"], "image": ["1.png", "2.png"], "audio": None}
    assert rows_of(given, ("text", "image")) == [{"image": "1.png", "text": "a"}, {"image": "2.png", "text": "b"}]
    with pytest.raises(DataError, match="this run hears no texts"):
        rows_of(given, ("image",))


@pytest.mark.parametrize("shape", [(8, 6), (8, 6, 3)])
def test_one_array_alone_is_one_picture(shape: tuple[int, ...]) -> None:
    """Its rows are none; several in one array are several."""
    one = np.zeros(shape, np.uint8)
    ((row,),) = [rows_of({"image": one}, ("image",))]
    assert row["image"] is one
    assert len(rows_of({"image": np.zeros((4, 8, 6, 3), np.uint8)}, ("image",))) == 4


@pytest.mark.parametrize("contents", [5, b"a.png", {"a": 1}, None.__class__])
def test_what_is_no_content_and_no_list_is_said(contents: Any) -> None:
    with pytest.raises(DataError, match=r"images: give one, or a list of them, not a (int|bytes|dict|type)"):
        rows_of({"image": contents}, ("image",))


@pytest.mark.parametrize(
    ("given", "says"),
    [
        (
            {"image": ["a.png"]},
            r"hears image and text: give texts, too; in Python give predict\(images, texts=\[\.\.\.",
        ),
        ({"text": ["a"]}, r"give images, too; in Python give predict\(images, .* on the command line IMAGES"),
        ({"image": ["a.png"], "text": ["a", "b"]}, "2 texts for 1 image"),
        ({"image": "a.png", "text": []}, "0 texts for 1 image"),
    ],
)
def test_what_lacks_or_is_too_many_is_said(given: dict[str, Any], says: str) -> None:
    with pytest.raises(DataError, match=says):
        rows_of(given, ("image", "text"))


def test_several_passes_stand_beside_what_they_share(tmp_path: Path) -> None:
    """Two pictures of one statement; the item is called by its files."""
    paths = [str(tmp_path / name) for name in ("left.png", "right.png")]
    for path in paths:
        PICTURE.save(path)
    item = open_item("0", {"image": paths, "text": "both are grey"})
    assert [sorted(view) for view in item.views()] == [["image", "text"]] * 2
    assert [view["image"].read().getpixel((0, 0)) for view in item.views()] == [(7, 7, 7), (7, 7, 7)]
    assert name_of(item) == " ".join(paths)


@pytest.mark.parametrize(
    ("row", "says"),
    [
        ({"image": [PICTURE, PICTURE], "audio": [SOUND]}, "item 3: its modalities have 1 and 2 passes"),
        ({"image": []}, "item 3: its modalities have 0 passes"),
        ({"text": 3}, "a text is a str, not a int"),
        ({"image": np.zeros((4, 4))}, "a picture is a path, a PIL image or a uint8 array"),
        ({"audio": PICTURE}, "a sound is a path or a Waveform"),
        ({"image": "nowhere.png"}, "nowhere.png: cannot be read"),
    ],
)
def test_what_cannot_be_opened_is_refused(row: dict[str, Any], says: str) -> None:
    with pytest.raises(DataError, match=says):
        open_item("3", row)


@pytest.mark.parametrize("given", ["", " ", "\t\n"])
def test_an_empty_path_is_said(given: str) -> None:
    """As a shell makes it of a variable that is not set; it is not the working folder."""
    for read in (open_picture, open_sound, read_file):
        with pytest.raises(DataError, match=r"^a path is empty: name a file$"):
            read(given)
