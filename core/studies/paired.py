"""Two runs held against each other item by item: a bootstrap interval and McNemar's exact test."""

from __future__ import annotations

import math
import statistics
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy
from numpy.typing import NDArray

from ...registry.errors import one_line
from ..storage.item_predictions import PREDICTIONS, read_predictions
from ..storage.result import Result
from ..storage.run_folder import RunFolderError

RESAMPLES = 10_000
#: Resamples that are drawn at once: memory is this times the items.
CHUNK = 250
Scores = Mapping[int, Mapping[str, float]]
Numbers = NDArray[numpy.float64]


@dataclass(frozen=True, slots=True)
class Paired:
    """How much more of the primary metric one run has than another, on the same items."""

    name: str
    against: str
    #: Mean over items and seeds.
    difference: float
    #: The 95 % interval of that.
    low: float
    high: float
    #: McNemar's exact p of each seed, where every score is 0 or 1; else empty.
    p_values: tuple[float, ...]
    #: Different items, and seeds.
    items: int
    seeds: int

    def __str__(self) -> str:
        where = "ahead of" if self.low > 0 else "behind" if self.high < 0 else "not told apart from"
        said = f"{self.name} is {where} {self.against}: {self.difference:+.4f}, 95 % interval {self.low:+.4f} to "
        said += f"{self.high:+.4f} ({self.items} items, {self.seeds} seed{'s' if self.seeds > 1 else ''}"
        if not self.p_values:
            return f"{said})"
        median = " median" if self.seeds > 1 else ""
        return f"{said}; exact McNemar{median} p = {statistics.median(self.p_values):.3g})"

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return asdict(self)


class Unpaired(ValueError):
    """Two runs that cannot be held against each other item by item; the message says why."""


def pairs_of(runs: Sequence[tuple[str, Path, Result]]) -> tuple[list[Paired], dict[str, str]]:
    """Every run (name, folder, result) against the first; and by name why one is not. Raises ``RunFolderError``."""
    found: list[Paired] = []
    reasons: dict[str, str] = {}
    if len(runs) < 2:
        return found, reasons
    (against, folder, first), *others = runs
    try:
        scores = scores_of(folder, first)
    except Unpaired as error:
        return found, {against: str(error)}
    for name, folder, result in others:
        try:
            if (result.metric, result.test_on) != (first.metric, first.test_on):
                raise Unpaired("the runs report different metrics or splits")
            found.append(paired(name, scores_of(folder, result), against, scores))
        except Unpaired as error:
            reasons[name] = str(error)
    return found, reasons


def scores_of(folder: Path, result: Result) -> Scores:
    """Seed to item, known by id and content, to its score on the reported split.

    Raises ``Unpaired``, and ``RunFolderError`` where the scores are not those of the result.
    """
    if result.predictions is None:
        raise Unpaired(f"{folder.name} keeps no predictions of items")
    found: dict[int, dict[str, float]] = {seed: {} for seed in result.seeds}
    for one in read_predictions(folder):
        if one.split == result.test_on and one.seed in found:
            if one.score is None:
                raise Unpaired(f"{result.metric} is no mean over items")
            found[one.seed][f"{one.id}\n{one.content}"] = one.score
    for seed, figure in zip(result.seeds, result.test[result.metric].per_seed, strict=True):
        scores = found[seed].values()
        if not math.isclose(sum(scores) / max(len(scores), 1), figure, rel_tol=1e-4, abs_tol=1e-4):
            said = f"the scores of seed {seed} are not those of {result.metric} {figure:.4f} in result.json"
            raise RunFolderError(one_line(f"{folder / PREDICTIONS}: {said}; run its pipeline again"))
    return found


