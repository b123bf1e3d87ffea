"""Experts of a heterogeneous mixture inside the towers.

Specs and declarations are light; implementations are imported on first use.
"""

from __future__ import annotations

from ...registry.component import Component
from .specs import AffineSpec, ChannelAttentionSpec, CrossAttentionSpec, IdentitySpec, UnimodalSpec

_HERE = "graftwork.plugins.experts"

COMPONENTS = (
    Component("expert", "unimodal", UnimodalSpec, f"{_HERE}.unimodal:Unimodal", "bottleneck on one modality"),
    Component(
        "expert", "cross_attention", CrossAttentionSpec, f"{_HERE}.cross_attention:CrossAttention", "asks the partner"
    ),
    Component(
        "expert",
        "channel_attention",
        ChannelAttentionSpec,
        f"{_HERE}.channel_attention:ChannelAttention",
        "both modalities weigh channels",
    ),
    Component("expert", "affine", AffineSpec, f"{_HERE}.affine:Affine", "the partner scales and shifts"),
    Component("expert", "identity", IdentitySpec, f"{_HERE}.identity:NoChange", "no change"),
)
