"""Damaged clips are read or refused by name, and by nothing else; what a file asks for is bounded."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import pytest

from graftwork.core.data.items import DataError
from graftwork.core.data.video import clip_facts, clip_media, file_clip, frame_media, sound_media

from ....support.media.clip_files import CODECS, write_clip
from ....support.media.fuzz import damaged


def outcome(read: Callable[[], object], path: Path) -> str:
    """What becomes of it; any other error is raised."""
    try:
        read()
    except DataError as error:
        return "refused" if str(path) in str(error) else f"refused without its name: {error}"
    return "read"


@pytest.mark.parametrize("suffix", sorted(CODECS))
def test_a_damaged_clip_is_read_or_refused_by_name(suffix: str, tmp_path: Path) -> None:
    """Bytes exchanged, pieces cut out, doubled or zeroed, the end cut off."""
    rate = 48000 if suffix == ".webm" else 16000
    whole = write_clip(tmp_path / f"clip{suffix}", frames=12, pitch=300, sampling_rate=rate).read_bytes()
    rng, found = np.random.default_rng(0), Counter[str]()
    path = tmp_path / f"damaged{suffix}"
    for _ in range(24):
        path.write_bytes(damaged(whole, rng))
        clip = file_clip(path)
        reads: list[Callable[[], object]] = [
            frame_media(clip, 0.3).read,
            sound_media(clip, 0.1, 0.4).read,
            lambda clip=clip: list(clip_media(clip, frames=3).read()),  # type: ignore[misc]
            partial(clip_facts, path),
        ]
        found += Counter(outcome(read, path) for read in reads)
    assert set(found) == {"read", "refused"}, found
    assert min(found.values()) > 2, found


def test_more_frames_than_there_is_room_for_are_refused(tmp_path: Path) -> None:
    """One every microsecond of two seconds."""
    clip = file_clip(write_clip(tmp_path / "clip.mp4"))
    with pytest.raises(DataError, match=r"clip\.mp4: has more than 4,096 frames, one every 1e-06 s; take fewer"):
        clip_media(clip, every_seconds=1e-6).read()
