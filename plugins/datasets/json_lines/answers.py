"""Answers to questions: their soft scores, and which of them a vocabulary holds."""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Iterable, Mapping
from typing import Any

from ....core.data.items import DataError

#: So many people must give an answer for it to be fully right.
AGREEING = 3


def soft_scores(place: str, answers: Any) -> dict[str, float]:
    """Answer to score in (0, 1], of a list with one answer a person, or of scores as they are.

    A list's score is min(number of people / 3, 1): Antol et al., "VQA: Visual Question Answering", ICCV 2015, without
    their averaging over subsets of nine of the ten people, as is usual in training. Raises ``DataError``.
    """
    if isinstance(answers, list) and all(isinstance(answer, str) for answer in answers):
        scores = {answer: min(count / AGREEING, 1.0) for answer, count in Counter(answers).items()}
    elif isinstance(answers, dict) and all(_is_score(score) for score in answers.values()):
        scores = {answer: float(score) for answer, score in answers.items() if score > 0}
    else:
        raise DataError(
            f'{place}: `answers` must be a list with an answer a person, as ["red", "red", "maroon"], or scores from 0 '
            f'to 1, as {{"red": 1.0, "maroon": 0.3}}, not {answers!r:.80}'
        )
    if not scores:
        raise DataError(f"{place}: the question has no answers; add some, or remove the line")
    return scores


def most_frequent(questions: Iterable[Mapping[str, float]], size: int) -> tuple[str, ...]:
    """The ``size`` answers with the largest sum of scores over the questions, sorted; of equal ones the first by name.

    Ours: published vocabularies count the questions whose commonest answer it is, which scores alone do not tell.
    """
    weights: dict[str, float] = defaultdict(float)
    for scores in questions:
        for answer, score in scores.items():
            weights[answer] += score
    return tuple(sorted(sorted(weights, key=lambda answer: (-weights[answer], answer))[:size]))


def _is_score(score: Any) -> bool:
    return isinstance(score, (int, float)) and not isinstance(score, bool) and 0 <= score <= 1
