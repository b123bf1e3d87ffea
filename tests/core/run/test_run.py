"""Whole runs: what is in the folder, what is reproducible, what selects, and what a failure leaves behind."""

import hashlib
import json
import random
import statistics
from collections import Counter
from pathlib import Path
from typing import Any, NoReturn

import numpy as np
import pytest
import torch
from PIL import Image
from safetensors.torch import load_file

from graftwork import Pipeline
from graftwork.core.cli.specs.plan import print_plan
from graftwork.core.data.items import DataError, DatasetContent, Item
from graftwork.core.events import EpochFinished, Note, RunFinished, RunStarted, TrainingFinished
from graftwork.core.roles import EncoderFacts
from graftwork.core.run.run import Run
from graftwork.core.stages.list_items import require_splits
from graftwork.core.storage.run_folder import RunFolderError
from graftwork.core.training.members import TrainingError

from ...support.small_pipeline import Brightness, Hearing, Pixels, PixelsSpec, notes_heard, pipeline

WEIGHTS = Path("adapter/adapter_model.safetensors")
HEARING = [{"type": "hearing"}]


def tiny(folder: Path, **more: Any) -> dict[str, Any]:
    """The encoder section of the tiny CLIP."""
    return {"type": "open_clip", "model": f"local-dir:{folder}", **more}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory, tiny_clip: Path) -> Run:
    """Digits, the tiny CLIP, GA-Net with EWC, two thresholds, three seeds; every split in full."""
    folder = tmp_path_factory.mktemp("whole")
    spec = {
        "version": 1,
        "name": "whole",
        "dataset": {"type": "digits", "shots": 4},
        "encoder": tiny(tiny_clip, templates=["a {}", "the digit {}"]),
        "graph": {"type": "similarity", "threshold": 0.9, "max_degree": 8},
        "adapter": {"type": "ga_net", "bottleneck": 8},
        "regularizers": [{"type": "ewc", "anchor": "init", "strength": 0.1}],
        "trainer": {"epochs": 4},
        "evaluation": {"seeds": [0, 1, 2]},
        "search": {"graph.threshold": [0.9, 0.99]},
        "reporters": [{"type": "jsonl"}],
    }
    return Pipeline.from_dict(spec).run(folder / "run", folder / "store")


def test_a_run_folder_holds_everything(whole: Run) -> None:
    """Result, lock, events and the adapter folder; nothing else, and nothing unfinished."""
    found = sorted(path.relative_to(whole.folder).as_posix() for path in whole.folder.rglob("*") if path.is_file())
    adapter = ("README.md", "adapter_config.json", "adapter_model.safetensors", "fisher.safetensors")
    more = ("manifest.json", "pipeline.json", "support.safetensors")
    run = ("events.jsonl", "lock.json", "manifest.json", "predictions.jsonl", "result.json")
    assert found == [*(f"adapter/{name}" for name in (*adapter, *more)), *run]
    assert [path.name for path in whole.folder.parent.iterdir() if "partial" in path.name] == []


def test_result_json_is_what_the_run_returns(whole: Run) -> None:
    """The object and the file say the same."""
    assert json.loads((whole.folder / "result.json").read_text()) == whole.result


def test_a_result_names_its_conditions(whole: Run) -> None:
    """Split, sizes, shots, prompts, selection split, inductive policy, pool, seeds, search values: all comparable."""
    result = whole.result
    assert result["dataset"]["split_id"].startswith("graftwork-digits-1")
    assert result["dataset"]["sizes"] == {"train": 898, "val": 359, "test": 540}
    assert result["dataset"]["shots"] == 4
    assert result["dataset"]["labelled"] == [40, 40, 40]
    assert result["prompts"] == ["a {}", "the digit {}"]
    assert (result["select_on"], result["test_on"]) == ("val", "test")
    assert (result["inductive"], result["pool"]) == ("attach", "labelled")
    assert result["seeds"] == [0, 1, 2]
    assert result["saved_seed"] in result["seeds"]
    assert result["chosen"] in [{"graph.threshold": 0.9}, {"graph.threshold": 0.99}]
    assert [one["values"] for one in result["tried"]] == [{"graph.threshold": 0.9}, {"graph.threshold": 0.99}]
    assert len(result["encoder"]["image"]["weights"]) == 64


