"""Lists of items as people keep them, told by the names of their columns."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from contextlib import closing
from itertools import islice
from pathlib import Path
from typing import Any

from ....core.data.found_files import FoundFiles, Reading
from ....core.data.items import DataError
from ....core.data.pictures import SUFFIXES as PICTURES
from ....core.data.sounds import SUFFIXES as SOUNDS
from ....core.data.video import SUFFIXES as CLIPS
from ..split_names import split_of
from .line import FIELDS
from .line_fields import LINES, TABLES, read_fields

#: What such columns are called, in lower case; the first that is there counts.
_FILE = (
    "image",
    "video",
    "audio",
    "file_name",
    "filename",
    "file",
    "path",
    "filepath",
    "file_path",
    "image_path",
    "img",
    "img_path",
    "image_file",
    "picture",
    "photo",
    "audio_path",
    "video_path",
    "clip",
    "sound",
)
_LABEL = ("label", "class", "class_name", "classname", "category", "label_name", "target", "species", "answer", "y")
_TEXT = ("text", "caption", "description", "sentence", "review", "comment", "question", "title")
_SPLIT = ("split", "subset", "partition")
#: What no classification has, in words; the task that has it, and a pipeline of ours to begin with.
_OTHER_TASKS = {
    "answers": ("answers to questions", "vqa", "pocket_vqa"),
    "segments": ("segments with a label each", "events", "pocket_events"),
    "passes": ("several passes an item", "nlvr2", "pocket_nlvr2"),
}
#: Likewise where files have words and nothing has a class.
_CAPTIONS = ("words for each file and no classes", "retrieval", "pocket_retrieval")
#: Rows that are looked at.
_FEW = 20
_KINDS: Mapping[str, Collection[str]] = {"image": PICTURES, "audio": SOUNDS, "video": CLIPS}


def reading_of(found: FoundFiles) -> Reading | None:
    """A list, or one a split; in a folder one that names files which are there, or texts where there are no media.

    Raises ``DataError`` for one that cannot be read, for one by itself in which nothing is known, and for one of
    another task than classification.
    """
    root = found.path if found.is_folder else found.path.parent
    files = _files(found)
    if not files:
        return None
    columns = _columns(root / files["train"])
    _require_classes(root, files, columns or {})
    if columns is None:
        if found.is_folder:
            return None
        names = ", ".join(dict.fromkeys(str(name) for row in _first(found.path) for name in row)) or "no rows"
        raise DataError(
            f"{found.path}: nothing shows its items (it has {names}): it needs a column of texts ({', '.join(_TEXT)}), "
            "or of files that are there (image, file_name, path ...)"
        )
    media = {kind: found.count(suffixes) for kind, suffixes in _KINDS.items()}
    shown = next((kind for kind in _KINDS if kind in columns), None)
    if found.is_folder and shown is None and any(media.values()):
        return None  # a table of something else, beside media
    fields: dict[str, Any] = {"root": str(root), "splits": files}
    if any(ours != name for ours, name in columns.items()) or not _all_ours(root / files["train"]):
        fields["columns"] = columns
    count = media[shown] if shown and found.is_folder else 1
    listed = {"image": "pictures", "audio": "sounds", "video": "clips"}[shown] if shown else "texts"
    return Reading(fields, count, listed, f"listed in {', '.join(files.values())}", listed=True)


def _require_classes(root: Path, files: Mapping[str, str], columns: Mapping[str, str]) -> None:
    """Raises ``DataError`` for lines of another task, with what to begin with."""
    rows = _first(root / files["train"])
    known = {key for key in _OTHER_TASKS if any(row.get(key) is not None for row in rows)}
    if captions := not known - {"segments"} and _are_captions(columns, {name for row in rows for name in row}):
        (words, task, example), key = _CAPTIONS, columns["text"]
    elif key := next((one for one in _OTHER_TASKS if one in known), ""):
        words, task, example = _OTHER_TASKS[key]
    else:
        return
    section = json.dumps({"type": "json_lines", "root": str(root), "splits": files})
    instead = "; to tell classes, give each line a `label`" if captions else ""
    raise DataError(
        f"{root / files['train']}: its lines have {words} (`{key}`), which is task `{task}`, and init drafts "
        f"classification alone; begin with examples/{example}.json of the repository, and put in: "
        f'"dataset": {section} (docs/tasks.md){instead}'
    )


def _are_captions(columns: Mapping[str, str], names: Collection[str]) -> bool:
    """Whether files have words and no label; a column unknown to us may be the label's, which init is told then."""
    shown = "text" in columns and bool(columns.keys() & _KINDS.keys())
    return shown and "label" not in columns and not {*names} - {*columns.values(), *FIELDS}


def _files(found: FoundFiles) -> dict[str, str]:
    """Split to file. Of a folder with lists that name no splits, the only one."""
    names = [name for name in found.own if Path(name).suffix.lower() in LINES | TABLES]
    if not found.is_folder and names and split_of(found.path.stem) == "train":
        beside = (one for one in found.path.parent.iterdir() if one.suffix == found.path.suffix)
        names = sorted(one.name for one in beside)
    splits = {split: name for name in names if (split := split_of(Path(name).stem))}
    if "train" in splits:
        return {split: splits[split] for split in ("train", "val", "test") if split in splits}
    return {"train": names[0]} if len(names) == 1 and names[0] != "metadata.jsonl" else {}


def _columns(file: Path) -> dict[str, str] | None:
    """Our name to its own; ``None`` where nothing is shown that is there."""
    rows = _first(file)
    named = {str(name).lower(): str(name) for row in rows for name in row}

    def of(names: Collection[str]) -> str | None:
        return next((named[name] for name in names if name in named), None)

    columns: dict[str, str] = {}
    if (shown := of(_FILE)) is not None and (kind := _kind(file.parent, [row.get(shown) for row in rows])):
        columns[kind] = shown
    for ours, names in (("text", _TEXT), ("label", _LABEL), ("split", _SPLIT)):
        if name := of(names):
            columns[ours] = name
    return columns if columns.keys() & {"image", "audio", "video", "text"} else None


def _kind(root: Path, values: list[Any]) -> str | None:
    """What files of these names are, where the first of them is there."""
    paths = [value for value in values if isinstance(value, str) and value]
    if not paths or not (root / paths[0]).is_file():
        return None
    return next((kind for kind, suffixes in _KINDS.items() if Path(paths[0]).suffix.lower() in suffixes), None)


def _all_ours(file: Path) -> bool:
    return all(name in FIELDS for row in _first(file) for name in row)


def _first(file: Path) -> list[Mapping[str, Any]]:
    with closing(read_fields(file)) as rows:
        return [fields for _, fields in islice(rows, _FEW)]
