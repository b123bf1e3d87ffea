"""Pictures, clips and sounds in files as media, known by what the memo found in them."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from pathlib import Path

from ...core.data.file_memo import FileMemo
from ...core.data.items import Media
from ...core.data.media_files import read_file
from ...core.data.pictures import picture_media
from ...core.data.sounds import sound_media
from ...core.data.video import Clip
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
