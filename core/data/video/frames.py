"""Several frames of a clip, and when they are."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from PIL.Image import Image


@dataclass(frozen=True, slots=True)
class VideoFrames:
    """What ``Media.read`` gives of modality ``video``: frames in the order of time, decoded one by one as one iterates.

    Iterating may raise ``DataError``, and decodes anew each time.
    """

    #: When each frame is shown, in seconds from the clip's first picture.
    seconds: tuple[float, ...]
    #: Gives each as an RGB picture, upright.
    decode: Callable[[], Iterator[Image]]

    @classmethod
    def of(cls, pictures: Sequence[Image], seconds: Sequence[float]) -> VideoFrames:
        """Frames that are in memory already."""
        return cls(tuple(seconds), lambda: iter(pictures))

    def __len__(self) -> int:
        return len(self.seconds)

    def __iter__(self) -> Iterator[Image]:
        return self.decode()


def evenly(frames: int, start: float, end: float) -> tuple[float, ...]:
    """The middles of so many equal parts of [start, end), in seconds."""
    return tuple(start + (number + 0.5) * (end - start) / frames for number in range(frames))


def every(seconds: float, start: float, end: float) -> tuple[float, ...]:
    """The middles of the parts of ``seconds`` that begin in [start, end), the last of which may be shorter."""
    count = max(1, -(-round((end - start) * 1e6) // round(seconds * 1e6)))
    starts = [start + number * seconds for number in range(count)]
    return tuple((one + min(one + seconds, end)) / 2 for one in starts)
