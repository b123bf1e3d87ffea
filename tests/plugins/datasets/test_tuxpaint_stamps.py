"""Tux Paint's stamps: a miniature in their layout, and the package where it is installed."""

from __future__ import annotations

import os
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from graftwork.core.data.items import DataError, DatasetContent, Item
from graftwork.core.data.waveform import Waveform
from graftwork.plugins.datasets import TuxpaintStampsSpec
from graftwork.plugins.datasets.registries.tuxpaint_stamps import TuxpaintStamps
from graftwork.registry.errors import MissingExtra

from ...support.media.sound_files import tone
from ...support.miniature_registries import EACH, described, picture, stamps
from ...support.miniature_sets import write

#: Where it is installed, or unpacked.
PACKAGE = Path(os.environ.get("GRAFTWORK_STAMPS", "/usr/share/tuxpaint/stamps"))


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return stamps(tmp_path_factory.mktemp("stamps"))


def load(root: Path, **fields: Any) -> DatasetContent:
    return TuxpaintStamps(TuxpaintStampsSpec(**{"root": str(root), "least": 5, **fields})).load()


def items(content: DatasetContent) -> dict[str, Item]:
    return {item.id: item for split in content.splits.values() for item in split}


def texts(content: DatasetContent) -> dict[str, str]:
    return {id_: item.modalities["text"].read() for id_, item in items(content).items()}


def test_stamps_are_described_pictures_of_classes(root):
    """PNG before SVG; no mirror images, no symbols; folders of style are none."""
    content = load(root)
    birds = {f"animals/birds/bird{number}.png" for number in range(EACH)}
    fruit = {f"food/fruit/{'cartoon/' * (number % 2)}fruit{number}.png" for number in range(EACH)}
    assert items(content).keys() == birds | fruit | {"food/fruit/drawn.svg"}
    assert content.class_names == ("bird", "fruit")
    assert {id_ for id_, item in items(content).items() if item.target == 0} == birds
    assert texts(content)["animals/birds/bird1.png"] == "A sparrow."


@pytest.mark.parametrize("seed", range(8))
def test_pictures_of_one_description_are_in_one_split(root, seed):
    """Three are called a sparrow."""
    splits = load(root, split_seed=seed).splits
    found = {name for name, some in splits.items() for item in some if item.modalities["text"].read() == "A sparrow."}
    assert len(found) == 1


def test_a_split_seed_redraws_the_split_and_is_named(root):
    """The same seed, the same split."""
    members = [
        {name: [item.id for item in some] for name, some in load(root, split_seed=seed).splits.items()}
        for seed in (0, 0, 1, 2, 3)
    ]
    assert members[0] == members[1]
    assert any(other != members[0] for other in members[2:])
    assert "split seed 3" in load(root, split_seed=3).split_id


def test_descriptions_are_in_the_language_asked_for(root):
    """The lines of a stamp, without blanks at their ends; where there is none, English, and it is said."""
    content = load(root, language="fr")
    assert texts(content)["animals/birds/bird1.png"] == "fr: A sparrow."
    assert texts(content)["animals/birds/bird0.png"] == "A sparrow."
    assert '1 of 13 pictures are not described in "fr" but in English' in content.notes
    assert load(root, language="ca@valencia").split_id == content.split_id


def test_a_language_that_is_not_there_is_refused_with_those_that_are(root):
    with pytest.raises(DataError, match=r'no stamp is described in "xx"; there are: ca@valencia, de, en, fr'):
        load(root, language="xx")
    with pytest.raises(DataError, match=r'no stamp is spoken in "de"; there are: en, fr'):
        load(root, language="de", audio="spoken")


def test_stamps_are_heard(root):
    """Their sounds; those that have none are left out."""
    content = load(root, audio="sounds")
    assert len(items(content)) == 2 * EACH
    heard = {id_: item.modalities["audio"].read() for id_, item in items(content).items()}
    assert all(isinstance(one, Waveform) and len(one.samples) == 1600 for one in heard.values())
    assert len({item.modalities["audio"].digest for item in items(content).values()}) == 2 * EACH


def test_descriptions_are_heard_in_the_language_asked_for(root):
    """WAV or Ogg. Fruit is not spoken in English: one class alone is refused."""
    spoken = items(load(root, audio="spoken", language="fr"))
    assert len(spoken) == 2 * EACH
    heard = spoken["animals/birds/bird2.png"].modalities["audio"].read()
    np.testing.assert_allclose(heard.samples, tone(402, seconds=0.1), atol=1e-4)
    with pytest.raises(DataError, match=r"dataset.least: 1 classes have 5 pictures: bird 6"):
        load(root, audio="spoken")


