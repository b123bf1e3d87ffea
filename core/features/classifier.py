"""Adapters on features as an estimator of scikit-learn: a pipeline over vectors that are in memory."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Self

import numpy as np
import torch
from sklearn.base import BaseEstimator, ClassifierMixin
from sklearn.utils import check_random_state
from sklearn.utils.multiclass import check_classification_targets
from sklearn.utils.validation import check_is_fitted, validate_data
from torch import Tensor

from ...registry.build import build
from ...registry.catalogue import Catalogue
from ...registry.discovery import default_catalogue
from ...registry.slot import full_form
from ..data.items import DatasetContent, Item
from ..roles.graph import GraphBuilder
from ..spec.load_spec import spec_from_dict
from ..spec.pipeline_spec import PipelineSpec
from ..stages.context import RunContext
from ..stages.prepare import preparation_key
from ..training.devices import resolve_device
from ..training.trial import Trial
from .encode_splits import Features
from .engine import FeatureEngine
from .module import FeatureModule
from .prepare import FeatureInputs
from .start import FeatureOutcome

Array = np.ndarray[Any, Any]
Section = str | Mapping[str, Any]
#: The parameters that are sections of a spec.
SECTIONS = ("adapter", "head", "graph")
#: Rows that are answered together. Always as many, filled up with zeros, so that an answer depends on its row alone.
_ROWS = 64


class GraftClassifier(ClassifierMixin, BaseEstimator):  # type: ignore[misc]  # scikit-learn has no types
    """An adapter on frozen vectors with its head, as ``fit(X, y)`` and ``predict(X)``.

        GraftClassifier(adapter={"type": "ga_net", "skip": 0.3}, graph={"type": "similarity", "threshold": 0.6})

    ``adapter``, ``head`` and ``graph`` are what stands in a spec: a type, or an object with one; of any plugin. Their
    keys are searched as ``head__C``. ``epochs`` and ``lr`` are those of AdamW, where something is trained. ``X``
    is [N, d]: rows are taken at unit length, as all vectors here. New items meet the training items by the policy
    ``attach``. Nothing is selected: the last epoch is kept. For what compares with the names of classes (head
    ``cosine``), and for any mistake in a section, ``fit`` raises ``SpecError``.
    """

    def __init__(
        self,
        adapter: Section = "bottleneck",
        head: Section = "logistic_regression",
        graph: Section | None = None,
        epochs: int = 20,
        lr: float = 1e-3,
        random_state: Any = 0,
        device: str = "cpu",
    ) -> None:
        self.adapter, self.head, self.graph = adapter, head, graph
        self.epochs, self.lr, self.random_state, self.device = epochs, lr, random_state, device

    def set_params(self, **params: Any) -> Self:
        """As of every estimator; ``head__C=1`` is the key ``C`` of the section ``head``, as ``head={…, "C": 1}`` is.

        Raises ``ValueError`` for another parameter, and for a key of a section that has no type.
        """
        super().set_params(**{name: value for name, value in params.items() if name.partition("__")[0] not in SECTIONS})
        for name, value in sorted(params.items()):  # a section comes before its keys
            section, *keys = name.split("__")
            if section in SECTIONS:
                setattr(self, section, _with(getattr(self, section), section, keys, value))
        return self

    def fit(self, X: Any, y: Any) -> Self:
        """Train on the rows of ``X`` [N, d] and their classes [N]. Raises ``ValueError`` for one class alone."""
        X, y = validate_data(self, X, y, dtype=np.float64)
        check_classification_targets(y)
        self.classes_, targets = np.unique(y, return_inverse=True)
        if len(self.classes_) < 2:
            raise ValueError(
                f"GraftClassifier needs several classes to tell apart; y holds one class: {self.classes_[0]}"
            )
        catalogue, seed = default_catalogue(), int(check_random_state(self.random_state).randint(2**31 - 1))
        spec = spec_from_dict(self._pipeline(seed, catalogue), catalogue=catalogue)
        device = resolve_device(spec.device)
        context = RunContext(catalogue, Path("nothing is stored"), find_device=lambda: device)
        inputs = _inputs(spec, context, _units(X), targets, tuple(map(str, self.classes_)))
        outcome = FeatureEngine(context, 1).train(Trial({}, spec, inputs), seed, lambda *heard: None)
        self.module_ = _module(spec, context, outcome)
        return self

    def decision_function(self, X: Any) -> Array:
        """Logits float64: [N, C]; of two classes [N], the second above the first."""
        logits = self._logits(X)
        return logits[:, 1] - logits[:, 0] if len(self.classes_) == 2 else logits

    def predict_proba(self, X: Any) -> Array:
        """Probabilities float64 [N, C], classes in the order of ``classes_``."""
        return np.asarray(torch.from_numpy(self._logits(X)).softmax(dim=1))

    def predict(self, X: Any) -> Array:
        """The likeliest class of each row."""
        best = self._logits(X).argmax(axis=1)
        return np.asarray(self.classes_[best])

    def _logits(self, X: Any) -> Array:
        check_is_fitted(self, "module_")
        vectors = _units(validate_data(self, X, dtype=np.float64, reset=False))
        parts = []
        for some in (vectors[start : start + _ROWS] for start in range(0, len(vectors), _ROWS)):
            filled = torch.cat([some, some.new_zeros(_ROWS - len(some), some.shape[1])])
            with torch.no_grad():
                parts.append(self.module_(vector=filled)[: len(some)].float().cpu())
        return np.asarray(torch.cat(parts).double())

    def _pipeline(self, seed: int, catalogue: Catalogue) -> dict[str, Any]:
        graph: dict[str, Any] = {}
        if self.graph is not None:
            graph = {"graph": {**full_form(self.graph), "nodes": "vector"}}
        elif _needs_graph(self.adapter, catalogue):
            graph = {"graph": {"type": "similarity", "threshold": 0.5, "nodes": "vector"}}
        return {
            "name": "classifier",
            "seed": seed,
            "device": self.device,
            "dataset": {"type": "vectors", "file": "in memory"},
            "encoder": "given",
            **graph,
            "adapter": self.adapter,
            "task": {"type": "classification", "head": self.head},
            "trainer": {"epochs": self.epochs, "optimizer": {"type": "adamw", "lr": self.lr}},
            "evaluation": {"select_on": "none"},
        }


def _with(section: Any, name: str, keys: Sequence[str], value: Any) -> Any:
    """A copy of a section in which one of its keys, or a key inside that, has another value."""
    if not keys:
        return value
    if not isinstance(whole := full_form(section), Mapping):
        raise ValueError(f"{name}__{keys[0]}: {name} is {section!r} and has no keys; say its type first, {name}={{…}}")
    first, *rest = keys
    return {**whole, first: _with(whole.get(first, {}), f"{name}__{first}", rest, value)}


def _needs_graph(adapter: Section, catalogue: Catalogue) -> bool:
    """Of what is no adapter, validation says so."""
    known = catalogue.types("adapter")
    whole = full_form(adapter)
    type_ = whole.get("type") if isinstance(whole, Mapping) else None
    return type_ in known and bool(getattr(catalogue.find("adapter", type_).spec, "needs_graph", False))


def _units(X: Array) -> Tensor:
    """float32 rows of unit length, made in float64; a row of zeros stays."""
    tiny = np.finfo(np.float64).tiny
    scaled = X / np.maximum(np.abs(X).max(axis=1, keepdims=True), tiny)  # squares of the greatest numbers overflow
    rows = scaled / np.maximum(np.linalg.norm(scaled, axis=1, keepdims=True), tiny)
    return torch.from_numpy(rows.astype(np.float32))


def _inputs(
    spec: PipelineSpec, context: RunContext, vectors: Tensor, targets: Array, names: tuple[str, ...]
) -> FeatureInputs:
    """What the stages would have prepared."""
    items = tuple(Item(str(row), {}, int(target)) for row, target in enumerate(targets))
    content = DatasetContent({"train": items}, names, "in memory")
    ids = tuple(item.id for item in items)
    features = {"train": Features(ids, {"vector": vectors}, torch.from_numpy(targets.astype(np.int64)))}
    key, encoder = preparation_key(spec), context.encoder(spec)
    return FeatureInputs(content, content.splits, (), None, encoder, key, None, features)


def _module(spec: PipelineSpec, context: RunContext, outcome: FeatureOutcome) -> FeatureModule:
    graph = outcome.support.resolved or spec.graph
    builder = build(GraphBuilder, context.catalogue, graph) if graph and spec.adapter.needs_graph else None
    return FeatureModule(spec, outcome.model, outcome.support, builder, None).eval()
