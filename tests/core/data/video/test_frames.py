"""Frames of clips by time: every codec, in any order, upright, to the clip's end and not beyond."""

from __future__ import annotations

import random
from pathlib import Path
from typing import Any

import av
import numpy as np
import pytest

from graftwork.core.data.items import DataError
from graftwork.core.data.video import clip_facts, clip_media, file_clip, frame_media
from graftwork.core.data.video.frame_reader import FrameReader

from ....support.media.clip_files import CODECS, cut, number_of, shade, write_clip, write_size_change


def shown(path: Path, seconds: float) -> Any:
    return frame_media(file_clip(path), seconds).read()


def decoded(path: Path) -> list[tuple[float, Any]]:
    """Every frame with its time, one after another."""
    with av.open(str(path)) as container:
        track = container.streams.video[0]
        frames = [(one.time, one.to_ndarray(format="rgb24")) for one in container.decode(track)]
    return [(time - frames[0][0], pixels) for time, pixels in frames]


@pytest.mark.parametrize("suffix", sorted(CODECS))
def test_any_order_gives_the_frames_of_one_pass(suffix: str, tmp_path: Path) -> None:
    """Frames at random times, forwards and backwards, are those that a plain loop over the clip decodes."""
    path = write_clip(tmp_path / f"clip{suffix}", pitch=None if suffix == ".webm" else 440)
    expected = decoded(path)
    order = list(range(len(expected)))
    random.Random(0).shuffle(order)
    reader = FrameReader(path)
    for number in [*order, *sorted(order)]:
        time, pixels = expected[number]
        found = reader.at(time + 0.001)
        assert found.seconds == pytest.approx(time, abs=1e-3)
        assert np.array_equal(np.asarray(found.picture), pixels)
    reader.close()


def test_a_moment_shows_the_frame_that_began_last(tmp_path: Path) -> None:
    """Of a variable rate: time stamps count, not a number of frames a second."""
    times = [0.0, 0.1, 0.2, 0.9, 1.0, 1.05, 2.5]
    path = write_clip(tmp_path / "clip.mkv", frames=7, times=times, codec="libx264", options={"crf": "1"})
    for moment, number in ((0.0, 0), (0.15, 1), (0.89, 2), (0.9, 3), (1.5, 5), (2.5, 6), (0.05, 0)):
        assert number_of(shown(path, moment)) == number, moment


@pytest.mark.parametrize(
    ("rotation", "corner", "facts"), [(90, (-1, 0), 270), (-90, (0, -1), 90), (180, (-1, -1), 180)]
)
def test_a_frame_is_turned_upright(rotation: int, corner: tuple[int, int], facts: int, tmp_path: Path) -> None:
    """As the display matrix says, which PyAV counts counterclockwise; sizes are those of what is shown."""
    path = write_clip(tmp_path / "clip.mp4", frames=3, size=(64, 48), rotation=rotation)
    picture = shown(path, 0.0)
    white = np.asarray(picture)[:, :, 0] > 200
    assert white[corner[0] * 4, corner[1] * 4] or white[corner[0], corner[1]]
    assert white.mean() == pytest.approx(0.25, abs=0.05)
    found = clip_facts(path)
    assert (found.rotation, found.width, found.height) == (facts, *picture.size)
    assert picture.size == ((48, 64) if rotation != 180 else (64, 48))


def test_colours_are_those_of_the_files_matrix(tmp_path: Path) -> None:
    """Red stays red, whatever codec carried it."""
    for suffix in (".mp4", ".webm", ".mkv"):
        path = write_clip(tmp_path / f"clip{suffix}", frames=2, colour=(200, 30, 40))
        assert np.allclose(np.asarray(shown(path, 0.0)), (200, 30, 40), atol=6), suffix


def test_odd_sizes_keep_every_row_and_column(tmp_path: Path) -> None:
    """Of VP9 and Motion JPEG, whose frames may have them."""
    for suffix in (".webm", ".mkv"):
        path = write_clip(tmp_path / f"clip{suffix}", frames=3, size=(67, 45))
        assert shown(path, 0.1).size == (67, 45)
        assert number_of(shown(path, 0.1)) == 2


def test_a_size_that_changes_in_the_middle_is_read_as_it_is_and_said(tmp_path: Path) -> None:
    """No frame is lost; the picture says what it was before."""
    path = write_size_change(tmp_path / "clip.ts", [(64, 48), (96, 64)])
    before, after = shown(path, 0.45), shown(path, 1.45)
    assert (before.size, after.size) == ((64, 48), (96, 64))
    assert "resized" not in before.info
    assert after.info["resized"] == "64 x 48 to 96 x 64"
    assert [one.size for one in clip_media(file_clip(path), frames=2).read()] == [(64, 48), (96, 64)]


def test_beyond_the_end_is_refused_or_held(tmp_path: Path) -> None:
    """Two seconds of pictures: at 2.5 s there is none, unless the last is to be shown on."""
    clip = file_clip(write_clip(tmp_path / "clip.mp4"))
    with pytest.raises(DataError, match=r"clip\.mp4: is 2\.00 s long, and has no picture at 2\.50 s"):
        frame_media(clip, 2.5).read()
    held = frame_media(clip, 2.5, beyond="fill").read()
    assert number_of(held) == 39
    assert held.info["held"] == pytest.approx(0.5, abs=0.05)
    assert frame_media(clip, 2.5).digest != frame_media(clip, 2.5, beyond="fill").digest


