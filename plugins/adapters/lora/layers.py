"""peft's layers, which look like the frozen module that they stand for."""

from __future__ import annotations

from typing import Any

from peft.tuners.lora import Linear, ParamWrapper


class _StandIn:
    """What peft's layer does not have (``batch_first`` of an attention), the frozen module has."""

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)  # type: ignore[misc]
        except AttributeError:
            if name == "base_layer":
                raise
            return getattr(self.base_layer, name)


class AdaptedLinear(_StandIn, Linear):  # type: ignore[misc]
    """W x + (alpha / r) B A x."""


class AdaptedParameter(_StandIn, ParamWrapper):  # type: ignore[misc]
    """A module that sees W + (alpha / r) B A where its parameter W is."""
