"""A run whose pictures were read otherwise says so once; a run of which that is not so says nothing."""

import json
import warnings
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner
from PIL import Image

from graftwork import Pipeline, load
from graftwork.core.cli import cli
from graftwork.core.run.load import ReadingWarning
from graftwork.core.storage.manifest import seal

from ...support.media.sound_files import tones


def trained(folder: Path, **more: Any) -> Path:
    """A small run."""
    spec = {
        "version": 1,
        "name": "reading",
        "adapter": {"type": "none"},
        "task": {"type": "classification", "head": {"type": "linear"}},
        "trainer": {"epochs": 1},
        "reporters": [],
        **more,
    }
    return Pipeline.from_dict(spec).run(folder / "run", folder / "store").folder


def written_before(run: Path) -> Path:
    """As the code wrote it that knew no background."""
    path = run / "adapter" / "pipeline.json"
    spec = json.loads(path.read_text("utf-8"))
    del spec["dataset"]["background"]
    path.write_text(json.dumps(spec), "utf-8")
    for sealed in (run / "adapter", run):
        seal(sealed)
    return run


def warned(run: Path) -> list[str]:
    """What loading says of the reading."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        load(run, device="cpu")
    return [str(one.message) for one in caught if issubclass(one.category, ReadingWarning)]


@pytest.fixture(scope="module")
def pictures(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("pictures")
    for number in range(12):
        path = folder / "data" / ("light" if number % 2 else "dark") / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.new("L", (8, 8), 20 + 10 * number + 100 * (number % 2)).save(path)
    return folder


def test_a_run_on_pictures_says_it_once_and_what_to_do(pictures: Path) -> None:
    """The folder of the run and that of its adapter alone; as it was written now it says nothing."""
    dataset = {"type": "image_folder", "root": str(pictures / "data")}
    run = trained(pictures, dataset=dataset, encoder={"type": "open_clip", "model": "pocket"})
    assert warned(run) == []
    for folder in (written_before(run), run / "adapter"):
        (message,) = warned(folder)
        assert message.startswith(f"{folder} was trained before pictures were turned upright")
        assert "run its pipeline again (docs/changed_results.md)" in message
    done = CliRunner().invoke(cli, ["predict", str(run), *map(str, (pictures / "data" / "dark").iterdir())])
    assert done.exit_code == 0
    (line,) = done.stderr.splitlines()
    assert line.startswith(f"warning: {run} was trained before")
    assert len(done.stdout.splitlines()) == 6


def test_a_run_on_sounds_has_nothing_to_say(tmp_path: Path) -> None:
    """Sounds that are whole are heard as they were."""
    dataset = {"type": "audio_folder", "root": str(tones(tmp_path / "data"))}
    run = trained(tmp_path, dataset=dataset, encoder={"type": "transformers", "model": "pocket:ast"})
    assert warned(written_before(run)) == []
