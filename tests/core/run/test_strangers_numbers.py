"""Finite numbers of a stranger from which no finite answer comes are refused: no answer is NaN."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from PIL import Image

from graftwork.core.storage.run_folder import RunFolderError
from graftwork.core.training.predictor import finite
from graftwork.core.training.warm_start import start_from

from ...support.small_pipeline import pipeline
from ...support.strangers.alterations import CONFIG, SUPPORT, TENSORS, copied, json_changed, tensors_changed
from ...support.strangers.small_runs import COSINE, PAIR, adapter_of, asked, loaded
from .test_start_from import BEFORE, model_of

DEGREE = {"graph__threshold": {"average_degree": 4}, "task__head": COSINE, "trainer__epochs": 1}


@pytest.fixture(scope="module")
def relative(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The adapter folder of a run whose graph was settled."""
    place = tmp_path_factory.mktemp("relative")
    return pipeline(**DEGREE).run(out=place / "run", store=place / "store").folder / "adapter"


def all_of(value: float, dtype: torch.dtype | None = None) -> Callable[[dict[str, Any]], None]:
    def change(tensors: dict[str, Any]) -> None:
        for name, one in tensors.items():
            if one.is_floating_point():
                tensors[name] = torch.full_like(one, value, dtype=dtype)

    return change


def graftwork(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda whole: whole["graftwork"].update(changes)


def of_graph(**changes: Any) -> Callable[[dict[str, Any]], None]:
    return lambda whole: whole["graftwork"]["graph"].update(changes)


CASES = {
    "weights of 3e38": (tensors_changed(TENSORS, all_of(3e38)), "what the run says of it is not finite"),
    "vectors of 3e38": (tensors_changed(SUPPORT, all_of(3e38)), "not finite"),
    "float64": (tensors_changed(TENSORS, all_of(1e300, torch.float64)), "too large for torch.float32"),
    "scale of 1e308": (json_changed(CONFIG, graftwork(logit_scale=1e308)), "`graftwork.logit_scale` is 1e\\+308"),
    "scale of 0": (json_changed(CONFIG, graftwork(logit_scale=0.0)), "`graftwork.logit_scale` is 0.0"),
    "scale below 0": (json_changed(CONFIG, graftwork(logit_scale=-20.0)), "`graftwork.logit_scale` is -20.0"),
    "scale NaN": (json_changed(CONFIG, graftwork(logit_scale=float("nan"))), "graftwork.logit_scale"),
    "graph null": (json_changed(CONFIG, graftwork(graph=None)), "`graftwork.graph` is null"),
    "other nodes": (
        json_changed(CONFIG, of_graph(nodes="audio")),
        "`graftwork.graph.nodes` is 'audio', and 'image' in",
    ),
    "other centre": (json_changed(CONFIG, of_graph(centre="pool")), "`graftwork.graph.centre` is 'pool', and 'none'"),
}


@pytest.mark.parametrize("case", CASES)
def test_no_answer_is_nan(relative: Path, case: str, tmp_path: Path) -> None:
    """Neither an answer nor a score of a neighbour."""
    folder = copied(relative, tmp_path / "altered")
    alter, says = CASES[case]
    alter(folder)
    with pytest.raises(RunFolderError, match=says):
        asked("graph")(folder)


def test_logits_are_refused_too(relative: Path, tmp_path: Path) -> None:
    """By the picture's name."""
    folder = copied(relative, tmp_path / "altered")
    tensors_changed(TENSORS, all_of(3e38))(folder)
    Image.new("RGB", (16, 16), "red").save(tmp_path / "a.png")
    with pytest.raises(RunFolderError, match=r"a\.png: what the run says of it is not finite"):
        loaded(folder).logits([tmp_path / "a.png"])
    assert loaded(relative).logits([tmp_path / "a.png"]).isfinite().all()


@pytest.mark.filterwarnings(
    "ignore::graftwork.core.run.load.ReadingWarning", "ignore::graftwork.core.run.load.UnsealedWarning"
)
def test_the_towers_answers_are_finite_too(tmp_path: Path) -> None:
    """Of a run through towers; of one that HMMoE saved in its earlier form, already what is made of its tensors."""
    folder = adapter_of("layers", tmp_path)
    assert asked("layers")(folder)
    tensors_changed(TENSORS, all_of(3e38))(folder)
    with pytest.raises(RunFolderError, match=r"what the run says of it is not finite|holds numbers too large for"):
        asked("layers")(folder)


@pytest.mark.parametrize("bad", [torch.nan, torch.inf, -torch.inf])
def test_the_first_item_is_named(bad: float) -> None:
    """Also of segments."""
    for numbers in (torch.zeros(3, 4), torch.zeros(3, 2, 4)):
        assert finite(numbers, "abc") is numbers
        numbers[1:].view(2, -1)[:, -1] = bad
        with pytest.raises(RunFolderError, match=r"^b: what"):
            finite(numbers, "abc")


@pytest.mark.parametrize(
    "graph", [{"graph__threshold": 0.5}, {"graph": None, "adapter": {"type": "none"}}, {"graph": PAIR}]
)
def test_a_graph_without_relative_settings_has_none_saved(graph: dict[str, Any], tmp_path: Path) -> None:
    """And is taken as it is."""
    more = {"captioner": {"type": "brightness"}} if graph.get("graph") == PAIR else {}
    run = pipeline(**graph, **more, trainer__epochs=1).run(out=tmp_path / "run", store=tmp_path / "store")
    assert asked("graph")(run.folder / "adapter")


STARTS = {
    "a class more": (json_changed(CONFIG, graftwork(class_names=[*BEFORE, "ten"])), "has 11 entries, and `head"),
    "a class less": (json_changed(CONFIG, graftwork(class_names=BEFORE[1:])), "has 9 entries, and `head"),
    "a class twice": (json_changed(CONFIG, graftwork(class_names=[*BEFORE[1:], "1"])), "has '1' twice"),
    "float64": (tensors_changed(TENSORS, all_of(1e300, torch.float64)), "too large for torch.float32"),
    "whole numbers": (tensors_changed(TENSORS, all_of(1, torch.int64)), "is of torch.int64, not torch.float32"),
}


@pytest.mark.parametrize("names", [BEFORE, tuple(reversed(BEFORE)), ("1", "2")])
def test_a_run_to_start_from_is_one_in_itself(names: tuple[str, ...], tmp_path: Path) -> None:
    """Rows of its head go by its class names: one a row, each once."""
    done = pipeline(task__head={"type": "linear"}, trainer__epochs=1).run(tmp_path / "run", tmp_path / "store")
    start_from(model_of("linear", len(names)), done.folder / "adapter", names)
    for alter, says in STARTS.values():
        folder = copied(done.folder / "adapter", tmp_path / "altered")
        alter(folder)
        with pytest.raises(RunFolderError, match=says):
            start_from(model_of("linear", len(names)), folder, names)
