"""A run over tasks: one training begins where the one before ended, and what is forgotten is measured."""

from __future__ import annotations

import csv
import json
import warnings
from collections import Counter
from pathlib import Path
from typing import Any

import numpy
import pytest
from PIL import Image

from graftwork import Pipeline, compare, evaluate, load
from graftwork.core.events import Event, Note, TrainingFinished
from graftwork.core.report.report import report
from graftwork.core.run.load import TaskWarning
from graftwork.core.run.run import Run
from graftwork.core.storage.adapter_config import FeatureAdapter, LayerAdapter
from graftwork.core.storage.result_parts import TaskSequence
from graftwork.core.studies.compare_report import comparison_table
from graftwork.core.studies.sweep_report import sweep_table
from graftwork.core.training.loop import train
from graftwork.registry.errors import UserError

from ....support.models.tiny_encoders import save_tiny_encoder
from ....support.small_layers import picture, with_little_data
from ....support.small_layers import pipeline as small_layers
from ....support.small_pipeline import SMALL, FewDigits, FewDigitsSpec, Hearing, catalogue, pipeline
from ..test_resume import with_stopping

FEW = {"type": "few_digits"}
#: The second domain: every digit is called the next one.
TURNED = {"train": 1, "val": 1, "test": 1}
#: Two seeds, three epochs: five tasks of two digits each.
SPEC: dict[str, Any] = {
    "tasks": 5,
    "adapter": {"type": "bottleneck", "bottleneck": 8},
    "graph": None,
    "task__head": {"type": "linear"},
    "trainer": {"epochs": 3, "optimizer": {"type": "adamw", "lr": 0.05}},
    "evaluation": {"seeds": [0, 1]},
}


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("sequences")


def learnt(run: Run) -> TaskSequence:
    assert run.typed.tasks is not None
    return run.typed.tasks


def run(place: Path, name: str, **changes: Any) -> Run:
    return pipeline(**SPEC, **changes).run(out=place / name, store=place / "store")


@pytest.fixture(scope="module")
def plain(place: Path) -> Run:
    return run(place, "plain")


def test_a_head_grows_and_every_state_answers_the_tasks_before_it(plain: Run) -> None:
    """Class-incremental: R is lower triangular, and a state knows the classes so far."""
    found = learnt(plain)
    assert found.scenario == "class"
    assert found.orders == [["0-1", "2-3", "4-5", "6-7", "8-9"]] * 2
    for matrix in found.matrix:
        assert [[one is None for one in row] for row in matrix] == [[task > at for task in range(5)] for at in range(5)]
    states = sorted((plain.folder / "tasks").iterdir())
    assert [one.name for one in states] == ["1-0-1", "2-2-3", "3-4-5", "4-6-7", "5-8-9"]
    assert [len(FeatureAdapter.in_folder(one).class_names) for one in states] == [2, 4, 6, 8, 10]


def test_the_figures_are_those_of_the_matrix(plain: Run) -> None:
    """The averages of a seed, taken from R by hand; no figure where the scenario has none."""
    found = learnt(plain)
    assert found.learning
    assert found.forgetting
    assert found.backward
    for seed, matrix in enumerate(found.matrix):
        last = [one or 0.0 for one in matrix[4]]
        after = [matrix[task][task] or 0.0 for task in range(5)]
        best = [max(matrix[step][task] or 0.0 for step in range(task, 4)) for task in range(4)]
        assert found.average.per_seed[seed] == pytest.approx(sum(last) / 5)
        assert found.learning.per_seed[seed] == pytest.approx(sum(after) / 5)
        assert found.forgetting.per_seed[seed] == pytest.approx(sum(best) / 4 - sum(last[:4]) / 4)
        assert found.backward.per_seed[seed] == pytest.approx(sum(last[:4]) / 4 - sum(after[:4]) / 4)
    assert found.forward is None
    assert "no rows in the head" in found.undefined["forward"]
    assert found.forgetting.mean > 0.5  # two digits push the others out


