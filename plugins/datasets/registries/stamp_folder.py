"""What lies in the folder of Tux Paint's stamps.

A stamp is ``NAME.png`` or ``NAME.svg`` (PNG, where both are there) beside ``NAME.txt``: a line in English, then lines
``fr.utf8=Un éléphant.``. ``NAME.ogg`` or ``NAME.wav`` is its sound, ``NAME_desc_fr.ogg`` its description as it is
spoken. Pictures without a description, such as ``NAME_mirror.png``, show a stamp from its other side.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from ....core.data.items import DataError
from ....core.data.media_files import read_file
from ....core.data.names import not_utf8
from ....core.storage.text_files import lines_of

#: Folders (their first two parts, without those of style) to the names that prompts use. Those of symbols, people and
#: feasts, and those of fewer than five stamps, are no classes.
CLASSES = {
    "animals/birds": "bird",
    "animals/fish": "fish",
    "animals/insects": "insect",
    "animals/mammals": "mammal",
    "clothes": "clothes",
    "clothes/hats": "hat",
    "food/fruit": "fruit",
    "food/vegetables": "vegetable",
    "hobbies/music": "musical instrument",
    "household": "household item",
    "household/arttools": "art tool",
    "household/dishes": "dishes",
    "household/electronics": "electronic device",
    "household/tools": "tool",
    "plants": "plant",
    "plants/flowers": "flower",
    "plants/trees": "tree",
    "space": "spaceflight",
    "space/planets": "planet",
    "sports": "sport",
    "town": "town",
    "town/flags": "flag",
    "town/houses": "house",
    "town/monuments": "monument",
    "town/roadsigns": "road sign",
    "vehicles": "vehicle",
    "vehicles/auto": "car",
    "vehicles/construction": "construction vehicle",
    "vehicles/flight": "aircraft",
    "vehicles/locomotive": "locomotive",
    "vehicles/ship": "ship",
}
STYLES = frozenset({"cartoon", "toys", "plastic"})
SOUNDS = (".ogg", ".wav")
ENGLISH = "en"


@dataclass(frozen=True, slots=True, eq=False)
class Stamp:
    """One stamp of a class."""

    #: Its picture: PNG or SVG.
    path: Path
    #: A value of ``CLASSES``.
    label: str
    #: Language to the line that describes it.
    descriptions: Mapping[str, str]

    def group(self) -> str:
        """What is described alike stays together: the class and the description in English."""
        return f"{self.label}/{self.descriptions[ENGLISH].lower().strip('. ')}"

    def sound(self) -> Path | None:
        """What is shown, as it sounds."""
        return self._sound("")

    def spoken(self, language: str) -> Path | None:
        """Its description, spoken in ``language``."""
        return self._sound("_desc" if language == ENGLISH else f"_desc_{language}")

    def _sound(self, end: str) -> Path | None:
        stem = self.path.with_suffix("")
        places = (Path(f"{stem}{end}{suffix}") for suffix in SOUNDS)
        return next(filter(Path.is_file, places), None)


def read_stamps(root: Path) -> list[Stamp]:
    """The described stamps of all classes, by path. Raises ``DataError`` naming what cannot be read."""
    return [
        Stamp(path, label, _descriptions(path.with_suffix(".txt")))
        for path in sorted(_pictures(root))
        if (label := CLASSES.get(_folder(path.relative_to(root)))) and path.with_suffix(".txt").is_file()
    ]


def spoken_languages(stamps: Sequence[Stamp]) -> list[str]:
    """Those in which any of ``stamps`` is spoken."""
    found = set()
    for folder in {stamp.path.parent for stamp in stamps}:
        for name in os.listdir(folder):
            stem, suffix = os.path.splitext(name)
            _, described, language = stem.rpartition("_desc")
            if described and suffix in SOUNDS and "." not in language:
                found.add(language.removeprefix("_") or ENGLISH)
    return sorted(found)


def _pictures(root: Path) -> Iterator[Path]:
    """PNG files, and SVG files without a PNG beside them."""
    for folder, _, names in os.walk(root, onerror=_refuse):
        for name in names:
            path = Path(folder, name)
            if spelt := not_utf8(str(path)):
                raise DataError(f"{spelt}: its name is no UTF-8; install the package again")
            if path.suffix == ".png" or (path.suffix == ".svg" and f"{path.stem}.png" not in names):
                yield path


def _refuse(error: OSError) -> None:
    raise DataError(f"folder {error.filename} cannot be read: {error.strerror}; allow it, or move it away")


def _folder(path: Path) -> str:
    return "/".join([part for part in path.parts[:-1] if part not in STYLES][:2])


def _descriptions(path: Path) -> dict[str, str]:
    try:
        lines = [line.strip() for line in lines_of(read_file(path))]
    except ValueError as error:
        raise DataError(f"{path}: {error}") from None
    english, *others = [line for line in lines if line] or [""]
    if not english:
        raise DataError(f"{path}: describes nothing; its first line is the description in English")
    found = {ENGLISH: english}
    for line in others:
        language, mark, text = line.partition(".utf8=")
        if mark and text.strip():
            found[language] = text.strip()
    return found
