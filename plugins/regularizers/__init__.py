"""Regularizers.

Specs and declarations are light; implementations are imported on first use.
"""

from __future__ import annotations

from ...registry.component import Component
from .specs import EWCSpec

COMPONENTS = (
    Component("regularizer", "ewc", EWCSpec, "graftwork.plugins.regularizers.ewc:EWC", "elastic weight consolidation"),
)
