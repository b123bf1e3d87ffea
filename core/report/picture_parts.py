"""The items that a run got most wrong, with what they heard."""

from __future__ import annotations

from collections.abc import Mapping

from ..data.items import Item
from ..storage.item_predictions import HeardItem, ItemPrediction
from ..storage.run_folder import RunFolderError
from .blocks import Block, Gallery, Lines, Missing, Part, Section, Shown
from .items_of_run import LARGE, SMALL, ItemsOfRun, thumbnail
from .read_run import ReportedRun

#: Letters of a description that are shown.
LETTERS = 300


def worst_part(run: ReportedRun, items: ItemsOfRun, most: int) -> Part:
    """The wrong answers of the saved seed, the most confident first."""
    title = "The worst items"
    try:
        worst = worst_of(run)
    except RunFolderError as error:
        return Missing(title, str(error))
    if run.result.predictions is None:
        return Missing(title, "the run keeps no predictions of single items")
    if not worst:
        return Missing(title, "no answer is wrong, or items have no score of their own")
    blocks: list[Block] = [
        Lines(
            [
                f"{len(worst):,} of {len(run.saved_answers):,} items of {run.result.test_on} are wrong, or not wholly "
                f"right, by seed {run.result.saved_seed}, the one that is saved; the most confident come first."
            ]
        )
    ]
    if items.lacking:
        blocks.append(Lines([items.lacking], notes=True))
    blocks.append(Gallery([_shown(one, run, items) for one in worst[:most]]))
    return Section(title, blocks)


def worst_of(run: ReportedRun) -> list[ItemPrediction]:
    """The answers of the saved seed that score below 1, the lowest and then the most confident first."""
    wrong = [one for one in run.saved_answers if one.score is not None and one.score < 1]
    return sorted(wrong, key=lambda one: (one.score, -_confidence(one), one.id))


def _confidence(one: ItemPrediction) -> float:
    shares = one.probabilities
    if isinstance(shares, Mapping):
        return max(shares.values(), default=0.0)
    return max((max(own.values(), default=0.0) for own in shares or ()), default=0.0)


def _shown(one: ItemPrediction, run: ReportedRun, items: ItemsOfRun) -> Shown:
    item = items.item(one.split, one.id, one)
    lines = [f"label: {_words(one.label)}", *_said(one)]
    if one.score:
        lines.append(f"score {one.score:.3f}")
    if item is not None and (description := items.descriptions([item])[0]) is not None:
        lines.append(f"text: {description[:LETTERS]}{'…' if len(description) > LETTERS else ''}")
    heard = [_neighbour(near, one, items) for near in one.neighbours or ()]
    return Shown(thumbnail(item, LARGE) if item else None, one.id, lines, heard)


def _neighbour(near: HeardItem, one: ItemPrediction, items: ItemsOfRun) -> Shown:
    item = items.support_item(near.id)
    same = "" if near.label is None else ", the right class" if near.label == one.label else ", another class"
    lines = [f"{near.label or 'unlabelled'}{same}", f"cosine {near.similarity:.3f}", *_text_of(item, items)]
    return Shown(thumbnail(item, SMALL) if item else None, near.id, lines)


def _text_of(item: Item | None, items: ItemsOfRun) -> list[str]:
    text = items.descriptions([item])[0] if item is not None else None
    return [] if text is None else [text[:80] + ("…" if len(text) > 80 else "")]


def _said(one: ItemPrediction) -> list[str]:
    """Nothing of masks."""
    said = [] if one.prediction is None else [f"predicted: {_words(one.prediction)}"]
    if isinstance(one.probabilities, Mapping):
        said.append("probabilities: " + ", ".join(f"{name} {share:.3f}" for name, share in one.probabilities.items()))
    return said


def _words(value: object) -> str:
    if isinstance(value, Mapping):
        if list(value.values()) == [1.0]:
            return str(next(iter(value)))
        return ", ".join(f"{name} ({score:g})" for name, score in value.items())
    if isinstance(value, (list, tuple)):
        return ", ".join("–" if one is None else str(one) for one in value)
    return "no label" if value is None else str(value)
