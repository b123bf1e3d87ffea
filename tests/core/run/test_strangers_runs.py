"""A run folder of a stranger is refused by the name of its file, or answered; it never ends in anything else.

`make evidence-strangers` does more of the same.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from torch import nn

from graftwork.core.storage.run_folder import RunFolderError, write_json
from graftwork.core.storage.tensors import no_larger_than

from ...support.strangers.alterations import CONFIG, alterations, copied, json_changed
from ...support.strangers.evidence import GOOD, outcomes
from ...support.strangers.small_runs import NAMES, adapter_of, asked

#: Of the values replaced in a form, one in so many; to load towers takes longer.
EVERY = {"graph": 9, "pair": 13, "fused": 15, "tip": 7, "layers": 70, "grafted": 23}


@pytest.mark.parametrize("name", NAMES)
def test_an_altered_folder_is_refused_by_name_or_answered(name: str, tmp_path: Path) -> None:
    """Bits turned and ends cut off, sealed again or not; and whole values replaced."""
    damages = 0 if name == "layers" else 1
    wrong = [(what, said) for what, _, said in outcomes(name, damages, tmp_path, every=EVERY[name]) if said not in GOOD]
    assert wrong == []


@pytest.mark.parametrize("name", ["graph", "pair", "fused"])
def test_weights_of_a_graph_are_neither_lost_nor_added(name: str, tmp_path: Path) -> None:
    """A graph without weights is one, too: only the config knows."""
    whole, ask = adapter_of(name, tmp_path), asked(name)
    (one,) = [one for one in alterations(whole) if one.name.endswith("graph without its weights, or with some")]
    one.alter(folder := copied(whole, tmp_path / "altered"))
    with pytest.raises(RunFolderError, match=r"`graftwork.weighted` is (true|false), and there is .*`graph.weight`"):
        ask(folder)
    json_changed(CONFIG, lambda config: config["graftwork"].pop("weighted"))(folder)
    assert ask(folder)  # as an older Graftwork wrote it, which did not say


def test_alterations_are_many(tmp_path: Path) -> None:
    """Over the form with the most tensors."""
    assert len({one.name for one in alterations(adapter_of("fused", tmp_path))}) > 300


def test_what_a_folder_describes_is_not_built_where_it_is_many_times_what_it_holds(tmp_path: Path) -> None:
    """Neither at once nor bit by bit: nothing of it is asked of the machine."""
    held = {"weight": torch.zeros(4, 4)}
    with no_larger_than(tmp_path, held):
        nn.Linear(100, 100)
    many = r"is many times larger than adapter_model\.safetensors"
    with pytest.raises(RunFolderError, match=many), no_larger_than(tmp_path, held):
        nn.Linear(10**9, 10**9)
    with pytest.raises(RunFolderError, match=many), no_larger_than(tmp_path, held):
        nn.ModuleList(nn.Linear(3000, 3000) for _ in range(10**6))


@pytest.mark.parametrize("depth", [66, 500, 100_000])
def test_json_of_a_run_is_of_bounded_depth(depth: int, tmp_path: Path) -> None:
    """Far below what would exhaust a reader of it."""
    from graftwork.core.storage.run_folder import read_json_file

    (tmp_path / "x.json").write_text('{"a":' * depth + "1" + "}" * depth)
    with pytest.raises(RunFolderError, match=r"x\.json cannot be read as JSON: nested deeper than 64 levels"):
        read_json_file(tmp_path / "x.json")


def test_json_of_a_run_is_of_bounded_size(tmp_path: Path) -> None:
    """A file that claims more is not read to its end."""
    from graftwork.core.storage.run_folder import read_json_file

    with open(tmp_path / "x.json", "wb") as file:
        file.truncate(1 << 40)
    with pytest.raises(RunFolderError, match=r"x\.json cannot be read: larger than 67,108,864 bytes"):
        read_json_file(tmp_path / "x.json")


@pytest.mark.filterwarnings("ignore::graftwork.core.run.load.ReadingWarning")
def test_class_names_stand_once(tmp_path: Path) -> None:
    """Probabilities are told by name: of two classes with one, half would be lost."""
    from graftwork import load
    from graftwork.core.storage.manifest import seal
    from graftwork.core.storage.run_folder import read_json_file

    folder = adapter_of("layers", tmp_path)
    config = read_json_file(folder / "adapter_config.json")
    config["graftwork"]["class_names"] = ["circle", "square", "circle"]
    write_json(folder / "adapter_config.json", config)
    seal(folder)
    with pytest.raises(RunFolderError, match=r"adapter_config\.json: `graftwork\.class_names` has 'circle' twice"):
        load(folder, device="cpu")