def test_mean_and_standard_deviation_are_those_of_the_seeds(whole: Run) -> None:
    """The sample standard deviation, n - 1, over as many values as seeds."""
    assert set(whole.result["test"]) == {"accuracy", "macro_accuracy", "loss"}
    for figure in whole.result["test"].values():
        values = figure["per_seed"]
        assert len(values) == 3
        assert figure["mean"] == pytest.approx(sum(values) / 3)
        assert figure["std"] == pytest.approx((sum((v - sum(values) / 3) ** 2 for v in values) / 2) ** 0.5)


def test_one_seed_has_a_standard_deviation_of_zero(tmp_path: Path) -> None:
    """Not NaN, which is no JSON."""
    run = pipeline().run(tmp_path / "run")
    assert run.result["test"]["accuracy"]["std"] == 0.0


def test_a_result_counts_parameters(whole: Run) -> None:
    """Trainable as saved, frozen as the encoder has them, and the share of the two."""
    saved = sum(tensor.numel() for tensor in load_file(whole.folder / WEIGHTS).values())
    parameters = whole.result["parameters"]
    assert parameters["trainable"] == saved == 2 * 32 * 8 + 2 * 8 * 8 + 2 * 8 + 32
    assert parameters["frozen"] > 1_000_000
    assert parameters["trainable_share"] == saved / (saved + parameters["frozen"])


@pytest.mark.parametrize(
    ("adapter", "share"), [({"type": "bottleneck"}, "100.00%"), ({"type": "none"}, "0.00%")], ids=["trained", "nothing"]
)
def test_an_encoder_may_have_no_parameters(
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    adapter: dict[str, str],
    share: str,
) -> None:
    """A fixed function: plan, result and console tell the share of what is trained, of nothing at all, too."""
    monkeypatch.setattr(Pixels, "facts", lambda self: EncoderFacts(hashlib.sha256(b"").hexdigest(), 0, 20.0))
    monkeypatch.setattr(PixelsSpec, "frozen_parameters", lambda self: 0)
    head, console = {"type": "cosine"}, [{"type": "console"}]
    small = pipeline(graph=None, adapter=adapter, task__head=head, reporters=console, trainer__epochs=1)
    print_plan(small.plan(tmp_path / "store"))
    assert f"frozen in all: 0; trainable share {share}\n" in capsys.readouterr().out
    parameters = small.run(tmp_path / "run", tmp_path / "store", show=True).result["parameters"]
    assert (parameters["frozen"], f"{parameters['trainable_share']:.2%}") == (0, share)
    assert f"({share})" in capsys.readouterr().err


def test_a_result_measures_every_stage(whole: Run) -> None:
    """Seconds and peak memory, stage by stage, and the versions behind them."""
    assert list(whole.result["stages"]) == ["dataset", "encode", "graph", "train", "evaluate"]
    for usage in whole.result["stages"].values():
        assert usage["seconds"] > 0
        assert usage["peak_memory_mb"] > 50
    assert whole.result["training_seconds_per_seed"] > 0
    assert whole.result["versions"]["torch"] == torch.__version__
    assert {"open_clip_torch", "numpy", "safetensors"} <= set(whole.result["versions"])


def test_the_lock_holds_what_a_repetition_needs(whole: Run) -> None:
    """The pipeline with its defaults, the chosen values, plugins with versions, weights and data by content."""
    lock = json.loads((whole.folder / "lock.json").read_text())
    assert Pipeline.from_dict(lock["pipeline"]).spec.to_json() == lock["pipeline"]
    assert lock["chosen"] == whole.result["chosen"]
    assert lock["plugins"]["builtin"]["distribution"] == "graftwork"
    assert lock["encoder"]["image"]["weights"] == whole.result["encoder"]["image"]["weights"]
    assert lock["data_fingerprint"] == whole.result["dataset"]["fingerprint"]


def test_the_model_card_says_what_was_measured(whole: Run) -> None:
    """Accuracy, split, selection split, policy and seeds stand in the adapter's README."""
    card = (whole.folder / "adapter" / "README.md").read_text()
    for said in ("accuracy", "graftwork-digits-1", "Selected on: val", "attach", "[0, 1, 2]", "688 trainable"):
        assert said in card


def strict(line: str) -> dict[str, Any]:
    """JSON as the standard has it: Python's ``Infinity`` and ``NaN`` are refused."""

    def refuse(name: str) -> NoReturn:
        raise ValueError(name)

    value: dict[str, Any] = json.loads(line, parse_constant=refuse)
    return value


