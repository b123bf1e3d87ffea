"""Clips of odd times: put together, cut at no key frame, longer than their header says; a sound that comes late."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from graftwork.core.data.given_clips import ClipInSegments
from graftwork.core.data.items import DataError
from graftwork.core.data.video import clip_facts, clip_media, file_clip, frame_media, sound_media

from ....support.media.clip_files import number_of, write_clip

#: Three pictures, and after seconds two more; the header of MP4 ends before the last two.
FAR_APART = [0.0, 0.1, 0.2, 5.0, 5.05]


def copied(source: Path, path: Path, late: dict[str, float], drop: int = 0) -> Path:
    """The packets of a clip in another file: each kind of track so much later, without the first pictures."""
    with av.open(str(source)) as given, av.open(str(path), "w") as out:
        tracks: dict[int, Any] = {one.index: out.add_stream_from_template(one) for one in given.streams}
        for packet in given.demux():
            if packet.dts is None or (packet.stream.type == "video" and (drop := drop - 1) >= 0):
                continue
            shift = round(late.get(packet.stream.type, 0.0) / packet.time_base)
            packet.pts, packet.dts = (packet.pts or 0) + shift, packet.dts + shift
            packet.stream = tracks[packet.stream.index]
            out.mux(packet)
    return path


@pytest.mark.parametrize("suffix", [".ts", ".mpg", ".mkv"])
def test_clips_that_were_put_together_by_their_bytes_are_refused(suffix: str, tmp_path: Path) -> None:
    """Each counts from its own start: the last picture of the first was that of the second, and of program streams
    every other one."""
    path = write_clip(tmp_path / f"clip{suffix}", frames=30)
    path.write_bytes(path.read_bytes() * 2)
    with pytest.raises(DataError, match=r"its times go back from .* several clips stand one behind the other"):
        frame_media(file_clip(path), 1.47).read()


def test_sounds_that_were_put_together_by_their_bytes_are_refused(tmp_path: Path) -> None:
    """The second was left away."""
    path = write_clip(tmp_path / "clip.ts", frames=0, pitch=440, seconds=1.5)
    path.write_bytes(path.read_bytes() * 2)
    with pytest.raises(DataError, match=r"clip\.ts: its times go back from 1\.\d+ to -?0\.\d+ s"):
        sound_media(file_clip(path)).read()


@pytest.mark.parametrize("suffix", [".mp4", ".mov"])
def test_a_clip_that_was_cut_at_no_key_frame_is_read_in_any_order(suffix: str, tmp_path: Path) -> None:
    """Nothing before its first key frame can be decoded, and a seek to it fails; the first that can stands for it."""
    source = write_clip(tmp_path / "whole.mp4", codec="libx264", options={"bf": "2"})
    clip = file_clip(copied(source, tmp_path / f"clip{suffix}", {}, drop=3))
    shown = [number_of(frame_media(clip, moment).read()) for moment in (1.0, 0.0, 0.2, 0.1)]
    assert shown[0] == 22
    assert len({*shown[1:]}) == 1


@pytest.mark.parametrize("frames", ["0", "3"])
def test_a_clip_lasts_as_long_as_its_pictures(frames: str, tmp_path: Path) -> None:
    """With pictures decoded out of order and far apart at its end, the header of MP4 says .4 s of these five."""
    path = write_clip(tmp_path / "clip.mp4", frames=5, times=FAR_APART, pitch=440, options={"bf": frames})
    assert clip_facts(path).seconds == pytest.approx(5.1, abs=0.051)
    assert [number_of(one) for one in clip_media(file_clip(path), frames=2).read()] == [2, 2]
    assert len(ClipInSegments(path, 1.0).passes(("image",))["image"]) == 5


@pytest.mark.parametrize("suffix", [".mp4", ".mkv"])
def test_a_sound_that_begins_later_than_the_pictures_is_read(suffix: str, tmp_path: Path) -> None:
    """As a whole with silence before it, which is told; and by windows, however late it begins."""
    source = write_clip(tmp_path / "source.mp4", frames=160, rate=2, pitch=500, seconds=3)
    half = file_clip(copied(source, tmp_path / f"half{suffix}", {"audio": 0.5}))
    whole = sound_media(half).read()
    assert whole.padded == pytest.approx(0.5, abs=0.07)
    assert len(whole.samples) / whole.rate == pytest.approx(3.5, abs=0.1)
    assert np.abs(whole.samples[: round(0.4 * whole.rate)]).max() == 0
    with pytest.raises(DataError, match="its sound lacks"):
        sound_media(half, 0, 1).read()
    late = file_clip(copied(source, tmp_path / f"late{suffix}", {"audio": 70.0}))
    for start, pitch in ((71, 500), (10, 0), (65, 0), (71, 500)):
        samples = sound_media(late, start, start + 1, beyond="fill").read().samples
        assert np.abs(np.fft.rfft(samples)).argmax() == pitch


@pytest.mark.parametrize("seconds", [1e-9, 1e-4])
def test_more_segments_than_there_is_room_for_are_refused(seconds: float, tmp_path: Path) -> None:
    """Before they take the memory."""
    path = write_clip(tmp_path / "clip.mp4", pitch=440)
    with pytest.raises(DataError, match=r"has more than 4,096 segments of .* take longer ones"):
        ClipInSegments(path, seconds).passes(("image", "audio"))
