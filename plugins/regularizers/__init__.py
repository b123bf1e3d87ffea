"""Regularizers.

Specs and declarations are light; implementations are imported on first use.
"""

from __future__ import annotations

from ...registry.component import components
from .specs import EWCSpec

COMPONENTS = components(
    "regularizer",
    __name__,
    (EWCSpec, "ewc:EWC", "elastic weight consolidation"),
)
