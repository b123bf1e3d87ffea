"""Clips that a user hands over to be cut into segments, and folders that stand for the files in them."""

from __future__ import annotations

import glob
import itertools
import os
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from .items import DataError, Media
from .pictures import SUFFIXES as PICTURES
from .video import MOST_FRAMES, Absent, clip_facts, file_clip, frame_media, sound_media
from .video import SUFFIXES as CLIPS


@dataclass(frozen=True, slots=True)
class ClipInSegments:
    """A clip of which each segment is a pass: a frame from its middle, and its sound."""

    path: Path
    #: Length of a segment, in seconds; as many as come nearest to the clip's length.
    seconds: float

    def passes(self, modalities: Collection[str], absent: Absent = "refuse") -> Mapping[str, tuple[Media, ...]]:
        """What each segment has of ``image`` and ``audio``. Raises ``DataError`` for a clip that cannot be read."""
        clip, length = file_clip(self.path), self.seconds
        whole = clip_facts(self.path).seconds
        if whole / length > MOST_FRAMES:
            raise DataError(f"{self.path}: has more than {MOST_FRAMES:,} segments of {length:g} s; take longer ones")
        count = max(1, round(whole / length))
        starts = [number * length for number in range(count)]
        made = {
            "image": [frame_media(clip, start + length / 2, beyond="fill") for start in starts],
            "audio": [sound_media(clip, start, start + length, beyond="fill", absent=absent) for start in starts],
        }
        return {kind: _named_once(media, str(self.path)) for kind, media in made.items() if kind in modalities}


def _named_once(media: Sequence[Media], name: str) -> tuple[Media, ...]:
    """With the file as the source of the first alone: an item is called by its sources."""
    return tuple(replace(one, source=name if number == 0 else "") for number, one in enumerate(media))


def in_folders(files: Sequence[str], suffixes: Collection[str]) -> list[str]:
    """The files, and in place of a folder those of these suffixes at any depth of it, in order; hidden ones are none.
    In place of a pattern (``*.png``, ``**/*.png``) what matches it, unless a file is called so.

    Raises ``DataError`` for a folder that holds none, and for a pattern that nothing matches.
    """
    found: list[str] = []
    for name in itertools.chain.from_iterable(map(_matching, files)):
        folder = Path(name)
        if not folder.is_dir():
            found.append(name)
            continue
        inside = sorted(path for path in folder.rglob("*") if path.suffix.lower() in suffixes and path.is_file())
        shown = [path for path in inside if not any(part.startswith(".") for part in path.relative_to(folder).parts)]
        if not shown:
            raise DataError(f"folder {name} holds none of {', '.join(sorted(suffixes))}")
        found += map(str, shown)
    return found


def pictures_or_clips(files: Sequence[str], cut: bool) -> tuple[list[str], bool]:
    """The files, as ``in_folders``, and whether clips are among them. A folder stands for its clips where they shall be
    ``cut``, where a clip is named beside it, and where it holds no picture. Raises ``DataError`` as ``in_folders``."""
    clips_first = cut or any(map(_is_clip, files))
    first, second = (CLIPS, PICTURES) if clips_first else (PICTURES, CLIPS)
    try:
        found = in_folders(files, first)
    except DataError as error:
        try:
            found = in_folders(files, second)
        except DataError:
            raise error from None
    return found, any(map(_is_clip, found))


def _is_clip(name: str) -> bool:
    return Path(name).suffix.lower() in CLIPS


def _matching(name: str) -> Sequence[str]:
    if not glob.has_magic(name) or os.path.lexists(name):
        return (name,)
    if not (matching := sorted(glob.glob(name, recursive=True))):
        raise DataError(f"nothing matches {name}")
    return matching
