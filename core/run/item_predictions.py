"""What a run says of single items, a line an item and seed."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from ..data.items import Item, Masks, Target
from ..data.prediction import Neighbour
from ..storage.item_predictions import PREDICTIONS, HeardItem, ItemPrediction
from ..storage.result_parts import KeptPredictions
from ..training.trial import SplitAnswers, SplitScore, Trial

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
        content = trial.prepared.content
        items = {item.id: item for item in content.splits[split]}
        contents = {id_: content_key(item) for id_, item in items.items()}
        for index, score in enumerate(of_seeds):
            if score.answers is not None:
                seed, names, most = trial.spec.seeds[index], content.class_names, MOST if index == saved else 0
                yield from lines_of(split, seed, items, contents, score.answers, names, most)


def kept_predictions(scores: Mapping[str, Sequence[SplitScore]]) -> KeptPredictions | None:
    """How many there are; ``None`` where the task gives none of single items."""
    first = {split: of_seeds[0].answers for split, of_seeds in scores.items()}
    items = {split: len(one.ids) for split, one in first.items() if one is not None}
    return KeptPredictions(file=PREDICTIONS, items=items) if items else None


def lines_of(
    split: str,
    seed: int,
    items: Mapping[str, Item],
    contents: Mapping[str, str],
    said: SplitAnswers,
    names: Sequence[str],
    most: int,
) -> Iterator[ItemPrediction]:
    """Of one seed's answers, with ``most`` neighbours each; ``contents`` has the ``content_key`` of every item."""
    heard = said.neighbours(most) if most else []
    answers = _classes(said, items, names)
    for row, (id_, answer) in enumerate(zip(said.ids, answers, strict=True)):
        yield ItemPrediction(
            split=split,
            seed=seed,
            id=id_,
            content=contents[id_],
            label=_named(items[id_].target, names),
            prediction=answer.prediction,
            score=None if said.scores is None else float(said.scores[row]),
            probabilities=answer.probabilities,
            neighbours=[_heard(one) for one in heard[row]] if heard and heard[row] else None,
        )


class _Answer(NamedTuple):
    """Of one item; nothing of one whose answer is no class."""

    prediction: str | list[str] | None = None
    probabilities: dict[str, float] | list[dict[str, float]] | None = None


def _classes(said: SplitAnswers, items: Mapping[str, Item], names: Sequence[str]) -> Iterator[_Answer]:
    """The likeliest classes of each item, or of each of its segments."""
    if said.logits is None:
        yield from (_Answer() for _ in said.ids)
        return
    whole = said.logits.ndim == 2
    ranked = (said.logits[:, None] if whole else said.logits).softmax(dim=-1).sort(dim=-1, descending=True, stable=True)
    classes, shares = ranked.indices[..., :MOST].tolist(), ranked.values[..., :MOST].tolist()
    for row, id_ in enumerate(said.ids):
        segments = 1 if whole else len(items[id_].views())
        top = [_named_shares(*one, names) for one in list(zip(classes[row], shares[row], strict=True))[:segments]]
        first = [next(iter(one)) for one in top]
        yield _Answer(first[0], top[0]) if whole else _Answer(first, top)


def content_key(item: Item) -> str:
    """Equal for items of the same contents and target: 16 hexadecimal digits."""
    views = [sorted((kind, media.bytes_digest) for kind, media in view.items()) for view in item.views()]
    target = sorted(item.target.items()) if isinstance(item.target, Mapping) else item.target
    return hashlib.sha256(repr((views, target)).encode()).hexdigest()[:16]


def _named_shares(classes: Sequence[int], shares: Sequence[float], names: Sequence[str]) -> dict[str, float]:
    return {names[index]: round(share, DIGITS) for index, share in zip(classes, shares, strict=True)}


def _named(target: Target | None, names: Sequence[str]) -> Any:
    if isinstance(target, Mapping):
        return {names[index]: score for index, score in target.items()}
    if isinstance(target, tuple):
        return [names[index] if index >= 0 else None for index in target]
    if isinstance(target, Masks):
        return [mask and mask.bytes_digest for mask in target.of]
    return None if target is None else names[target]


def _heard(one: Neighbour) -> HeardItem:
    return HeardItem(id=one.id, label=one.label, similarity=one.similarity)
