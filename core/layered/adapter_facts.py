"""What a result says of the adapter beside the towers."""

from __future__ import annotations

from typing import Any

from ..layer_adapter import LayerAdapter
from ..roles import AdapterSpec
from .model import LayeredModel


def adapter_facts(model: LayeredModel, spec: AdapterSpec) -> dict[str, Any]:
    """Parameters, their share of those of the towers that run, the spec with a budget turned into sizes, and what the
    experts of each stream are called."""
    frozen = model.grafted.frozen_parameters()
    parameters = sum(parameter.numel() for parameter in model.adapter.parameters())
    settled = model.grafted.spec(model.grafted.active) if model.grafted.active else spec
    streams = [stream for one in model.towers.towers for stream in one.tower.streams]
    mixes = isinstance(model.adapter, LayerAdapter)
    return {
        "type": spec.type,
        "parameters": parameters,
        "share_of_frozen": parameters / frozen,
        "spec": settled.model_dump(mode="json"),
        "experts": {stream: list(model.adapter.experts(stream)) for stream in streams} if mixes else {},  # type: ignore[operator]
    }