def test_events_are_json_lines(whole: Run) -> None:
    """From start to finish, an epoch each, and the finish carries the result."""
    events = [strict(line) for line in (whole.folder / "events.jsonl").read_text().splitlines()]
    assert events[0]["event"] == "RunStarted"
    assert events[0]["trainings"] == 6
    assert events[-1]["event"] == "RunFinished"
    assert events[-1]["result"] == whole.result
    counts = Counter(event["event"] for event in events)
    assert counts["EpochFinished"] == 6 * 4
    assert counts["TrainingFinished"] == 6


def without_times(result: dict[str, Any]) -> dict[str, Any]:
    kept = {key: value for key, value in result.items() if key not in ("stages", "training_seconds_per_seed")}
    return kept | {"stages": sorted(result["stages"])}


def test_two_runs_of_one_seed_are_bit_equal(tmp_path: Path, tiny_clip: Path) -> None:
    """Encoded twice, trained twice: the same tensors, the same files, the same result but for times."""
    ewc = [{"type": "ewc", "anchor": "init", "strength": 1.0, "labels": "sampled"}]
    spec: dict[str, Any] = {"regularizers": ewc, "trainer__batch_size": 7, "evaluation__seeds": [3, 4]}
    runs = []
    for name in "ab":
        torch.manual_seed(ord(name))  # whatever the process did before
        runs.append(pipeline(encoder=tiny(tiny_clip), **spec).run(tmp_path / name, tmp_path / f"store {name}"))
    assert without_times(runs[0].result) == without_times(runs[1].result)
    for file in ("adapter_model", "support", "fisher"):
        contents = [(run.folder / "adapter" / f"{file}.safetensors").read_bytes() for run in runs]
        assert contents[0] == contents[1]


def test_a_seed_does_not_depend_on_the_others(tmp_path: Path) -> None:
    """Alone or as one of three, in whatever order: the same figures."""
    many = pipeline(dataset__shots=3, evaluation__seeds=[5, 1, 7]).run(tmp_path / "many")
    one = pipeline(dataset__shots=3, evaluation__seeds=[1]).run(tmp_path / "one")
    for name, figure in one.result["test"].items():
        assert figure["per_seed"] == [many.result["test"][name]["per_seed"][1]]


def test_another_seed_is_another_run(tmp_path: Path) -> None:
    """The few-shot sample and the initial weights follow the seed."""
    first, second = (pipeline(seed=seed, dataset__shots=3).run(tmp_path / str(seed)) for seed in (0, 1))
    ids = [json.loads((run.folder / "adapter/adapter_config.json").read_text()) for run in (first, second)]
    assert ids[0]["graftwork"]["support_ids"] != ids[1]["graftwork"]["support_ids"]
    names = load_file(first.folder / WEIGHTS)
    assert not torch.equal(names["adapter.down.weight"], load_file(second.folder / WEIGHTS)["adapter.down.weight"])


def test_a_run_leaves_global_random_state_and_threads_as_found(tmp_path: Path, tiny_clip: Path) -> None:
    """torch's, numpy's and Python's generators, and torch's thread count, also where the encoder is built and used."""
    torch.manual_seed(11)
    before = (torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate(), torch.get_num_threads())  # type: ignore[index]
    run = pipeline(encoder=tiny(tiny_clip)).run(tmp_path / "run")
    run.load().predict([Image.new("L", (8, 8), 100)])
    after = (torch.get_rng_state(), np.random.get_state()[1].tolist(), random.getstate(), torch.get_num_threads())  # type: ignore[index]
    assert torch.equal(before[0], after[0])
    assert before[1:] == after[1:]


SEARCH = {"graph.threshold": [0.7, 0.9], "adapter.bottleneck": [2, 8]}


def searched(out: Path, turned: dict[str, int]) -> Run:
    return pipeline(dataset__rotate=turned, search=SEARCH, dataset__shots=3, trainer__epochs=20).run(out)


def test_the_test_split_decides_nothing(tmp_path: Path) -> None:
    """With nonsense for test labels the same values, epochs and parameters are chosen; only the score falls."""
    honest, garbage = searched(tmp_path / "honest", {}), searched(tmp_path / "garbage", {"test": 1})
    for key in ("chosen", "tried", "epochs_kept", "selection", "saved_seed"):
        assert garbage.result[key] == honest.result[key]
    assert (garbage.folder / WEIGHTS).read_bytes() == (honest.folder / WEIGHTS).read_bytes()
    assert garbage.result["test"]["accuracy"]["mean"] < honest.result["test"]["accuracy"]["mean"] / 2


def test_the_validation_split_decides(tmp_path: Path) -> None:
    """With nonsense for validation labels other epochs are best."""
    honest, garbage = searched(tmp_path / "honest", {}), searched(tmp_path / "garbage", {"val": 1})
    assert garbage.result["epochs_kept"] != honest.result["epochs_kept"]


