"""Evaluate: a finished run scored anew, on its own data set or on another one of the same classes."""

from __future__ import annotations

import warnings
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

import numpy
import torch

from ...registry import __version__
from ...registry.build import build
from ...registry.catalogue import Catalogue
from ...registry.discovery import default_catalogue
from ..data.items import DataError, DatasetContent, Item, Items, some_of
from ..data.prediction import Neighbour
from ..features.encode_splits import encode
from ..features.predictor import FeaturePredictor
from ..layers.learner import fitting
from ..layers.predictor import LayerPredictor
from ..roles.specs import PairTaskSpec
from ..roles.task import PairTask, Task, figures_by, figures_of, scores_of, targets_of
from ..run.item_predictions import MOST, content_key, lines_of
from ..run.load import TaskWarning, load_by
from ..run.sequences.asked import classes_of, sequence_of
from ..spec.node_kinds import modalities_of
from ..spec.pipeline_spec import PipelineSpec
from ..stages.composed_encoder import require_weights
from ..stages.context import RunContext
from ..stages.describe import describe
from ..stages.encode import EncoderStage
from ..stages.list_items import listed, listed_for
from ..storage.adapter_config import FeatureAdapter, LayerAdapter, saved_in
from ..storage.files import require_writable
from ..storage.item_predictions import PREDICTIONS, ItemPrediction
from ..storage.manifest import adapter_folder
from ..storage.result import Result
from ..storage.result_parts import TaskSequence
from ..storage.root import store_root
from ..storage.run_folder import RunFolderError, write_json, write_lines
from ..training.devices import own_randomness, resolve_device
from ..training.predictor import Predictor, padded
from ..training.trial import SplitAnswers
from ..training.within_task import WithinTask, answered
from .evaluated_data import EVERY, Data, every_split, fitting_items, of_task, with_data
from .evaluation import EVALUATION, Evaluation
from .paired import interval


@dataclass(frozen=True, slots=True)
class _Scored:
    """What the saved seed's model says of the items."""

    primary: str
    figures: Mapping[str, float]
    #: None of a task of pairs.
    answers: SplitAnswers | None


