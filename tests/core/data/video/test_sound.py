"""The sound of clips by time."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from graftwork.core.data.items import DataError
from graftwork.core.data.video import Clip, file_clip, sound_media
from graftwork.core.data.video.sound_reader import SoundReader

from ....support.media.clip_files import write_clip

SUFFIXES = (".mp4", ".avi", ".webm", ".mkv", ".ts", ".mov")


def clip_with_tone(tmp_path: Path, suffix: str = ".mp4", **more: float) -> Clip:
    rate = 48000 if suffix == ".webm" else 16000
    return file_clip(write_clip(tmp_path / f"clip{suffix}", pitch=500, sampling_rate=rate, **more))  # type: ignore[arg-type]


@pytest.mark.parametrize("suffix", SUFFIXES)
def test_windows_are_parts_of_the_whole(suffix: str, tmp_path: Path) -> None:
    """In any order the same samples; the pitch is the one that was written."""
    clip = clip_with_tone(tmp_path, suffix)
    whole = sound_media(clip, 0.0, 1.9).read()
    for start in (1.5, 0.2, 0.9, 0.0):
        part = sound_media(clip, start, start + 0.25).read()
        first = round(start * whole.rate)
        assert np.array_equal(part.samples, whole.samples[first : first + len(part.samples)])
    loud = np.abs(np.fft.rfft(sound_media(clip, 0.5, 1.5).read().samples))
    assert loud.argmax() == 500
    assert whole.samples.dtype == np.float32
    assert whole.padded == 0.0


@pytest.mark.parametrize(("suffix", "rate"), [(".mp4", 8000), (".webm", 48000), (".mpg", 16000)])
def test_a_window_is_the_same_whatever_was_read_before(suffix: str, rate: int, tmp_path: Path) -> None:
    """Also where one seeks into a long track: decoders keep things across a seek, and some formats bear none."""
    path = write_clip(tmp_path / f"clip{suffix}", frames=0, pitch=700, sampling_rate=rate, seconds=80)
    one, other = SoundReader(path), SoundReader(path)
    for start in range(0, 79, 7):
        one.window(start, start + 1)
    for start in (75, 61, 3):
        expected, found = SoundReader(path).window(start, start + 1), one.window(start, start + 1)
        assert np.array_equal(expected.samples, found.samples)
        assert np.array_equal(expected.samples, other.window(start, start + 1).samples)
        assert np.abs(np.fft.rfft(expected.samples)).argmax() == 700


def test_a_clip_without_sound_is_named_or_silent(tmp_path: Path) -> None:
    """As the caller says, and never without a word: the waveform knows how much of it is silence."""
    clip = file_clip(write_clip(tmp_path / "mute.mp4", frames=4))
    with pytest.raises(DataError, match=r"mute\.mp4: has no sound"):
        sound_media(clip, 0, 1).read()
    silence = sound_media(clip, 0, 1, absent="silence").read()
    assert not silence.samples.any()
    assert silence.padded == 1.0
    assert sound_media(clip, 0, 1).digest != sound_media(clip, 0, 1, absent="silence").digest


def test_a_sound_that_ends_before_its_window_is_named_or_filled(tmp_path: Path) -> None:
    """1.2 of 2 seconds have sound."""
    clip = clip_with_tone(tmp_path, ".mov", seconds=1.2)
    with pytest.raises(DataError, match=r"its sound lacks 0\.80 s of the window from 1 s to 2 s"):
        sound_media(clip, 1, 2).read()
    filled = sound_media(clip, 1, 2, beyond="fill").read()
    assert len(filled.samples) == 16000
    assert filled.padded == pytest.approx(0.8, abs=0.01)
    assert filled.samples[:3000].any()
    assert not filled.samples[3300:].any()
    sound_media(clip, 0.25, 1.25).read()  # half a packet too short is none


def test_a_window_of_absurd_length_is_refused(tmp_path: Path) -> None:
    """Before it takes the memory."""
    with pytest.raises(DataError, match="samples; cut it up"):
        sound_media(clip_with_tone(tmp_path), 0, 1e8, beyond="fill").read()
