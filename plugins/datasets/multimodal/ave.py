"""AVE: events that are seen and heard, second by second."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from ....core.data.items import DataError, DatasetContent, Item, Media
from ....core.roles import Dataset
from .clips import Clips, clips_of
from .release import Release, other_size, read_lines, require_in_every_split, require_once, require_plain
from .specs import AveSpec

ABOUT = Release(
    "AVE",
    (
        "AVE_Dataset/: Annotations.txt, trainSet.txt, valSet.txt, testSet.txt, and clips AVE/VIDEO.mp4: the drive link",
        "in github.com/YapengTian/AVE-ECCV18 (clips of AudioSet and YouTube; the repository names no licence)",
    ),
)
PUBLISHED = {"train": 3339, "val": 402, "test": 402}
SECONDS = 10
EVENTS = 28
BACKGROUND = "background"
_SECOND = re.compile(r"[0-9]{1,3}")
EXPECTED = "Church bell&RUhOCu3LNXM&good&0&10"


@dataclass(frozen=True, slots=True)
class Row:
    """An event of a clip, from ``start`` to ``end`` in whole seconds."""

    category: str
    clip: str
    start: int
    end: int

    @property
    def id(self) -> str:
        """45 clips have several events, each a row of its own."""
        return f"{self.clip}/{self.category}"


class Ave(Dataset):
    """Ids are ``CLIP/EVENT``; passes are seconds, each its frame and its sound.

    Source: Tian et al., "Audio-Visual Event Localization in Unconstrained Videos", ECCV 2018.
    """

    def __init__(self, spec: AveSpec) -> None:
        self.spec, self.root = spec, Path(spec.root)

    def load(self) -> DatasetContent:
        """Text files alone; none of the HDF5 files is needed. Raises ``DataError``: file and line."""
        path = self._file("Annotations.txt")
        # As published codes number them: in the order in which they first appear.
        index = {name: number for number, name in enumerate(dict.fromkeys(row.category for row in rows_of(path)))}
        rows = {split: list(rows_of(self._file(f"{split}Set.txt"))) for split in PUBLISHED}
        for split, some in rows.items():
            require_once((row.id for row in some), f"{split}Set.txt")
            if unknown := next((row for row in some if row.category not in index), None):
                raise DataError(
                    f"{split}Set.txt has event {unknown.category!r:.80}, and {path} has none; take both anew"
                )
        require_plain({row.clip for some in rows.values() for row in some}, path.parent)
        folder = ABOUT.folder(path.parent, "AVE")
        place = {row.clip: folder / f"{row.clip}.mp4" for some in rows.values() for row in some}
        clips = clips_of(place.values(), path.parent, self.spec, ABOUT, self.root, self.files)
        there = {split: [place[row.clip] in clips for row in some] for split, some in rows.items()}
        require_in_every_split(there, "clips", ABOUT)
        seconds = {name: _seconds(clips, where) for name, where in place.items()}
        splits = {split: tuple(_item(row, seconds[row.clip], index) for row in some) for split, some in rows.items()}
        notes = other_size({split: len(some) for split, some in rows.items()}, PUBLISHED, "rows")
        if len(index) != EVENTS:
            notes += (f"{path} has {len(index)} events, published are {EVENTS}: classes are numbered otherwise",)
        said = "ave, official split; of each of ten seconds the frame in its middle and its sound"
        return DatasetContent(splits, (*index, BACKGROUND), said, notes + clips.notes)

    def _file(self, name: str) -> Path:
        return ABOUT.file(self.root, name, f"AVE_Dataset/{name}", f"data/{name}")


def rows_of(path: Path) -> Iterator[Row]:
    """The rows of an annotation, whether its first line is a header or not. Raises ``DataError``: file and line."""
    for number, line in enumerate(read_lines(path), start=1):
        if not line.strip():
            continue
        category, clip, _, start, end, *more = [*line.strip().split("&"), "", "", "", "", ""][:6]
        if number == 1 and (category, clip) == ("Category", "VideoID"):
            continue
        if not (
            category
            and clip
            and _SECOND.fullmatch(start)
            and _SECOND.fullmatch(end)
            and int(start) <= int(end) <= SECONDS
        ):
            raise DataError(f"{path}:{number}: expected a line like `{EXPECTED}`, found {line[:80]!r}")
        if any(more):
            raise DataError(f"{path}:{number}: more than five fields between `&`, as in `{EXPECTED}`: {line[:80]!r}")
        yield Row(category, clip, int(start), int(end))


def _seconds(clips: Clips, path: Path) -> tuple[Mapping[str, Media], ...]:
    return tuple(
        {"image": clips.frame(path, second + 0.5), "audio": clips.sound(path, second, second + 1)}
        for second in range(SECONDS)
    )


def _item(row: Row, passes: tuple[Mapping[str, Media], ...], index: Mapping[str, int]) -> Item:
    event, background = index[row.category], len(index)
    labels = tuple(event if row.start <= second < row.end else background for second in range(SECONDS))
    return Item(row.id, {}, labels, passes, {"clip": row.clip})