def evaluate(
    run: str | Path,
    dataset: Data = None,
    *,
    split: str | None = None,
    task: str | None = None,
    out: str | Path | None = None,
    device: str = "auto",
    store: str | Path | None = None,
    catalogue: Catalogue | None = None,
) -> Evaluation:
    """Score a finished run anew: the training that it saved, one seed.

    ``dataset``: a file (a spec, or its section `dataset`), a folder in place of the run's ``root``, a section as a
    mapping, or settings such as ``"root=photos"``, one or several; by default the run's own. ``split``: by default the
    one that the run reports; ``"all"`` for the items of every split. ``task``: of a run over tasks one of them: answers
    are among its classes, and items of others are not scored. ``out``: a new folder for ``evaluation.json`` and,
    an item a line, ``predictions.jsonl``. Vectors and descriptions are found in the store, and what is new is put
    there, as a run does; through towers every item passes anew.

    The interval is that of the percentile bootstrap over items, 10,000 draws from seed 0. Raises ``DataError`` where
    the data do not fit the run, ``SpecError`` where ``dataset`` is none, ``RunFolderError`` as ``load``, and for an
    ``out`` that is not empty.
    """
    catalogue, place = catalogue or default_catalogue(), None if out is None else _new(Path(out))
    context = RunContext(catalogue, store_root(store), find_device=lambda: resolve_device(device))
    folder = adapter_folder(Path(run))
    tasks = sequence_of(folder.parent) or sequence_of(folder)
    with warnings.catch_warnings():
        if tasks is not None:  # an item's task is known here, by its class
            warnings.simplefilter("ignore", TaskWarning)
        predictor = load_by(run, device, catalogue, task=task, stored=context.encoder)
    saved = saved_in(folder)
    assert isinstance(saved, (FeatureAdapter, LayerAdapter))
    spec = with_data(predictor.spec, dataset, catalogue)
    content = listed_for(spec, context) if dataset is None else listed(spec.dataset, replace(context, to_score=True))
    asked, split = split, split or spec.evaluation.test_on
    fingerprint = content.fingerprint()
    if split == EVERY:
        content = every_split(content)
    if task is not None:
        content = of_task(content, predictor.spec, task, classes_of(Path(run), task), own=dataset is None)
    classes = () if isinstance(spec.task, PairTaskSpec) else predictor.class_names  # a target is then no class
    labelled, unlabelled, notes = fitting_items(content, split, classes, task)
    with own_randomness(context.device):
        described = describe(Items(content, {split: tuple(labelled)}, ()), spec, context)
        items, scored = _scored(predictor, described, split, spec, context, folder, tasks)
    result = _result_of(Path(run))
    own = result is not None and result.dataset.fingerprint == fingerprint
    lines = list(_lines(scored, split, saved.seed, items, predictor.class_names))
    said = Evaluation(
        evaluation=Evaluation.FORMAT,
        graftwork=__version__,
        run=str(run),
        name=spec.name,
        seed=saved.seed,
        dataset=spec.dataset.model_dump(mode="json"),
        split_id=content.split_id,
        fingerprint=fingerprint,
        own_data=own,
        split=split,
        task=task,
        items=len(items),
        left_out=unlabelled + len(labelled) - len(items),
        metric=scored.primary,
        figures=dict(scored.figures),
        interval=_interval(scored),
        in_result=_in_result(result, saved.seed, split, task) if own else None,
        notes=[*notes, *(_seen(split, spec) if own else _unscored(content, split, asked))],
        predictions=PREDICTIONS if place and lines else None,
    )
    if place is not None:
        if lines:
            write_lines(place / PREDICTIONS, (one.to_json() for one in lines))
        write_json(place / EVALUATION, said.to_json())
    return said


def _new(place: Path) -> Path:
    if place.exists() and (not place.is_dir() or any(place.iterdir())):
        raise RunFolderError(f"--out {place} is there and not empty; name a new folder")
    require_writable(place / EVALUATION)
    return place


def _result_of(run: Path) -> Result | None:
    path = run / "result.json"
    return Result.read(path) if path.is_file() else None


class _Readable:
    """Opens items one after the other, when they are asked for; what cannot be read is an error, or left out."""

    def __init__(self, predictor: Predictor, items: Sequence[Item]) -> None:
        self.predictor, self.items = predictor, items
        self.left_out: dict[str, str] = {}

    def __iter__(self) -> Iterator[Item]:
        for item in self.items:
            try:
                opened = self.predictor.open(self.predictor.row_of(item), item.id)
            except DataError as error:
                if self.predictor.spec.dataset.on_error == "fail":
                    raise DataError(f"item {item.id}: {error}") from None
                self.left_out[item.id] = str(error)
            else:
                yield opened

    @property
    def read(self) -> list[Item]:
        """Those that could be. Raises ``DataError`` where there are none."""
        if len(self.left_out) == len(self.items):
            raise DataError(f"no item can be read:{some_of([f'{id_}: {why}' for id_, why in self.left_out.items()])}")
        return [item for item in self.items if item.id not in self.left_out]


