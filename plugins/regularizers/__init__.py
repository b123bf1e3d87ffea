"""Regularizers.

Specs and declarations are light; implementations are imported on first use.
"""

from __future__ import annotations

from ...registry.component import components
from .specs import EWCSpec, L2StartSpec, LwFSpec, ReplaySpec, SynapticIntelligenceSpec

COMPONENTS = components(
    "regularizer",
    __name__,
    (EWCSpec, "ewc:EWC", "elastic weight consolidation"),
    (L2StartSpec, "l2_start:L2Start", "decay towards the parameters at the start"),
    (LwFSpec, "lwf:LwF", "learning without forgetting: distillation from the state before"),
    (ReplaySpec, "replay:Replay", "items of earlier tasks learnt again"),
    (SynapticIntelligenceSpec, "synaptic_intelligence:SynapticIntelligence", "held by its share of the loss's fall"),
)