def paired(name: str, scores: Scores, against: str, others: Scores) -> Paired:
    """The difference over the seeds that both have. Raises ``Unpaired`` where no seed, or an item, is not shared.

    The interval is that of the percentile bootstrap that draws items and, of several, seeds again (Owen, "The
    pigeonhole bootstrap", Annals of Applied Statistics 2007: both count as a sample); 10,000 draws from seed 0. Where
    all items differ alike, as where none does, it is the exact one of the share of items that differ otherwise. The
    test is McNemar's, exact by the binomial (McNemar 1947), seed by seed.
    """
    seeds = [seed for seed in scores if seed in others]
    if not seeds:
        raise Unpaired("the runs share no seed")
    if any(scores[seed].keys() != others[seed].keys() for seed in seeds):
        raise Unpaired("the runs were scored on different items")
    if not any(scores[seed] for seed in seeds):
        raise Unpaired("the runs were scored on no item")
    items = list(dict.fromkeys(id_ for seed in seeds for id_ in scores[seed]))
    column = {id_: index for index, id_ in enumerate(items)}
    difference, there = numpy.zeros((len(seeds), len(items))), numpy.zeros((len(seeds), len(items)))
    for row, seed in enumerate(seeds):
        for id_, score in scores[seed].items():
            difference[row, column[id_]], there[row, column[id_]] = score - others[seed][id_], 1.0
    low, high = interval(difference, there, least=-1.0)
    mean = float(difference.sum() / there.sum())
    return Paired(name, against, mean, low, high, _mcnemar(seeds, scores, others), len(items), len(seeds))


def interval_of(scores: Scores) -> tuple[float, float]:
    """The 95 % interval of the mean of one run's ``scores_of``, over items and seeds, as ``paired`` says. Raises
    ``Unpaired`` where no item is scored."""
    items = list(dict.fromkeys(id_ for own in scores.values() for id_ in own))
    if not items:
        raise Unpaired("no item was scored")
    given = [[own.get(id_) for id_ in items] for own in scores.values()]
    there = numpy.array([[float(one is not None) for one in own] for own in given])
    return interval(numpy.array([[one or 0.0 for one in own] for own in given]), there)


def interval(difference: Numbers, there: Numbers, *, least: float = 0.0) -> tuple[float, float]:
    """The 95 % interval of the mean over what is there, float64 [seeds, items], as ``paired`` says; a seed may have
    items of its own. ``least`` is the least that an item can have, 1 the most."""
    generator = numpy.random.default_rng(0)
    seeds, items = difference.shape
    low, high = float(difference[there > 0].min()), float(difference[there > 0].max())
    if low == high:  # drawn again they are the same: of n items that are alike so many of all may not be (Clopper 1934)
        others = 1 - 0.025 ** (1 / items)
        return low - others * max(low - least, 0.0), high + others * max(1.0 - high, 0.0)
    means = []
    for start in range(0, RESAMPLES, CHUNK):
        count = min(CHUNK, RESAMPLES - start)
        of_items = generator.multinomial(items, numpy.full(items, 1 / items), size=count).astype(numpy.float64)
        of_seeds = generator.multinomial(seeds, numpy.full(seeds, 1 / seeds), size=count).astype(numpy.float64)
        total = ((of_seeds @ there) * of_items).sum(axis=1)
        drawn = total > 0
        means.append(((of_seeds @ difference) * of_items).sum(axis=1)[drawn] / total[drawn])
    low, high = numpy.percentile(numpy.concatenate(means), [2.5, 97.5])
    return float(low), float(high)


def _mcnemar(seeds: Sequence[int], scores: Scores, others: Scores) -> tuple[float, ...]:
    from scipy.stats import binomtest  # type: ignore[import-untyped]

    found = []
    for seed in seeds:
        pairs = [(score, others[seed][id_]) for id_, score in scores[seed].items()]
        if any(one not in (0.0, 1.0) for pair in pairs for one in pair):
            return ()
        more = sum(one > other for one, other in pairs)
        less = sum(one < other for one, other in pairs)
        found.append(float(binomtest(more, more + less).pvalue) if more + less else 1.0)
    return tuple(found)
