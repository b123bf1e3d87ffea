"""Clips that are open: neighbouring moments of one clip are read by one reader, one after another."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import TypeVar

from .clip import Clip, require_unchanged, state_of
from .frame_reader import FrameReader
from .sound_file_reader import SoundFileReader
from .sound_reader import SoundReader

#: Readers that stay open; a few threads read neighbouring clips at a time, and each holds a decoder's buffers.
AT_MOST = 6

R = TypeVar("R", bound=FrameReader | SoundReader | SoundFileReader)


class _Slot:
    """A place for one reader, that one thread uses at a time."""

    def __init__(self) -> None:
        self.lock = threading.Lock()
        self.reader: FrameReader | SoundReader | SoundFileReader | None = None
        #: Of the file when it was opened.
        self.state: tuple[object, ...] = ()
        #: Whether nobody finds it any more.
        self.is_dropped = False

    def close(self) -> None:
        if self.reader is not None:
            self.reader.close()
            self.reader = None


_SLOTS: dict[tuple[type, Clip], _Slot] = {}
_LOCK = threading.Lock()


@contextmanager
def reading(kind: type[R], clip: Clip) -> Iterator[R]:
    """A reader of the clip, alone. Raises ``DataError``, also where the file is not what was listed.

    The one that was used last stays open where it stands. After an error it is closed.
    """
    slot = _slot(kind, clip)
    with slot.lock:
        try:
            if not isinstance(slot.reader, kind) or state_of(clip.path) != slot.state:
                slot.close()
                slot.state = require_unchanged(clip)
                slot.reader = kind(clip.path)
            yield slot.reader
        except BaseException:
            slot.close()
            raise
        finally:
            if slot.is_dropped:
                slot.close()


def release(kind: type, clip: Clip) -> None:
    """Close the reader of a clip that was read to its end, unless somebody else reads it."""
    with _LOCK:
        slot = _SLOTS.pop((kind, clip), None)
    if slot is not None:
        _drop(slot)


def _slot(kind: type, clip: Clip) -> _Slot:
    with _LOCK:
        slot = _SLOTS.pop((kind, clip), None) or _Slot()
        _SLOTS[kind, clip] = slot
        dropped = [_SLOTS.pop(next(iter(_SLOTS))) for _ in range(len(_SLOTS) - AT_MOST)]
    for one in dropped:
        _drop(one)
    return slot


def _drop(slot: _Slot) -> None:
    """Whoever uses it now closes it when done; else it is closed here."""
    slot.is_dropped = True
    if slot.lock.acquire(blocking=False):
        slot.close()
        slot.lock.release()