def test_a_search_takes_the_best_mean_on_validation(tmp_path: Path) -> None:
    """Of all combinations, the mean over the seeds as the events told it; ties go to the first."""
    run = pipeline(search=SEARCH, dataset__shots=3, evaluation__seeds=[0, 1], reporters=HEARING).run(tmp_path / "run")
    finished = [event for event in Hearing.heard if isinstance(event, TrainingFinished)]
    means: dict[str, float] = {}
    for event in finished:
        same = [other.selection for other in finished if other.values == event.values]
        assert len(same) == 2
        means[json.dumps(event.values)] = statistics.fmean(score for score in same if score is not None)
    assert len(means) == 4
    assert json.dumps(run.result["chosen"]) == max(means, key=lambda values: means[values])
    assert {json.dumps(one["values"]): one["selection"] for one in run.result["tried"]} == pytest.approx(means)
    assert run.result["selection"]["mean"] == max(means.values())
    assert json.loads((run.folder / "adapter/pipeline.json").read_text())["search"] == {}


def test_the_chosen_values_are_those_of_the_saved_pipeline(tmp_path: Path) -> None:
    """``adapter/pipeline.json`` is the pipeline that was saved, not the one that was searched."""
    run = pipeline(search={"adapter.bottleneck": [3]}).run(tmp_path / "run")
    assert json.loads((run.folder / "adapter/pipeline.json").read_text())["adapter"]["bottleneck"] == 3


def test_a_combination_that_diverges_is_out(tmp_path: Path) -> None:
    """It is a note and a failure in the result; the others go on."""
    run = pipeline(search={"trainer.optimizer.lr": [1e30, 0.01]}, reporters=HEARING).run(tmp_path / "run")
    assert run.result["chosen"] == {"trainer.optimizer.lr": 0.01}
    failed, fine = run.result["tried"]
    assert failed["selection"] is None
    assert "trainer.optimizer.lr" in failed["failure"]
    assert fine["selection"] > 0
    (note,) = notes_heard(run)
    assert "is out" in note


@pytest.mark.parametrize("search", [{}, {"adapter.bottleneck": [4, 8]}])
def test_a_run_that_diverges_is_an_error_that_says_what_to_lower(tmp_path: Path, search: dict[str, Any]) -> None:
    """Alone, or when every combination does; no run folder is made."""
    with pytest.raises(TrainingError, match=r"lower trainer\.optimizer\.lr"):
        pipeline(trainer__optimizer__lr=1e30, search=search).run(tmp_path / "run")
    assert not (tmp_path / "run").exists()


@pytest.mark.parametrize("more", [{"evaluation__select_on": "none"}, {"trainer__keep": "last"}], ids=["none", "last"])
def test_divergence_in_the_last_step_is_an_error_too(tmp_path: Path, more: dict[str, Any]) -> None:
    """The only epoch's loss is finite and its step ruins the parameters: they are not saved."""
    with pytest.raises(TrainingError, match=r"lower trainer\.optimizer\.lr"):
        pipeline(trainer__epochs=1, trainer__schedule="constant", trainer__optimizer__lr=3e37, **more).run(
            tmp_path / "run"
        )


@pytest.mark.parametrize("kind", ["adamw", "sgd"])
@pytest.mark.parametrize("rate", [3e37, 1e38])
def test_the_greatest_rates_end_in_words(tmp_path: Path, kind: str, rate: float) -> None:
    """Also where a step itself is beyond all numbers, which is torch's own error."""
    with pytest.raises(TrainingError, match=r"lower trainer\.optimizer\.lr"):
        pipeline(trainer__optimizer={"type": kind, "lr": rate}).run(tmp_path / "run")


def test_events_of_a_diverging_run_are_still_json(tmp_path: Path) -> None:
    """Where the metric is not finite there is none; ``-Infinity`` is no JSON."""
    reporters = [{"type": "jsonl"}]
    with pytest.raises(TrainingError):
        pipeline(trainer__optimizer__lr=1e30, reporters=reporters).run(tmp_path / "run")
    lines = (tmp_path / "run.partial" / "events.jsonl").read_text().splitlines()
    assert "EpochFinished" in [strict(line)["event"] for line in lines]


def test_a_run_that_fails_before_training_leaves_nothing(tmp_path: Path) -> None:
    """The mistake was explained; an empty folder beside it would only take a name."""
    with pytest.raises(DataError, match="no split `nowhere`"):
        pipeline(evaluation__test_on="nowhere").run(tmp_path / "run")
    assert list(tmp_path.iterdir()) == []


