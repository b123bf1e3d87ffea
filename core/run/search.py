"""The combinations that a search tries: every one of its lists, or as many as asked for, proposed by Optuna. Light."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import TYPE_CHECKING, Any, Protocol

from ...registry.catalogue import Catalogue
from ...registry.errors import MissingExtra
from ..spec.load_spec import spec_from_dict
from ..spec.pipeline_spec import PipelineSpec, SearchRange
from ..spec.search_values import lists_of

if TYPE_CHECKING:
    from optuna import Study
    from optuna.distributions import BaseDistribution


def regularized(spec: PipelineSpec, catalogue: Catalogue) -> list[PipelineSpec]:
    """The pipeline with every value that its search tries of the regularizers: of a range both ends."""
    tried = {key: values for key, values in spec.search.items() if key.partition(".")[0] == "regularizers"}
    ends = {key: [one.low, one.high] if isinstance(one, SearchRange) else one for key, one in tried.items()}
    base = {key: value for key, value in spec.to_json().items() if key not in ("search", "trials")}
    every = itertools.product(*ends.values())
    return [spec_from_dict(base, dict(zip(ends, values, strict=True)), catalogue) for values in every]


class Search(Protocol):
    """Proposes combinations, one after another, and hears how each did before the next."""

    def __iter__(self) -> Iterator[dict[str, Any]]:
        """Dotted path to value; one empty combination without a search."""

    def tell(self, score: float | None) -> None:
        """The mean score on the selection split of the latest combination; ``None`` where it failed."""


def search_of(spec: PipelineSpec) -> Search:
    """The search of a pipeline. Raises ``MissingExtra`` where it needs Optuna and there is none."""
    return EveryCombination(spec) if spec.trials is None else Proposed(spec)


class EveryCombination:
    """All combinations of the lists, in the order written."""

    def __init__(self, spec: PipelineSpec) -> None:
        self._lists = lists_of(spec)

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for combination in itertools.product(*self._lists.values()):
            yield dict(zip(self._lists, combination, strict=True))

    def tell(self, score: float | None) -> None:
        """Nothing depends on it."""


class Proposed:
    """``trials`` combinations by Optuna's TPE (Bergstra et al. 2011), seeded by the pipeline's seed.

    Each is proposed from how those before it did on the selection split; the test split is never looked at.
    """

    def __init__(self, spec: PipelineSpec) -> None:
        self._spec = spec
        self._study = _study(spec.seed)
        self._distributions = {key: _distribution(values) for key, values in spec.search.items()}
        self._latest: Any = None

    def __iter__(self) -> Iterator[dict[str, Any]]:
        for _ in range(self._spec.trials or 0):
            self._latest = self._study.ask(self._distributions)
            yield {key: self._value(key, found) for key, found in self._latest.params.items()}

    def tell(self, score: float | None) -> None:
        """To Optuna; a failed combination is one it learns nothing from."""
        from optuna.trial import TrialState

        self._study.tell(self._latest, score, state=TrialState.FAIL if score is None else None)

    def _value(self, key: str, found: Any) -> Any:
        values = self._spec.search[key]
        return found if isinstance(values, SearchRange) else values[found]


def _study(seed: int) -> Study:
    try:
        import optuna
    except ImportError:
        raise MissingExtra(
            '`trials` asks for a search by Optuna, which is not installed: pip install "graftwork[search]", '
            "or leave `trials` out and list the values"
        ) from None
    before = optuna.logging.get_verbosity()
    optuna.logging.set_verbosity(optuna.logging.WARNING)
    try:
        return optuna.create_study(direction="maximize", sampler=optuna.samplers.TPESampler(seed=seed))
    finally:
        optuna.logging.set_verbosity(before)


def _distribution(values: Any) -> BaseDistribution:
    from optuna.distributions import CategoricalDistribution, FloatDistribution, IntDistribution

    if not isinstance(values, SearchRange):
        return CategoricalDistribution(range(len(values)))  # by index: a value may be an object
    if isinstance(values.low, int) and isinstance(values.high, int):
        return IntDistribution(values.low, values.high, log=values.log)
    return FloatDistribution(values.low, values.high, log=values.log)
