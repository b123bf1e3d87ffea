"""Figures of an accuracy matrix."""

from __future__ import annotations

import statistics
from collections.abc import Mapping, Sequence

from ...spec.sequence_spec import SequenceSpec

#: R[i][j]: of the state after the i-th task on the j-th; ``None`` where it cannot answer.
Matrix = Sequence[Sequence[float | None]]

_LATER = "classes of a later task have no rows in the head before it is learnt"
_BOUND = "nothing is forgotten where {}"


def average(matrix: Matrix) -> float:
    """The mean over the tasks at the end; where each task has a state of its own, of each its own."""
    if None in matrix[-1]:
        return learning(matrix)
    return statistics.fmean(one for one in matrix[-1] if one is not None)


def learning(matrix: Matrix) -> float:
    """The mean over the tasks just after each was learnt."""
    return statistics.fmean(one for row, at in enumerate(matrix) if (one := at[row]) is not None)


def forgetting(matrix: Matrix) -> float:
    """f_j = max over l < T of R[l][j], less R[T][j]: the mean over all tasks but the last (Chaudhry et al. 2018)."""
    last = len(matrix) - 1
    best = [max(one for row in matrix[:last] if (one := row[task]) is not None) for task in range(last)]
    return statistics.fmean(known - _known(matrix[last][task]) for task, known in enumerate(best))


def backward(matrix: Matrix) -> float:
    """R[T][j] - R[j][j]: the mean over all tasks but the last (Lopez-Paz & Ranzato 2017)."""
    last = len(matrix) - 1
    return statistics.fmean(_known(matrix[last][task]) - _known(matrix[task][task]) for task in range(last))


def forward(matrix: Matrix, start: Sequence[float]) -> float:
    """R[j-1][j] - b_j: the mean over all tasks but the first; b is before training (Lopez-Paz & Ranzato 2017)."""
    return statistics.fmean(_known(matrix[task - 1][task]) - start[task] for task in range(1, len(start)))


def undefined(sequence: SequenceSpec) -> Mapping[str, str]:
    """Which figures a sequence does not have, and why."""
    if sequence.training == "joint":
        why = _BOUND.format("all tasks are learnt at once")
        return dict.fromkeys(("learning", "forgetting", "backward", "forward"), why)
    if sequence.training == "separate":
        why = _BOUND.format("each task has an adapter of its own")
        return dict.fromkeys(("forgetting", "backward", "forward"), why)
    return {} if sequence.scenario == "domain" else {"forward": _LATER}


def _known(value: float | None) -> float:
    assert value is not None, "a state answers every task before it"
    return value
