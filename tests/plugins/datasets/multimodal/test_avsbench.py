"""AVSBench-object in miniature, in its published layout."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image

from graftwork import Pipeline, load
from graftwork.core.cli import cli
from graftwork.core.data.items import DataError, DatasetContent, Masks
from graftwork.core.storage.item_predictions import read_predictions
from graftwork.core.storage.result import Result
from graftwork.core.studies.found_runs import find_runs
from graftwork.core.studies.paired import scores_of
from graftwork.plugins.datasets import AvsbenchSpec
from graftwork.plugins.datasets.multimodal.avsbench import Avsbench
from graftwork.plugins.datasets.multimodal.mask_files import mask_of
from graftwork.plugins.tasks import EventsSpec
from graftwork.plugins.tasks.events import Events
from graftwork.plugins.tasks.segmentation_figures import frame_ious

from ....support.media.annotated_sets import avsbench
from ....support.media.clip_files import write_clip
from ....support.miniature_sets import write
from ....support.models.tiny_encoders import save_tiny_encoder
from ....support.paths import ROOT


def loaded(root: Path, subset: Any = "s4", **fields: Any) -> DatasetContent:
    return Avsbench(AvsbenchSpec(root=str(root), subset=subset, **fields)).load()


def masks(content: DatasetContent, split: str, item: int = 0) -> tuple[Any, ...]:
    target = content.splits[split][item].target
    assert isinstance(target, Masks)
    return tuple(None if mask is None else mask.read() for mask in target.of)


def test_single_source_has_one_mask_in_training_and_five_elsewhere(tmp_path: Path) -> None:
    """Bool by grey above 0, of the size of the frames; categories are groups."""
    content = loaded(avsbench(tmp_path))
    assert {name: len(items) for name, items in content.splits.items()} == {"train": 2, "val": 1, "test": 1}
    item = content.splits["train"][0]
    assert (item.id, item.groups) == ("-0aB_cDeFgH", {"category": "horse_clip-clop"})
    assert [mask is None for mask in masks(content, "train")] == [False, True, True, True, True]
    assert [int(mask.sum()) for mask in masks(content, "test")] == [16, 32, 48, 64, 80]
    assert masks(content, "test")[0].dtype == np.bool_
    assert [view["image"].read().getpixel((0, 0))[0] for view in item.passes] == [40, 80, 120, 160, 200]
    sound = item.passes[4]["audio"].read()
    assert (len(sound.samples), sound.rate) == (8000, 8000)
    assert content.notes == (
        "train 2, val 1, test 1 clips, published are train 3,452, val 740, test 740: this is not the whole data set",
    )


def test_several_sources_have_names_with_a_suffix_inside_and_palettes(tmp_path: Path) -> None:
    """Five masks in training, too; colours of a palette are no classes."""
    content = loaded(avsbench(tmp_path, "ms3"), "ms3")
    item = content.splits["val"][0]
    assert item.id == "baby_dog_2_1"
    assert item.passes[0]["image"].source.endswith("visual_frames/baby_dog_2_1/baby_dog_2_1.mp4_1.png")
    assert [int(mask.sum()) for mask in masks(content, "train")] == [16, 32, 48, 64, 80]


def test_a_fifth_frame_that_is_not_there_is_the_fourth(tmp_path: Path) -> None:
    """As loaders do of clips that begin late; counted."""
    folder = avsbench(tmp_path) / "Single-source/s4_data/visual_frames/val/helicopter/valclip0001"
    (folder / "valclip0001_5.png").unlink()
    content = loaded(tmp_path)
    first, *_, fourth, fifth = [view["image"] for view in content.splits["val"][0].passes]
    assert fifth.digest == fourth.digest != first.digest
    assert content.notes[1] == "1 clip has four frames, and the fourth is shown twice"


def test_masks_that_are_not_there_are_counted_and_no_target(tmp_path: Path) -> None:
    """Refused, or with ``on_error`` unlabelled; a sound that is not there leaves its clip out."""
    data = avsbench(tmp_path) / "Single-source/s4_data"
    (data / "gt_masks/test/horse_clip-clop/testclip001/testclip001_3.png").unlink()
    with pytest.raises(DataError, match=r"names 12 masks, of which 1 is not there(.|\n)*OpenNLPLab/AVSBench"):
        loaded(tmp_path)
    content = loaded(tmp_path, on_error="skip")
    assert [mask is None for mask in masks(content, "test")] == [False, False, True, False, False]
    (data / "audio_wav/val/helicopter/valclip0001.wav").unlink()
    with pytest.raises(DataError, match="none of the 1 sounds of split val is there"):
        loaded(tmp_path, on_error="skip")


def test_masks_that_cannot_be_decoded_are_named_before_anything_is_trained(tmp_path: Path) -> None:
    """Or counted and no target, as those that are not there; a split without any is refused."""
    data = avsbench(tmp_path) / "Single-source/s4_data/gt_masks"
    broken = data / "test/horse_clip-clop/testclip001/testclip001_3.png"
    broken.write_bytes(broken.read_bytes()[:50])
    with pytest.raises(DataError, match=r"^1 of 12 masks cannot be decoded; fetch .*\n  .*testclip001_3\.png: "):
        loaded(tmp_path)
    content = loaded(tmp_path, on_error="skip")
    assert [mask is None for mask in masks(content, "test")] == [False, False, True, False, False]
    assert content.notes[-1].startswith("1 of 12 masks cannot be decoded: ")
    for path in data.glob("val/*/*/*.png"):
        path.unlink()
    with pytest.raises(DataError, match="none of the 5 masks of split val is there"):
        loaded(tmp_path, on_error="skip")


@pytest.mark.parametrize("mode", ["1", "L", "I;16", "P", "RGB", "LA"])
def test_a_mask_is_what_is_not_black(mode: str) -> None:
    """However dark, in every mode: of 16 bits the least one, of a palette the darkest blue."""
    stored = Image.new(mode, (4, 4))
    if mode == "P":
        stored.putpalette([0, 0, 0, 0, 0, 1])
    stored.paste({"RGB": (0, 0, 1), "LA": (1, 255)}.get(mode, 1), (0, 0, 4, 1))
    file = BytesIO()
    stored.save(file, "PNG")
    assert mask_of(file.getvalue(), "mask").tolist() == [[True] * 4] + [[False] * 4] * 3


def test_masks_of_another_size_than_their_frames_are_refused(tmp_path: Path) -> None:
    """All counted and named with both sizes."""
    data = avsbench(tmp_path) / "Single-source/s4_data"
    path = data / "gt_masks/val/helicopter/valclip0001/valclip0001_2.png"
    Image.new("1", (8, 4)).save(path)
    with pytest.raises(DataError) as error:
        loaded(tmp_path)
    assert str(error.value).startswith("1 mask has another size than their frames")
    assert str(error.value).endswith(f"\n  {path}: 8 x 4, its frame 16 x 16")


@pytest.mark.parametrize(
    ("line", "said"),
    [
        ("a,3,helicopter,exam", "csv:2: expected name,start,category,split with split train, val or test"),
        ("a,3,,train", "csv:2: expected name"),
        ("a,3,../x,train", "no names of files"),
        ("a,3,b,train\na,3,c,test", "has 1 id more than once:\n  a"),
    ],
)
def test_a_bad_row_is_named(tmp_path: Path, line: str, said: str) -> None:
    """File and line."""
    write(tmp_path / "s4_meta_data.csv", f"name,start,category,split\n{line}\n")
    with pytest.raises(DataError) as error:
        loaded(tmp_path)
    assert said in str(error.value)


def test_a_task_that_learns_no_masks_says_so(tmp_path: Path) -> None:
    """By name of the item, before anything is trained."""
    items = loaded(avsbench(tmp_path)).splits["train"]
    with pytest.raises(DataError, match=r"item -0aB_cDeFgH has 5 segments, and needs a class of each .*, not Masks\("):
        Events(EventsSpec()).targets(items, 1)


@pytest.mark.parametrize("subset", ["s4", "ms3"])
def test_the_examples_run_on_the_miniatures_and_predict_masks(subset: str, tmp_path: Path) -> None:
    """The plan counts what is trained; a loaded run gives the masks that the run was scored by, as PNG files, too."""
    avsbench(tmp_path / "data", subset)
    few = {"dataset.root": str(tmp_path / "data"), "adapter": {"type": "hmmoe", "rank": 4}, "reporters": []}
    few |= {
        f"encoder.{kind}": {"type": "transformers", "model": str(save_tiny_encoder(family, tmp_path / family))}
        for kind, family in (("image", "clip_vision"), ("audio", "ast"))
    }
    few |= {"trainer.epochs": 2, "evaluation.seeds": [0]}
    pipeline = Pipeline.from_file(ROOT / f"examples/hmmoe_avsbench_{subset}.json", few)
    plan = pipeline.plan(tmp_path / "store")
    run = pipeline.run(tmp_path / "run", tmp_path / "store")
    assert plan.trainable == run.result["parameters"]["trainable"]
    test = {name: score["mean"] for name, score in run.result["test"].items()}
    assert {"mean_iou", "f_pooled", "f_batches_of_4_clips", "loss"} == set(test)
    assert [one.method for one in find_runs(run.folder).runs] == ["hmmoe (3 experts) + mlp"]
    content = loaded(tmp_path / "data", subset)
    (item,) = content.splits["test"]
    frames, sounds = ([view[kind].read() for view in item.passes] for kind in ("image", "audio"))
    (found,) = load(run.folder).masks(images=[tuple(frames)], sounds=[tuple(sounds)])
    right = torch.from_numpy(np.stack(masks(content, "test")))
    ious = frame_ious(torch.from_numpy(np.stack(found)).double(), right)
    assert test["mean_iou"] == pytest.approx(float(ious.mean()), abs=1e-6)
    (line,) = (one for one in read_predictions(run.folder) if one.split == "test")
    assert (line.id, line.prediction, line.score) == (item.id, None, pytest.approx(test["mean_iou"]))
    assert {line.seed: {f"{line.id}\n{line.content}": line.score}} == scores_of(
        run.folder, Result.read(run.folder / "result.json")
    )
    with pytest.raises(DataError, match="this run gives masks; ask masks"):
        load(run.folder).predict(images=[tuple(frames)], sounds=[tuple(sounds)])
    frame = item.passes[0]["image"].source
    sound = next((tmp_path / "data").rglob("*.wav"))
    call = ["predict", str(run.folder), frame, "--sound", str(sound), "--masks", str(tmp_path / "masks")]
    done = CliRunner().invoke(cli, call)
    assert (done.exit_code, done.output.startswith(f"{frame}: {tmp_path}/masks/1.png, ")) == (0, True)
    with Image.open(tmp_path / "masks/1.png") as mask:
        assert (mask.size, mask.mode) == ((16, 16), "1")
    assert "is not empty; name a new folder" in str(CliRunner().invoke(cli, call).exception)
    Image.new("RGB", (20, 16)).save(tmp_path / "wide.png")
    with pytest.raises(DataError, match="it is 20 x 16, and a mask is made of a square picture"):
        load(run.folder).masks(images=str(tmp_path / "wide.png"), sounds=str(sound))
    clip = write_clip(tmp_path / "clip.mp4", size=(64, 64), pitch=300)
    call = ["predict", str(run.folder), str(clip), "--every", "1", "--masks", str(tmp_path / "of_clip")]
    assert [line.split(",")[0] for line in CliRunner().invoke(cli, call).stdout.splitlines()] == [
        f"{clip}: {tmp_path}/of_clip/1_{number}.png" for number in (1, 2)
    ]
