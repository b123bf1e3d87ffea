"""One track of an open clip: what readers of pictures and of sound share."""

from __future__ import annotations

from abc import ABC, abstractmethod
from pathlib import Path
from typing import TYPE_CHECKING, Generic, TypeVar

from ..items import DataError
from .backend import open_container, read_only, require_decoder

if TYPE_CHECKING:
    from av.container import InputContainer
    from av.stream import Stream

T = TypeVar("T", bound="Stream")


class TrackReader(ABC, Generic[T]):
    """A clip opened for one track, of type ``T`` of PyAV."""

    def __init__(self, path: Path) -> None:
        """Raises ``DataError`` for what is no clip, and for one without such a track."""
        self.path = path
        self._open()

    @abstractmethod
    def _choose(self, container: InputContainer) -> T:
        """The track. Raises ``DataError`` where there is none."""

    def _open(self) -> None:
        """From the beginning; where it was open before, close it first."""
        self._container = open_container(self.path)
        try:
            track = self._choose(self._container)
            require_decoder(self.path, track)
        except DataError:
            self._container.close()
            raise
        self._track = track
        read_only(self._container, track)

    def _stand_before(self, stamp: int) -> None:
        """Stand before a time stamp of the track; at the beginning where a format finds nothing to decode from."""
        from av.error import FFmpegError

        try:
            self._container.seek(stamp, stream=self._track)
        except FFmpegError:  # of MP4 and Matroska, where no key frame lies before it
            self._container.close()
            self._open()
