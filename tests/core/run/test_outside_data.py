"""A run writes nothing into folders that are classes: it would be data the next time."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from graftwork.registry.errors import UserError

from ...support.small_pipeline import pipeline

ROOT = "data"


@pytest.fixture
def spec(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """Class folders of little pictures, in the working folder."""
    monkeypatch.chdir(tmp_path)
    random = np.random.default_rng(0)
    for number in range(16):
        path = tmp_path / ROOT / ("dark", "light")[number % 2] / f"{number}.png"
        path.parent.mkdir(parents=True, exist_ok=True)
        Image.fromarray(random.integers(0, 256, (8, 8, 3), dtype=np.uint8)).save(path)
    (tmp_path / "link").symlink_to(tmp_path / ROOT)
    return {"type": "image_folder", "root": ROOT}


@pytest.mark.parametrize("out", ["data/x", "data/dark/x", "data/runs/deep/x", "link/x", "x/../data/x"])
def test_a_run_within_the_classes_is_refused(out: str, spec: dict[str, Any], tmp_path: Path) -> None:
    """Before anything is written; a link is looked through."""
    with pytest.raises(UserError, match=r"--out .*x lies inside dataset.root .*data, where folders are classes"):
        pipeline(dataset=spec).run(Path(out), tmp_path / "store")
    assert sorted(path.name for path in (tmp_path / ROOT).iterdir()) == ["dark", "light"]


def test_the_store_and_the_default_folder_are_looked_at_too(
    spec: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with pytest.raises(UserError, match=r"--cache data/store lies inside dataset.root .*data"):
        pipeline(dataset=spec).run(tmp_path / "x", Path("data/store"))
    monkeypatch.chdir(tmp_path / ROOT)
    with pytest.raises(UserError, match=r"--out runs lies inside dataset.root "):
        pipeline(dataset=spec | {"root": "."}).run(None, tmp_path / "store")


def test_what_is_beside_or_left_out_is_taken(spec: dict[str, Any], tmp_path: Path) -> None:
    """A folder whose name begins alike, one that ``exclude`` names, and any where a list says what is data."""
    assert pipeline(dataset=spec).run(Path("data2"), tmp_path / "store").folder.is_dir()
    left_out = spec | {"exclude": ["runs"]}
    for name in "ab":
        assert pipeline(dataset=left_out).run(Path(f"data/runs/{name}"), tmp_path / "store").folder.is_dir()
    rows = [
        f'{{"file_name": "{path.relative_to(ROOT)}", "label": "{path.parent.name}"}}'
        for path in sorted(Path(ROOT).glob("*/*.png"))
    ]
    (tmp_path / ROOT / "metadata.jsonl").write_text("\n".join(rows))
    assert pipeline(dataset=spec).run(Path("data/x"), tmp_path / "store").folder.is_dir()
