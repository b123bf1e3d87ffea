"""AVSBench-object: masks of what sounds."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from pathlib import Path

from ....core.data.items import DataError, DatasetContent, Item, Masks, Media, some_of
from ....core.roles import Dataset
from ....registry.errors import counted
from ..media_in_files import file_pictures
from .clips import clips_of
from .mask_files import fault_of_mask, mask_media
from .release import (
    Found,
    Release,
    absent,
    csv_rows,
    files_of,
    is_there,
    other_size,
    read_lines,
    require_in_every_split,
    require_once,
    require_plain,
)
from .specs import AvsbenchSpec

ABOUT = Release(
    "AVSBench",
    (
        "Single-source/ (s4_meta_data.csv, s4_data/) and Multi-sources/ (ms3_meta_data.csv, ms3_data/), each with",
        "visual_frames/, audio_wav/ and gt_masks/: on request by the form or mail of github.com/OpenNLPLab/AVSBench",
    ),
)
FRAMES = 5
PUBLISHED = {"s4": {"train": 3452, "val": 740, "test": 740}, "ms3": {"train": 296, "val": 64, "test": 64}}
_FOLDERS = {"s4": "Single-source", "ms3": "Multi-sources"}


@dataclass(frozen=True, slots=True)
class Shot:
    """A clip of five seconds, a frame each."""

    name: str
    split: str
    category: str

    def frame(self, data: Path, number: int) -> Path:
        """Of second ``number``, from 1. In `ms3` the clip's suffix stands inside the name, and there is no split."""
        if self.category:
            return data / "visual_frames" / self.split / self.category / self.name / f"{self.name}_{number}.png"
        return data / "visual_frames" / self.name / f"{self.name}.mp4_{number}.png"

    def mask(self, data: Path, number: int) -> Path:
        """Of second ``number``, from 1."""
        return data / "gt_masks" / self.split / self.category / self.name / f"{self.name}_{number}.png"

    def sound(self, data: Path) -> Path:
        """Of all five seconds."""
        return data / "audio_wav" / self.split / self.category / f"{self.name}.wav"


