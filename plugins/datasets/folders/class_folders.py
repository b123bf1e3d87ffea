"""Folders of classes, and folders of splits of classes: which of the two a tree is, and what lies in it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from ....core.data.items import DataError
from ....core.data.names import look_of
from ....registry.errors import counted
from ..split_names import USUAL_NAMES, split_of, split_within
from .folder_tree import Folder, in_words, read_folder
from .label_lists import note_of, require_not_needed


@dataclass(frozen=True, slots=True)
class Part:
    """A folder of class folders, or with a list of its pictures."""

    folder: Folder
    #: The split that it is; ``None``: not said.
    split: str | None
    #: Whether a file in it says which classes its pictures are of.
    listed: bool


@dataclass(slots=True)
class ClassFolders:
    """The layout of a tree. Raises ``DataError``, with what to do, where splits and classes cannot be told apart."""

    root: Path
    #: Names of folders that are as if they were not there.
    exclude: Collection[str]
    suffixes: Collection[str]
    #: ``pictures`` or ``sounds``, for messages.
    what: str
    #: The file that says which classes the pictures of a folder are of, where there may be one.
    listing: str | None = None
    parts: list[Part] = field(default_factory=list)
    #: What a reader of the result should know.
    notes: list[str] = field(default_factory=list)
    #: Names of folders that were left out.
    excluded: set[str] = field(default_factory=set)

    def __post_init__(self) -> None:
        tree = read_folder(self.root, self.suffixes)
        self._take(tree)
        if unread := list(self._unread(tree)):
            self.notes.append(note_of(unread, self.root))

    def files(self, part: Part) -> Iterator[tuple[Path, str]]:
        """Files anywhere below each class folder of a part, and the class. Raises ``DataError`` for an empty one."""
        passed_over: Counter[str] = Counter()
        for folder in self._kept(part.folder):
            found, others = folder.files(), folder.all_passed_over()
            if not found:
                but = f" that can be read (only {in_words(others)})" if others else ""
                raise DataError(f"class folder {folder.path} holds no {self.what}{but}; fill it or remove it")
            passed_over += others
            yield from ((path, folder.name) for path in found)
        if passed_over:
            self.notes.append(
                f"{part.folder.path}: left out as no {self.what} by their suffix: {in_words(passed_over)}"
            )
        if part.folder.media:
            self.notes.append(
                f"{part.folder.path}: {counted(len(part.folder.media), self.what, 'lie')} in no class folder: left out"
            )

    def _take(self, folder: Folder) -> None:
        if self._is_listed(folder):
            self.parts = [Part(folder, None, True)]
            return
        folders = self._kept(folder)
        splits = {one.path: split for one in folders if (split := split_of(one.name))}
        if len(splits) < len(folders) and _shared_inside(folders):
            splits |= self._splits_within(folders)
        if folders and len(splits) == len(folders):
            self._require_each_once(folder, splits)
            self.parts = [self._split(one, splits[one.path]) for one in folders]
            return
        self._require_no_split(folder, [one for one in folders if one.path in splits])
        if len(folders) == 1 and not folder.media and self._wraps(folders[0]):
            self.notes.append(f"{folder.path} holds the folder {folders[0].name} alone: that is read as the data set")
            self._take(folders[0])
            return
        self._require_classes(folder)
        self.parts = [Part(folder, None, False)]

    def _splits_within(self, folders: Sequence[Folder]) -> dict[Path, str]:
        """Splits by one word of each name, where all folders have one: for folders that can hardly be classes."""
        splits = {one.path: split for one in folders if (split := split_within(one.name))}
        if len(splits) < len(folders):
            return {}
        self.notes += [f"{path} is taken for split {split}, by its name" for path, split in splits.items()]
        return splits

    def _split(self, folder: Folder, split: str) -> Part:
        """A split folder; where it holds nothing but another one of the classes (``seg_train/seg_train``), that."""
        if self._is_listed(folder):
            return Part(folder, split, True)
        folders = self._kept(folder)
        if len(folders) == 1 and not folder.media and self._wraps(folders[0]):
            return self._split(folders[0], split)
        if not any(one.holds_media() for one in folders):
            fix = f'leave it out: "exclude": ["{folder.name}"]'
            if folder.media:
                raise DataError(
                    f"split folder {folder.path} holds {counted(len(folder.media), self.what)} and no class folders, "
                    f"so that their classes are not known; sort them into class folders, or {fix}"
                )
            raise DataError(f"split folder {folder.path} holds no {self.what}; fill it, or {fix}")
        self._require_classes(folder)
        return Part(folder, split, False)

    def _kept(self, folder: Folder) -> list[Folder]:
        self.excluded |= {one.name for one in folder.folders if one.name in self.exclude}
        return [one for one in folder.folders if one.name not in self.exclude]

    def _is_listed(self, folder: Folder) -> bool:
        """Raises ``DataError`` where another list than the one that is read may say its classes."""
        if self.listing and folder.path / self.listing in folder.lists and (folder.path / self.listing).is_file():
            return True
        require_not_needed(folder.lists, self.listing)
        return False

    def _unread(self, folder: Folder, listed: bool = False) -> Iterator[Path]:
        """Lists that are not read. Raises ``DataError`` for one that may be needed: no list above it is read."""
        own = [part for part in self.parts if part.listed and part.folder is folder]
        if not (listed := listed or bool(own)):
            require_not_needed(folder.lists, self.listing)
        yield from (path for path in folder.lists if not (own and path.name == self.listing))
        for one in folder.folders:
            yield from self._unread(one, listed or one.name in self.exclude)

    def _wraps(self, folder: Folder) -> bool:
        """Whether a folder that stands alone holds the classes or splits, and is no class itself."""
        if self._is_listed(folder):
            return True
        inner = [one for one in self._kept(folder) if one.holds_media()]
        if folder.media or not inner:
            return False
        return len(inner) > 1 or split_of(inner[0].name) is not None or self._wraps(inner[0])

    def _require_each_once(self, root: Folder, splits: dict[Path, str]) -> None:
        for split in sorted(set(splits.values())):
            names = [path.name for path, meant in splits.items() if meant == split]
            if len(names) > 1:
                raise DataError(
                    f"dataset.root: {root.path}: {' and '.join(names)} both mean {split}; leave out those that are not "
                    f'meant: "exclude": ["{names[-1]}"]'
                )

    def _require_no_split(self, root: Folder, splits: Sequence[Folder]) -> None:
        """Among other folders a split folder would become a class."""
        others = [one.name for one in self._kept(root) if one not in splits]
        inner = [one for one in splits if self._is_listed(one) or any(each.holds_media() for each in one.folders)]
        if len(splits) > 1 or inner:
            raise DataError(
                f"dataset.root: {root.path} has split folders beside {', '.join(others[:10])}; either all its folders "
                f"are splits ({USUAL_NAMES}) or all are classes; leave out what is neither: "
                f'"exclude": ["{others[0] if others else splits[0].name}"]'
            )
        for one in splits:
            if split_of(one.name) != "train":
                raise DataError(
                    f"dataset.root: {root.path}: {one.name} stands beside {', '.join(others[:10])} and would be a "
                    f'class; is it one, rename it; is it a split, put the others into train; or "exclude": '
                    f'["{one.name}"]'
                )
            self.notes.append(f"{one.path} is taken for a class, since it stands beside {', '.join(others[:10])}")

    def _require_classes(self, root: Folder) -> None:
        """Folders that hold folders of equal names, and hardly media of their own, are no classes."""
        folders = self._kept(root)
        if shared := _shared_inside(folders):
            own = sum(len(one.media) for one in folders)
            few = f"only {own} {self.what}" if own else f"no {self.what}"
            raise DataError(
                f"dataset.root: {root.path}: {_some(one.name for one in folders)} hold folders of the same names "
                f"({_some(shared)}) and {few} of their own: which are the classes? Are the "
                f"inner ones, rename the outer ones ({USUAL_NAMES}) or set root to one of them; are the outer ones, "
                f"move their {self.what} out of the inner ones"
            )


def _shared_inside(folders: Sequence[Folder]) -> list[str]:
    """Names that lie in several of ``folders``, where these have fewer media of their own than in folders of theirs.

    Names are the same whatever their case, and where they look alike. Empty where each holds one folder at most: that
    is ``CLASS/images``, not a split of one class.
    """
    inside = [[inner for inner in one.folders if inner.holds_media()] for one in folders]
    below = sum(len(inner.files()) for held in inside for inner in held)
    if sum(len(one.media) for one in folders) >= below or all(len(held) < 2 for held in inside):
        return []
    holders = Counter(name for held in inside for name in {look_of(inner.name).casefold() for inner in held})
    return sorted({inner.name for held in inside for inner in held if holders[look_of(inner.name).casefold()] > 1})


def _some(names: Iterator[str] | list[str]) -> str:
    listed = list(names)
    return ", ".join(listed[:5]) + (" ..." if len(listed) > 5 else "")
