"""``GraftClassifier``: adapters on features as scikit-learn knows estimators."""

import copy
import pickle
import warnings
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from sklearn.model_selection import GridSearchCV
from sklearn.utils.estimator_checks import check_estimator

from graftwork import GraftClassifier, Pipeline
from graftwork.registry.errors import SpecError


def clouds(rows: int = 40) -> tuple[Any, Any]:
    """Two that can be told apart, [N, 6], and their names."""
    labels = np.arange(rows) % 2
    return np.random.default_rng(0).normal(size=(rows, 6)) + 3 * np.eye(6)[labels], np.array(["no", "yes"])[labels]


def test_every_check_of_scikit_learn_passes() -> None:
    """Of the adapter with the most to go wrong; what is skipped needs the array API."""
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        results = check_estimator(GraftClassifier("ga_net", epochs=2), on_fail=None, on_skip=None)
    failed = {one["check_name"]: one["exception"] for one in results if one["status"] == "failed"}
    assert failed == {}
    skipped = {one["check_name"] for one in results if one["status"] != "passed"}
    assert skipped <= {"check_array_api_input"}


@pytest.mark.parametrize(
    "adapter", ["none", "bottleneck", "clip_adapter", "ga_net", {"type": "diffusion", "share": 0.5}]
)
@pytest.mark.parametrize("head", ["linear", "logistic_regression", {"type": "prototype", "train": False}])
def test_every_adapter_and_head_learns_and_answers(adapter: Any, head: Any) -> None:
    """Of rows that it has not seen; and what was learned is pickled and copied."""
    X, y = clouds()
    made = GraftClassifier(adapter, head, epochs=20, lr=0.01).fit(X[:30], y[:30])
    assert made.score(X[30:], y[30:]) > 0.7
    assert np.allclose(made.predict_proba(X[30:]).sum(axis=1), 1)
    for same in (pickle.loads(pickle.dumps(made)), copy.deepcopy(made)):
        assert (same.predict_proba(X[30:]) == made.predict_proba(X[30:])).all()


def test_an_answer_depends_on_its_row_alone() -> None:
    """To the bit, in any order and number."""
    X, y = clouds(100)
    made = GraftClassifier("ga_net", epochs=2).fit(X, y)
    whole = made.predict_proba(X)
    assert (np.concatenate([made.predict_proba(X[n : n + 1]) for n in range(100)]) == whole).all()
    assert (made.predict_proba(X[::-1])[::-1] == whole).all()


def test_it_is_the_pipeline_over_the_same_vectors(tmp_path: Path) -> None:
    """One engine: the same spec over a file gives the same answers."""
    X, y = clouds()
    splits = np.array(["train"] * 30 + ["test"] * 10)
    np.savez(tmp_path / "v.npz", vectors=X, labels=y, splits=splits)
    made = GraftClassifier("ga_net", epochs=3).fit(X[:30], y[:30])
    spec = made.module_.spec.to_json()
    spec["dataset"] = {"type": "vectors", "file": str(tmp_path / "v.npz"), "val_fraction": 0.0}
    spec["reporters"] = []
    run = Pipeline.from_dict(spec).run(tmp_path / "run", tmp_path / "store")
    found = [one.probabilities["yes"] for one in run.load("cpu").predict(vectors=X[30:])]
    assert np.allclose(found, made.predict_proba(X[30:])[:, 1], atol=1e-5)


def test_values_are_searched_as_of_any_estimator() -> None:
    """By ``GridSearchCV``, over sections."""
    X, y = clouds()
    grid = {"head": ["linear", {"type": "logistic_regression", "C": 0.1}], "adapter": ["none"]}
    found = GridSearchCV(GraftClassifier(epochs=2), grid, cv=2).fit(X, y)
    assert found.best_score_ > 0.7


def test_keys_of_sections_are_searched_too() -> None:
    """Each by its own name, in a pipeline, inside a key; the section that was given is as it was."""
    given: dict[str, Any] = {"type": "logistic_regression", "max_iter": 200}
    made = GraftClassifier(adapter="none", head=given)
    found = GridSearchCV(made, {"head__C": [0.001, 1.0]}, cv=2).fit(*clouds())
    assert found.best_estimator_.head == {**given, "C": found.best_params_["head__C"]}
    assert given == {"type": "logistic_regression", "max_iter": 200}
    made.set_params(graph__threshold__value=0.5, graph="similarity", head="linear")
    assert (made.graph, made.head) == ({"type": "similarity", "threshold": {"value": 0.5}}, "linear")
    with pytest.raises(ValueError, match="adapter__rank__x: adapter__rank is 4 and has no keys"):
        made.set_params(adapter={"type": "bottleneck", "rank": 4}, adapter__rank__x=1)
    with pytest.raises(ValueError, match="Invalid parameter 'heads'"):
        made.set_params(heads__C=1)


def test_what_cannot_be_is_refused_in_words() -> None:
    """Heads that compare with names, adapters inside towers, a type that there is not, one class."""
    X, y = clouds()
    with pytest.raises(SpecError, match="compares with class prompts"):
        GraftClassifier(head="cosine").fit(X, y)
    with pytest.raises(SpecError, match="inside towers"):
        GraftClassifier("hmmoe", graph=None).fit(X, y)
    with pytest.raises(SpecError, match="did you mean `bottleneck`"):
        GraftClassifier("bottlenek").fit(X, y)
    with pytest.raises(SpecError, match="adapter"):
        GraftClassifier(3).fit(X, y)
    with pytest.raises(ValueError, match="one class: no"):
        GraftClassifier().fit(X[::2], y[::2])
