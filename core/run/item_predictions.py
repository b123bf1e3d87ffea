"""What a run says of single items, a line an item and seed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from torch import Tensor

from ..data.items import Item, Target
from ..data.prediction import Neighbour
from ..storage.item_predictions import PREDICTIONS, HeardItem, ItemPrediction
from ..storage.result_parts import KeptPredictions
from ..training.answers import SplitAnswers
from ..training.trial import SplitScore, Trial

#: Classes and neighbours that a line names.
MOST = 5
#: Digits that a line keeps of a probability.
DIGITS = 6


def item_predictions(
    trial: Trial[Any, Any], scores: Mapping[str, Sequence[SplitScore]], saved: int
) -> Iterator[ItemPrediction]:
    """Of the best trial and its scores, split to one a seed; neighbours are of seed number ``saved``."""
    for split, of_seeds in scores.items():
        # As the data set gave them: what a captioner says of an item makes it no other item.
        items = {item.id: item for item in trial.prepared.content.splits[split]}
        for index, score in enumerate(of_seeds):
            if score.answers is not None:
                seed = trial.spec.seeds[index]
                yield from _of_seed(split, seed, items, score.answers, trial, neighbours=index == saved)


def kept_predictions(scores: Mapping[str, Sequence[SplitScore]]) -> KeptPredictions | None:
    """How many there are; ``None`` where the task gives none of single items."""
    first = {split: of_seeds[0].answers for split, of_seeds in scores.items()}
    items = {split: len(one.ids) for split, one in first.items() if one is not None}
    return KeptPredictions(file=PREDICTIONS, items=items) if items else None


def _of_seed(
    split: str, seed: int, items: Mapping[str, Item], said: SplitAnswers, trial: Trial[Any, Any], neighbours: bool
) -> Iterator[ItemPrediction]:
    names = trial.prepared.content.class_names
    heard = said.neighbours() if neighbours else []
    shares = said.logits.softmax(dim=-1)
    for row, id_ in enumerate(said.ids):
        segments = shares[row] if shares.ndim == 2 else shares[row, : len(items[id_].views())]
        top = [_likeliest(one, names) for one in (segments[None] if shares.ndim == 2 else segments)]
        first = [next(iter(one)) for one in top]
        yield ItemPrediction(
            split=split,
            seed=seed,
            id=id_,
            content=_content(items[id_]),
            label=_named(items[id_].target, names),
            prediction=first[0] if shares.ndim == 2 else first,
            score=None if said.scores is None else float(said.scores[row]),
            probabilities=top[0] if shares.ndim == 2 else top,
            neighbours=[_heard(one) for one in heard[row][:MOST]] if heard and heard[row] else None,
        )


def _content(item: Item) -> str:
    views = [sorted((kind, media.bytes_digest) for kind, media in view.items()) for view in item.views()]
    target = sorted(item.target.items()) if isinstance(item.target, Mapping) else item.target
    return hashlib.sha256(repr((views, target)).encode()).hexdigest()[:16]


def _likeliest(shares: Tensor, names: Sequence[str]) -> dict[str, float]:
    order = shares.argsort(descending=True, stable=True)[:MOST].tolist()
    return {names[index]: round(float(shares[index]), DIGITS) for index in order}


def _named(target: Target | None, names: Sequence[str]) -> Any:
    if isinstance(target, Mapping):
        return {names[index]: score for index, score in target.items()}
    if isinstance(target, tuple):
        return [names[index] if index >= 0 else None for index in target]
    return None if target is None else names[target]


def _heard(one: Neighbour) -> HeardItem:
    return HeardItem(id=one.id, label=one.label, similarity=one.similarity)
