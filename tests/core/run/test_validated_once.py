"""A spec is validated when it is read, and not again on the way to a run; what was built by hand is."""

import json
from pathlib import Path
from typing import ClassVar, Literal, Self

import pytest
from pydantic import model_validator

from graftwork import Pipeline, SpecError
from graftwork.core.roles import ReporterSpec
from graftwork.registry.catalogue import Catalogue, Plugin
from graftwork.registry.component import Component

from ...support import small_pipeline
from ...support.small_pipeline import SMALL


class CountedSpec(ReporterSpec):
    """Counts how often one of its kind was validated."""

    type: Literal["counted"] = "counted"
    validated: ClassVar[list[int]] = []

    @model_validator(mode="after")
    def _count(self) -> Self:
        self.validated.append(1)
        return self


SPEC = {**SMALL, "reporters": [{"type": "counted"}], "trainer": {"epochs": 1}}


@pytest.fixture
def catalogue() -> Catalogue:
    """What the small pipelines know, and the reporter that counts."""
    build = f"{small_pipeline.__name__}:Hearing"
    counted = Component("reporter", "counted", CountedSpec, build, "counts")
    found = Catalogue([Plugin("counted", "counted", "1", components=(counted,)), *small_pipeline.catalogue().plugins])
    CountedSpec.validated.clear()
    return found


def test_a_file_is_validated_once_until_its_run_is_done(catalogue: Catalogue, tmp_path: Path) -> None:
    """Reading, planning, training every seed, writing lock and result."""
    path = tmp_path / "spec.json"
    path.write_text(json.dumps(SPEC | {"evaluation": {"seeds": [0, 1]}}))
    pipeline = Pipeline.from_file(path, catalogue=catalogue)
    read = len(CountedSpec.validated)
    pipeline.plan(tmp_path / "store")
    pipeline.run(tmp_path / "run", tmp_path / "store")
    assert 1 <= len(CountedSpec.validated) == read  # reading holds it against what it is written as


def test_a_dictionary_and_a_lock_are_validated_once(catalogue: Catalogue, tmp_path: Path) -> None:
    """`locked_by` takes the spec as it is; `from_lock` reads the one in the lock."""
    pipeline = Pipeline.from_dict(SPEC, catalogue=catalogue)
    read = len(CountedSpec.validated)
    lock = pipeline.lock(tmp_path / "store")
    assert pipeline.locked_by(lock).spec is pipeline.spec
    assert 1 <= len(CountedSpec.validated) == read
    Pipeline.from_lock(lock, catalogue).run(tmp_path / "run", tmp_path / "store")
    assert len(CountedSpec.validated) == 2 * read


def test_each_combination_of_a_search_is_validated(catalogue: Catalogue, tmp_path: Path) -> None:
    """The spec, each value by itself, and each combination: nothing else says that two values go together."""
    search = {"adapter.bottleneck": [4, 8], "graph.threshold": [0.7, 0.8]}
    Pipeline.from_dict(SPEC | {"search": search}, catalogue=catalogue).run(tmp_path / "run", tmp_path / "store")
    values, combinations = 4, 4
    assert len(CountedSpec.validated) >= 1 + values + combinations


def test_what_was_built_by_hand_is_validated(catalogue: Catalogue) -> None:
    """A spec object may have been changed past its own checks."""
    spec = Pipeline.from_dict(SPEC, catalogue=catalogue).spec
    changed = spec.model_copy(update={"graph": None})
    with pytest.raises(SpecError, match="passes messages over a graph, and the pipeline has none"):
        Pipeline(changed, catalogue)
