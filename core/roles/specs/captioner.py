"""What describes images in words: what every captioner's spec has. Light: no torch."""

from __future__ import annotations

from typing import ClassVar

from .component import ComponentSpec, Json


class CaptionerSpec(ComponentSpec):
    """What describes images in words. It never sees a target."""

    #: Whether descriptions are looked up by an item's key (``WrittenCaptions``) instead of made from its picture.
    written: ClassVar[bool] = False

    def identity(self) -> Json:
        """What a description depends on besides the image: part of its cache key."""
        return self.model_dump(mode="json")

    def pictures_at_once(self) -> int:
        """How many pictures the stage hands over, and stores the descriptions of, at a time."""
        return 16

    def missing_files(self) -> str | None:
        """What must be on this machine and is not, and how to get it; ``None`` where nothing is missing. No torch."""
        return None
