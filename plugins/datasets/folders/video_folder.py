"""Clips from a folder, labelled by class folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ....core.data.items import Media
from ....core.data.video import SUFFIXES, Clip, clip_media, require_video, sound_media
from ..media_in_files import file_clips
from .media_folder import MediaFolder
from .specs import VideoFolderSpec


class VideoFolder(MediaFolder):
    """A clip an item: frames of it, and its sound where that is asked for; see ``MediaFolder`` for the layouts."""

    suffixes, what = SUFFIXES, "clips"
    spec: VideoFolderSpec

    def require_library(self) -> None:
        """PyAV."""
        require_video()

    def media(self, paths: Sequence[Path]) -> Sequence[Mapping[str, Media]]:
        """``video``, and ``audio`` where that is asked for."""
        return [self._of(clip) for clip in file_clips(paths, self.root, self.files)]

    def _of(self, clip: Clip) -> Mapping[str, Media]:
        sampling = self.spec.sampling()
        seen = {"video": clip_media(clip, sampling.frames, sampling.every)}
        if self.spec.sound == "none":
            return seen
        return seen | {"audio": sound_media(clip, absent="silence" if self.spec.sound == "silence" else "refuse")}
