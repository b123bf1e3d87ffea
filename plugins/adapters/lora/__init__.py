"""LoRA inside frozen towers."""

from .spec import LoraSpec

__all__ = ["LoraSpec"]
