"""Clips whose frames and sounds are known, written by PyAV."""

from __future__ import annotations

from collections.abc import Sequence
from fractions import Fraction
from pathlib import Path
from typing import Any

import av
import numpy as np
from numpy.typing import NDArray

#: Suffix to the codecs of pictures and sound that such a file usually has.
CODECS = {".mp4": ("libx264", "aac"), ".avi": ("mpeg4", "libmp3lame"), ".webm": ("libvpx-vp9", "libopus")}
CODECS |= {".mkv": ("mjpeg", "pcm_s16le"), ".ts": ("libx264", "aac"), ".mov": ("mpeg4", "pcm_s16le")}
#: Those of formats that say little: of packets not all when their pictures are shown, of tracks no length.
OLD_CODECS = {".mpg": ("mpeg2video", "mp2"), ".asf": ("mpeg4", "libmp3lame"), ".flv": ("flv1", "libmp3lame")}
#: Seconds of one unit of the time stamps that ``times`` are written in.
_MS = Fraction(1, 1000)


def shade(number: int, size: tuple[int, int] = (64, 48)) -> NDArray[np.uint8]:
    """Frame ``number``, uint8 [H, W, 3]: grey 5 * number + 5, with a white upper left quarter."""
    width, height = size
    picture = np.full((height, width, 3), 5 * number % 250 + 5, np.uint8)
    picture[: height // 2, : width // 2] = 255
    return picture


def number_of(picture: Any) -> int:
    """Which frame of ``shade`` an upright picture is, by its lower right corner."""
    return round((float(np.asarray(picture, np.float32)[-8:, -8:].mean()) - 5) / 5)


def write_clip(
    path: Path,
    frames: int = 40,
    rate: int = 20,
    size: tuple[int, int] = (64, 48),
    pitch: float | None = None,
    sampling_rate: int = 16000,
    seconds: float | None = None,
    times: Sequence[float] | None = None,
    rotation: int | None = None,
    mirrored: bool = False,
    colour: tuple[int, int, int] | None = None,
    codec: str | None = None,
    options: dict[str, str] | None = None,
    container_options: dict[str, str] | None = None,
) -> Path:
    """A clip of frames as ``shade`` (``mirrored``, or of one ``colour``), with a tone of ``pitch`` Hz for ``seconds``.

    ``times`` are when the frames are shown, in seconds; ``frames=0`` makes a clip without pictures.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    picture_codec, sound_codec = (CODECS | OLD_CODECS)[path.suffix]
    with av.open(str(path), "w", options={"fflags": "+bitexact", **(container_options or {})}) as out:
        video: Any = out.add_stream(codec or picture_codec, rate=rate, options=options or {}) if frames else None
        if video is not None:
            video.width, video.height = size
            video.pix_fmt = "yuvj420p" if video.codec_context.name == "mjpeg" else "yuv420p"
            video.codec_context.gop_size, video.codec_context.bit_rate = 8, 2_000_000
            if times is not None:
                video.codec_context.time_base = video.time_base = _MS
            if rotation is not None:
                video.set_display_rotation(rotation)
        length = seconds if seconds is not None else (times[-1] + 1 / rate if times else frames / rate)
        audio: Any = None
        if pitch is not None:
            audio = out.add_stream(sound_codec, rate=sampling_rate)
            audio.layout = "mono"
        for number in range(frames):
            pixels = shade(number, size) if colour is None else np.full((size[1], size[0], 3), colour, np.uint8)
            pixels = np.ascontiguousarray(pixels[:, ::-1]) if mirrored else pixels
            frame = av.VideoFrame.from_ndarray(pixels, "rgb24")
            frame.pts, frame.time_base = (
                (number, Fraction(1, rate)) if times is None else (round(times[number] * 1000), _MS)
            )
            out.mux(video.encode(frame))
        if video is not None:
            out.mux(video.encode())
        if audio is not None:
            _write_tone(out, audio, pitch or 0.0, length)
    return path


def _write_tone(out: Any, stream: Any, pitch: float, seconds: float) -> None:
    rate = stream.codec_context.sample_rate
    samples = (0.5 * np.sin(2 * np.pi * pitch * np.arange(round(seconds * rate)) / rate)).astype(np.float32)
    for start in range(0, len(samples), 1024):
        frame = av.AudioFrame.from_ndarray(samples[None, start : start + 1024], "fltp", "mono")
        frame.sample_rate, frame.pts, frame.time_base = rate, start, Fraction(1, rate)
        out.mux(stream.encode(frame))
    out.mux(stream.encode())


def write_size_change(path: Path, sizes: Sequence[tuple[int, int]], frames: int = 10, rate: int = 10) -> Path:
    """A transport stream whose frames change their size: so many frames of each."""
    pieces = []
    for place, size in enumerate(sizes):
        piece = path.with_name(f"{path.stem}_{place}.ts")
        with av.open(str(piece), "w", options={"mpegts_copyts": "1"}) as out:
            video: Any = out.add_stream("libx264", rate=rate)
            video.width, video.height, video.pix_fmt = *size, "yuv420p"
            for number in range(frames):
                frame = av.VideoFrame.from_ndarray(shade(place * frames + number, size), "rgb24")
                frame.pts, frame.time_base = place * frames + number, Fraction(1, rate)
                out.mux(video.encode(frame))
            out.mux(video.encode())
        pieces.append(piece.read_bytes())
        piece.unlink()
    path.write_bytes(b"".join(pieces))
    return path


def cut(path: Path, share: float = 0.6, name: str = "cut") -> Path:
    """A copy that ends in the middle."""
    content = path.read_bytes()
    shorter = path.with_name(f"{name}{path.suffix}")
    shorter.write_bytes(content[: int(len(content) * share)])
    return shorter


#: Of each class, by number: every split has clips with sound and, but for test, without.
PARTS = ("train",) * 4 + ("val",) * 2 + ("test",)


def strangers_clips(root: Path, splits: bool = True) -> Path:
    """Class folders of clips with a white quarter on the left or on the right.

    They are of several codecs, rates, sizes and lengths, with and without sound; in folders of ``splits``, or in none.
    """
    for number, split in enumerate(PARTS):
        suffix = sorted(CODECS)[number % len(CODECS)]
        for name, mirrored in (("left", False), ("right", True)):
            write_clip(
                (root / split if splits else root) / name / f"{number}{suffix}",
                frames=8 + number,
                rate=(10, 15, 25)[number % 3],
                size=((64, 48), (48, 64), (90, 50))[number % 3],
                mirrored=mirrored,
                pitch=None if number % 2 else 2000.0 if mirrored else 300.0,
                sampling_rate=48000 if suffix == ".webm" else 16000,
            )
    return root
