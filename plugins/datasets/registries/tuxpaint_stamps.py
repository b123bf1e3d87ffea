"""The stamps of Tux Paint: pictures with descriptions, sounds and spoken descriptions."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path

from ....core.data.items import DataError, DatasetContent, Item, Media
from ....core.data.sounds import soundfile
from ....core.roles import Dataset
from ..media_in_files import file_pictures, file_sounds
from ..missing_splits import require_classes_everywhere
from . import WORDS_NOTE
from .group_split import SHARES, split_by_group
from .specs import TuxpaintStampsSpec
from .stamp_folder import ENGLISH, Stamp, read_stamps, spoken_languages
from .svg_pictures import svg_pictures

PACKAGE, VERSION = "tuxpaint-stamps-default", "2022.06.04-1"
#: Stamps of all classes in that version, drawings among them.
PUBLISHED = (534, 112)


class TuxpaintStamps(Dataset):
    """Ids are paths below the root. Source: Kendrick and others, Tux Paint Stamps, GPL-2."""

    def __init__(self, spec: TuxpaintStampsSpec) -> None:
        self.spec, self.root = spec, Path(spec.root)

    def load(self) -> DatasetContent:
        """Raises ``DataError`` naming what is missing, with the command that fetches it."""
        stamps = read_stamps(self.root) if self.root.is_dir() else []
        if not stamps:
            raise DataError(f"dataset.root: {self.root} holds no stamps of Tux Paint. {_command()}")
        self._require_language(stamps)
        heard = self._heard([stamp for stamp in stamps if self.spec.drawings or stamp.path.suffix != ".svg"])
        counts = Counter(stamp.label for stamp, _ in heard)
        names = tuple(sorted(label for label, count in counts.items() if count >= self.spec.least))
        if len(names) < 2:
            raise DataError(f"dataset.least: {len(names)} classes have {self.spec.least} pictures: {_sizes(counts)}")
        kept = {stamp: sound for stamp, sound in heard if stamp.label in names}
        items = self._items(kept, names)
        group_of = {item.id: stamp.group() for stamp, item in zip(kept, items, strict=True)}
        splits = split_by_group(items, group_of, f"tuxpaint_stamps 1/{self.spec.split_seed}")
        require_classes_everywhere(splits, names, str(self.root))
        return DatasetContent(
            {name: tuple(split) for name, split in splits.items()},
            names,
            self._split_id(len(items)),
            (*_other_size(stamps), *self._notes(list(kept), counts), WORDS_NOTE),
        )

    def _heard(self, stamps: Sequence[Stamp]) -> list[tuple[Stamp, Path | None]]:
        """Those that are heard as the spec asks, each with its sound; all of them, without, if it asks for none."""
        if self.spec.audio == "none":
            return [(stamp, None) for stamp in stamps]
        soundfile()  # said now, not once a file
        language = self.spec.language
        sounds = [stamp.sound() if self.spec.audio == "sounds" else stamp.spoken(language) for stamp in stamps]
        heard: list[tuple[Stamp, Path | None]] = [
            (stamp, sound) for stamp, sound in zip(stamps, sounds, strict=True) if sound
        ]
        if self.spec.audio == "spoken" and not heard:
            there = ", ".join(spoken_languages(stamps)) or "none"
            raise DataError(f'dataset.language: no stamp is spoken in "{language}"; there are: {there}')
        return heard

    def _items(self, stamps: Mapping[Stamp, Path | None], names: Sequence[str]) -> list[Item]:
        files, background = self.files, self.spec.background
        drawn = [stamp.path for stamp in stamps if stamp.path.suffix == ".svg"]
        painted = [stamp.path for stamp in stamps if stamp.path.suffix != ".svg"]
        media = dict(zip(painted, file_pictures(painted, self.root, files, background), strict=True))
        media |= zip(drawn, svg_pictures(drawn, self.root, files, background), strict=True)
        sounds = [sound for sound in stamps.values() if sound]
        media |= zip(sounds, file_sounds(sounds, self.root, files), strict=True)
        items = []
        for stamp, sound in stamps.items():
            said = stamp.descriptions.get(self.spec.language, stamp.descriptions[ENGLISH])
            modalities = {"image": media[stamp.path], "text": Media.of_text(said, f"description of {stamp.path}")}
            if sound:
                modalities["audio"] = media[sound]
            items.append(Item(stamp.path.relative_to(self.root).as_posix(), modalities, names.index(stamp.label)))
        return items

    def _require_language(self, stamps: Sequence[Stamp]) -> None:
        there = {language for stamp in stamps for language in stamp.descriptions}
        if self.spec.language not in there:
            raise DataError(
                f'dataset.language: no stamp is described in "{self.spec.language}"; '
                f"there are: {', '.join(sorted(there))}"
            )

    def _notes(self, kept: Sequence[Stamp], counts: Counter[str]) -> list[str]:
        english = sum(self.spec.language not in stamp.descriptions for stamp in kept)
        small = Counter({label: count for label, count in counts.items() if count < self.spec.least})
        notes = [f'{english} of {len(kept)} pictures are not described in "{self.spec.language}" but in English']
        return (notes if english else []) + (
            [f"left out: {len(small)} classes of fewer than {self.spec.least} pictures ({_sizes(small)})"]
            if small
            else []
        )

    def _split_id(self, size: int) -> str:
        spec = self.spec
        options = [f"{size} pictures", *([] if spec.drawings else ["no drawings"])]
        if spec.audio != "none":
            options.append(spec.audio if spec.audio == "sounds" else f"spoken in {spec.language}")
        cut = f"{SHARES} by description, stratified; split seed {spec.split_seed}"
        return f"tuxpaint_stamps 1, {', '.join(options)} ({cut})"


def _other_size(stamps: Sequence[Stamp]) -> list[str]:
    """A note where the package holds another number of stamps than was counted."""
    size, drawings = len(stamps), sum(stamp.path.suffix == ".svg" for stamp in stamps)
    if (size, drawings) == PUBLISHED:
        return []
    return [
        f"{size} stamps, {drawings} of them drawings, {PUBLISHED[0]} and {PUBLISHED[1]} in version {VERSION} of "
        f"{PACKAGE}: not comparable with results on that"
    ]


def _command() -> str:
    folder = "data/tuxpaint"
    return (
        f"They are Debian's package {PACKAGE} (160 MB; GPL-2):"
        f"\n  apt-get install {PACKAGE}"
        f"\nor, without root, and with dataset.root set to {folder}/usr/share/tuxpaint/stamps:"
        f"\n  apt-get download {PACKAGE} && dpkg -x {PACKAGE}_*.deb {folder}"
    )


def _sizes(counts: Counter[str]) -> str:
    return ", ".join(f"{label} {count}" for label, count in counts.most_common()) or "none"
