"""Near-duplicates between splits, by the vectors that a run has stored."""

import json
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from click.testing import CliRunner
from PIL import Image, ImageEnhance

from graftwork import Pipeline
from graftwork.core.cli import cli
from graftwork.core.stages import near_duplicates
from graftwork.core.stages.context import RunContext
from graftwork.core.stages.list_items import listed
from graftwork.core.stages.near_duplicates import NearDuplicates
from graftwork.registry.errors import UserError

from ...support.media.sound_files import tone, write


def picture(seed: int) -> Image.Image:
    shades = np.random.default_rng(seed).integers(0, 256, (6, 6, 3), dtype=np.uint8)
    return Image.fromarray(shades).resize((64, 64), Image.Resampling.NEAREST)


#: How a picture comes to stand in another split in other bytes.
COPIES: dict[str, Callable[[Image.Image, Path], None]] = {
    "again as JPEG": lambda one, path: one.save(path.with_suffix(".jpg"), quality=90),
    "as another format": lambda one, path: one.save(path.with_suffix(".bmp")),
    "scaled": lambda one, path: one.resize((96, 96)).save(path),
    "brighter": lambda one, path: ImageEnhance.Brightness(one).enhance(1.03).save(path),
    "turned by a tag": lambda one, path: _turned(one).save(path, exif=_orientation(3)),
}


def _turned(one: Image.Image) -> Image.Image:
    return one.transpose(Image.Transpose.ROTATE_180)


def _orientation(value: int) -> Image.Exif:
    exif = Image.Exif()
    exif[0x0112] = value
    return exif


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Given splits: every copy of ``COPIES`` of a training picture stands in test, and one to the byte."""
    folder = tmp_path_factory.mktemp("near")
    for split, start, count in (("train", 0, 16), ("val", 100, 4), ("test", 200, 6)):
        for number in range(start, start + count):
            path = folder / "data" / split / ("one" if number % 2 else "two") / f"{number}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            picture(number).save(path)
    for number, copy in enumerate(COPIES.values()):
        copy(picture(number), folder / "data/test/one" / f"copy-{number}.png")
    shutil.copy(folder / "data/train/one/15.png", folder / "data/test/one/same.png")
    return folder


def pipeline(folder: Path, **more: Any) -> Pipeline:
    return Pipeline.from_dict(
        {
            "version": 1,
            "name": "near",
            "dataset": {"type": "image_folder", "root": str(folder / "data")},
            "encoder": {"type": "open_clip", "model": "pocket"},
            "adapter": {"type": "none"},
            "task": {"type": "classification", "head": {"type": "linear"}},
            "trainer": {"epochs": 1},
            "reporters": [],
            **more,
        }
    )


@pytest.fixture(scope="module")
def stored(folder: Path) -> Path:
    """The store of a run."""
    pipeline(folder).run(folder / "run", folder / "store")
    return folder / "store"


def leaks(folder: Path, store: Path, above: float = near_duplicates.ABOVE, **more: Any) -> NearDuplicates:
    found = pipeline(folder, **more).plan(store, leaks_above=above).leaks
    assert found is not None
    return found


def test_every_copy_is_found_with_both_paths_and_the_nearest_come_first(folder: Path, stored: Path) -> None:
    """In test of train; not the one that is equal to the byte, which the note on duplicates counts."""
    found = leaks(folder, stored)
    assert [(one.first, one.second) for one in found.between] == [("train", "val"), ("train", "test"), ("val", "test")]
    _, one, _ = found.between
    pairs = {(Path(pair.first).name, Path(pair.second).stem) for pair in one.nearest}
    assert pairs >= {(f"{number}.png", f"copy-{number}") for number in range(len(COPIES))}
    assert "same" not in {second for _, second in pairs}
    assert all(Path(pair.first).is_file() and "train" in pair.first for pair in one.nearest)
    cosines = [pair.cosine for pair in one.nearest]
    assert cosines == sorted(cosines, reverse=True)
    assert one.compared == 12
    assert found.notes == ()


def test_the_threshold_decides_what_counts(folder: Path, stored: Path) -> None:
    """Near 0 nearly all pairs, of which ten are named; at 1 those without any difference to the encoder at most."""
    every, none = leaks(folder, stored, 0.001).between[1], leaks(folder, stored, 1.0).between[1]
    assert every.pairs > 100
    assert every.contents == every.compared
    assert len(every.nearest) == 10
    assert none.pairs < len(COPIES)


def test_without_a_pair_the_nearest_is_named(folder: Path, stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of different contents: the first of those that a lower threshold names; three rows at a time as all at once."""
    monkeypatch.setattr(near_duplicates, "ROWS", 3)
    some, none = leaks(folder, stored, 0.001).between[0], leaks(folder, stored, 1.0).between[0]
    assert (none.pairs, none.contents) == (0, 0)
    (nearest,) = none.nearest
    assert nearest.cosine == pytest.approx(some.nearest[0].cosine, abs=1e-5)
    assert (nearest.first, nearest.second) == (some.nearest[0].first, some.nearest[0].second)