def test_any_state_is_asked_again(plain: Run) -> None:
    """The folder of a state answers as its row of R says, and the run's adapter is the last one."""
    found, saved = learnt(plain), plain.typed.seeds.index(plain.typed.saved_seed)
    items = [one for one in FewDigits(FewDigitsSpec()).load().splits["test"] if one.target in (0, 1)]
    for state, row in (("1-0-1", 0), ("5-8-9", 4)):
        predictor = load(plain.folder / "tasks" / state, catalogue=plain.catalogue, device="cpu")
        said = predictor.predict([one.modalities["image"].read() for one in items])
        right = [one.label == str(item.target) for one, item in zip(said, items, strict=True)]
        assert sum(right) / len(right) == pytest.approx(found.matrix[saved][row][0])
    last, adapter = (plain.folder / one / "adapter_model.safetensors" for one in ("tasks/5-8-9", "adapter"))
    assert last.read_bytes() == adapter.read_bytes()


def test_predictions_of_items_are_those_of_the_last_state(plain: Run) -> None:
    """Each test item has a line a seed, its class named as in the data."""
    lines = [json.loads(line) for line in (plain.folder / "predictions.jsonl").read_text().splitlines()]
    tested = [one for one in lines if one["split"] == "test"]
    assert len(tested) == 2 * 60
    right = [one["prediction"] == one["label"] for one in tested if one["seed"] == 0]
    assert sum(right) / len(right) == pytest.approx(plain.typed.test["accuracy"].per_seed[0])


def test_tasks_come_in_an_order_of_the_seed(place: Path) -> None:
    """Every seed its own, and the same again."""
    found = run(place, "shuffled", sequence={"order": "shuffled"}).typed.tasks
    assert found is not None
    first, second = found.orders
    assert first != second
    assert sorted(first) == sorted(second) == sorted(found.classes)


@pytest.mark.parametrize("scenario", ["class", "task"])
def test_the_bounds_forget_nothing(place: Path, scenario: str) -> None:
    """All tasks at once make one row; an adapter a task answers its own task alone."""
    kept = [{"type": "replay", "memory": 97}]  # of no effect here: the message on it names this training
    joint = run(place, f"joint-{scenario}", sequence={"training": "joint", "scenario": scenario}, regularizers=kept)
    apart = run(place, f"apart-{scenario}", sequence={"training": "separate", "scenario": scenario})
    of_all, of_each = learnt(joint), learnt(apart)
    assert [len(one) for one in of_all.matrix] == [1, 1]
    assert of_all.forgetting is of_all.learning is of_each.forgetting is None
    for matrix in of_each.matrix:
        assert [[one is None for one in row] for row in matrix] == [
            [at != task for at in range(5)] for task in range(5)
        ]
    assert of_each.learning == of_each.average
    assert [one.name for one in (joint.folder / "tasks").iterdir()] == ["1-joint"]
    assert apart.typed.test["accuracy"].mean == pytest.approx(of_each.average.mean)  # all tasks have as many items