@pytest.mark.parametrize("suffix", [".avi", ".mkv", ".webm", ".mp4"])
def test_a_clip_that_is_cut_off_is_named_where_it_ends(suffix: str, tmp_path: Path) -> None:
    """What is there is read; what the header promises and the file lacks is an error, and never the last frame."""
    whole = write_clip(tmp_path / f"clip{suffix}", frames=60, container_options={"movflags": "faststart"})
    path = cut(whole)
    assert number_of(shown(path, 0.0)) == 0
    for media in (frame_media(file_clip(path), 2.9), frame_media(file_clip(path), 2.9, beyond="fill")):
        with pytest.raises(DataError, match=r"cut\.\w+: .*(cut off or damaged|damaged, the picture at)"):
            media.read()
    with pytest.raises(DataError, match="cut"):
        list(clip_media(file_clip(path), frames=6).read())


def test_files_that_are_no_clips_are_refused_by_name(tmp_path: Path) -> None:
    """Empty, noise, a list of other files, a folder, and a clip of sound alone."""
    (tmp_path / "empty.mp4").touch()
    (tmp_path / "noise.mp4").write_bytes(random.Random(0).randbytes(4096))
    whole = write_clip(tmp_path / "whole.ts", frames=20)
    assert number_of(shown(whole, 0.0)) == 0  # which the two lists name
    (tmp_path / "list.mp4").write_text("#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nwhole.ts\n#EXT-X-ENDLIST\n")
    (tmp_path / "concat.mp4").write_text("ffconcat version 1.0\nfile 'whole.ts'\n")
    sound = write_clip(tmp_path / "sound.mp4", frames=0, pitch=440, seconds=1.0)
    for name, reason in (("empty", "the file is empty"), ("noise", "not a readable"), ("list", ""), ("concat", "")):
        with pytest.raises(DataError, match=rf"{name}\.mp4: .*{reason}"):
            shown(tmp_path / f"{name}.mp4", 0.0)
        with pytest.raises(DataError, match=rf"{name}\.mp4: .*{reason}"):
            clip_facts(tmp_path / f"{name}.mp4")
    with pytest.raises(DataError, match=r"sound\.mp4: has no pictures, sound alone"):
        shown(sound, 0.0)


def test_a_file_that_changed_is_not_read(tmp_path: Path) -> None:
    """What was listed is what is read, also while the clip is open."""
    path = write_clip(tmp_path / "clip.mp4", frames=10)
    media = [frame_media(file_clip(path), moment) for moment in (0.1, 0.2)]
    assert number_of(media[0].read()) == 2
    write_clip(path, frames=12)
    with pytest.raises(DataError, match=r"clip\.mp4 changed while the data set was in use; run again"):
        media[1].read()


def test_a_time_that_is_none_is_refused(tmp_path: Path) -> None:
    """Below zero, NaN, an empty part."""
    clip = file_clip(write_clip(tmp_path / "clip.mp4", frames=3))
    for bad in (-0.1, float("nan"), float("inf")):
        with pytest.raises(DataError, match="no moment of a clip"):
            frame_media(clip, bad)
    with pytest.raises(DataError, match=r"from 1 to 1 s is empty"):
        clip_media(clip, frames=2, start=1, end=1)
    with pytest.raises(DataError, match="say how many frames"):
        clip_media(clip)


def test_frames_of_a_clip_stand_in_the_middles_of_equal_parts(tmp_path: Path) -> None:
    """So many, or one every so many seconds; of a part alone, too."""
    clip = file_clip(write_clip(tmp_path / "clip.mp4"))
    video = clip_media(clip, frames=4).read()
    assert video.seconds == pytest.approx((0.25, 0.75, 1.25, 1.75))
    assert len(video) == 4
    assert [number_of(one) for one in video] == [5, 15, 25, 35]
    assert [number_of(one) for one in video] == [5, 15, 25, 35]  # again
    assert clip_media(clip, every_seconds=0.8).read().seconds == pytest.approx((0.4, 1.2, 1.8))
    assert clip_media(clip, frames=2, start=1, end=2).read().seconds == pytest.approx((1.25, 1.75))
    with pytest.raises(DataError, match=r"is 2\.00 s long, and lacks what lies between 1\.00 and 3\.00 s"):
        clip_media(clip, frames=2, start=1, end=3).read()


def test_facts_of_a_clip(tmp_path: Path) -> None:
    """As the header says; of a container that says nothing, as the packets do."""
    found = clip_facts(write_clip(tmp_path / "clip.mp4", pitch=300))
    assert (found.frames, found.rate, found.width, found.height, found.rotation) == (40, 20.0, 64, 48, 0)
    assert (found.has_picture, found.has_sound, found.sampling_rate) == (True, True, 16000)
    assert found.seconds == pytest.approx(2.0)
    live = write_clip(tmp_path / "live.webm", container_options={"live": "1"})
    assert clip_facts(live).seconds == pytest.approx(2.0, abs=0.05)
    alone = clip_facts(write_clip(tmp_path / "alone.mkv", frames=0, pitch=300, seconds=1.5))
    assert (alone.has_picture, alone.has_sound, alone.width) == (False, True, 0)
    assert alone.seconds == pytest.approx(1.5, abs=0.05)


def test_shades_are_told_apart() -> None:
    """The helper of these tests tells neighbouring frames apart."""
    assert [number_of(shade(number)) for number in range(40)] == list(range(40))
