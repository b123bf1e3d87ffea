"""Sounds from a folder, labelled by class folders."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

from ....core.data.items import Media
from ....core.data.sounds import SUFFIXES, soundfile
from ..media_in_files import file_sounds
from .media_folder import MediaFolder


class AudioFolder(MediaFolder):
    """A sound an item; see ``MediaFolder`` for the layouts."""

    suffixes, what = SUFFIXES, "sounds"

    def require_library(self) -> None:
        """soundfile."""
        soundfile()

    def media(self, paths: Sequence[Path]) -> Sequence[Mapping[str, Media]]:
        """``audio``."""
        return [{"audio": one} for one in file_sounds(paths, self.root, self.files)]
