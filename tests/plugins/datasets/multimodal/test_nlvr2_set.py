"""NLVR2 in miniature, in its published layout."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from graftwork import Pipeline
from graftwork.core.data.items import DataError, DatasetContent
from graftwork.core.data.pictures import decode
from graftwork.plugins.datasets import Nlvr2SetSpec
from graftwork.plugins.datasets.multimodal.average_hash import average_hash
from graftwork.plugins.datasets.multimodal.nlvr2 import Nlvr2Set

from ....support.media.annotated_sets import nlvr2
from ....support.miniature_sets import write
from ....support.models.tiny_encoders import save_tiny_encoder
from ....support.paths import ROOT


def loaded(root: Path, **fields: Any) -> DatasetContent:
    return Nlvr2Set(Nlvr2SetSpec(root=str(root), **fields)).load()


def refusal(root: Path, **fields: Any) -> str:
    with pytest.raises(DataError) as error:
        loaded(root, **fields)
    return str(error.value).replace(str(root), "ROOT")


def sizes(content: DatasetContent) -> dict[str, int]:
    return {name: len(items) for name, items in content.splits.items()}


@pytest.mark.parametrize("flat", [False, True])
def test_both_forms_of_picture_folders_give_the_same_items(tmp_path: Path, flat: bool) -> None:
    """Left and right in order, ``"True"`` is true, sentences are grouped over their pairs."""
    content = loaded(nlvr2(tmp_path, flat))
    assert sizes(content) == {"train": 24, "val": 24, "test": 24}
    assert content.class_names == ("false", "true")
    item = content.splits["train"][5]  # train-1-0-1
    assert (item.id, item.target, item.groups) == ("train-1-0-1", 1, {"sentence": "train-1-1"})
    assert item.modalities["text"].read() == "picture 1 has sentence 1"
    assert [view["image"].source for view in item.passes] == [
        str(tmp_path / f"images/train/1/train-1-0-img{side}.png") for side in range(2)
    ]
    assert item.passes[0]["image"].read().size == (24, 24)  # a JPEG under the name of a PNG
    assert content.notes == (
        "train 24, dev 24, test1 24 sentences of pairs, published are train 86,373, dev 6,982, test1 6,967: "
        "this is not the whole data set",
    )


def test_a_half_of_the_test_is_taken_where_it_is_named(tmp_path: Path) -> None:
    """``balanced_test1.json`` holds every other line; the split id says so, and val stays whole."""
    content = loaded(nlvr2(tmp_path), subset="balanced")
    assert sizes(content) == {"train": 24, "val": 24, "test": 12}
    assert content.split_id == "nlvr2, val dev, test test1, balanced"


def test_val_of_train_is_whole_folders(tmp_path: Path) -> None:
    """Then dev may be tested on; no picture folder is in both."""
    content = loaded(nlvr2(tmp_path), test="dev", val_directories=1)
    assert sizes(content) == {"train": 16, "val": 8, "test": 24}
    of = {
        name: {Path(item.passes[0]["image"].source).parent for item in content.splits[name]}
        for name in ("train", "val")
    }
    assert not of["train"] & of["val"]
    assert "picture folders; take fewer" in refusal(tmp_path, val_directories=3)
    with pytest.raises(ValueError, match="val_directories"):
        Nlvr2SetSpec(root="data", test="dev")


def test_pictures_that_are_not_there_are_counted_and_named_or_left_out(tmp_path: Path) -> None:
    """By ``on_error``: refused with how to get them, or media that cannot be read and a note."""
    nlvr2(tmp_path)
    (tmp_path / "dev/dev-0-0-img0.png").unlink()
    said = refusal(tmp_path)
    assert said.startswith("ROOT/data names 72 pictures, of which 1 is not there. Or go on without them")
    assert "github.com/lil-lab/nlvr" in said
    assert said.endswith("not there:\n  ROOT/dev/dev-0-0-img0.png")
    content = loaded(tmp_path, on_error="skip")
    assert content.notes[-1].endswith("names 72 pictures, of which 1 is not there")
    with pytest.raises(DataError, match="is not there"):
        content.splits["val"][0].passes[0]["image"].read()


def test_what_is_missing_is_said_with_where_to_get_it(tmp_path: Path) -> None:
    """No annotation: which file, and the addresses."""
    said = refusal(tmp_path)
    assert said.startswith("dataset.root: ROOT has no data/train.json or nlvr2/data/train.json or train.json of NLVR2.")
    assert "CC BY 4.0" in said


@pytest.mark.parametrize(
    ("row", "said"),
    [
        ({"label": "Yes"}, '`label` must be "True" or "False", not \'Yes\''),
        ({"identifier": "train-1"}, "has the form split-set-pair-sentence"),
        ({"identifier": "../a-1-1-1"}, "no names of files"),
        ({"sentence": None}, "`sentence` must be a string"),
        ({"directory": "7"}, "`directory` must be a whole number"),
    ],
)
def test_a_bad_line_is_named(tmp_path: Path, row: dict[str, Any], said: str) -> None:
    """File and line."""
    path = nlvr2(tmp_path) / "data/train.json"
    first = json.loads(path.read_text().splitlines()[0])
    write(path, json.dumps(first | row) + "\n")
    assert f"ROOT/data/train.json:1: {said}" in refusal(tmp_path) or said in refusal(tmp_path)


def test_an_identifier_that_stands_twice_is_refused(tmp_path: Path) -> None:
    """Counted and named."""
    path = nlvr2(tmp_path) / "data/train.json"
    lines = path.read_text().splitlines(keepends=True)
    write(path, "".join([*lines, lines[3]]))
    assert refusal(tmp_path) == "ROOT/data has 1 id more than once:\n  train-0-1-1"


def test_pictures_of_another_hash_are_counted(tmp_path: Path) -> None:
    """Under their names, with or without the suffix."""
    nlvr2(tmp_path)
    own = {path.name: average_hash(path) for path in sorted((tmp_path / "dev").glob("*.png"))}
    assert len(set(own.values())) > 1
    write(
        tmp_path / "util/hashes/dev_hashes.json",
        json.dumps({name.removesuffix(".png"): one for name, one in own.items()}),
    )
    assert len(loaded(tmp_path, hashes=str(tmp_path / "util/hashes")).notes) == 1
    wrong = own | {"dev-0-0-img0.png": "0" * 16}
    write(tmp_path / "util/hashes/dev_hashes.json", json.dumps(wrong))
    note = loaded(tmp_path, hashes=str(tmp_path / "util/hashes")).notes[-1]
    assert note == (f"1 of 24 pictures have another average hash than the release:\n  {tmp_path}/dev/dev-0-0-img0.png")


def test_the_average_hash_is_that_of_imagehash(tmp_path: Path) -> None:
    """Half dark, half bright: 0x0f in each row; the library gives the same digits for these pictures."""
    from PIL import Image

    picture = Image.new("L", (64, 64))
    picture.paste(255, (32, 0, 64, 64))
    picture.save(tmp_path / "half.png")
    assert decode((tmp_path / "half.png").read_bytes(), "half").size == (64, 64)
    assert average_hash(tmp_path / "half.png") == "0f" * 8


def test_the_example_runs_on_the_miniature(tmp_path: Path) -> None:
    """With a tiny encoder; consistency counts sentences over their pairs: 12 of 24 lines."""
    nlvr2(tmp_path / "data")
    clip = {"type": "transformers", "model": str(save_tiny_encoder("clip", tmp_path / "clip"))}
    few = {"dataset.root": str(tmp_path / "data"), "encoder": clip}
    few |= {"trainer.epochs": 1, "evaluation.seeds": [0], "reporters": [], "adapter": {"type": "hmmoe", "rank": 4}}
    run = Pipeline.from_file(ROOT / "examples/hmmoe_nlvr2.json", few).run(tmp_path / "run", tmp_path / "store")
    assert run.result["dataset"]["split_id"] == "nlvr2, val dev, test test1"
    consistency = run.result["test"]["consistency"]["mean"] * 12
    assert consistency == pytest.approx(round(consistency))
