"""What a store holds, for a person: by stage, model and modality."""

from __future__ import annotations

import contextlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ....registry.errors import UserError
from ..files import is_partial
from .index import Index, shards_in
from .namespace import ABOUT, INDEX, USED, read_about

#: What the stages write, each a folder of the root.
FEATURES, DESCRIPTIONS, FILES, PICTURES = "features", "descriptions", "files", "pictures"
STAGES = (FEATURES, DESCRIPTIONS, FILES)
_KEY, _PICTURE = re.compile(r"[0-9a-f]{32}"), re.compile(r"[0-9a-f]{64}")
_OWN_KEY = re.compile(r"-[0-9a-f]{32}")
#: In what a model's spec calls it.
_CALLED = ("model", "weights", "architecture", "path")


@dataclass(frozen=True, slots=True)
class Part:
    """One modality of a unit: a folder of shards."""

    modality: str
    items: int
    bytes: int


@dataclass(frozen=True, slots=True)
class Unit:
    """What is stored under one identity, or all kept pictures: what is pruned as a whole."""

    stage: str
    folder: Path
    #: Its folder in ``index/``.
    index: Path
    #: What made it, in words.
    model: str
    last_use: datetime
    parts: tuple[Part, ...]
    #: Of all its files, the index included.
    bytes: int

    def to_json(self) -> dict[str, Any]:
        """As ``graftwork cache ls --format json`` prints it."""
        parts = [{"modality": one.modality, "items": one.items, "bytes": one.bytes} for one in self.parts]
        said = {"stage": self.stage, "model": self.model, "folder": str(self.folder), "bytes": self.bytes}
        return {**said, "last_use": self.last_use.isoformat(timespec="seconds"), "parts": parts}


def units(root: Path) -> list[Unit]:
    """All that is stored, the last used first. Raises ``UserError`` for a folder that is no store."""
    require_store(root)
    found = [_unit(root, folder) for folder in folders(root)]
    return sorted(found, key=lambda one: (one.last_use, str(one.folder)), reverse=True)


def require_store(root: Path) -> None:
    """Raises ``UserError`` for what is no store of ours: a file, or a folder that holds other things alone."""
    try:
        names = {entry.name for entry in os.scandir(root)}
    except FileNotFoundError:
        return
    except OSError as error:
        raise UserError(f"{root} cannot be read as a store: {error.strerror or error}; name another --cache") from None
    if names and not names & {*STAGES, PICTURES, INDEX}:
        raise UserError(f"{root} is no store: it has none of {', '.join((*STAGES, PICTURES))}; name another --cache")


def folders(root: Path) -> Iterator[Path]:
    """Folders of the units."""
    for stage in STAGES:
        for entry in _entries(root / stage):
            if _KEY.fullmatch(entry.name) and entry.is_dir(follow_symlinks=False):
                yield Path(entry.path)
    if (root / PICTURES).is_dir():
        yield root / PICTURES


def index_of(root: Path, folder: Path) -> Path:
    """A unit's folder in ``index/``."""
    return root / INDEX / folder.relative_to(root)


def own_files(folder: Path) -> Iterator[tuple[Path, os.stat_result]]:
    """The files of a unit that are the store's own: shards and ``about.json``, or pictures under their sha256."""
    for place, _, names in os.walk(folder):
        with contextlib.suppress(OSError):
            if folder.name == PICTURES:
                paths = (Path(place, name) for name in names if _PICTURE.fullmatch(name))
                yield from ((path, path.stat()) for path in paths if path.parent.name == path.name[:2])
            else:
                yield from shards_in(Path(place))
        if Path(place) == folder and ABOUT in names:
            with contextlib.suppress(OSError):
                yield folder / ABOUT, (folder / ABOUT).stat()


def index_files(index: Path) -> Iterator[Path]:
    """The files in a unit's folder of ``index/``."""
    for place, _, names in os.walk(index):
        yield from (Path(place, name) for name in names)


def partials(root: Path, older_than: float) -> Iterator[Path]:
    """What writers that died left behind so many seconds ago."""
    for place in (*STAGES, PICTURES, INDEX):
        for folder, _, names in os.walk(root / place):
            yield from (path for name in names if is_partial(path := Path(folder, name), older_than))


def _unit(root: Path, folder: Path) -> Unit:
    index, sizes = index_of(root, folder), dict[Path, list[int]]()
    last_use, total = 0.0, 0
    for path, status in own_files(folder):
        total += status.st_size
        last_use = max(last_use, status.st_mtime)
        if path.name != ABOUT:
            place = folder if folder.name == PICTURES else path.parent
            sizes.setdefault(place, []).append(status.st_size)
    parts = tuple(_part(folder, index, place, found) for place, found in sorted(sizes.items()))
    for path in index_files(index):
        with contextlib.suppress(OSError):
            total += path.stat().st_size
    with contextlib.suppress(OSError):
        last_use = (index / USED).stat().st_mtime
    stage = PICTURES if folder.name == PICTURES else folder.parent.name
    return Unit(stage, folder, index, _model(folder, stage), datetime.fromtimestamp(last_use, UTC), parts, total)


def _part(folder: Path, index: Path, place: Path, sizes: list[int]) -> Part:
    if place == folder:
        return Part("image", len(sizes), sum(sizes))
    inside = place.relative_to(folder)
    count = Index(place, index / f"{inside}.index").count()
    name = "file" if inside.name == "found" else _OWN_KEY.sub("", inside.name).replace("-", " ")
    return Part(name, count, sum(sizes))


def _model(folder: Path, stage: str) -> str:
    """What made what is stored, by ``about.json``."""
    if stage == PICTURES:
        return "streamed"
    about = read_about(folder)
    if about is None:
        return "unknown: no about.json, or altered"
    identity, spec = about.get("identity", {}), about.get("spec", {})
    if stage == FILES:
        return f"{str(identity.get('what')).partition(',')[0]} of {identity.get('root')}"
    type_ = str(identity.get("component", "")).partition(".")[2] or "unknown"
    named = next((str(spec[key]) for key in _CALLED if isinstance(spec.get(key), str)), "")
    return f"{type_} {named or (about.get('weights') or '')[:12]}".strip()


def _entries(folder: Path) -> list[os.DirEntry[str]]:
    try:
        return sorted(os.scandir(folder), key=lambda entry: entry.name)
    except OSError:
        return []
