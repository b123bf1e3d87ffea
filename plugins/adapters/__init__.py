"""Adapters, on features and inside towers.

Specs and declarations are light; implementations are imported on first use.
"""

from __future__ import annotations

from ...registry.component import components
from .hmmoe.spec import HMMoESpec
from .lora.spec import LoraSpec
from .specs import BottleneckSpec, CLIPAdapterSpec, DiffusionSpec, GANetSpec, NoneSpec

COMPONENTS = components(
    "adapter",
    __name__,
    (GANetSpec, "ga_net:GANet", "GA-Net's graph bottleneck"),
    (BottleneckSpec, "bottleneck:Bottleneck", "bottleneck with residual, no graph"),
    (CLIPAdapterSpec, "clip_adapter:CLIPAdapter", "CLIP-Adapter's bottleneck, mixed with the frozen vector"),
    (DiffusionSpec, "diffusion:Diffusion", "the mean of a node's neighbours mixed in, nothing trained"),
    (HMMoESpec, "hmmoe.hmmoe:HMMoE", "heterogeneous experts inside the towers"),
    (LoraSpec, "lora.lora:Lora", "low-rank updates of the towers' linear layers, by peft"),
    (NoneSpec, "identity:Identity", "no adapter"),
)