def test_keep_best_keeps_the_epoch_that_validation_likes_most(tmp_path: Path) -> None:
    """Highest metric as the events told it; ``keep: last`` keeps the last whatever it scored."""
    common: dict[str, Any] = {"trainer__epochs": 25, "dataset__shots": 3, "reporters": HEARING}
    best = pipeline(trainer__keep="best", **common).run(tmp_path / "best")
    told = {event.epoch: event.selection for event in Hearing.heard if isinstance(event, EpochFinished)}
    last = pipeline(trainer__keep="last", **common).run(tmp_path / "last")
    assert last.result["epochs_kept"] == [25]
    assert last.result["selection"]["per_seed"] == [told[25]]
    (epoch,) = best.result["epochs_kept"]
    assert told[epoch] == best.result["selection"]["mean"] == max(score for score in told.values() if score is not None)


def test_what_is_saved_is_the_epoch_that_was_kept(tmp_path: Path) -> None:
    """A run that ends at the best epoch has the same parameters as one that goes on and comes back."""
    common: dict[str, Any] = {"dataset__shots": 3, "trainer__schedule": "constant"}
    long = pipeline(trainer__epochs=40, **common).run(tmp_path / "long")
    (epoch,) = long.result["epochs_kept"]
    assert 0 < epoch < 40
    short = pipeline(trainer__epochs=epoch, trainer__keep="last", **common).run(tmp_path / "short")
    assert (short.folder / WEIGHTS).read_bytes() == (long.folder / WEIGHTS).read_bytes()


#: A learning rate that moves nothing.
STILL: dict[str, Any] = {"task__head": {"type": "cosine"}, "trainer__optimizer__lr": 1e-30}


def test_an_epoch_kept_before_anything_was_trained_is_a_note(tmp_path: Path) -> None:
    """The start stays the best, and every reporter hears of it."""
    run = pipeline(**STILL, evaluation__seeds=[4, 7], reporters=HEARING).run(tmp_path / "run")
    assert (run.result["epochs"], run.result["epochs_kept"]) == (5, [0, 0])
    (note,) = [event.message for event in Hearing.heard if isinstance(event, Note)]
    assert note.startswith("seeds 4, 7 kept epoch 0 of 5: validation was best before anything was trained")


@pytest.mark.parametrize(
    "more", [{"trainer__keep": "last"}, {"evaluation__select_on": "none"}, {"trainer__epochs": 0}], ids=str
)
def test_where_no_epoch_was_chosen_none_is_called_early(tmp_path: Path, more: dict[str, Any]) -> None:
    """The last was asked for, validation chose nothing, or nothing was trained."""
    pipeline(**STILL, **more, reporters=HEARING).run(tmp_path / "run")
    assert not [event for event in Hearing.heard if isinstance(event, Note)]


def test_a_batch_of_everything_is_no_batch(tmp_path: Path) -> None:
    """``batch_size`` beyond the labelled items gives the full-batch run, to the bit; a smaller one does not."""
    runs = [pipeline(trainer__batch_size=size).run(tmp_path / str(size)) for size in (None, 120, 1000, 16)]
    contents = [(run.folder / WEIGHTS).read_bytes() for run in runs]
    assert contents[0] == contents[1] == contents[2] != contents[3]


def test_mini_batches_learn_in_fewer_epochs(tmp_path: Path) -> None:
    """More steps an epoch: the training loss after three epochs is lower."""
    losses = {}
    for size in (None, 10):
        pipeline(trainer__batch_size=size, trainer__epochs=3, reporters=HEARING).run(tmp_path / str(size))
        losses[size] = [event.loss for event in Hearing.heard if isinstance(event, EpochFinished)][-1]
    assert losses[10] < losses[None]


def test_without_selection_the_last_epoch_is_kept(tmp_path: Path) -> None:
    """``select_on: none`` needs no validation split and says so in the result."""
    run = pipeline(evaluation__select_on="none", dataset__val=0).run(tmp_path / "run")
    assert run.result["select_on"] == "none"
    assert run.result["epochs_kept"] == [5]
    assert run.result["selection"] == {"mean": None, "per_seed": [None]}
    assert [one.selection for one in run.typed.tried] == [None]


def test_a_missing_validation_split_is_an_error_with_its_remedy(tmp_path: Path) -> None:
    """The message names the key to set; a plan says it as the run does."""
    for ask in (pipeline(dataset__val=0).plan, lambda: pipeline(dataset__val=0).run(tmp_path / "run")):
        with pytest.raises(DataError, match=r'evaluation\.select_on.*no split `val`.*"select_on": "none"'):
            ask()


