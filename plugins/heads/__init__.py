"""Heads.

Specs and declarations are light; implementations are imported on first use.
"""

from __future__ import annotations

from ...registry.component import components
from .specs import (
    CosineSpec,
    GraphAdapterSpec,
    LabelPropagationSpec,
    LinearSpec,
    LogisticRegressionSpec,
    MlpSpec,
    PrototypeSpec,
    SelfTrainingSpec,
    TipAdapterSpec,
)

COMPONENTS = components(
    "head",
    __name__,
    (CosineSpec, "cosine:Cosine", "cosine against class prompts"),
    (LinearSpec, "linear:Linear", "linear classifier"),
    (MlpSpec, "mlp:Mlp", "classifier with one hidden layer"),
    (
        LogisticRegressionSpec,
        "logistic_regression:LogisticRegression",
        "scikit-learn's logistic regression on the labelled items",
    ),
    (PrototypeSpec, "prototype:Prototype", "cosine against class means, trained from there"),
    (
        SelfTrainingSpec,
        "self_training:SelfTraining",
        "logistic regression that also learns from what it is sure of in the pool",
    ),
    (LabelPropagationSpec, "label_propagation:LabelPropagation", "labels spread over a graph of the pool"),
    (
        TipAdapterSpec,
        "tip_adapter:TipAdapter",
        "zero-shot plus a cache of the labelled items (Tip-Adapter, Tip-Adapter-F)",
    ),
    (GraphAdapterSpec, "graph_adapter:GraphAdapter", "class vectors over two graphs of the classes (GraphAdapter)"),
)
