"""Folders of classes, and folders of splits of classes: what lies in them."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from pathlib import Path

from ....core.data.items import DataError

#: Folder names that mean a split, as they are found in the wild.
SPLIT_FOLDERS = {"train": "train", "val": "val", "valid": "val", "validation": "val", "test": "test"}


def parts_of(root: Path) -> list[tuple[Path, str | None]]:
    """Folders of class folders, with the split that each is: ``root`` alone and no split, or its split folders.

    Raises ``DataError`` for split folders beside others.
    """
    folders = subfolders(root)
    others = [folder.name for folder in folders if folder.name not in SPLIT_FOLDERS]
    if {"train", "test"} <= {folder.name for folder in folders} and others:
        raise DataError(
            f"dataset.root: {root} has split folders beside {', '.join(others[:10])}; either all its folders "
            f"are splits ({', '.join(SPLIT_FOLDERS)}) or all are classes"
        )
    if folders and not others:
        return [(folder, SPLIT_FOLDERS[folder.name]) for folder in folders]
    return [(root, None)]


def subfolders(folder: Path) -> list[Path]:
    """Those that are not hidden, by name."""
    return sorted(child for child in folder.iterdir() if child.is_dir() and not child.name.startswith("."))


def class_files(folder: Path, suffixes: Collection[str], what: str) -> Iterator[tuple[Path, str]]:
    """Files anywhere below each class folder of ``folder``, and the class. Raises ``DataError`` for an empty one."""
    for class_folder in subfolders(folder):
        found = sorted(path for path in class_folder.rglob("*") if path.suffix.lower() in suffixes and path.is_file())
        if not found:
            raise DataError(f"class folder {class_folder} holds no {what}; fill it or remove it")
        yield from ((path, class_folder.name) for path in found)
