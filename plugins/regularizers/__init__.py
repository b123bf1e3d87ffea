"""Regularizers.

Specs and declarations are light; implementations are imported on first use.
"""

from __future__ import annotations

from ...registry.component import components
from .specs import EWCSpec, ReplaySpec

COMPONENTS = components(
    "regularizer",
    __name__,
    (EWCSpec, "ewc:EWC", "elastic weight consolidation"),
    (ReplaySpec, "replay:Replay", "items of earlier tasks learnt again"),
)
