"""NLVR2: sentences about two photographs."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path

from ....core.data.items import DataError, DatasetContent, Item, Media
from ....core.roles import Dataset
from ....core.storage.files import open_regular
from ..json_lines.json_object import json_object
from ..media_in_files import file_pictures
from .average_hash import pictures_of_other_hash
from .release import Release, field, media_in_files, other_size, require_once, require_plain
from .specs import Nlvr2SetSpec

ABOUT = Release(
    "NLVR2",
    (
        "data/{train,dev,test1,test2}.json, data/{balanced,unbalanced}/, util/hashes/: github.com/lil-lab/nlvr, nlvr2/",
        "pictures images/train/0/ ... images/train/99/, dev/, test1/, test2/ (or all below images/): by the form that",
        "its README links, for research; sentences and labels are CC BY 4.0",
    ),
)
SIZES = {"train": 86373, "dev": 6982, "test1": 6967, "test2": 6970}
LABELS = {"false": 0, "true": 1}
EXPECTED = '{"identifier": "dev-850-0-0", "sentence": "...", "label": "True", ...}'


@dataclass(frozen=True, slots=True)
class Pair:
    """One line: a sentence of one pair of pictures."""

    identifier: str
    sentence: str
    label: int
    #: Folder of its pictures within train; empty where they lie in that of the split.
    directory: str

    @property
    def group(self) -> str:
        """The sentence whatever the pair: ``split-set-sentence``."""
        *lead, _, sentence = self.identifier.split("-")
        return "-".join((*lead, sentence))

    def pictures(self, folder: Path) -> tuple[Path, Path]:
        """Left and right; the name ends in ``.png`` whatever the format is."""
        stem = self.identifier.rpartition("-")[0]
        return folder / self.directory / f"{stem}-img0.png", folder / self.directory / f"{stem}-img1.png"


class Nlvr2Set(Dataset):
    """Ids are identifiers. Source: Suhr et al., "A Corpus for Reasoning about Natural Language Grounded in
    Photographs", ACL 2019."""

    def __init__(self, spec: Nlvr2SetSpec) -> None:
        self.spec, self.root = spec, Path(spec.root)

    def load(self) -> DatasetContent:
        """Raises ``DataError``: file and line, and what is missing."""
        spec = self.spec
        held_out = {"test": spec.test} if spec.val_directories else {"val": "dev", "test": spec.test}
        halves = {"test": spec.subset} if spec.subset != "all" else {}
        read = {name: self._pairs(own, halves.get(name)) for name, own in ({"train": "train"} | held_out).items()}
        require_once((pair.identifier for pairs in read.values() for pair in pairs), self.root / "data")
        counts = {own: len(read[name]) for name, own in ({"train": "train"} | held_out).items() if name not in halves}
        notes = other_size(counts, {own: SIZES[own] for own in counts}, "sentences of pairs")
        splits = _with_val(read, spec.val_directories)
        folders = {name: self._folder({"train": "train", **held_out}.get(name, "train")) for name in splits}
        shown = {pair: pair.pictures(folders[name]) for name, pairs in splits.items() for pair in pairs}
        media = media_in_files(
            list(chain.from_iterable(shown.values())),
            "pictures",
            self.root / "data",
            spec,
            ABOUT,
            lambda paths: file_pictures(paths, self.root, self.files, spec.background),
        )
        if spec.hashes is not None:
            notes += pictures_of_other_hash(Path(spec.hashes), self.root, list(media.of), self.files)
        items = {name: tuple(_item(pair, shown[pair], media.of) for pair in pairs) for name, pairs in splits.items()}
        return DatasetContent(items, tuple(LABELS), self._split_id(), notes + media.notes)

    def _pairs(self, split: str, half: str | None) -> list[Pair]:
        name = f"{half}/{half}_{split}.json" if half else f"{split}.json"
        path = ABOUT.file(self.root, f"data/{name}", f"nlvr2/data/{name}", name)
        pairs = list(_read(path))
        if not pairs:
            raise DataError(f"{path} holds no sentences; fetch it again")
        return pairs

    def _folder(self, split: str) -> Path:
        return ABOUT.folder(self.root, f"images/{split}", split)

    def _split_id(self) -> str:
        spec = self.spec
        val = f"{spec.val_directories} picture folders of train by hash" if spec.val_directories else "dev"
        half = "" if spec.subset == "all" else f", {spec.subset}"
        return f"nlvr2, val {val}, test {spec.test}{half}"


def _with_val(read: Mapping[str, Sequence[Pair]], directories: int) -> dict[str, list[Pair]]:
    """Sets of pictures never cross folders, so that none is trained on and selected by."""
    splits = {name: list(pairs) for name, pairs in read.items()}
    if not directories:
        return splits
    folders = sorted(
        {pair.directory for pair in splits["train"]}, key=lambda one: hashlib.sha256(one.encode()).digest()
    )
    if len(folders) <= directories:
        raise DataError(f"dataset.val_directories: train has {len(folders)} picture folders; take fewer for val")
    val = set(folders[:directories])
    train = [pair for pair in splits["train"] if pair.directory not in val]
    return {"train": train, "val": [pair for pair in splits["train"] if pair.directory in val], "test": splits["test"]}


def _read(path: Path) -> Iterator[Pair]:
    with open_regular(path) as lines:
        for number, content in enumerate(lines, start=1):
            if content.strip():
                yield _pair(f"{path}:{number}", content)


def _pair(place: str, content: bytes) -> Pair:
    row = json_object(place, content)
    identifier, label = field(place, row, "identifier", str), row.get("label")
    require_plain([identifier], place)
    if identifier.count("-") < 3:
        raise DataError(f"{place}: `identifier` is {identifier!r:.80}, and has the form split-set-pair-sentence")
    if str(label).lower() not in LABELS:
        raise DataError(f'{place}: `label` must be "True" or "False", not {label!r:.80}, as in {EXPECTED}')
    directory = row.get("directory")
    folder = "" if directory is None else str(field(place, row, "directory", int))
    return Pair(identifier, field(place, row, "sentence", str), LABELS[str(label).lower()], folder)


def _item(pair: Pair, pictures: tuple[Path, Path], media: Mapping[Path, Media]) -> Item:
    text = Media.of_text(pair.sentence, f"sentence of {pair.identifier}")
    passes = tuple({"image": media[path]} for path in pictures)
    return Item(pair.identifier, {"text": text}, pair.label, passes, {"sentence": pair.group})