def test_a_split_that_holds_nothing_is_no_split_that_the_data_set_has() -> None:
    """As `val` of a part of a published set: the message said that it is there, too."""
    item = Item("a", {}, 0)
    content = DatasetContent({"train": (item,), "val": (), "test": (item,)}, ("one",), "by hand")
    with pytest.raises(DataError, match=r"no split `val`; it has train, test; set"):
        require_splits(content, pipeline().spec)


def test_zero_shot_trains_nothing(tmp_path: Path) -> None:
    """Adapter `none` and head `cosine`: no parameter, no epoch, a score."""
    head = {"type": "cosine"}
    run = pipeline(adapter={"type": "none"}, task__head=head, reporters=HEARING).run(tmp_path / "run")
    assert run.result["parameters"]["trainable"] == 0
    assert run.result["epochs_kept"] == [0]
    assert not [event for event in Hearing.heard if isinstance(event, EpochFinished)]
    assert 0 <= run.result["test"]["accuracy"]["mean"] <= 1


def test_a_graph_without_edges_is_said(tmp_path: Path) -> None:
    """A threshold that nothing reaches: one note, the result counts no edge, predictions hear nobody."""
    spec = pipeline(graph__threshold=1.0, evaluation__seeds=[0, 1], reporters=HEARING)
    run = spec.run(tmp_path / "run")
    warning = "the support graph has no edges: the adapter hears no neighbour; let the graph join more (of type "
    assert run.result["graph"].pop("warning").startswith(warning)
    assert run.result["graph"] == {
        "support_nodes": [120, 120],
        "support_edges": [0, 0],
        "neighbour_shares": [{"bottleneck": 0.0}] * 2,
    }
    (note,) = notes_heard(run)
    assert note.startswith(warning)
    (prediction,) = run.load().predict([np.arange(64, dtype=np.uint8).reshape(8, 8)])
    assert prediction.neighbours == ()


@pytest.mark.parametrize(("labelled", "share"), [(None, 11 / 119), (3, 2 / 29)])
def test_the_result_says_how_many_edges_join_one_class(tmp_path: Path, labelled: int | None, share: float) -> None:
    """Where all are joined: the pairs of one class. Items of the pool count where the data knows their class."""
    everyone = {"type": "similarity", "threshold": 0.0, "pool": "train"}
    spec = pipeline(graph=everyone, dataset__labelled_shots=labelled, dataset__shots=3, trainer__epochs=0)
    assert spec.run(tmp_path / "run").result["graph"]["one_class"] == pytest.approx([share], abs=1e-6)


