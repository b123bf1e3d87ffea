"""Frames of one open clip by time: decoded forwards from the last key frame, never kept."""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from PIL import Image

from ..items import DataError
from .backend import explained, origin, picture_track, require_going_on, tick
from .decode_times import counted_stamps, is_counted
from .facts import end_of
from .orientation import turn_of
from .track_reader import TrackReader

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.frame import VideoFrame
    from av.video.stream import VideoStream

#: Where nothing is known of key frames: further ahead than this, one seeks instead of decoding on, in seconds.
_FAR = Fraction(10)
#: How much later than its last frame ends a moment may lie and still show it, in seconds: headers round.
SLACK = Fraction(1, 10)
#: How far before a moment one seeks, where a seek has led behind it, in seconds; the clip's beginning comes last.
_BACK = (Fraction(0), Fraction(1), Fraction(5), Fraction(30))


@dataclass(frozen=True, slots=True)
class ShownFrame:
    """What a player shows at a moment."""

    #: RGB, upright.
    picture: Image.Image
    #: When it begins to be shown, in seconds from the clip's first picture.
    seconds: float
    #: How long after its end the moment lies, in seconds: it is shown on. 0 for most.
    held: float = 0.0
    #: How its size differs from that of the clip's first frame, in words; empty for most.
    resized: str = ""


class FrameReader(TrackReader["VideoStream"]):
    """A clip opened for its pictures. Not for several threads at a time."""

    def __init__(self, path: Path) -> None:
        super().__init__(path)
        from av.video.reformatter import VideoReformatter

        track = self._track
        self._tick, self._origin = tick(track), origin(self._container, path)
        #: When pictures are shown, where they are counted from the start and not sought.
        self._stamps = counted_stamps(path) if is_counted(self._container, track) else None
        self._converter = VideoReformatter()
        self._size = (track.codec_context.width, track.codec_context.height)
        self._decoded = self._decode()
        self._current: VideoFrame | None = None
        self._next: VideoFrame | None = None

    def close(self) -> None:
        """Let go of the file and the decoder."""
        self._current = self._next = None
        self._decoded.close()
        self._container.close()

    def end(self) -> Fraction:
        """When the pictures end, as the header promises, in seconds from the first."""
        return end_of(self._container, self.path)

    def _choose(self, container: InputContainer) -> VideoStream:
        if (track := picture_track(container)) is None:
            raise DataError(f"{self.path}: has no pictures, sound alone")
        return track

    def at(self, seconds: float, hold: bool = False) -> ShownFrame:
        """The frame that is shown so many seconds after the first one.

        A moment behind the last frame is refused; with ``hold`` it shows the last frame, unless frames are missing
        that the header promises. Moments in increasing order are decoded in one pass. Raises ``DataError``.
        """
        moment = Fraction(round(seconds * 1_000_000), 1_000_000)
        with explained(f"{self.path}: damaged, the picture at {seconds:.2f} s cannot be decoded"):
            self._go_to(moment)
            assert self._current is not None
            return self._shown(self._current, moment, hold)

    def _go_to(self, moment: Fraction) -> None:
        if self._current is None:
            self._step()
        if self._current is None:
            raise DataError(f"{self.path}: holds no picture that can be decoded")
        if moment < self._begin(self._current) or self._is_worth_a_seek(moment):
            self._seek(moment)
        while self._next is not None and self._begin(self._next) <= moment:
            self._step()

    def _is_worth_a_seek(self, moment: Fraction) -> bool:
        """Whether a key frame lies between what would be decoded next and the moment."""
        if self._stamps or self._next is None or moment < (begin := self._begin(self._next)):
            return False
        index = self._track.index_entries
        if len(index) > 1 and (found := index.search_timestamp(self._stamp(moment))) >= 0:
            return index[found].timestamp * self._tick - self._origin > begin + Fraction(1, 5)
        return moment - begin > _FAR

    def _seek(self, moment: Fraction) -> None:
        """Stand at a frame that begins no later than the moment; at the first one where there is none."""
        for back in () if self._stamps else _BACK:
            if moment - back > 0:
                self._restart(self._stamp(moment - back))
                if self._current is not None and self._begin(self._current) <= moment:
                    return
        self._restart(None)

    def _restart(self, stamp: int | None) -> None:
        self._decoded.close()
        if stamp is None:  # to what lies before the first time that a format finds by seeking, too
            self._container.close()
            self._open()
        else:
            self._stand_before(stamp)
        self._current = self._next = None
        self._decoded = self._decode()
        self._step()

    def _step(self) -> None:
        self._current = self._next or next(self._decoded, None)
        self._next = next(self._decoded, None) if self._current is not None else None
        if self._current is not None and self._next is not None:
            require_going_on(self.path, self._seconds(self._current), self._seconds(self._next))

    def _decode(self) -> Generator[VideoFrame, None, None]:
        stamps = iter(self._stamps or ())
        for frame in self._container.decode(self._track):
            if self._stamps:
                frame.pts = next(stamps, self._stamps[-1])
            if frame.pts is not None or frame.dts is not None:
                yield frame

    def _stamp(self, moment: Fraction) -> int:
        return int((moment + self._origin) / self._tick)

    def _begin(self, frame: VideoFrame) -> Fraction:
        """In whole microseconds, as moments are: else frame 1 of 30 a second would begin after 0.033333 s."""
        return Fraction(round((_stamp_of(frame) * self._tick - self._origin) * 1_000_000), 1_000_000)

    def _seconds(self, frame: VideoFrame) -> float:
        """Of the clip's own clock."""
        return _stamp_of(frame) * self._tick.numerator / self._tick.denominator

    def _shown(self, frame: VideoFrame, moment: Fraction, hold: bool) -> ShownFrame:
        begin = self._begin(frame)
        late = moment - begin - self._length(frame) if self._next is None else Fraction(0)
        if late > SLACK:
            self._require_held(moment - late, moment, hold)
        held = float(late) if late > SLACK else 0.0
        return ShownFrame(self._picture(frame), float(max(begin, Fraction(0))), held, self._resized(frame))

    def _length(self, frame: VideoFrame) -> Fraction:
        """How long it is shown where none follows it."""
        return frame.duration * self._tick or (1 / self._track.average_rate if self._track.average_rate else SLACK)

    def _require_held(self, end: Fraction, moment: Fraction, hold: bool) -> None:
        promised = self.end()
        if promised - end > max(SLACK, promised / 50):
            raise DataError(
                f"{self.path}: its pictures end after {float(end):.2f} s, and its header promises "
                f"{float(promised):.2f} s: it is cut off or damaged"
            )
        if not hold:
            raise DataError(f"{self.path}: is {float(end):.2f} s long, and has no picture at {float(moment):.2f} s")

    def _resized(self, frame: VideoFrame) -> str:
        width, height = self._size
        changed = (frame.width, frame.height) != self._size
        return f"{width} x {height} to {frame.width} x {frame.height}" if changed else ""

    def _picture(self, frame: VideoFrame) -> Image.Image:
        if frame.is_corrupt:
            raise DataError(f"{self.path}: damaged at {float(self._begin(frame)):.2f} s")
        picture = Image.fromarray(self._converter.reformat(frame, format="rgb24", threads=1).to_ndarray())
        turn = turn_of(frame)
        return picture if turn is None else picture.transpose(turn)


def _stamp_of(frame: VideoFrame) -> int:
    stamp = frame.pts if frame.pts is not None else frame.dts
    assert stamp is not None
    return stamp
