"""What lies below a folder: the files to be read, and account of what is passed over."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Collection, Iterator
from dataclasses import dataclass
from pathlib import Path

from ....core.data.items import DataError
from ....core.data.names import not_utf8
from .label_lists import STEM

#: What systems leave behind in folders, lower case. What begins with a dot is hidden everywhere.
LITTER = frozenset(
    {"@eadir", "@recycle", "#recycle", "$recycle.bin", "__macosx", "system volume information", "lost+found"}
    | {"thumbs.db", "ehthumbs.db", "desktop.ini", "icon\r", "__pycache__"}
)
#: Files that nobody takes for media, by suffix or by name.
NO_MEDIA = frozenset(
    {".txt", ".md", ".rst", ".csv", ".tsv", ".json", ".jsonl", ".xml", ".yaml", ".yml", ".toml", ".ini", ".cfg"}
    | {".log", ".html", ".htm", ".py", ".ipynb", ".m", ".mat", ".npy", ".npz", ".pkl", ".h5", ".parquet", ".arrow"}
    | {".db", ".sqlite", ".lst", ".list", ".names", ".sha256", ".md5", ".zip", ".tar", ".gz", ".tgz", ".7z", ".rar"}
)
NO_MEDIA_NAMES = frozenset({"readme", "license", "licence", "copying", "makefile", "sha256sums", "md5sums"})
#: Folders nest no deeper than this; a system of links may go on without end.
MAX_DEPTH = 100


@dataclass(frozen=True, slots=True)
class Folder:
    """A folder that is not hidden, with all below it."""

    path: Path
    #: Its own files of the suffixes asked for, in order.
    media: tuple[Path, ...]
    #: Its own files that are neither these nor known to be none, counted by suffix.
    passed_over: Counter[str]
    #: Its own files, links and pipes that may be lists of classes by their names, in order.
    lists: tuple[Path, ...]
    #: By name.
    folders: tuple[Folder, ...]

    @property
    def name(self) -> str:
        """Its own name."""
        return self.path.name

    def every(self) -> Iterator[Folder]:
        """Itself, and all folders below it."""
        yield self
        for folder in self.folders:
            yield from folder.every()

    def files(self) -> list[Path]:
        """The media at any depth, in order."""
        return sorted(path for folder in self.every() for path in folder.media)

    def holds_media(self) -> bool:
        """Whether there are any at some depth."""
        return any(folder.media for folder in self.every())

    def all_passed_over(self) -> Counter[str]:
        """The files passed over at any depth, by suffix."""
        return sum((folder.passed_over for folder in self.every()), Counter[str]())


def read_folder(path: Path, suffixes: Collection[str], within: tuple[Path, ...] = ()) -> Folder:
    """The tree below ``path``; linked folders are followed, but not back into one that they lie in.

    Raises ``DataError`` for a folder that may not be read (what it holds would be missing without a word), for a link
    that cannot be followed, and for a name that is no UTF-8.
    """
    if len(within) > MAX_DEPTH:
        raise DataError(f"{path}: folders are nested more than {MAX_DEPTH} deep; set dataset.root further down")
    try:
        entries = sorted(os.scandir(path), key=lambda entry: entry.name)
    except OSError as error:
        raise DataError(f"folder {path} cannot be read: {error.strerror or error}; allow it, or move it away") from None
    here = (*within, Path(os.path.realpath(path)))
    media: list[Path] = []
    lists: list[Path] = []
    passed_over: Counter[str] = Counter()
    folders: list[Folder] = []
    for entry in entries:
        child = path / entry.name
        if entry.name.startswith(".") or entry.name.lower() in LITTER:
            continue
        if spelt := not_utf8(str(child)):
            raise DataError(f"{spelt}: its name is no UTF-8; rename it (convmv -r -f latin1 -t utf8 --notest FOLDER)")
        if _leads_to_folder(entry):
            if not entry.is_symlink() or Path(os.path.realpath(child)) not in here:
                folders.append(read_folder(child, suffixes, here))
        elif child.suffix.lower() in suffixes and entry.is_file():
            media.append(child)
        elif entry.name.lower().startswith(STEM) and child.suffix.lower() not in suffixes:
            lists.append(child)
        elif kind := _kind(child, suffixes):
            passed_over[kind] += 1
    return Folder(path, tuple(media), passed_over, tuple(lists), tuple(sorted(folders, key=lambda one: one.path)))


def _leads_to_folder(entry: os.DirEntry[str]) -> bool:
    """Raises ``DataError`` where that cannot be known: a link to itself, or through what may not be entered."""
    try:
        return entry.is_dir()
    except OSError as error:
        why = error.strerror or str(error)
        raise DataError(f"{entry.path} cannot be followed: {why}; mend the link, or remove it") from None


def in_words(passed_over: Counter[str]) -> str:
    """``3 .tga, 1 without a suffix``."""
    return ", ".join(
        f"{count} {kind}" for kind, count in sorted(passed_over.items(), key=lambda one: (-one[1], one[0]))
    )


def _kind(path: Path, suffixes: Collection[str]) -> str | None:
    """How a file that is passed over is counted; ``None`` for what is known to be no media."""
    suffix = path.suffix.lower()
    if suffix in suffixes:
        return f"{suffix} that lead nowhere" if path.is_symlink() else f"{suffix} that are no regular files"
    if suffix in NO_MEDIA or path.stem.lower() in NO_MEDIA_NAMES:
        return None
    return suffix.encode("utf-8", "backslashreplace").decode() or "without a suffix"
