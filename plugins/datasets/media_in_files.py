"""Pictures, clips and sounds in files as media, known by what the memo found in them."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from functools import partial
from pathlib import Path
from typing import NoReturn

from ...core.data.file_memo import FileMemo
from ...core.data.items import DataError, Media
from ...core.data.media_files import read_file
from ...core.data.pictures import picture_media
from ...core.data.sounds import sound_media
from ...core.data.video import Clip, clip_facts
from ...core.data.video.clip import sha256_of_clip


def file_pictures(paths: Sequence[Path], root: Path, files: FileMemo, background: str) -> list[Media]:
    """Picture files as media, known by their bytes and how they are seen; transparency shows ``background``.

    Raises ``DataError`` naming the unreadable ones.
    """
    found = files.pictures(root, paths)
    return [
        picture_media(one, str(path), partial(read_file, path), background)
        for path, one in zip(paths, found, strict=True)
    ]


def file_sounds(paths: Sequence[Path], root: Path, files: FileMemo) -> list[Media]:
    """Sound files as media, known by the sha256 of their bytes. Raises ``DataError`` naming the unreadable ones."""
    return [sound_media(digest, path) for path, digest in zip(paths, files.sha256(root, paths), strict=True)]


def file_clips(paths: Sequence[Path], root: Path, files: FileMemo) -> list[Clip]:
    """Clip files, known by the sha256 of their bytes. Raises ``DataError`` naming the unreadable ones."""
    found = files.of("sha256", root, paths, sha256_of_clip)  # a block at a time: clips are large
    return [Clip(path, digest) for path, digest in zip(paths, found, strict=True)]


#: What is remembered of a clip's length; raise the number when it is told otherwise.
_SECONDS = "seconds of clips, 2"


def seconds_of_clips(paths: Sequence[Path], root: Path, files: FileMemo) -> dict[Path, float | None]:
    """How long each clip or sound is, remembered. ``None`` for one that cannot be read: reading it says why, where that
    is counted."""
    told = files.of(_SECONDS, root, paths, _length_of)
    return {one: float(said) if said else None for one, said in zip(paths, told, strict=True)}


def _length_of(path: Path) -> str:
    try:
        return str(clip_facts(path).seconds)
    except DataError:
        return ""


def of_no_length(path: Path) -> Media:
    """Media that cannot be read: a frame at 0 s would stand for all of its clip."""

    def read() -> NoReturn:
        clip_facts(path)
        raise DataError(f"{path}: its length could not be told, and now it can; run again")

    return Media(hashlib.sha256(f"of no length: {path}".encode(errors="surrogateescape")).hexdigest(), str(path), read)
