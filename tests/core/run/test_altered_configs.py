"""What an `adapter_config.json` says must be what its folder holds: otherwise it is refused with file and key."""

from __future__ import annotations

import re
from pathlib import Path
from shutil import copytree
from typing import Any, cast

import pytest
from torch import nn

from graftwork import load
from graftwork.core.storage.manifest import seal
from graftwork.core.storage.run_folder import RunFolderError, read_json_file, write_json
from graftwork.core.training.learner import TrainableModel
from graftwork.core.training.warm_start import start_from

from ...support.paths import ROOT

pytestmark = pytest.mark.filterwarnings("ignore::graftwork.core.run.load.ReadingWarning")
OLD = ROOT / "tests" / "fixtures" / "before_house"
IDS = [f"{number}.png" for number in range(13)]
CASES: list[tuple[str, dict[str, Any], str]] = [
    ("features", {"encoder_weights": {}}, "the saved adapter lacks `graftwork.encoder_weights.image`"),
    ("features", {"class_names": []}, "`graftwork.class_names` has 0 entries, and `class_vectors` 3"),
    ("features", {"class_names": ["a", "b", "c", "d"]}, "`graftwork.class_names` has 4 entries, and `class_vectors` 3"),
    ("features", {"support_ids": []}, "`graftwork.support_ids` has 0 entries, and `targets` 12"),
    ("features", {"support_ids": IDS}, "`graftwork.support_ids` has 13 entries, and `targets` 12"),
    ("features", {"graph": {}}, "`graftwork.graph.type`: `type` is missing: it names the graph"),
    ("features", {"graph": {"type": "nowhere"}}, "`graftwork.graph.type`: "),
    ("features", {"graph": {"type": "similarity", "threshold": "x"}}, "`graftwork.graph.threshold"),
    ("features", {"node_width": 64}, "`graftwork.node_width` is 64, and `x` has 128 numbers a node"),
    ("features", {"node_width": 0}, "`graftwork.node_width`: Input should be greater than 0"),
    ("layers", {"encoder_weights": {}}, "the saved adapter lacks `graftwork.encoder_weights.image`"),
    ("layers", {"class_names": []}, "`graftwork.class_names`, or a width, is not that of adapter_model.safetensors"),
    (
        "layers",
        {"class_names": ["a"]},
        "`graftwork.class_names`, or a width, is not that of adapter_model.safetensors: ",
    ),
    ("layers", {"passes": 0}, "`graftwork.passes`: Input should be greater than 0"),
    ("layers", {"modalities": []}, "`graftwork.modalities` is empty"),
]


def altered(name: str, words: dict[str, Any], folder: Path) -> Path:
    """The adapter folder of an old run, other words under `graftwork`, sealed again."""
    copied = copytree(OLD / f"run_{name}" / "adapter", folder / "adapter")
    config = read_json_file(copied / "adapter_config.json")
    write_json(copied / "adapter_config.json", config | {"graftwork": config["graftwork"] | words})
    seal(copied)
    return copied


@pytest.mark.parametrize(("name", "words", "told"), CASES)
def test_words_that_are_not_of_the_folder_are_refused(
    name: str, words: dict[str, Any], told: str, tmp_path: Path
) -> None:
    """Before anything is predicted."""
    folder = altered(name, words, tmp_path)
    with pytest.raises(RunFolderError, match=re.escape(f"{folder / 'adapter_config.json'}: {told}")) as raised:
        load(folder, device="cpu")
    assert str(raised.value).endswith("; save it again, or run its pipeline again, with this version")


@pytest.mark.parametrize("name", ["features", "layers"])
def test_the_same_words_sealed_again_load(name: str, tmp_path: Path) -> None:
    """The refusals above are of the words."""
    assert load(altered(name, {}, tmp_path), device="cpu").class_names == ("circle", "square", "triangle")


def test_a_training_does_not_start_from_a_run_that_names_no_weights(tmp_path: Path) -> None:
    """Nothing says then that its vectors are those of this pipeline."""
    folder = altered("features", {"encoder_weights": {}}, tmp_path)
    model = cast(TrainableModel, nn.Linear(1, 1))  # nothing is put into it
    with pytest.raises(RunFolderError, match="adapter was trained on no vectors, and this pipeline on image"):
        start_from(model, folder, weights={"image": "0" * 64})
