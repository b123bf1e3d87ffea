"""A run that starts from another takes over what it may: rows of the head by class name, of the same frozen model."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file
from torch import Tensor

from graftwork.core.features.model import FeatureModel, build_model
from graftwork.core.roles import ClassPrompts, EncoderFacts, Head, TrainingView
from graftwork.core.storage.run_folder import RunFolderError
from graftwork.core.training.warm_start import start_from, started_from
from graftwork.plugins.regularizers import EWCSpec
from graftwork.plugins.regularizers.ewc import EWC

from ...support.small_pipeline import WIDTH, Pixels, catalogue, pipeline

BEFORE = tuple("0123456789")
HEADS = {
    "linear": {"type": "linear"},
    "mlp": {"type": "mlp", "hidden": 10},
    "logistic_regression": {"type": "logistic_regression"},
}
#: Classes of the second run.
OTHERS = {
    "turned round": tuple(reversed(BEFORE)),
    "some new": ("7", "eleven", "1", "twelve", "3", "thirteen", "4", "5", "6", "0"),
    "fewer": ("4", "2"),
    "more": (*BEFORE, "ten"),
    "all new": tuple("abcdefghij"),
}


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """A run with each head; the linear one keeps its Fisher information."""
    place = tmp_path_factory.mktemp("first")
    ewc = [{"type": "ewc", "strength": 0, "anchor": "init"}]
    return {
        name: pipeline(task__head=head, regularizers=ewc if name == "linear" else [])
        .run(out=place / name, store=place / "store")
        .folder
        for name, head in HEADS.items()
    }


def model_of(head: str, classes: int) -> FeatureModel:
    torch.manual_seed(5)
    spec = pipeline(task__head=HEADS[head]).spec
    return build_model(spec, catalogue(), WIDTH, classes, None)


def tensors(folder: Path) -> dict[str, Tensor]:
    return load_file(folder / "adapter" / "adapter_model.safetensors")


@pytest.mark.parametrize("head", HEADS)
@pytest.mark.parametrize("case", OTHERS)
def test_rows_of_the_head_go_by_class_name(first: dict[str, Path], head: str, case: str) -> None:
    """Old names keep their rows wherever they stand now, new ones have fresh rows, and all else is taken over."""
    names, saved = OTHERS[case], tensors(first[head])
    fresh, model = model_of(head, len(names)).state_dict(), model_of(head, len(names))
    start_from(model, first[head], names)
    rows = {f"head.{name}" for name in model.head.class_rows or ()}
    for key, found in model.state_dict().items():
        if key not in rows:
            assert torch.equal(found, saved[key])
            continue
        for row, name in enumerate(names):
            expected = saved[key][BEFORE.index(name)] if name in BEFORE else fresh[key][row]
            assert torch.equal(found[row], expected), (key, name)


def test_the_same_classes_are_taken_over_to_the_bit(first: dict[str, Path]) -> None:
    """As before names were looked at."""
    model = model_of("linear", 10)
    start_from(model, first["linear"], BEFORE)
    assert all(torch.equal(found, tensors(first["linear"])[name]) for name, found in model.state_dict().items())
    assert model.rows_before == {}


class Silent(Head):
    """Of somebody who does not say which of its tensors have a row a class."""

    def __init__(self, classes: int) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.zeros(classes, WIDTH))
        self.bias = torch.nn.Parameter(torch.zeros(classes))

    def forward(self, x: Tensor) -> Tensor:
        return torch.nn.functional.linear(x, self.weight, self.bias)


@pytest.mark.parametrize("case", ["turned round", "some new", "fewer"])
def test_a_head_that_does_not_say_needs_the_same_classes(first: dict[str, Path], case: str) -> None:
    """It cannot be told which row is whose."""
    model = model_of("linear", len(OTHERS[case]))
    model.head = Silent(len(OTHERS[case]))
    with pytest.raises(RunFolderError, match="Silent does not say which of its tensors have a row a class"):
        start_from(model, first["linear"], OTHERS[case])
    model.head = Silent(10)
    start_from(model, first["linear"], BEFORE)


@pytest.mark.parametrize(
    ("weights", "reason"),
    [
        ({"image": "0" * 64}, "another frozen model: the weights of its image tower are not those here"),
        ({"image": "0" * 64, "text": "1" * 64}, "another frozen model"),
        ({"audio": "0" * 64}, "was trained on image vectors, and this pipeline on audio"),
    ],
)
def test_another_frozen_model_is_refused(first: dict[str, Path], weights: dict[str, str], reason: str) -> None:
    """Though its vectors are as wide."""
    with pytest.raises(RunFolderError, match=reason):
        start_from(model_of("linear", 10), first["linear"], BEFORE, weights)


def test_the_run_before_is_named_with_what_was_taken(first: dict[str, Path]) -> None:
    """For the result, and in a note where classes are others."""
    start = started_from(first["linear"], OTHERS["some new"])
    assert start.to_json()["run"] == str(first["linear"])
    assert start.to_json()["classes"] == {
        "kept": ["7", "1", "3", "4", "5", "6", "0"],
        "new": ["eleven", "twelve", "thirteen"],
        "dropped": ["2", "8", "9"],
    }
    assert "new are eleven, twelve, thirteen, and 2, 8, 9 are dropped" in str(start.note())
    assert started_from(first["linear"], BEFORE).note() is None


def view(model: FeatureModel, folder: Path) -> TrainingView:
    x, targets = torch.randn(4, WIDTH), torch.tensor([0, 1, 0, 1])
    losses = lambda logits, against: torch.nn.functional.cross_entropy(logits, against, reduction="none")  # noqa: E731
    logits = lambda: model.head(x)  # noqa: E731
    generator = torch.Generator()
    return TrainingView(
        model.trainable(), logits, targets, losses, folder / "adapter", generator, rows_before=model.rows_before
    )


@pytest.mark.parametrize("case", OTHERS)
def test_ewc_holds_what_is_known_from_before(first: dict[str, Path], case: str) -> None:
    """Nothing at the start; moved rows of old classes by their own Fisher information, new classes not at all."""
    names, model = OTHERS[case], model_of("linear", len(OTHERS[case]))
    start_from(model, first["linear"], names)
    ewc = EWC(EWCSpec(strength=2.0, anchor="previous"))
    ewc.start(view(model, first["linear"]))
    assert ewc.penalty(model.trainable()).item() == 0
    fisher = load_file(first["linear"] / "adapter" / "fisher.safetensors")["head.weight"]
    for row, name in enumerate(names):
        with torch.no_grad():
            model.head.weight[row] += 1
        expected = fisher[BEFORE.index(name)].sum() if name in BEFORE else torch.tensor(0.0)
        torch.testing.assert_close(ewc.penalty(model.trainable()).detach(), expected)
        with torch.no_grad():
            model.head.weight[row] -= 1
    ewc.finish(view(model, first["linear"]))


def refusal_of_plan(**overrides: Any) -> str:
    with pytest.raises(RunFolderError) as error:
        pipeline(**overrides).plan()
    return str(error.value)


def ewc(anchor: str) -> Sequence[dict[str, Any]]:
    return [{"type": "ewc", "strength": 1.0, "anchor": anchor}]


def test_a_plan_says_what_a_run_would_refuse(first: dict[str, Path], tmp_path: Path) -> None:
    """The folder that is not there, that is no run, that has no Fisher information, and none at all."""
    assert "is no folder" in refusal_of_plan(trainer__start_from=str(tmp_path / "gone"))
    assert "holds no finished run" in refusal_of_plan(trainer__start_from=str(tmp_path))
    without = refusal_of_plan(trainer__start_from=str(first["mlp"]), regularizers=ewc("previous"))
    assert "fisher.safetensors is missing" in without
    assert '{"type": "ewc", "strength": 0, "anchor": "init"}' in without
    assert "name it in trainer.start_from" in refusal_of_plan(regularizers=ewc("previous"))
    assert pipeline(trainer__start_from=str(first["linear"]), regularizers=ewc("previous")).plan().trainings == 1


OTHER = {"encoder__marker": "other weights"}


@pytest.fixture
def noted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A store in which vectors of another frozen model are, with its weights noted."""
    with monkeypatch.context() as patch:
        patch.setattr(Pixels, "facts", lambda self: EncoderFacts("a" * 64, 1000, 20.0))
        pipeline(**OTHER).run(tmp_path / "other", tmp_path / "store")
    return tmp_path / "store"


