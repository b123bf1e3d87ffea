"""Experts of a heterogeneous mixture inside the towers.

Specs and declarations are light; implementations are imported on first use.
"""

from __future__ import annotations

from ...registry.component import components
from .specs import AffineSpec, ChannelAttentionSpec, CrossAttentionSpec, IdentitySpec, UnimodalSpec

COMPONENTS = components(
    "expert",
    __name__,
    (UnimodalSpec, "unimodal:Unimodal", "bottleneck on one modality"),
    (CrossAttentionSpec, "cross_attention:CrossAttention", "asks the partner"),
    (ChannelAttentionSpec, "channel_attention:ChannelAttention", "both modalities weigh channels"),
    (AffineSpec, "affine:Affine", "the partner scales and shifts"),
    (IdentitySpec, "identity:NoChange", "no change"),
)
