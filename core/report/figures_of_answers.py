"""What predictions of single items add up to: confusions, figures by class, calibration. Light: no torch."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

from ..storage.item_predictions import ItemPrediction

#: Bins of equal width that confidences fall in (Naeini et al., "Obtaining well calibrated probabilities using Bayesian
#: binning", AAAI 2015; Guo et al., "On calibration of modern neural networks", ICML 2017, use 15).
BINS = 15


@dataclass(frozen=True, slots=True)
class Answered:
    """One answer: of an item, or of a segment of one."""

    #: ``None`` where several classes are right by their scores.
    label: str | None
    prediction: str
    #: Softmax probability of ``prediction``.
    confidence: float
    #: 1 where it is right, 0 where it is wrong; the score that the answer has, where several are right.
    right: float


@dataclass(frozen=True, slots=True)
class OfClass:
    """The figures of one class."""

    name: str
    items: int
    #: ``None`` where nothing was predicted so.
    precision: float | None
    recall: float | None
    f1: float


@dataclass(frozen=True, slots=True)
class Bin:
    """Answers of about the same confidence."""

    count: int
    confidence: float
    right: float


def answered(lines: Iterable[ItemPrediction]) -> list[Answered]:
    """Every labelled item, or segment of one."""
    return [one for line in lines for one in _answered(line)]


def _answered(line: ItemPrediction) -> Iterator[Answered]:
    """Nothing of masks."""
    labels, predictions, shares = line.label, line.prediction, line.probabilities
    if predictions is None or shares is None:
        return
    if isinstance(predictions, str):
        labels, predictions, shares = [labels], [predictions], [shares]  # type: ignore[list-item]
    if not isinstance(labels, list):
        return
    for label, prediction, own in zip(labels, predictions, shares, strict=False):
        if not isinstance(own, Mapping) or label is None:
            continue
        confidence = own.get(prediction, 0.0)
        if isinstance(label, Mapping):
            score = label.get(prediction, 0.0)
            yield Answered(next(iter(label)) if len(label) == 1 else None, prediction, confidence, float(score))
        elif isinstance(label, str):
            yield Answered(label, prediction, confidence, float(label == prediction))


def confusions(answers: Sequence[Answered]) -> Counter[tuple[str, str]]:
    """(Class, prediction) to how often; nothing of answers of which several are right."""
    return Counter((one.label, one.prediction) for one in answers if one.label is not None)


def by_class(answers: Sequence[Answered], names: Sequence[str]) -> list[OfClass]:
    """Of each class that has an item or was predicted, in the order of ``names``."""
    pairs = confusions(answers)
    of, said = Counter[str](), Counter[str]()
    for (label, prediction), times in pairs.items():
        of[label] += times
        said[prediction] += times
    return [_of_class(name, of[name], said[name], pairs[name, name]) for name in names if of[name] or said[name]]


def _of_class(name: str, items: int, said: int, right: int) -> OfClass:
    return OfClass(
        name, items, right / said if said else None, right / items if items else None, 2 * right / (items + said)
    )


def calibration(answers: Sequence[Answered]) -> tuple[list[Bin], float]:
    """The bins that hold an answer, from least to most confident, and the expected calibration error: the mean distance
    of confidence and accuracy of a bin, weighted by its answers."""
    bins: list[list[Answered]] = [[] for _ in range(BINS)]
    for one in answers:
        bins[min(int(one.confidence * BINS), BINS - 1)].append(one)
    found = [
        Bin(len(some), sum(one.confidence for one in some) / len(some), sum(one.right for one in some) / len(some))
        for some in bins
        if some
    ]
    return found, sum(one.count * abs(one.confidence - one.right) for one in found) / max(len(answers), 1)
