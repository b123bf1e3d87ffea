"""Optimizers.

Specs and declarations are light; implementations are imported on first use.
"""

from __future__ import annotations

from ...registry.component import Component
from .specs import AdamWSpec, SGDSpec

COMPONENTS = (
    Component("optimizer", "adamw", AdamWSpec, "graftwork.plugins.optimizers.torch_optimizers:adamw", "AdamW"),
    Component("optimizer", "sgd", SGDSpec, "graftwork.plugins.optimizers.torch_optimizers:sgd", "SGD with momentum"),
)
