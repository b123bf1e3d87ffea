"""SVG drawings as pictures: rendered by resvg, which needs nothing of the system, neither libraries nor fonts."""

from __future__ import annotations

from collections.abc import Sequence
from functools import partial
from importlib.metadata import version
from pathlib import Path
from types import ModuleType

from ....core.data.file_memo import FileMemo
from ....core.data.items import DataError, Media
from ....core.data.media_files import read_file
from ....core.data.pictures import finding, picture_media
from ....core.storage.text_files import text_of
from ....registry.errors import MissingExtra

#: Pixels; a drawing is as high as it comes out.
WIDTH = 256
#: Pixels an inch, for drawings whose size is given in points or centimetres.
DPI = 96.0


def svg_pictures(paths: Sequence[Path], root: Path, files: FileMemo, background: str) -> list[Media]:
    """SVG files as media, known by the PNG that resvg renders. Raises ``DataError``; without resvg ``MissingExtra``."""
    if not paths:
        return []
    _resvg()
    what = f"drawings, resvg_py {version('resvg_py')}, {WIDTH} wide, {DPI} dpi, as pictures are seen 1"
    found = files.of(what, root, paths, lambda path: finding(render(path)))
    return [
        picture_media(one, str(path), partial(render, path), background) for path, one in zip(paths, found, strict=True)
    ]


def render(path: Path) -> bytes:
    """A drawing as PNG, transparent where nothing is drawn. Raises ``DataError`` naming the file."""
    return rendered(read_file(path), str(path))


def rendered(svg: bytes, source: str) -> bytes:
    """SVG as PNG. Raises ``DataError`` naming ``source``."""
    try:
        return bytes(_resvg().svg_to_bytes(svg_string=text_of(svg), width=WIDTH, dpi=DPI, skip_system_fonts=True))
    except ValueError as error:
        raise DataError(f"{source}: not a readable SVG drawing: {error}") from None


def _resvg() -> ModuleType:
    try:
        import resvg_py
    except ImportError:
        raise MissingExtra(
            "dataset.drawings: SVG drawings need the package resvg-py: "
            'pip install "graftwork[sets]"; or set "drawings": false'
        ) from None
    return resvg_py