def test_drawings_are_rendered_on_the_background(root):
    """256 wide, whatever unit their size is in; the half that is not drawn shows the background."""
    pytest.importorskip("resvg_py")
    media = items(load(root, background="#00ff00"))["food/fruit/drawn.svg"].modalities["image"]
    seen = media.read()
    assert (seen.mode, seen.size) == ("RGB", (256, 128))
    assert (seen.getpixel((5, 5)), seen.getpixel((250, 5))) == ((255, 0, 0), (0, 255, 0))
    assert media.digest != items(load(root))["food/fruit/drawn.svg"].modalities["image"].digest


def test_transparent_pictures_are_laid_on_the_background(root):
    seen = items(load(root, background="#00ff00"))["animals/birds/bird1.png"].modalities["image"].read()
    assert isinstance(seen, Image.Image)
    assert seen.getpixel((0, 3)) == (0, 255, 0)


def test_drawings_may_be_left_out(root, monkeypatch):
    """Then resvg is not needed; else its lack is said with the command."""
    monkeypatch.setitem(sys.modules, "resvg_py", None)
    assert len(items(load(root, drawings=False))) == 2 * EACH
    with pytest.raises(MissingExtra, match=r'pip install "graftwork\[sets\]"; or set "drawings": false'):
        load(root)


def test_a_damaged_drawing_is_named(tmp_path):
    pytest.importorskip("resvg_py")
    stamps(tmp_path)
    write(tmp_path / "food" / "fruit" / "drawn.svg", "<svg")
    with pytest.raises(DataError, match=r"drawn.svg: not a readable SVG drawing"):
        load(tmp_path)


def test_a_name_that_is_no_utf8_is_refused(tmp_path):
    write(Path(os.fsdecode(os.fsencode(stamps(tmp_path)) + b"/food/\xe9.png")), b"")
    with pytest.raises(DataError, match="its name is no UTF-8"):
        load(tmp_path)


@pytest.mark.parametrize("content", ["", "\n \n"])
def test_a_description_that_says_nothing_is_named(tmp_path, content):
    stamps(tmp_path)
    write(tmp_path / "animals" / "birds" / "bird1.txt", content)
    with pytest.raises(DataError, match=r"bird1.txt: describes nothing"):
        load(tmp_path)


def test_a_description_of_another_encoding_is_named(tmp_path):
    stamps(tmp_path)
    write(tmp_path / "animals" / "birds" / "bird1.txt", "Un él".encode("latin1"))
    with pytest.raises(DataError, match=r"bird1.txt: not UTF-8: byte 3"):
        load(tmp_path)


def test_classes_that_are_small_are_left_out_and_said(tmp_path):
    for number in range(5):
        described(picture(stamps(tmp_path) / "plants" / "trees" / f"{number}.png", (7, number)), f"Tree {number}.")
    content = load(tmp_path, least=6)
    assert content.class_names == ("bird", "fruit")
    assert "left out: 1 classes of fewer than 6 pictures (tree 5)" in content.notes


def test_another_size_than_the_package_is_said(root):
    (note,) = [note for note in load(root).notes if "not comparable" in note]
    assert note.startswith("13 stamps, 1 of them drawings, 534 and 112 in version 2022.06.04-1")


@pytest.mark.parametrize("made", [False, True])
def test_a_folder_without_stamps_is_refused_with_the_commands(tmp_path, made):
    """Both for root and for anybody."""
    if made:
        (tmp_path / "none" / "animals").mkdir(parents=True)
    with pytest.raises(DataError) as error:
        load(tmp_path / "none")
    assert "apt-get install tuxpaint-stamps-default" in str(error.value)
    assert "dpkg -x tuxpaint-stamps-default_*.deb data/tuxpaint" in str(error.value)


@pytest.mark.skipif(not PACKAGE.is_dir(), reason="needs Debian's package, or its folder in GRAFTWORK_STAMPS")
def test_the_package_holds_what_the_documentation_says():
    """424 pictures of 17 classes, the least with six to train on."""
    content = load(PACKAGE, least=12, drawings=True)
    assert {name: len(some) for name, some in content.splits.items()} == {"train": 211, "val": 81, "test": 132}
    assert len(content.class_names) == 17
    assert min(Counter(item.target for item in content.splits["train"]).values()) == 6
    assert not any("not comparable" in note for note in content.notes)
    for item in content.splits["test"]:
        assert item.modalities["image"].read().mode == "RGB"
