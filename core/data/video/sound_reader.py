"""The sound track of one open clip by time: windows of it, decoded forwards."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..items import DataError
from ..sounds.budget import require_few, require_known_rate
from ..sounds.decode import CANCELLED
from .backend import explained, origin, require_going_on, sound_track, tick
from .decode_times import is_never_sought
from .track_reader import TrackReader

if TYPE_CHECKING:
    from av.audio.frame import AudioFrame
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from numpy.typing import NDArray

#: Decoding begins at a multiple of so many seconds, wherever one comes from, and a little before it: what a decoder
#: makes of a packet depends on those before, so that a window is the same samples whichever was read first.
_ANCHOR, _PREROLL = 60, 5
#: Decoded sound that is kept behind a window, for others that overlap it, in seconds.
_KEPT = 30
#: How far time stamps may be from the count of samples before they are believed, in seconds: containers round.
_DRIFT = 0.1
#: A sample that no track has.
_NO_END = 1 << 62


class NoSound(DataError):
    """A clip without a track of sound."""


@dataclass(frozen=True, slots=True)
class Heard:
    """A window of sound as one channel."""

    #: float32 [T], zeros where the track has nothing.
    samples: NDArray[np.float32]
    #: In Hz.
    rate: int
    #: How much of it the track does not have, in seconds.
    lacking: float
    #: Whether the channels take each other away in it.
    cancelled: bool


class SoundReader(TrackReader["AudioStream"]):
    """A clip opened for its sound. Not for several threads at a time."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        self.rate = int(self._track.rate or 0)
        with explained(f"{path}: its sound cannot be decoded"):
            require_known_rate(self.rate)
        self._tick, self._origin = tick(self._track), origin(self._container, path)
        self._anchor = -1
        self._decoded: Iterator[AudioFrame] = iter(())
        #: Mean of the channels and mean of their squares, [2, T], from sample ``_first`` of the clip on.
        self._blocks: list[NDArray[np.float32]] = []
        self._first = self._end = 0

    def close(self) -> None:
        """Let go of the file and the decoder."""
        self._blocks = []
        self._decoded = iter(())
        self._container.close()

    def _choose(self, container: InputContainer) -> AudioStream:
        if (track := sound_track(container)) is None:
            raise NoSound(
                f"{self.path}: has no sound; where that may be, let silence stand for it "
                '("silence" as `sound` of a video_folder, as `absent` of json_lines)'
            )
        return track

    def window(self, start: float, end: float | None) -> Heard:
        """The sound from ``start`` to ``end``, in seconds from the clip's first picture; ``None``: to where it ends.

        Raises ``DataError``.
        """
        first = round(start * self.rate)
        with explained(f"{self.path}: its sound at {start:.2f} s cannot be decoded"):
            if end is not None:
                require_few(round(end * self.rate) - first)
            self._read(first, _NO_END if end is None else round(end * self.rate))
        return self._heard(first, max(self._end, first) if end is None else round(end * self.rate))

    def _read(self, first: int, last: int) -> None:
        """Decode until the window is in the blocks, or the track at its end."""
        sought = not is_never_sought(self._container)
        anchor = max(0, first // (self.rate * _ANCHOR)) * _ANCHOR if sought else 0
        if anchor != self._anchor or first < self._first:
            self._restart(anchor)
        while self._end < last and (frame := next(self._decoded, None)) is not None:
            self._take(frame, last)
            self._forget(first - _KEPT * self.rate)

    def _restart(self, anchor: int) -> None:
        if self._anchor >= 0:  # a decoder keeps things across a seek: that of AAC the state of its noise
            self._container.close()
            self._open()
        self._anchor, self._blocks = anchor, []
        seconds = anchor - _PREROLL if anchor else min(Fraction(0), self._origin)
        stamp = int((seconds + self._origin) / self._tick) if anchor else min(0, self._track.start_time or 0)
        self._stand_before(stamp)
        self._decoded = iter(self._container.decode(self._track))
        self._first = self._end = -_NO_END

    def _take(self, frame: AudioFrame, last: int) -> None:
        if frame.sample_rate != self.rate:
            raise ValueError(f"its rate changes from {self.rate} to {frame.sample_rate} Hz in the middle")
        block = _mixed(frame)
        at = self._end if frame.pts is None else round((frame.pts * self._tick - self._origin) * self.rate)
        if not self._blocks:
            self._first = self._end = at
        require_going_on(self.path, self._end / self.rate, at / self.rate)
        gap = at - self._end
        if gap > _DRIFT * self.rate:
            require_few(min(gap, max(0, last - self._end)))  # a time stamp may say anything
            self._append(np.zeros((2, min(gap, max(0, last - self._end))), np.float32))
        elif gap < -_DRIFT * self.rate:
            block = block[:, -gap:]
        self._append(block)

    def _append(self, block: NDArray[np.float32]) -> None:
        self._blocks.append(block)
        self._end += block.shape[1]
        require_few(self._end - self._first)

    def _forget(self, before: int) -> None:
        while len(self._blocks) > 1 and self._first + self._blocks[0].shape[1] <= before:
            self._first += self._blocks.pop(0).shape[1]

    def _heard(self, first: int, last: int) -> Heard:
        both = np.zeros((2, last - first), np.float32)
        at, found = self._first, 0
        for block in self._blocks:
            begin, end = max(first, at), min(last, at + block.shape[1])
            if begin < end:
                both[:, begin - first : end - first] = block[:, begin - at : end - at]
                found += end - begin
            at += block.shape[1]
        mono, power = both
        cancelled = bool(np.square(mono).sum() < CANCELLED * power.sum())
        return Heard(mono.copy(), self.rate, (last - first - found) / self.rate, cancelled)


def _mixed(frame: AudioFrame) -> NDArray[np.float32]:
    """Mean of the channels and mean of their squares, float32 [2, T]."""
    raw: NDArray[Any] = frame.to_ndarray()
    channels = raw if frame.format.is_planar else raw.reshape(-1, frame.layout.nb_channels).T
    if channels.dtype == np.uint8:
        scaled = (channels.astype(np.float32) - 128) / 128
    elif channels.dtype.kind == "i":
        scaled = (channels / float(1 << (8 * channels.dtype.itemsize - 1))).astype(np.float32)
    else:
        scaled = channels.astype(np.float32)
    if not np.isfinite(scaled).all():
        raise ValueError("it holds samples that are no numbers (NaN or infinite)")
    return np.stack([scaled.mean(axis=0), np.square(scaled).mean(axis=0)])
