"""Frames, windows of sound and whole clips as media, known by the clip's bytes and the time."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from functools import partial
from typing import TYPE_CHECKING, Any, Literal

import numpy as np

from ..items import DataError, Media
from ..waveform import Waveform
from .clip import Clip
from .facts import clip_facts
from .frame_reader import FrameReader, ShownFrame
from .frames import VideoFrames, evenly, every
from .open_clips import reading, release
from .sound_file_reader import SoundFileReader, is_sound_file
from .sound_reader import NoSound, SoundReader

if TYPE_CHECKING:
    from PIL.Image import Image

#: Changes with the rule by which a moment of a clip becomes a picture or a sound: what is stored is known under it.
_RULE = 3
#: What is done where a clip ends before the moment or the window: named as an error, or shown on (a frame) or filled
#: with silence (a sound), which is counted.
Beyond = Literal["refuse", "fill"]
#: What is done where a clip has no sound at all: named as an error, or silence, which is counted.
Absent = Literal["refuse", "silence"]
#: Rate of the silence that stands for a sound track that is not there, in Hz.
SILENT_RATE = 16_000
#: How much a window may lack before it counts as too short, in seconds: the last packet of a track is seldom whole.
SLACK = 0.1
#: Of one clip, however far apart they are.
MOST_FRAMES = 4096


def frame_media(clip: Clip, seconds: float, beyond: Beyond = "refuse") -> Media:
    """The frame that is shown so many seconds after the clip's first one, as media of modality ``image``.

    ``read`` gives an RGB picture, upright, whose ``info`` says how it came about: ``seconds``, when it begins to be
    shown, and ``held``, how long after its end it is shown on, if it is. Raises ``DataError`` for a time below 0.
    """
    moment = _moment(seconds, clip)
    digest = _digest(clip, f"frame {moment}", beyond)
    return Media(digest, f"{clip.path} at {_said(moment)}", partial(_frame, clip, moment, beyond))


def sound_media(
    clip: Clip, start: float = 0.0, end: float | None = None, beyond: Beyond = "refuse", absent: Absent = "refuse"
) -> Media:
    """The sound of a clip, or of a sound file, from ``start`` to ``end``, as media of modality ``audio``.

    Times are in seconds from the clip's first picture. Without ``end`` to where it ends: silence stands for what lies
    before its beginning. ``read`` gives a ``Waveform`` of one channel at the track's own rate. Raises
    ``DataError`` for no window.
    """
    first, last = _window(start, end, clip)
    return Media(
        _digest(clip, f"sound {first} {last}", beyond, absent),
        f"{clip.path}{_part(first, last)}",
        partial(_sound, clip, first, last, beyond, absent),
    )


def clip_media(
    clip: Clip,
    frames: int | None = None,
    every_seconds: float | None = None,
    start: float = 0.0,
    end: float | None = None,
) -> Media:
    """Frames of a clip from ``start`` to ``end`` (its own end by default) as media of modality ``video``.

    Either so many ``frames``, the middles of as many equal parts; or one in the middle of ``every_seconds``. ``read``
    gives ``VideoFrames``. A clip that is shorter than ``end`` is refused. Raises ``DataError`` for no window.
    """
    if (frames is None) == (every_seconds is None) or (frames or 1) < 1 or (every_seconds or 1.0) <= 0:
        raise DataError(f"{clip.path}: say how many frames, or every how many seconds one is taken")
    first, last = _window(start, end, clip)
    spacing = f"{frames} frames" if frames is not None else f"every {_moment(every_seconds or 0.0, clip)}"
    return Media(
        _digest(clip, f"clip {first} {last} {spacing}"),
        f"{clip.path}{_part(first, last)}",
        partial(_frames, clip, frames, every_seconds, first, last),
        sha256=clip.sha256,
    )


def _frame(clip: Clip, moment: int, beyond: Beyond) -> Image:
    with reading(FrameReader, clip) as reader:
        return _told(reader.at(moment / 1e6, hold=beyond == "fill"))


def _told(shown: ShownFrame) -> Image:
    """The picture, with how it came about."""
    info: dict[Any, Any] = {"seconds": shown.seconds}
    info |= {name: said for name in ("held", "resized") if (said := getattr(shown, name))}
    shown.picture.info = info
    return shown.picture


def _sound(clip: Clip, first: int, last: int | None, beyond: Beyond, absent: Absent) -> Waveform:
    try:
        kind: type[SoundReader | SoundFileReader] = SoundFileReader if is_sound_file(clip.path) else SoundReader
        with reading(kind, clip) as reader:
            heard = reader.window(first / 1e6, None if last is None else last / 1e6)
    except NoSound:
        if absent == "refuse":
            raise
        seconds = clip_facts(clip.path).seconds - first / 1e6 if last is None else (last - first) / 1e6
        return Waveform(np.zeros(max(1, round(seconds * SILENT_RATE)), np.float32), SILENT_RATE, padded=seconds)
    if not heard.samples.size:
        raise DataError(f"{clip.path}: has no sound{_part(first, last)}")
    if heard.lacking > SLACK and beyond == "refuse" and last is not None:  # else it begins later than the pictures
        raise DataError(f"{clip.path}: its sound lacks {heard.lacking:.2f} s of the window{_part(first, last)}")
    return Waveform(heard.samples, heard.rate, heard.cancelled, heard.lacking if heard.lacking > SLACK else 0.0)


def _frames(clip: Clip, frames: int | None, seconds: float | None, first: int, last: int | None) -> VideoFrames:
    with reading(FrameReader, clip) as reader:
        whole = float(reader.end())
    start, end = first / 1e6, whole if last is None else last / 1e6
    if start >= whole or end > whole + SLACK:
        raise DataError(f"{clip.path}: is {whole:.2f} s long, and lacks what lies between {start:.2f} and {end:.2f} s")
    if seconds is not None and (end - start) / seconds > MOST_FRAMES:
        raise DataError(f"{clip.path}: has more than {MOST_FRAMES:,} frames, one every {seconds:g} s; take fewer")
    times = evenly(frames, start, end) if frames is not None else every(seconds or 1.0, start, end)
    return VideoFrames(times, partial(_decoded, clip, times))


def _decoded(clip: Clip, times: tuple[float, ...]) -> Iterator[Image]:
    """One by one; between two of them another may read the clip."""
    for one in times:
        with reading(FrameReader, clip) as reader:
            shown = reader.at(one)
        yield _told(shown)
    release(FrameReader, clip)


def _digest(clip: Clip, *what: str) -> str:
    return hashlib.sha256(" ".join((clip.sha256, "clip rule", str(_RULE), *what)).encode()).hexdigest()


def _moment(seconds: float, clip: Clip) -> int:
    """In microseconds, as which moments are known."""
    if not 0 <= seconds < 1e9:
        raise DataError(f"{clip.path}: {seconds} s is no moment of a clip; times count from 0, in seconds")
    return round(seconds * 1e6)


def _window(start: float, end: float | None, clip: Clip) -> tuple[int, int | None]:
    first, last = _moment(start, clip), None if end is None else _moment(end, clip)
    if last is not None and first >= last:
        raise DataError(f"{clip.path}: the part from {start} to {end} s is empty; its end comes after its start")
    return first, last


def _part(first: int, last: int | None) -> str:
    """In words; empty for the whole."""
    end = "" if last is None else f" to {_said(last)}"
    return f" from {_said(first)}{end}" if first or end else ""


def _said(moment: int) -> str:
    return f"{moment / 1e6:g} s"
