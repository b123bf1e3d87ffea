"""Whether pictures that were fetched by their addresses are still those that the release hashed."""

from __future__ import annotations

import os
import re
from collections.abc import Sequence
from pathlib import Path

from ....core.data.file_memo import FileMemo
from ....core.data.items import DataError, some_of
from ....core.data.pictures import decode
from ....core.storage.files import read_regular
from .release import read_json

_HASH = re.compile(r"[0-9a-f]{16}")


def average_hash(path: Path) -> str:
    """16 hexadecimal digits: which of 8 x 8 grey pixels are brighter than their mean, row by row.

    As ``average_hash`` of the library ImageHash, by which NLVR2 knows its pictures. Raises ``DataError``.
    """
    from PIL import Image

    grey = decode(read_regular(path), str(path)).convert("L").resize((8, 8), Image.Resampling.LANCZOS)
    pixels = list(grey.tobytes())
    mean = sum(pixels) / len(pixels)
    return f"{int(''.join('1' if one > mean else '0' for one in pixels), 2):016x}"


def pictures_of_other_hash(folder: Path, root: Path, paths: Sequence[Path], files: FileMemo) -> tuple[str, ...]:
    """A note of the pictures whose average hash is another than ``folder/*_hashes.json`` say, by name."""
    published: dict[str, str] = {}
    for file in sorted(folder.glob("*_hashes.json")):
        published |= _hashes(file)
    if not published:
        raise DataError(f"dataset.hashes: {folder} has no file *_hashes.json with hashes of pictures")
    known = [path for path in paths if os.path.isfile(path) and path.name in published]
    found = files.of("average hash, 8 x 8 of ImageHash", root, known, average_hash)
    other = [str(path) for path, own in zip(known, found, strict=True) if own != published[path.name]]
    if not other:
        return ()
    return (f"{len(other)} of {len(known)} pictures have another average hash than the release:{some_of(other)}",)


def _hashes(path: Path) -> dict[str, str]:
    value = read_json(path, 'object {"dev-0-0-img0.png": "ffc3c3e7...", ...}')
    pairs = value.items() if isinstance(value, dict) else ()
    found = {_name(name): one.lower() for name, one in pairs if isinstance(one, str) and _HASH.fullmatch(one.lower())}
    if not found:
        raise DataError(f'{path}: expected {{"dev-0-0-img0.png": 16 hexadecimal digits, ...}}')
    return found


def _name(name: str) -> str:
    return name if name.endswith(".png") else f"{name}.png"