def test_the_console_shows_the_result_on_standard_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Metric, conditions and folder; standard output stays clean for pipes."""
    run = pipeline(reporters=[{"type": "console"}], search={"graph.threshold": [0.7]}).run(tmp_path / "run", show=True)
    output = capsys.readouterr()
    assert output.out == ""
    plain = " ".join(output.err.split())
    for said in ("accuracy", f"{run.result['test']['accuracy']['mean']:.4f}", "seeds [0]", "selected on val", "attach"):
        assert said in plain


@pytest.mark.parametrize("breaks_on", ["RunStarted", "EpochFinished", "RunFinished", "close"])
def test_a_reporter_that_breaks_does_not_end_the_run(tmp_path: Path, breaks_on: str) -> None:
    """It is named in a warning, and the others hear everything."""
    reporters = [{"type": "fragile", "breaks_on": breaks_on}, {"type": "hearing"}]
    with pytest.warns(UserWarning, match="Fragile failed.*the reporter is broken"):
        run = pipeline(reporters=reporters).run(tmp_path / "run")
    assert (run.folder / "result.json").is_file()
    assert isinstance(Hearing.heard[0], RunStarted)
    assert isinstance(Hearing.heard[-1], RunFinished)


def test_a_run_does_not_write_over_another(tmp_path: Path) -> None:
    """``out`` must not exist; nothing in it is touched."""
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mine.txt").write_text("mine")
    with pytest.raises(RunFolderError, match="exists already"):
        pipeline().run(tmp_path / "run")
    assert [path.name for path in (tmp_path / "run").iterdir()] == ["mine.txt"]


def test_without_out_runs_are_numbered(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """runs/NAME, then runs/NAME-2."""
    monkeypatch.chdir(tmp_path)
    folders = [pipeline(trainer__epochs=0).run().folder for _ in range(2)]
    assert folders == [tmp_path / "runs" / "small", tmp_path / "runs" / "small-2"]


@pytest.fixture
def pixels() -> type[Pixels]:
    """The counting encoder, its counts at zero."""
    Pixels.built.clear()
    Pixels.encoded.clear()
    return Pixels


COSINE = {"type": "cosine"}


def test_an_interrupted_run_leaves_the_store_usable(tmp_path: Path, pixels: type[Pixels]) -> None:
    """Ctrl-C while encoding: no run folder, what was encoded stays, and the next run does the rest."""
    interrupt = [{"type": "fragile", "breaks_on": "StageAdvanced", "error": "interrupt"}]
    with pytest.raises(KeyboardInterrupt):
        pipeline(encoder__batch_size=16, reporters=interrupt).run(tmp_path / "run")
    assert not (tmp_path / "run").exists()
    assert (tmp_path / "run.partial").is_dir()
    assert len(pixels.encoded) == 16
    run = pipeline(encoder__batch_size=16).run(tmp_path / "run")
    assert len(pixels.encoded) == sum(run.result["dataset"]["sizes"].values())
    assert not (tmp_path / "run.partial").exists()


def test_an_interrupted_training_can_be_run_again(tmp_path: Path, pixels: type[Pixels]) -> None:
    """Ctrl-C while training: the next run takes the place of the unfinished one and encodes nothing."""
    interrupt = [{"type": "fragile", "breaks_on": "EpochFinished", "error": "interrupt"}]
    with pytest.raises(KeyboardInterrupt):
        pipeline(reporters=interrupt).run(tmp_path / "run")
    assert len(pixels.built) == 1
    again, undisturbed = pipeline().run(tmp_path / "run"), pipeline().run(tmp_path / "other")
    assert len(pixels.built) == 1
    assert without_times(again.result) == without_times(undisturbed.result)


def test_a_second_run_does_not_build_the_encoder(tmp_path: Path, pixels: type[Pixels]) -> None:
    """Every vector, prompt and fact is found; the results are the same."""
    runs = [pipeline(task__head=COSINE).run(tmp_path / name) for name in "ab"]
    assert len(pixels.built) == 1
    assert without_times(runs[0].result) == without_times(runs[1].result)


def test_another_identity_finds_nothing(tmp_path: Path, pixels: type[Pixels]) -> None:
    """A change in the encoder's identity encodes everything again."""
    for name in "ab":
        pipeline(encoder__marker=name).run(tmp_path / name)
    assert pixels.built == ["a", "b"]
    counts = Counter(pixels.encoded)
    assert counts["a", "image"] == counts["b", "image"] == 240


def test_a_letter_of_a_prompt_encodes_the_prompts_alone(tmp_path: Path, pixels: type[Pixels]) -> None:
    """One template changed: ten texts, no picture."""
    pipeline(task__head=COSINE, encoder__templates=["a {}"]).run(tmp_path / "a")
    pixels.encoded.clear()
    pipeline(task__head=COSINE, encoder__templates=["A {}"]).run(tmp_path / "b")
    assert Counter(pixels.encoded) == {("", "text"): 10}


def test_batch_size_is_no_part_of_the_identity(tmp_path: Path, pixels: type[Pixels]) -> None:
    """Stored under one batch size, found under another."""
    pipeline(encoder__batch_size=64).run(tmp_path / "a")
    pipeline(encoder__batch_size=7).run(tmp_path / "b")
    assert len(pixels.built) == 1


def test_another_image_size_encodes_the_pictures_again(tmp_path: Path, tiny_clip: Path) -> None:
    """The real encoder at 32 and at 16 pixels: ``plan`` says what is missing, and the results differ."""
    small = pipeline(encoder=tiny(tiny_clip), dataset__train=3, dataset__val=2, dataset__test=2)
    small.run(tmp_path / "a", tmp_path / "store")
    resized = pipeline(encoder=tiny(tiny_clip, image_size=16), dataset__train=3, dataset__val=2, dataset__test=2)
    for planned, stored in ((small, 70), (resized, 0)):
        (stage,) = [stage for stage in planned.plan(tmp_path / "store").stages if stage.stage == "encode image"]
        assert (stage.total, stage.stored) == (70, stored)
    resized.run(tmp_path / "b", tmp_path / "store")
    supports = [load_file(tmp_path / name / "adapter" / "support.safetensors")["x"] for name in "ab"]
    assert (supports[0] - supports[1]).abs().max() > 1e-3


