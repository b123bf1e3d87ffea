"""Clips that an annotation names: their frames and windows of sound as media."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from ....core.data.file_memo import FileMemo
from ....core.data.items import Media
from ....core.data.video import Clip, evenly, frame_media, require_video, sound_media
from ....core.roles import DatasetSpec
from ..media_in_files import file_clips, of_no_length, seconds_of_clips
from .release import Found, Release, absent, files_of


class Clips:
    """Those of one data set. What is not there gives media that cannot be read."""

    def __init__(self, found: Found[Clip], root: Path, files: FileMemo) -> None:
        self._found, self._root, self._files = found.of, root, files
        self._seconds: Mapping[Path, float | None] = {}
        self.notes = found.notes

    def __contains__(self, path: Path) -> bool:
        return path in self._found

    def frame(self, path: Path, seconds: float) -> Media:
        """What is shown then; after its end, the last frame. It cannot be read where ``moments`` could not be told."""
        if self._seconds.get(path, 0.0) is None:
            return of_no_length(path)
        return frame_media(clip, seconds, "fill") if (clip := self._found.get(path)) else absent(path)

    def sound(self, path: Path, start: float, end: float) -> Media:
        """A window of its sound, with silence where the sound ends earlier. A clip without sound cannot be read."""
        return sound_media(clip, start, end, "fill") if (clip := self._found.get(path)) else absent(path)

    def moments(self, path: Path, count: int) -> tuple[float, ...]:
        """The middles of so many equal parts of a clip, in seconds. Of one whose length nobody can tell all are 0,
        and its frames cannot be read."""
        return evenly(count, 0.0, self._length(path) or 0.0)

    def frames(self, path: Path, count: int) -> tuple[Mapping[str, Media], ...]:
        """A pass each: frames from the middles of equal parts."""
        return tuple({"image": self.frame(path, moment)} for moment in self.moments(path, count))

    def _length(self, path: Path) -> float | None:
        if not self._seconds:
            self._seconds = seconds_of_clips(list(self._found), self._root, self._files)
        return self._seconds.get(path)


def clips_of(
    paths: Iterable[Path],
    source: object,
    spec: DatasetSpec,
    release: Release,
    root: Path,
    files: FileMemo,
    what: str = "clips",
) -> Clips:
    """``what`` is their noun. Raises ``DataError`` where the library is missing, and as ``files_of``."""
    require_video()
    found = files_of(paths, what, source, spec, release, lambda there: file_clips(there, root, files))
    return Clips(found, root, files)
