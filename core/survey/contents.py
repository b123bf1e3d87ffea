"""What the contents of items are like, told from a few of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from ..data.items import DataError, Item
from ..data.video import VideoFrames
from ..data.waveform import Waveform

#: Contents of a modality that are decoded.
FEW = 32


def contents_of(items: Sequence[Item], modality: str) -> tuple[str, list[str]]:
    """In words; and why those that cannot be read cannot be. ``FEW`` of them are decoded, one at a time."""
    few = min(FEW, len(items))
    chosen = [items[number * len(items) // few].modalities[modality] for number in range(few)]
    sizes, broken = [], []
    for media in chosen:
        try:
            sizes.append(_size(media.read()))
        except DataError as error:
            broken.append(str(error))
    looked = (
        f"{len(chosen)} of {len(items):,} looked at" if len(chosen) < len(items) else f"all {len(items):,} looked at"
    )
    if not sizes:
        return f"none can be read ({looked})", broken
    (_, first), (_, last) = min(sizes), max(sizes)
    return f"{first if first == last else f'{first} to {last}'} ({looked})", broken


def _size(content: Any) -> tuple[float, str]:
    """To be ordered by, and in words."""
    for kind, size in _SIZES:
        if isinstance(content, kind):
            return size(content)
    if hasattr(content, "shape"):
        return float(content.shape[-1]), f"{content.shape[-1]} numbers"
    width, height = content.size
    return float(width * height), f"{width} x {height} pixels"


def _of_sound(content: Waveform) -> tuple[float, str]:
    seconds = len(content.samples) / content.rate
    return seconds, f"{seconds:.3g} s"


_SIZES: tuple[tuple[type, Callable[[Any], tuple[float, str]]], ...] = (
    (str, lambda text: (float(len(text.split())), f"{len(text.split())} words")),
    (Waveform, _of_sound),
    (VideoFrames, lambda clip: (float(len(clip)), f"{len(clip)} frames seen")),
)