def test_the_numbers_are_those_of_all_cosines(folder: Path, stored: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Counted here over the whole matrix; three rows at a time as all at once."""
    built = pipeline(folder)
    context = RunContext(built.catalogue, stored)
    content = listed(built.spec.dataset, context)
    train, test = ([one.modalities["image"] for one in content.splits[name]] for name in ("train", "test"))
    stage = context.encoder(built.spec)
    x, y = (torch.from_numpy(stage.vectors("image", some)).double() for some in (test, train))
    cosines = torch.nn.functional.normalize(x, dim=-1) @ torch.nn.functional.normalize(y, dim=-1).T
    other = torch.tensor([[a.digest != b.digest for b in train] for a in test])
    near = (cosines >= 0.7) & other
    monkeypatch.setattr(near_duplicates, "ROWS", 3)
    one = leaks(folder, stored, 0.7).between[1]
    assert (one.pairs, one.contents) == (int(near.sum()), int(near.any(dim=1).sum()))
    assert one.nearest[0].cosine == pytest.approx(float(cosines[other].max()), abs=1e-5)


def test_where_nothing_is_stored_it_says_so_and_how_to(folder: Path, tmp_path: Path) -> None:
    """By the command that stores; of a pipeline through towers, which stores nothing, by which pipeline."""
    found = leaks(folder, tmp_path)
    assert found.between == ()
    (note,) = found.notes
    assert note.startswith("image: no vector is stored")
    assert "`graftwork run`" in note
    layers = {"encoder": {"type": "transformers", "model": "pocket:scene_clip"}, "adapter": {"type": "lora"}}
    (note,) = leaks(folder, tmp_path, **layers).notes
    assert "on features with the same encoder" in note


def test_what_is_stored_in_part_is_compared_in_part(folder: Path, stored: Path, tmp_path: Path) -> None:
    """Three new pictures: how many have no vector is said, the others are compared as before."""
    copy = Path(shutil.copytree(folder / "data", tmp_path / "data"))
    for number in range(3):
        picture(300 + number).save(copy / "test/two" / f"new-{number}.png")
    found = leaks(tmp_path, stored)
    before = leaks(folder, stored).between
    assert [(one.pairs, one.contents, one.compared) for one in found.between] == [
        (one.pairs, one.contents, one.compared) for one in before
    ]
    (note,) = found.notes
    assert note.startswith("image: 3 of 34 contents have no stored vector")


def test_sounds_are_compared_as_pictures_are(tmp_path: Path) -> None:
    """The same tone a little quieter, in other bytes."""
    for split, start, count in (("train", 0, 8), ("test", 50, 4)):
        for number in range(start, start + count):
            pitch = 200 + 40 * number
            write(tmp_path / "data" / split / ("a" if number % 2 else "b") / f"{number}.wav", tone(pitch, seconds=0.6))
    write(tmp_path / "data/test/a/quiet.wav", 0.99 * tone(200 + 40, seconds=0.6))
    more: dict[str, Any] = {
        "dataset": {"type": "audio_folder", "root": str(tmp_path / "data")},
        "encoder": {"type": "transformers", "model": "pocket:ast"},
    }
    pipeline(tmp_path, **more).run(tmp_path / "run", tmp_path / "store")
    one = next(one for one in leaks(tmp_path, tmp_path / "store", **more).between if one.second == "test")
    assert (one.modality, Path(one.nearest[0].first).name, Path(one.nearest[0].second).name) == (
        "audio", "1.wav", "quiet.wav"
    )  # fmt: skip


def test_the_command_line_prints_them_and_gives_them_as_json(folder: Path, stored: Path, tmp_path: Path) -> None:
    """Only where it is asked to; another threshold than the default asks, too; one beyond 1 is refused."""
    spec = tmp_path / "spec.json"
    spec.write_text(json.dumps(pipeline(folder).spec.to_json()))

    def plan(*arguments: str) -> Any:
        return CliRunner().invoke(cli, ["plan", str(spec), "--cache", str(stored), *arguments])

    assert "leaks" not in plan().stdout
    assert "leaks" not in json.loads(plan("--format", "json").stdout)
    said = plan("--leaks").stdout
    assert "12 contents of test have a cosine of 0.99 or more with some of train" in said
    assert "copy-0.jpg" in said
    found = json.loads(plan("--leaks", "--format", "json").stdout)["leaks"]
    assert found["above"] == near_duplicates.ABOVE
    assert {"first", "second", "cosine"} == found["between"][1]["nearest"][0].keys()
    assert "cosine of 0.5 or more" in plan("--leaks-above", "0.5").stdout
    for none in ("1.5", "0", "-0.5", "nan", "inf"):
        refused = plan("--leaks-above", none)
        assert (refused.stdout, type(refused.exception)) == ("", UserError)


def test_a_plan_that_is_not_asked_imports_no_torch(folder: Path, stored: Path) -> None:
    """With vectors in the store."""
    script = f"""
import sys
from graftwork import Pipeline
Pipeline.from_file({str(folder / "run/adapter/pipeline.json")!r}).plan({str(stored)!r})
assert "torch" not in sys.modules
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)
