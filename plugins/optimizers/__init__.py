"""Optimizers.

Specs and declarations are light; implementations are imported on first use.
"""

from __future__ import annotations

from ...registry.component import components
from .specs import AdamWSpec, SGDSpec

COMPONENTS = components(
    "optimizer",
    __name__,
    (AdamWSpec, "torch_optimizers:adamw", "AdamW"),
    (SGDSpec, "torch_optimizers:sgd", "SGD with momentum"),
)
