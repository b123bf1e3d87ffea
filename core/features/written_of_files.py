"""Written descriptions of pictures given by path, found as those of the data set's own are. Light: no torch."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from ..data.items import DataError, Media
from ..data.pictures import file_media
from ..roles.captioner import PictureKey, WrittenCaptions, written_texts_of
from ..roles.specs import DatasetSpec


def written_of_files(captions: WrittenCaptions, pictures: Sequence[Media], dataset: DatasetSpec) -> list[str]:
    """Raises ``DataError`` naming the pictures that have none.

    A picture outside the data set's folder has no id and no file name there, only its bytes: a name that it happens to
    share would give it the description of another picture.
    """
    if not all(one.source for one in pictures):
        raise DataError("written descriptions are found by file: give paths, or predict(images, texts=[...])")
    files = [Path(one.source) for one in pictures]
    keys = [_key(file, dataset) for file in files]
    found = written_texts_of(captions, keys)
    lacking = [str(file) for file, text in zip(files, found, strict=True) if text is None]
    if lacking:
        strange = [str(file) for file, key in zip(files, keys, strict=True) if not key.source]
        raise DataError(
            f"no description for {', '.join(lacking[:10])}: write one, or give --text (texts=[...])"
            + _why(strange, _root(dataset))
        )
    return [text for text in found if text is not None]


def _key(file: Path, dataset: DatasetSpec) -> PictureKey:
    digest, root = file_media(file, dataset.background).bytes_digest, _root(dataset)
    inside = root and _inside(file, root)
    return PictureKey(inside.as_posix(), digest, str(root / inside)) if root and inside else PictureKey("", digest, "")


def _root(dataset: DatasetSpec) -> Path | None:
    root = getattr(dataset, "root", None)  # not every data set lies in a folder
    return Path(root) if isinstance(root, str) else None


def _inside(file: Path, root: Path) -> Path | None:
    """The path below ``root`` of the same file, links followed or not; ``None`` where it lies elsewhere."""
    for spelt in (os.path.abspath, os.path.realpath):
        if Path(spelt(file)).is_relative_to(spelt(root)):
            inside = Path(spelt(file)).relative_to(spelt(root))
            if (root / inside).is_file() and (root / inside).samefile(file):
                return inside
    return None


def _why(strange: Sequence[str], root: Path | None) -> str:
    if not strange:
        return ""
    lies = f"not below dataset.root ({root})" if root else "the data set has no root folder"
    return f"; {', '.join(strange[:10])}: {lies}, so only a description by sha256 is known to be of this picture"