def _scored(
    predictor: Predictor,
    given: Items,
    split: str,
    spec: PipelineSpec,
    context: RunContext,
    folder: Path,
    tasks: TaskSequence | None,
) -> tuple[Sequence[Item], _Scored]:
    """Those items that can be read, and what is said of them."""
    if isinstance(spec.task, PairTaskSpec):
        assert isinstance(predictor, LayerPredictor)
        pairs = build(PairTask, context.catalogue, spec.task)
        items = given.splits[split]
        return items, _Scored(pairs.primary, predictor.pair_figures(items, pairs), None)
    if isinstance(predictor, FeaturePredictor):
        stage = context.encoder(spec)
        read, features = encode(given, spec, stage, context)
        _require_weights_of(stage, predictor.spec, folder)
        heard = list(predictor.heard_of(features[split], MOST))
        items = read.splits[split]
    else:
        readable = _Readable(predictor, given.splits[split])
        heard = list(predictor.heard(readable, MOST))
        items = readable.read
    near = [one for _, neighbours in heard for one in neighbours]
    logits = torch.cat(padded([logits for logits, _ in heard]))
    task = _within_tasks(build(Task, context.catalogue, spec.task), tasks, predictor.class_names)
    return items, _answers(task, items, logits, near, predictor)


def _within_tasks(task: Task, found: TaskSequence | None, names: Sequence[str]) -> Task:
    """Where a run knows the task of an item, answers are among that task's classes."""
    if found is None or found.scenario != "task":
        return task
    of_class = {name: number for number, classes in enumerate(found.classes.values()) for name in classes}
    return WithinTask(task, [of_class[name] for name in names])


def _require_weights_of(stage: EncoderStage, spec: PipelineSpec, folder: Path) -> None:
    """Of those that encoded: a model that is loaded may be another one than the store knew."""
    facts = FeatureAdapter.in_folder(folder)
    require_weights(folder, lambda modality: stage.facts(modality).weights, modalities_of(spec), facts.encoder_weights)


def _answers(
    task: Task, items: Sequence[Item], logits: torch.Tensor, near: list[tuple[Neighbour, ...]], predictor: Predictor
) -> _Scored:
    targets = fitting(targets_of(task, items, len(predictor.class_names)), logits)
    figures = figures_of(task, logits, targets)
    scores = scores_of(task, logits, targets, figures[task.primary])
    ids = [item.id for item in items]
    classes = answered(task, logits, targets) if logits.ndim <= 3 else None  # masks are none
    answers = SplitAnswers(ids, classes, scores, lambda most: near if any(near) else [])
    return _Scored(task.primary, {**figures, **figures_by(task, items, scores)}, answers)


def _interval(scored: _Scored) -> tuple[float, float] | None:
    if scored.answers is None or scored.answers.scores is None:
        return None
    scores = scored.answers.scores.numpy()[None]
    return interval(scores, numpy.ones_like(scores))


def _lines(
    scored: _Scored, split: str, seed: int, items: Sequence[Item], names: Sequence[str]
) -> Iterator[ItemPrediction]:
    """None of pairs."""
    if scored.answers is not None:
        by_id = {item.id: item for item in items}
        contents = {id_: content_key(item) for id_, item in by_id.items()}
        yield from lines_of(split, seed, by_id, contents, scored.answers, names, MOST)


def _in_result(result: Result | None, seed: int, split: str, task: str | None) -> float | None:
    if result is None or split != result.test_on or seed not in result.seeds:
        return None
    place = list(result.seeds).index(seed)
    if task is None:
        return result.test[result.metric].per_seed[place]
    if (said := result.tasks) is None or said.training == "separate":  # there each task has a state of its own
        return None
    return said.matrix[place][-1][list(said.orders[place]).index(task)]


def _seen(split: str, spec: PipelineSpec) -> Iterator[str]:
    if split in ("train", EVERY):
        yield "the run was trained on items of this split: its figures say nothing of new ones"
    elif split == spec.evaluation.selecting_split:
        yield "this split chose epochs and search values: its figures are better than those of new items"


def _unscored(content: DatasetContent, split: str, asked: str | None) -> Iterator[str]:
    """What of other data is not scored, where nobody asked for a split."""
    others = {name: len(items) for name, items in content.splits.items() if name != split and items}
    if others and asked is None:
        counts = ", ".join(f"{name} {count:,}" for name, count in others.items())
        yield f"items of other splits are not scored: {counts}; `--split {EVERY}` scores every item"