def test_where_the_task_is_known_answers_are_among_its_classes(place: Path) -> None:
    """Task-incremental: an answer is one of the two classes of the item's own task, so that less is forgotten."""
    run_ = run(place, "task", sequence={"scenario": "task"})
    lines = [json.loads(line) for line in (run_.folder / "predictions.jsonl").read_text().splitlines()]
    assert all(int(one["prediction"]) // 2 == int(one["label"]) // 2 for one in lines)
    forgetting = learnt(run_).forgetting
    assert forgetting is not None
    assert forgetting.mean < 0.5
    with warnings.catch_warnings(action="error", category=TaskWarning):
        found = evaluate(run_.folder, catalogue=run_.catalogue, store=place / "store", device="cpu")
    assert found.figures["accuracy"] == found.in_result
    assert found.figures["loss"] < 100  # of classes that are no answers it would be infinite


def of_domains(shots: int | None = None, **changes: Any) -> Pipeline:
    """Two tasks of the same classes; no `dataset` beside them."""
    sets: list[dict[str, Any]] = [{"type": "few_digits"}, {"type": "few_digits", "rotate": TURNED}]
    spec = {**SPEC, "tasks": [{"dataset": {**one, "shots": shots}} for one in sets], **changes}
    spec["sequence"] = {"scenario": "domain", **changes.get("sequence", {})}
    return Pipeline.from_dict(
        {key: value for key, value in SMALL.items() if key != "dataset"},
        {key.replace("__", "."): value for key, value in spec.items()},
        catalogue(),
    )


def test_a_domain_incremental_sequence_says_what_later_data_gain(place: Path) -> None:
    """The same classes in other data: R is full, and forward transfer is against the state before training."""
    made = of_domains().run(out=place / "domain", store=place / "store")
    found = learnt(made)
    assert found.forward is not None
    assert found.start is not None
    assert all(one is not None for row in found.matrix[0] for one in row)
    assert found.forward.per_seed[0] == pytest.approx((found.matrix[0][0][1] or 0.0) - found.start[0][1])
    assert [len(FeatureAdapter.in_folder(one).class_names) for one in (made.folder / "tasks").iterdir()] == [10, 10]


@pytest.mark.parametrize("training", ["sequential", "joint", "separate"])
def test_every_data_set_has_its_own_shots(training: str, place: Path) -> None:
    """Three of each class in each, also where both are learnt at once, and where some of one are remembered."""
    remembered = [{"type": "replay", "memory": 30}] if training == "sequential" else []
    changes = {"sequence": {"training": training}, "regularizers": remembered, "evaluation": {"seeds": [0]}}
    made = of_domains(3, **changes).run(out=place / f"shots {training}", store=place / "store")
    sampled = json.loads((made.folder / "lock.json").read_text())["sampled_items"]["0"]
    assert Counter(id_.partition("/")[0] for id_ in sampled) == {"task-1": 30, "task-2": 30}
    assert learnt(made).remembered == ([[0, 30]] if remembered else None)


def test_a_fault_of_the_first_data_set_is_said_where_it_stands() -> None:
    """Once, not of the `dataset` that it stands for as well."""
    for fault, said in ({"trian": 3}, "unknown key `trian`"), ({"train": "3"}, "valid integer"):
        with pytest.raises(UserError) as error:
            of_domains(tasks=[{"dataset": {"type": "few_digits", **fault}}, {"dataset": FEW}])
        assert "$.tasks[0].dataset.tr" in str(error.value)
        assert said in str(error.value)
        assert "\n" not in str(error.value)


def test_a_note_names_the_task_whose_data_set_it_is_of(tmp_path: Path) -> None:
    """Two data sets may have the same to say."""
    for name in ("a", "b"):
        for split in ("train", "val", "test"):
            for label in ("red", "blue"):
                (folder := tmp_path / name / split / label).mkdir(parents=True)
                Image.new("RGB", (4, 4), label).save(folder / f"{split}.png")
        (folder / "notes.foo").touch()
    sets = [{"name": one, "dataset": {"type": "image_folder", "root": str(tmp_path / one)}} for one in ("a", "b")]
    heard: list[Event] = []
    changes = {"tasks": sets, "dataset": sets[0]["dataset"], "sequence": {"scenario": "domain"}}
    pipeline(**SPEC | changes).plan(tmp_path / "store", heard.append)
    notes = [one.message for one in heard if isinstance(one, Note)]
    assert [note[:3] for note in notes if "left out as no pictures" in note] == ["a: ", "b: "]


def test_remembered_items_join_the_labelled_ones(place: Path, plain: Run) -> None:
    """Of two hundredths of the items, as many as fit; less is forgotten."""
    found, without = learnt(run(place, "replay", regularizers=[{"type": "replay", "memory": 30}])), learnt(plain)
    assert found.remembered == [[0, 24, 30, 30, 30]] * 2
    assert found.average.mean > without.average.mean + 0.1


def test_a_value_is_chosen_on_the_first_tasks(place: Path) -> None:
    """Three strengths, each over two tasks; then the best over the other three: nine and three trainings a seed."""
    made = run(
        place,
        "searched",
        regularizers=[{"type": "ewc", "anchor": "previous", "strength": 1}],
        search={"regularizers.0.strength": [0, 1, 100]},
        reporters=[{"type": "hearing"}],
    )
    trained = [one for one in Hearing.heard if isinstance(one, TrainingFinished)]
    assert len(trained) == 2 * (3 * 2 + 3)
    best = max(made.typed.tried, key=lambda one: one.selection or 0.0)
    assert made.typed.selection.mean == best.selection
    assert learnt(made).search_tasks == 2
    assert made.typed.chosen == best.values
    assert (made.folder / "tasks" / "5-8-9" / "fisher.safetensors").is_file()


def test_a_comparison_has_the_figures_of_tasks_and_knows_what_selected(place: Path, plain: Run) -> None:
    """A score on the validation items of the first tasks, which a search has, chooses nothing beside one of all."""
    searched = place / "searched-again"
    strengths = {"regularizers.0.strength": [0, 1]}
    run(place, searched.name, regularizers=[{"type": "l2_start", "strength": 1}], search=strengths)
    found = compare([plain.folder, searched], out=place / "compared")
    headers, rows = comparison_table(found)
    tasks = learnt(plain)
    for name, score in {"average over tasks": tasks.average, "backward transfer": tasks.backward}.items():
        assert rows[0][headers.index(name)] == str(score)
    assert tasks.forgetting is not None
    assert found.table[0]["forgetting_mean"] == tasks.forgetting.mean
    assert found.best is None
    assert [one.condition for one in found.differences] == ["selected on"]
    alone = compare([plain.folder], out=place / "compared")
    assert alone.best is not None


def test_a_sweep_has_the_figures_of_tasks(place: Path) -> None:
    """As a comparison has them: in its table, in ``sweep.csv``, in ``sweep.json``."""
    done = pipeline(**{**SPEC, "evaluation": {"seeds": [0]}}).sweep(
        {"trainer.epochs": [1]}, out=place / "swept", store=place / "store"
    )
    ((headers, (row,)), (point,)) = sweep_table(done.sweep), done.sweep.points
    assert point.done
    tasks = point.done.typed.tasks
    assert tasks
    assert tasks.forgetting
    assert row[headers.index("forgetting")] == str(tasks.forgetting)
    (line,) = csv.DictReader((place / "swept" / "sweep.csv").read_text().splitlines())
    assert float(line["forgetting_mean"]) == tasks.forgetting.mean
    (said,) = json.loads((place / "swept" / "sweep.json").read_text())["points"]
    assert said["tasks"]["forgetting"]["mean"] == tasks.forgetting.mean


def test_a_task_is_scored_alone(plain: Run, place: Path) -> None:
    """As the last row of R has it where the task is not known, better where it is; by class, or by data set."""
    found, saved = learnt(plain), plain.typed.seeds.index(plain.typed.saved_seed)
    said = evaluate(plain.folder, task="0-1", store=place / "store", catalogue=plain.catalogue, device="cpu")
    assert (said.task, said.items, said.notes) == ("0-1", 12, [])
    assert said.in_result == found.matrix[saved][4][0]
    assert said.figures["accuracy"] > (said.in_result or 0.0)
    made = of_domains(evaluation={"seeds": [0]}).run(out=place / "scored", store=place / "store")
    said = evaluate(made.folder, task="task-1", store=place / "store", catalogue=made.catalogue, device="cpu")
    assert said.items == 60
    assert said.figures["accuracy"] == pytest.approx(said.in_result)
    with pytest.raises(UserError, match="has no task `2-1`; did you mean"):
        evaluate(plain.folder, task="2-1", store=place / "store", catalogue=plain.catalogue)


def test_finished_tasks_are_kept(place: Path, plain: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A run that ends in its fourth task goes on there, and ends with the same numbers."""
    done: list[int] = []

    def counted(*given: Any) -> Any:
        done.append(1)
        return train(*given)

    monkeypatch.setattr("graftwork.core.training.engine.train", counted)
    known, out = with_stopping(catalogue()), place / "resumed"
    spec = {**SMALL, **{key: value for key, value in SPEC.items() if "__" not in key}}
    spec["task"] = {"type": "classification", "head": SPEC["task__head"]}
    stopping = {**spec, "reporters": [{"type": "stopping", "after": 4}]}
    with pytest.raises(KeyboardInterrupt):
        Pipeline.from_dict(stopping, catalogue=known).run(out=out, store=place / "store")
    going_on = {**spec, "reporters": [{"type": "stopping"}]}
    done.clear()
    again = Pipeline.from_dict(going_on, catalogue=known).run(out=out, store=place / "store", resume=True)
    assert len(done) == 6
    assert again.typed.tasks == plain.typed.tasks
    for state in ("1-0-1", "5-8-9"):
        files = [one.folder / "tasks" / state / "adapter_model.safetensors" for one in (again, plain)]
        assert files[0].read_bytes() == files[1].read_bytes()


#: Changes to the spec, and what is said of them before anything is trained.
REFUSED: dict[str, tuple[dict[str, Any], str]] = {
    "one task": ({"tasks": [{"classes": ["0"]}]}, "one task alone is no sequence"),
    "no task": ({"tasks": 1}, "greater than or equal to 2"),
    "no equal groups": ({"tasks": 3}, "10 classes do not make 3 groups"),
    "an unknown class": ({"tasks": [{"classes": ["0", "ten"]}, {"classes": ["1"]}]}, "has the class `ten`"),
    "a class twice": ({"tasks": [{"classes": ["0", "1"]}, {"classes": ["1"]}]}, "class `1` is in `0-1` and in `1`"),
    "a class in none": ({"tasks": [{"classes": ["0"]}, {"classes": ["1"]}]}, "`2` and 7 more are in no task"),
    "nothing said of a task": ({"tasks": [{"name": "a"}, {"classes": ["1"]}]}, "say one"),
    "two of one name": (
        {"tasks": [{"name": "a", "classes": list("01234")}, {"name": "A", "classes": list("56789")}]},
        "two are named `a`",
    ),
    "domains of one data set": ({"sequence": {"scenario": "domain"}}, "all tasks have the same classes"),
    "start_from": ({"trainer__start_from": "runs/before"}, "a sequence of tasks begins afresh"),
    "a memory for everything": ({"regularizers": [{"type": "replay", "memory": 97}]}, "have 96 labelled items"),
    "nothing to distil": (
        {"tasks": 10, "regularizers": [{"type": "lwf", "strength": 1}]},
        "lwf: a first task of one class leaves nothing to distil",
    ),
    "two that keep the same": (
        {"regularizers": [{"type": "synaptic_intelligence", "strength": one} for one in (1, 0)]},
        "regularizer `synaptic_intelligence` stands here twice",
    ),
    "replay without tasks": (
        {"tasks": None, "regularizers": [{"type": "replay", "memory": 5}]},
        "works between tasks, and the pipeline has none",
    ),
    "other data sets": (
        {"tasks": [{"dataset": {"type": "few_digits", "train": 3}}, {"dataset": {"type": "few_digits", "train": 2}}]},
        "`dataset` is none of them",
    ),
    "classes in both data sets": (
        {"dataset": FEW, "tasks": [{"dataset": FEW}, {"dataset": {"type": "few_digits", "train": 2}}]},
        "class `0` is in `task-1` and in `task-2`; leave it out of one; where all tasks have the same classes set "
        '"scenario": "domain"',
    ),
    "other shots": (
        {"dataset": FEW, "tasks": [{"dataset": FEW}, {"dataset": {"type": "few_digits", "shots": 2}}]},
        "`shots` is not that of the first task's data set",
    ),
    "no validation items": (
        {"dataset": {"type": "few_digits", "only_val": "012345"}},
        "`6-7` has no labelled item in split `val`, which is selected on",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_a_sequence_is_refused(case: str, place: Path) -> None:
    """In one line, by the plan as by the run, before anything is trained."""
    changes, said = REFUSED[case]
    for verb in ("plan", "run"):
        with pytest.raises(UserError) as error:
            told(verb, changes, place)
        assert said in str(error.value)
        assert "\n" not in str(error.value)
    assert not (place / "no").exists()


def test_data_sets_of_other_shapes_are_no_sequence(tmp_path: Path) -> None:
    """Said with both shapes, by the plan as by the run."""
    sets = []
    for width in (3, 4):
        file = tmp_path / f"{width}.npz"
        numpy.savez(file, vectors=numpy.eye(width, dtype="float32").repeat(9, 0), labels=numpy.arange(width).repeat(9))
        sets.append({"dataset": {"type": "vectors", "file": str(file)}})
    spec = {"name": "x", "tasks": sets, "encoder": {"type": "given"}, "adapter": {"type": "none"}}
    made = Pipeline.from_dict(spec | {"task": {"type": "classification", "head": {"type": "linear"}}})
    for verb in (made.plan, made.run):
        with pytest.raises(UserError, match="`task-1` has vector of width 3, and `task-2` vector of width 4: one"):
            verb(store=tmp_path / "store")


@pytest.mark.parametrize("values", [{}, {"trials": 2}], ids=["listed", "proposed"])
def test_every_value_that_is_tried_fits_the_tasks(values: dict[str, Any], place: Path) -> None:
    """Known before the first of them is trained, by the plan, too; of a range both ends."""
    tried = {"low": 9, "high": 97} if values else [9, 97]
    changes = {"regularizers": [{"type": "replay", "memory": 9}], "search": {"regularizers.0.memory": tried}, **values}
    with pytest.raises(UserError, match="have 96 labelled items"):
        pipeline(**SPEC, **changes).plan(store=place / "store")
    with pytest.raises(UserError, match="have 96 labelled items"):
        pipeline(**SPEC, **changes).run(out=place / "values", store=place / "store")
    assert not list((place / "values.partial").glob("trainings/*.safetensors"))


def told(verb: str, changes: dict[str, Any], place: Path) -> None:
    made = pipeline(**{**SPEC, **changes})
    if verb == "plan":
        made.plan(store=place / "store")
    else:
        made.run(out=place / "no", store=place / "store")


def test_an_answer_may_be_among_the_classes_of_a_known_task(place: Path) -> None:
    """A task that is known in the figures is named, or a warning says so; a state knows no later task."""
    made = run(place, "asked", sequence={"scenario": "task"})
    items = [one for one in FewDigits(FewDigitsSpec()).load().splits["test"] if one.target in (0, 1)]
    pictures = [one.modalities["image"].read() for one in items]
    known = load(made.folder, task="0-1", catalogue=made.catalogue, device="cpu").predict(pictures)
    right = sum(one.label == str(item.target) for one, item in zip(known, items, strict=True)) / len(items)
    saved = made.typed.seeds.index(made.typed.saved_seed)
    assert right == pytest.approx(learnt(made).matrix[saved][4][0])
    state = load(made.folder, after="2-3", task="0-1", catalogue=made.catalogue, device="cpu")
    of_all = state.module(**state.features(pictures))
    assert of_all.shape == (len(pictures), 4)
    assert of_all.isfinite().all()
    assert state.logits(pictures).equal(state.among(of_all))
    with pytest.warns(TaskWarning, match="whose task is known"):
        load(made.folder, after="2-3", catalogue=made.catalogue, device="cpu")
    with pytest.raises(UserError, match="was learnt later"):
        load(made.folder, after="2-3", task="8-9", catalogue=made.catalogue, device="cpu")
    with pytest.raises(UserError, match="has no task `0-2`; did you mean `0-1`"):
        load(made.folder, task="0-2", catalogue=made.catalogue, device="cpu")


def test_a_report_shows_the_matrix(plain: Run, place: Path) -> None:
    """With the figures over the tasks; a run over one task has no such part."""
    page = report(plain.folder, out=place / "report.html", catalogue=plain.catalogue).read_text()
    assert "accuracy on test of each task (column) after each was learnt (row)" in page
    assert str(learnt(plain).forgetting) in page


@pytest.mark.parametrize("scenario", ["class", "task"])
def test_towers_learn_tasks_too(scenario: str, place: Path, tmp_path: Path) -> None:
    """An adapter inside a tower is carried along, its head grows, and items of the first task are learnt again."""
    encoder = {"type": "transformers", "model": str(save_tiny_encoder("clip", tmp_path))}
    spec = small_layers(
        "classification",
        "image",
        encoder,
        {"type": "lora", "rank": 2},
        tasks=[{"classes": ["red", "green"]}, {"classes": ["blue"]}],
        sequence={"scenario": scenario},
        regularizers=[{"type": "replay", "memory": 4}, {"type": "ewc", "anchor": "every", "strength": 1.0}],
    )
    made = Pipeline.from_dict(spec, catalogue=with_little_data()).run(out=tmp_path / "run", store=place / "store")
    found = learnt(made)
    assert found.remembered == [[0, 4]]
    assert [[one is None for one in row] for row in found.matrix[0]] == [[False, True], [False, False]]
    states = map(LayerAdapter.in_folder, sorted((made.folder / "tasks").iterdir()))
    assert [len(one.class_names) for one in states] == [2, 3]
    red = picture(0, 3).read()
    known = load(made.folder, task="red-green", catalogue=made.catalogue, device="cpu")
    assert known.predict(red)[0].label in ("red", "green")
