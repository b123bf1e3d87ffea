"""The library that decodes clips, and what a container says of its tracks."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing, contextmanager
from fractions import Fraction
from itertools import islice
from pathlib import Path
from types import ModuleType
from typing import TYPE_CHECKING

from ..items import DataError

if TYPE_CHECKING:
    from av.audio.stream import AudioStream
    from av.container import InputContainer
    from av.stream import Stream
    from av.video.stream import VideoStream

#: What a clip is called.
SUFFIXES = frozenset(
    f".{name}"
    for name in "3g2 3gp asf avi flv m2ts m4v mkv mov mp4 mpeg mpg mts ogv ts vob webm wmv".split()  # noqa: SIM905
)
#: Formats that hold pictures and sound themselves. Others are lists of files (HLS, DASH, concat), which a clip from a
#: stranger could use to open what lies elsewhere, or no clips.
_FORMATS = (
    "mov,mp4,m4a,3gp,3g2,mj2,matroska,webm,avi,mpegts,mpeg,mpegvideo,flv,asf,ogg,h264,hevc,m4v,mjpeg,ivf,nut,gif,"
    "wav,mp3,flac,aac"
)
#: Of one frame: more are refused, as of a picture.
MAX_PIXELS = 178_956_970
_OPTIONS = {"protocol_whitelist": "file", "format_whitelist": _FORMATS}


def require_video() -> ModuleType:
    """The library. Raises ``DataError`` with the command that installs it."""
    try:
        import av
    except ImportError:
        raise DataError('clips need the package PyAV: pip install "graftwork[video]"') from None
    return av


def open_container(path: Path) -> InputContainer:
    """A clip with its header read. Raises ``DataError`` for what is no clip."""
    av = require_video()
    with explained(f"{path}: not a readable clip"):
        if path.stat().st_size == 0:
            raise DataError(f"{path}: the file is empty")
        container: InputContainer = av.open(str(path), "r", options=_OPTIONS, metadata_errors="replace")
        for track in container.streams.video:
            if track.codec_context is not None:
                track.codec_context.options = {"max_pixels": str(MAX_PIXELS)}
    return container


@contextmanager
def explained(what: str) -> Iterator[None]:
    """Whatever the library raises as ``DataError``: ``what``, and the reason."""
    try:
        yield
    except DataError:
        raise
    except Exception as error:  # FFmpeg's own errors, and what odd files make of PyAV: IndexError, MemoryError ...
        reason = str(getattr(error, "strerror", None) or error or type(error).__name__)
        raise DataError(f"{what}: {reason}") from error


def picture_track(container: InputContainer) -> VideoStream | None:
    """The first track of pictures that is no cover."""
    from av.stream import Disposition

    return next((one for one in container.streams.video if not one.disposition & Disposition.attached_pic), None)


def sound_track(container: InputContainer) -> AudioStream | None:
    """The first track of sound."""
    return container.streams.audio[0] if container.streams.audio else None


def read_only(container: InputContainer, track: Stream) -> None:
    """Packets of other tracks are passed over by the container's reader."""
    from av.stream import Discard

    for one in container.streams:
        if one.index != track.index:
            one.discard = Discard.all


def tick(track: Stream) -> Fraction:
    """Seconds of one unit of a track's time stamps."""
    return track.time_base or Fraction(1, 1_000_000)


def require_decoder(path: Path, track: Stream) -> None:
    """Raises ``DataError`` for a track of a codec that the library does not know."""
    if track.codec_context is None:
        raise DataError(f"{path}: its {track.type} track is of a codec that is not known here; convert it")


#: By how much a track's times may go back in what is decoded forwards, in seconds: streams of odd writers jitter.
_GOING_BACK = 1


def require_going_on(path: Path, before: float, after: float) -> None:
    """Raises ``DataError`` where times (in seconds) go back: of files put together each counts from its own start."""
    if before - after > _GOING_BACK:
        raise DataError(
            f"{path}: its times go back from {before:.2f} to {after:.2f} s: several clips stand one behind the other "
            "in it; make each a file of its own"
        )


#: Packets that are looked at for the first picture, where a header does not say when it is shown.
_FIRST = 64


def origin(container: InputContainer, path: Path) -> Fraction:
    """When the clip begins, in seconds of its own clock: as its first picture is shown; without any, its sound.

    Where the header does not say, as in ASF, the first packets do. Raises ``DataError``.
    """
    track = picture_track(container) or sound_track(container)
    if track is None:
        return Fraction(0)
    if track.start_time is not None:
        return track.start_time * tick(track)
    with closing(open_container(path)) as again, explained(f"{path}: cannot be read"):
        packets = islice(again.demux(again.streams[track.index]), _FIRST)
        return min((one.pts for one in packets if one.pts is not None), default=0) * tick(track)
