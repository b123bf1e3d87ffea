"""The captioner role: images in, one description each out. Its work is stored by content and never repeated."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Sequence
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image


class Captioner(ABC):
    """Built as ``build(spec, device)``. Sees pictures alone, so that no label can leak into a description."""

    @abstractmethod
    def describe(self, images: Sequence[Image]) -> list[str]:
        """One description for each picture, in order."""
