"""Adapters, on features and inside towers.

Specs and declarations are light; implementations are imported on first use.
"""

from __future__ import annotations

from ...registry.component import Component
from .hmmoe.spec import HMMoESpec
from .lora.spec import LoraSpec
from .specs import BottleneckSpec, CLIPAdapterSpec, GANetSpec, NoneSpec

COMPONENTS = (
    Component("adapter", "ga_net", GANetSpec, "graftwork.plugins.adapters.ga_net:GANet", "GA-Net's graph bottleneck"),
    Component(
        "adapter",
        "bottleneck",
        BottleneckSpec,
        "graftwork.plugins.adapters.bottleneck:Bottleneck",
        "bottleneck with residual, no graph",
    ),
    Component(
        "adapter",
        "clip_adapter",
        CLIPAdapterSpec,
        "graftwork.plugins.adapters.clip_adapter:CLIPAdapter",
        "CLIP-Adapter's bottleneck, mixed with the frozen vector",
    ),
    Component(
        "adapter",
        "hmmoe",
        HMMoESpec,
        "graftwork.plugins.adapters.hmmoe.hmmoe:HMMoE",
        "heterogeneous experts inside the towers",
    ),
    Component(
        "adapter",
        "lora",
        LoraSpec,
        "graftwork.plugins.adapters.lora.lora:Lora",
        "low-rank updates of the towers' linear layers, by peft",
    ),
    Component("adapter", "none", NoneSpec, "graftwork.plugins.adapters.identity:Identity", "no adapter"),
)
