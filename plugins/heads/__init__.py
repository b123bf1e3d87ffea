"""Heads.

Specs and declarations are light; implementations are imported on first use.
"""

from __future__ import annotations

from ...registry.component import Component
from .specs import CosineSpec, GraphAdapterSpec, LinearSpec, LogisticRegressionSpec, MlpSpec, TipAdapterSpec

COMPONENTS = (
    Component("head", "cosine", CosineSpec, "graftwork.plugins.heads.cosine:Cosine", "cosine against class prompts"),
    Component("head", "linear", LinearSpec, "graftwork.plugins.heads.linear:Linear", "linear classifier"),
    Component("head", "mlp", MlpSpec, "graftwork.plugins.heads.mlp:Mlp", "classifier with one hidden layer"),
    Component(
        "head",
        "logistic_regression",
        LogisticRegressionSpec,
        "graftwork.plugins.heads.logistic_regression:LogisticRegression",
        "scikit-learn's logistic regression on the labelled items",
    ),
    Component(
        "head",
        "tip_adapter",
        TipAdapterSpec,
        "graftwork.plugins.heads.tip_adapter:TipAdapter",
        "zero-shot plus a cache of the labelled items (Tip-Adapter, Tip-Adapter-F)",
    ),
    Component(
        "head",
        "graph_adapter",
        GraphAdapterSpec,
        "graftwork.plugins.heads.graph_adapter:GraphAdapter",
        "class vectors over two graphs of the classes (GraphAdapter)",
    ),
)