class Avsbench(Dataset):
    """Ids are names of clips; passes are seconds. Source: Zhou et al., "Audio-Visual Segmentation", ECCV 2022."""

    def __init__(self, spec: AvsbenchSpec) -> None:
        self.spec, self.root = spec, Path(spec.root)

    def load(self) -> DatasetContent:
        """Raises ``DataError``."""
        spec, kind = self.spec, self.spec.subset
        name = f"{kind}_meta_data.csv"
        source = ABOUT.file(self.root, f"{_FOLDERS[kind]}/{name}", name)
        data = source.parent / f"{kind}_data"
        shots = list(_read(source, kind))
        require_once((shot.name for shot in shots), source)
        require_plain((part for shot in shots for part in (shot.name, *filter(None, [shot.category]))), source)
        frames, held = self._frames(shots, data, source)
        sounds = clips_of((shot.sound(data) for shot in shots), source, spec, ABOUT, self.root, self.files, "sounds")
        masks = self._masks(shots, data, source)
        self._require_sizes(shots, data, frames, masks)

        def item(shot: Shot) -> Item:
            passes = tuple(
                {"image": frames.of[shot.frame(data, k)], "audio": sounds.sound(shot.sound(data), k - 1.0, float(k))}
                for k in range(1, FRAMES + 1)
            )
            target = Masks(tuple(masks.of.get(shot.mask(data, k)) for k in range(1, FRAMES + 1)))
            return Item(shot.name, {}, target, passes, {"category": shot.category} if shot.category else {})

        splits = {split: [shot for shot in shots if shot.split == split] for split in PUBLISHED[kind]}
        there = {split: [shot.sound(data) in sounds for shot in some] for split, some in splits.items()}
        require_in_every_split(there, "sounds", ABOUT)
        require_in_every_split(self._masked(splits, data, masks), "masks", ABOUT)
        notes = other_size({split: len(some) for split, some in splits.items()}, PUBLISHED[kind], "clips")
        notes += held + frames.notes + sounds.notes + masks.notes
        seen = "of each of five seconds its frame and its sound"
        items = {split: tuple(map(item, some)) for split, some in splits.items()}
        return DatasetContent(items, ("what sounds",), f"avsbench, {kind}, official split; {seen}", notes)

    def _frames(self, shots: Sequence[Shot], data: Path, source: Path) -> tuple[Found[Media], tuple[str, ...]]:
        """Every frame; where the fifth alone is not there (of clips that begin late) the fourth stands for it."""
        paths = {path: path for shot in shots for k in range(1, FRAMES + 1) for path in [shot.frame(data, k)]}
        held = 0
        for shot in shots:
            last, before = shot.frame(data, FRAMES), shot.frame(data, FRAMES - 1)
            if not is_there(last) and is_there(before):
                paths[last], held = before, held + 1
        opened = partial(file_pictures, root=self.root, files=self.files, background=self.spec.background)
        found = files_of(paths.values(), "frames", source, self.spec, ABOUT, opened)
        note = (f"{counted(held, 'clips', 'have')} four frames, and the fourth is shown twice",) if held else ()
        return Found({path: found.of.get(file) or absent(path) for path, file in paths.items()}, found.notes), note

    def _masks(self, shots: Sequence[Shot], data: Path, source: Path) -> Found[Media]:
        """Of `s4` in training the first one alone."""
        paths = [shot.mask(data, k) for shot in shots for k in range(1, self._labelled(shot) + 1)]

        def opened(there: list[Path]) -> list[Media]:
            return [mask_media(*one) for one in zip(there, self.files.sha256(self.root, there), strict=True)]

        return self._whole(files_of(paths, "masks", source, self.spec, ABOUT, opened))

    def _masked(self, splits: Mapping[str, Sequence[Shot]], data: Path, masks: Found[Media]) -> dict[str, list[bool]]:
        """Of each mask that a split should have whether it can be read."""
        return {
            split: [shot.mask(data, k) in masks.of for shot in some for k in range(1, self._labelled(shot) + 1)]
            for split, some in splits.items()
        }

    def _whole(self, masks: Found[Media]) -> Found[Media]:
        """Those that can be decoded: they are first needed when something is trained. Raises ``DataError``."""
        faults = self.files.of("whether masks can be decoded, 1", self.root, list(masks.of), fault_of_mask)
        if not (broken := list(filter(None, faults))):
            return masks
        said = f"{len(broken):,} of {len(faults):,} masks cannot be decoded"
        if self.spec.on_error == "fail":
            raise DataError(f"{said}; fetch them again{some_of(broken)}")
        kept = {path: mask for (path, mask), fault in zip(masks.of.items(), faults, strict=True) if not fault}
        return Found(kept, (*masks.notes, f"{said}: {broken[0]}"))

    def _labelled(self, shot: Shot) -> int:
        return 1 if shot.split == "train" and self.spec.subset == "s4" else FRAMES

    def _require_sizes(self, shots: Sequence[Shot], data: Path, frames: Found[Media], masks: Found[Media]) -> None:
        """Raises ``DataError`` for masks of another size than their frames: no silent scaling."""
        pairs = [
            (shot.mask(data, k), Path(frames.of[shot.frame(data, k)].source))
            for shot in shots
            for k in range(1, FRAMES + 1)
            if shot.mask(data, k) in masks.of
        ]
        paths = [path for path in dict.fromkeys(path for pair in pairs for path in pair) if is_there(path)]
        size = dict(zip(paths, self.files.of("sizes of pictures, 1", self.root, paths, _size), strict=True))
        other = [
            f"{mask}: {size[mask]}, its frame {size[frame]}"
            for mask, frame in pairs
            if size[mask] and size.get(frame) and size[mask] != size[frame]
        ]
        if other:
            raise DataError(
                f"{counted(len(other), 'masks', 'have')} another size than their frames; scale the frames "
                f"to the masks, not the masks{some_of(other)}"
            )


def _read(path: Path, kind: str) -> Iterator[Shot]:
    """``name,start,category,split`` of `s4`, ``video_id,split`` of `ms3`."""
    name, columns = ("name", "name,start,category,split") if kind == "s4" else ("video_id", "video_id,split")
    for number, row in csv_rows(path, read_lines(path)):
        values = {key: row.get(key) for key in (name, "split", *(("category",) if kind == "s4" else ()))}
        if not all(values.values()) or values["split"] not in PUBLISHED[kind]:
            raise DataError(f"{path}:{number}: expected {columns} with split train, val or test, found {row!r:.120}")
        yield Shot(str(values[name]), str(values["split"]), str(values.get("category") or ""))


def _size(path: Path) -> str:
    """``224 x 224``; nothing for a file that is no picture: reading it says so."""
    from PIL import Image

    try:
        with Image.open(path) as picture:
            return f"{picture.width} x {picture.height}"
    except (OSError, ValueError, Image.DecompressionBombError):
        return ""
