"""peft's layers, made to look like the frozen module that they stand for."""

from __future__ import annotations

from functools import cache
from typing import Any

from torch import nn

from ....registry.errors import MissingExtra


def import_peft() -> Any:
    """The library, beside any torchvision. Raises ``MissingExtra``."""
    try:
        import peft
    except ImportError as error:
        raise MissingExtra(
            f'adapter `lora` works through peft, which cannot be imported: pip install "graftwork[lora]" ({error})'
        ) from error
    return peft


class _StandIn:
    """What peft's layer does not have (``batch_first`` of an attention), the frozen module has."""

    def __getattr__(self, name: str) -> Any:
        try:
            return super().__getattr__(name)  # type: ignore[misc]
        except AttributeError:
            if name == "base_layer":
                raise
            return getattr(self.base_layer, name)


@cache
def adapted_linear() -> type[nn.Module]:
    """The class of layers W x + (alpha / r) B A x. Raises ``MissingExtra``."""
    return type("AdaptedLinear", (_StandIn, import_peft().tuners.lora.Linear), {})


@cache
def adapted_convolution() -> type[nn.Module]:
    """The class of layers W * x + (alpha / r) B (A * x), A of the frozen kernel's size and B of size 1. Raises
    ``MissingExtra``."""
    return type("AdaptedConvolution", (_StandIn, import_peft().tuners.lora.Conv2d), {})


@cache
def adapted_parameter() -> type[nn.Module]:
    """The class of modules that see W + (alpha / r) B A where their parameter W is. Raises ``MissingExtra``."""
    return type("AdaptedParameter", (_StandIn, import_peft().tuners.lora.ParamWrapper), {})
