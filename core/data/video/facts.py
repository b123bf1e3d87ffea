"""What a clip's header says of it, and where it says nothing, what its packets say."""

from __future__ import annotations

from contextlib import closing, suppress
from dataclasses import dataclass
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING

from ..items import DataError
from .backend import explained, open_container, origin, picture_track, require_decoder, sound_track, tick
from .orientation import degrees_of, turn_of

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.stream import Stream


@dataclass(frozen=True, slots=True)
class ClipFacts:
    """What is known of a clip without decoding more than its first frame."""

    #: From the first picture to the end of the last, in seconds; of a clip without pictures, of its sound.
    seconds: float
    #: How many frames it has; ``None`` where its header does not say.
    frames: int | None
    #: Frames a second on the average; ``None`` where it is not known.
    rate: float | None
    #: Of a frame as it is shown, turned upright, in pixels; 0 of a clip without pictures.
    width: int
    height: int
    #: By how many degrees the stored frames are turned clockwise to be shown: 0, 90, 180 or 270.
    rotation: int
    has_picture: bool
    has_sound: bool
    #: Samples a second of its sound, in Hz; ``None`` without any.
    sampling_rate: int | None


def clip_facts(path: Path) -> ClipFacts:
    """What is known of a clip. Raises ``DataError`` for one that cannot be read, or has neither pictures nor sound."""
    with closing(open_container(path)) as container:
        picture, sound = picture_track(container), sound_track(container)
        if picture is None and sound is None:
            raise DataError(f"{path}: has neither pictures nor sound")
        width = height = rotation = 0
        if picture is not None:
            require_decoder(path, picture)
            width, height, rotation = _first_frame(path)
        return ClipFacts(
            seconds=float(end_of(container, path)),
            frames=picture.frames or None if picture is not None else None,
            rate=float(picture.average_rate) if picture is not None and picture.average_rate else None,
            width=width,
            height=height,
            rotation=rotation,
            has_picture=picture is not None,
            has_sound=sound is not None,
            sampling_rate=getattr(sound, "rate", None),  # none of a codec that is not known
        )


def _first_frame(path: Path) -> tuple[int, int, int]:
    """Width and height as shown, and the turn."""
    with closing(open_container(path)) as container:
        track = picture_track(container)
        assert track is not None
        with explained(f"{path}: its first picture cannot be decoded"):
            frame = next(container.decode(track), None)
            turn = turn_of(frame) if frame is not None else None
    if frame is None:
        raise DataError(f"{path}: holds no picture that can be decoded")
    degrees = degrees_of(turn)
    sides = (frame.height, frame.width) if degrees in (90, 270) else (frame.width, frame.height)
    return *sides, degrees


def end_of(container: InputContainer, path: Path) -> Fraction:
    """When the track of pictures ends, without any that of sound, in seconds from the clip's beginning.

    As the header says of this track; where it says nothing, the packets are read through, and none is decoded.
    Raises ``DataError``, also where they end before what the header promises of the whole.
    """
    track = picture_track(container) or sound_track(container)
    if track is None:
        raise DataError(f"{path}: has neither pictures nor sound")
    begin = origin(container, path)
    if track.duration is not None:
        promised = track.duration * tick(track)
        return _end_of_last(path, track, begin + promised) - begin if _is_reordered(track) else promised
    if (tagged := _tagged(track)) is not None:
        return tagged - begin
    ends = _packet_ends(path)
    last = max(ends.values(), default=begin) - begin
    promised = Fraction(container.duration or 0, 1_000_000)
    if promised - last > max(Fraction(1), promised / 20):
        raise DataError(
            f"{path}: ends after {float(last):.2f} s, and its header promises {float(promised):.2f} s: it is cut off"
        )
    if track.index not in ends:
        raise DataError(f"{path}: holds no packet of its {track.type} track")
    return ends[track.index] - begin


def _is_reordered(track: Stream) -> bool:
    """Whether pictures are decoded in another order than they are shown, and where they lie is known.

    MP4's header sums the times between decodings: where the last pictures stand far apart, it ends before them.
    """
    return bool(getattr(track.codec_context, "has_b_frames", False)) and len(track.index_entries) > 0


def _end_of_last(path: Path, track: Stream, promised: Fraction) -> Fraction:
    """The end of the last picture that begins when ``promised`` says that all have ended, or later; of none that.

    By the packets from the last key frame on, in seconds of the clip's own clock.
    """
    from av.error import FFmpegError

    with closing(open_container(path)) as container, explained(f"{path}: cannot be read to its end"):
        own = container.streams[track.index]
        with suppress(FFmpegError):  # without any key frame: from the beginning
            container.seek(track.index_entries[len(track.index_entries) - 1].timestamp, stream=own)
        shown = (one for one in container.demux(own) if one.pts is not None and one.size and not one.is_discard)
        spans = ((one.pts or 0, one.duration or 0) for one in shown)
        ends = ((begin + length) * tick(own) for begin, length in spans if begin * tick(own) >= promised)
        return max(ends, default=promised)


def _tagged(track: Stream) -> Fraction | None:
    """Matroska's writers note the end of a track as a tag, ``00:00:02.500000000``."""
    written = track.metadata.get("DURATION", "")
    try:
        hours, minutes, seconds = written.split(":")
        return int(hours) * 3600 + int(minutes) * 60 + Fraction(seconds)
    except ValueError:
        return None


def _packet_ends(path: Path) -> dict[int, Fraction]:
    """Track to the end of its last packet, in seconds of the clip's own clock."""
    ends: dict[int, Fraction] = {}
    with closing(open_container(path)) as container:
        tracks = [one for one in (picture_track(container), sound_track(container)) if one is not None]
        with explained(f"{path}: cannot be read to its end"):
            for packet in container.demux(*tracks):
                if packet.pts is not None and packet.size:
                    end = (packet.pts + (packet.duration or 0)) * tick(packet.stream)
                    ends[packet.stream.index] = max(end, ends.get(packet.stream.index, end))
    return ends