def test_a_plan_refuses_the_run_of_another_frozen_model(first: dict[str, Path], noted: Path, tmp_path: Path) -> None:
    """As the run does, and without a model: by what is noted beside the vectors."""
    again, built = pipeline(**OTHER, trainer__start_from=str(first["linear"])), len(Pixels.built)
    with pytest.raises(RunFolderError, match="the weights of its image tower are not those here") as planned:
        again.plan(noted)
    assert len(Pixels.built) == built
    with pytest.raises(RunFolderError) as ran:
        again.run(tmp_path / "run", noted)
    assert str(ran.value) == str(planned.value)
    assert again.plan(tmp_path / "empty").trainings == 1
    assert pipeline(trainer__start_from=str(first["linear"])).plan(noted).trainings == 1
    own = pipeline(**OTHER, trainer__start_from=str(tmp_path / "other"))
    assert own.plan(noted).trainings == 1


def test_a_plan_refuses_the_run_of_other_modalities(first: dict[str, Path], tmp_path: Path) -> None:
    """Nothing need be stored for that."""
    texts = {"captioner": {"type": "brightness"}, "graph__nodes": "text"}
    with pytest.raises(RunFolderError, match="was trained on image vectors, and this pipeline on text"):
        pipeline(**texts, trainer__start_from=str(first["linear"])).plan(tmp_path)


@pytest.mark.parametrize("nodes", ["text", "fused", "pair", "tokens"])
def test_a_plan_says_that_nodes_need_texts(nodes: str) -> None:
    """Neither a captioner nor texts of the data set's own."""
    from graftwork.core.data.items import DataError

    with pytest.raises(DataError, match='has no text, which the nodes need; add a "captioner"'):
        pipeline(graph__nodes=nodes).plan()


def test_prompts_are_not_class_rows() -> None:
    """Heads that compare with class vectors save none of them."""
    from graftwork.plugins.heads import CosineSpec
    from graftwork.plugins.heads.cosine import Cosine

    head = Cosine(CosineSpec(), WIDTH, 3, ClassPrompts(torch.eye(WIDTH)[:3], 20.0))
    assert (head.class_rows, list(head.state_dict())) == ((), ["log_scale"] if head.log_scale is not None else [])
