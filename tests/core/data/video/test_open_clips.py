"""Clips that are open: neighbours share a reader, threads never see each other's frames, few stay open."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from graftwork.core.data.items import Media
from graftwork.core.data.video import clip_media, file_clip, frame_media, sound_media
from graftwork.core.data.video import open_clips as module
from graftwork.core.data.video.frame_reader import FrameReader

from ....support.media.clip_files import number_of, write_clip


def test_neighbouring_frames_are_read_by_one_reader(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One opening, and one pass: nothing is sought."""
    opened: list[Path] = []
    sought: list[Any] = []
    original, seek = FrameReader.__init__, FrameReader._seek

    def counted(self: FrameReader, path: Path) -> None:
        opened.append(path)
        original(self, path)

    def counted_seek(self: FrameReader, moment: Any) -> None:
        sought.append(moment)
        seek(self, moment)

    monkeypatch.setattr(FrameReader, "__init__", counted)
    monkeypatch.setattr(FrameReader, "_seek", counted_seek)
    clip = file_clip(write_clip(tmp_path / "clip.mkv"))
    found = [number_of(frame_media(clip, moment).read()) for moment in (0.0, 0.1, 0.4, 0.45, 1.9)]
    assert found == [0, 2, 8, 9, 38]
    assert len(opened) == 1
    assert len(sought) <= 1  # Motion JPEG: every frame is a key frame, so that 1.9 s are reached at once


def test_threads_read_what_one_reads(tmp_path: Path) -> None:
    """More clips than stay open, in any order, by more threads than cores."""
    clips = [file_clip(write_clip(tmp_path / f"{number}.mp4", frames=20, pitch=300)) for number in range(9)]
    media: list[Media] = [frame_media(clip, moment / 20) for clip in clips for moment in range(0, 20, 4)]
    media += [sound_media(clip, 0.1, 0.5) for clip in clips]
    random.Random(0).shuffle(media)
    expected = [_content(one) for one in media]
    with ThreadPoolExecutor(8) as pool:
        for content, before in zip(pool.map(_content, media * 2), expected * 2, strict=True):
            assert np.array_equal(content, before)
    assert len(module._SLOTS) <= module.AT_MOST


def _content(media: Media) -> Any:
    content = media.read()
    return content.samples if hasattr(content, "samples") else np.asarray(content)


def test_two_may_iterate_over_one_clip(tmp_path: Path) -> None:
    """In turn, by one thread: neither waits for the other."""
    clip = file_clip(write_clip(tmp_path / "clip.mp4"))
    one, other = clip_media(clip, frames=4).read(), clip_media(clip, frames=4).read()
    pairs = [(number_of(left), number_of(right)) for left, right in zip(one, other, strict=True)]
    assert pairs == [(number, number) for number in (5, 15, 25, 35)]