CAPTIONED = {"captioner": {"type": "brightness"}, "graph__threshold": 0.5}


@pytest.fixture
def brightness() -> type[Brightness]:
    """The captioner, having seen nothing."""
    Brightness.seen.clear()
    return Brightness


@pytest.mark.parametrize(
    ("nodes", "fusion", "width"), [("fused", "mean", 64), ("fused", "concat", 128), ("text", "mean", 64)]
)
def test_descriptions_become_nodes(
    tmp_path: Path, brightness: type[Brightness], nodes: str, fusion: str, width: int
) -> None:
    """Text alone, or fused with the picture by mean or concatenation; the cosine head compares in the nodes' space."""
    spec: dict[str, Any] = {**CAPTIONED, "graph__nodes": nodes, "graph__fusion": fusion, "task__head": COSINE}
    run = pipeline(**spec).run(tmp_path / "run")
    support = load_file(run.folder / "adapter" / "support.safetensors")
    assert support["x"].shape == (120, width)
    assert support["class_vectors"].shape == (10, width)
    torch.testing.assert_close(support["x"].norm(dim=-1), torch.ones(120))
    picture = np.linspace(0, 255, 64).reshape(8, 8).astype(np.uint8)
    (prediction,) = run.load().predict([picture])
    assert sum(prediction.probabilities.values()) == pytest.approx(1)


def test_fused_concatenation_compares_each_part_with_the_prompts(tmp_path: Path) -> None:
    """The cosine of a concatenated node with a class is the mean of its two cosines."""
    spec: dict[str, Any] = {**CAPTIONED, "graph__nodes": "fused", "graph__fusion": "concat", "task__head": COSINE}
    support = load_file(pipeline(**spec).run(tmp_path / "run").folder / "adapter" / "support.safetensors")
    joint = support["x"] @ support["class_vectors"].T
    image, text = support["x"][:, :64], support["x"][:, 64:]
    halves = [torch.nn.functional.normalize(part, dim=-1) for part in (image, text)]
    classes = torch.nn.functional.normalize(support["class_vectors"][:, :64], dim=-1)
    torch.testing.assert_close(joint, (halves[0] @ classes.T + halves[1] @ classes.T) / 2)


def test_the_captioner_sees_pictures_and_nothing_else(tmp_path: Path, brightness: type[Brightness]) -> None:
    """No item, no id, no target reaches it: its one argument is a list of plain pictures."""
    pipeline(**CAPTIONED, graph__nodes="text").run(tmp_path / "run")
    assert brightness.seen
    for argument in brightness.seen:
        assert type(argument) is list
        for picture in argument:
            assert isinstance(picture, Image.Image)
            assert picture.info == {}
            assert not hasattr(picture, "filename")


def test_each_picture_is_described_once_for_good(tmp_path: Path, brightness: type[Brightness]) -> None:
    """Descriptions are stored by content: a second run describes nothing, other wording describes all again."""
    pipeline(**CAPTIONED, graph__nodes="text").run(tmp_path / "a")
    described = sum(len(argument) for argument in brightness.seen)
    assert described == 240
    pipeline(**{**CAPTIONED, "graph__threshold": 0.6}, graph__nodes="text").run(tmp_path / "b")
    assert sum(len(argument) for argument in brightness.seen) == described
    other = {"type": "brightness", "wording": "brightness {}"}
    pipeline(**{**CAPTIONED, "captioner": other}, graph__nodes="text").run(tmp_path / "c")
    assert sum(len(argument) for argument in brightness.seen) == 2 * described


def test_a_captioner_that_no_node_needs_is_not_asked(tmp_path: Path, brightness: type[Brightness]) -> None:
    """Nodes of images alone: no description is made."""
    pipeline(**CAPTIONED, graph__nodes="image").run(tmp_path / "run")
    assert brightness.seen == []


def test_text_nodes_without_texts_are_an_error_with_its_remedy(tmp_path: Path) -> None:
    """The message names the item, the split and the captioner to add."""
    with pytest.raises(DataError, match=r"item digits/\d+ of split train has no text.*captioner"):
        pipeline(graph__nodes="text").run(tmp_path / "run")


def test_too_few_items_for_the_shots_are_a_note(tmp_path: Path) -> None:
    """All of a short class are used, and the run says which classes are short."""
    run = pipeline(dataset__shots=50, reporters=HEARING).run(tmp_path / "run")
    (note,) = notes_heard(run)
    assert note.startswith("fewer than 50 training items, all are used: 0, 1, 2")
    assert run.result["dataset"]["labelled"] == [120]
