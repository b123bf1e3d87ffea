"""Numbers that no machine comes to the end of are refused where the spec is read, by what they are."""

from __future__ import annotations

from typing import Any

import pytest

from graftwork.registry.errors import SpecError

from ...support.small_pipeline import pipeline

SEARCH = {"adapter.bottleneck": [2, 4]}
BEYOND: dict[str, tuple[dict[str, Any], str]] = {
    "trials": ({"search": SEARCH, "trials": 10**12}, "trials: more than 10000 combinations to try"),
    "trials by one": ({"search": SEARCH, "trials": 10_001}, "trials: more than 10000 combinations to try"),
    "lists": ({"search": {f"a.{n}": list(range(10)) for n in range(5)}}, "search: more than 10000 combinations"),
    "trials of seeds": (
        {"search": SEARCH, "trials": 10_000, "evaluation": {"seeds": list(range(11))}},
        "evaluation.seeds: more than 100000 trainings: 10000 combinations of 11 seeds each",
    ),
    "seeds": ({"evaluation": {"seeds": list(range(100_001))}}, "evaluation.seeds: more than 100000 trainings"),
    "epochs": ({"trainer": {"epochs": 10**12}}, "trainer.epochs: input should be less than or equal to 1000000"),
    "bottleneck": ({"adapter": {"type": "bottleneck", "bottleneck": 10**12}}, "less than or equal to 65536"),
    "seed": ({"seed": 10**12}, "seed: input should be less than 2147483648"),
}


@pytest.mark.parametrize("case", BEYOND)
def test_a_number_beyond_all_bounds_is_refused(case: str) -> None:
    """At its field, with the bound."""
    fields, said = BEYOND[case]
    with pytest.raises(SpecError) as caught:
        pipeline(**fields)
    assert said in str(caught.value)


@pytest.mark.parametrize(
    "fields",
    [
        {"search": SEARCH, "trials": 10_000, "evaluation": {"seeds": list(range(10))}},
        {"trainer": {"epochs": 1_000_000}},
        {"trainer": {"batch_size": 10**18, "accumulate": 10**18}, "dataset": {"type": "digits", "shots": 10**18}},
    ],
)
def test_what_ends_by_itself_is_taken(fields: dict[str, Any]) -> None:
    """A batch is as large as there are items, shots are as many."""
    assert pipeline(**fields).plan()
