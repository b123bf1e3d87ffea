"""Formats whose packets say when they are decoded, and not, or not all of them, when their picture is shown."""

from __future__ import annotations

from contextlib import closing
from pathlib import Path
from typing import TYPE_CHECKING

from .backend import explained, open_container, picture_track, require_going_on, tick

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.video.stream import VideoStream

#: Of PyAV's formats. A program stream has times for some of its packets, the others are bare streams of pictures.
_COUNTED = frozenset({"mpeg", "mpegvideo", "h264", "hevc", "m4v"})


def is_never_sought(container: InputContainer) -> bool:
    """Whether a seek lands anywhere in a packet, and what is decoded from there is known by no time."""
    return container.format.name in _COUNTED


def is_counted(container: InputContainer, track: VideoStream) -> bool:
    """Whether FFmpeg guesses when a picture is shown, and after a seek guesses otherwise.

    Of an AVI it does where pictures are decoded in another order than they are shown.
    """
    reordered = container.format.name == "avi" and bool(track.codec_context.has_b_frames)
    return reordered or is_never_sought(container)


def counted_stamps(path: Path) -> list[int]:
    """When each picture is shown, in the order in which they are decoded from the start, in units of the track.

    The decoder gives pictures in the order of showing; the n-th is shown at the n-th time of decoding, counted from
    the track's beginning. Packets are read through, none is decoded. Raises ``DataError``.
    """
    with closing(open_container(path)) as container, explained(f"{path}: cannot be read to its end"):
        track = picture_track(container)
        assert track is not None
        step = int(1 / (track.average_rate * track.time_base)) if track.average_rate and track.time_base else 1
        stamps: list[int] = []
        for packet in container.demux(track):
            if packet.size:
                stamps.append(packet.dts if packet.dts is not None else stamps[-1] + step if stamps else 0)
                require_going_on(path, *(float(one * tick(track)) for one in (stamps[-2:][0], stamps[-1])))
        first = min(stamps, default=0) - (track.start_time or 0)
        return [stamp - first for stamp in sorted(stamps)]
