"""Datasets."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
from PIL import Image

from ...data.items import DatasetContent, Item, Media
from ...data.video import VideoFrames
from ...data.waveform import Waveform
from ...roles.dataset import Dataset
from ..case import Case
from ..outcome import NotApplicable

#: Items of each split whose contents are read.
READ = 8


def make(case: Case) -> DatasetContent:
    """What a new one lists; nothing is downloaded."""
    dataset = case.build(Dataset)
    dataset.may_download = False
    content = dataset.load()
    assert isinstance(content, DatasetContent), f"load gives a {type(content).__name__}, not DatasetContent"
    return content


def exercise(case: Case) -> Any:
    """Its fingerprint, and the first contents read."""
    content = make(case)
    for _, media in _first(content):
        media.read()
    return content.fingerprint()


def _items(content: DatasetContent) -> Iterator[tuple[str, Item]]:
    return ((name, item) for name, items in content.splits.items() for item in items)


def _first(content: DatasetContent) -> Iterator[tuple[str, Media]]:
    """Modality and content of the first items of each split."""
    for items in content.splits.values():
        for item in items[:READ]:
            for view in item.views():
                yield from view.items()


def splits(case: Case) -> None:
    """Tuples, as the fingerprint counts on."""
    content = case.made
    assert content.splits.get("train"), f"there is no `train` with items; splits: {', '.join(content.splits)}"
    twice = [name for name, count in Counter(content.class_names).items() if count > 1]
    assert not twice, f"class {twice[:3]} stands twice"
    assert content.split_id.strip(), "split_id is empty: results are compared by it"


def unique_ids(case: Case) -> None:
    """Over all splits."""
    counts = Counter(item.id for _, item in _items(case.made))
    twice = [id_ for id_, count in counts.items() if count > 1]
    assert not twice, f"ids stand twice: {twice[:3]}"


def stable(case: Case) -> None:
    """By another object."""
    again = make(case)
    assert again.fingerprint() == case.made.fingerprint(), "loaded twice, it has two fingerprints"
    ids = [[item.id for _, item in _items(one)] for one in (again, case.made)]
    assert ids[0] == ids[1], "loaded twice, its items stand in another order"


def targets(case: Case) -> None:
    """Of every form."""
    classes = len(case.made.class_names)
    if not classes:
        raise NotApplicable("it has no classes: what belongs together is known by content")
    for split, item in _items(case.made):
        wrong = [one for one in _classes(item.target) if not -1 <= one < classes]
        assert not wrong, f"{split} item {item.id}: target {wrong[0]} is not one of {classes} classes"
        if isinstance(item.target, Mapping):
            scores = [one for one in item.target.values() if not 0 <= one <= 1]
            assert not scores, f"{split} item {item.id}: score {scores[0]} is not in [0, 1]"
        if isinstance(item.target, tuple):
            passes = len(item.views())
            assert len(item.target) == passes, f"{split} item {item.id}: {len(item.target)} targets, {passes} passes"
        elif isinstance(item.target, int):
            assert item.target >= 0, f"{split} item {item.id}: target {item.target}; an unlabelled one has None"


def _classes(target: Any) -> tuple[int, ...]:
    if target is None:
        return ()
    return tuple(target) if isinstance(target, Mapping | tuple) else (target,)


_TYPES = {"image": Image.Image, "video": VideoFrames, "text": str, "audio": Waveform, "vector": np.ndarray}


def media(case: Case) -> None:
    """The first of each split."""
    for modality, one in _first(case.made):
        assert modality in _TYPES, f"unknown modality {modality!r}; there are {', '.join(_TYPES)}"
        content = one.read()
        expected = _TYPES[modality]
        assert isinstance(content, expected), f"{one.source}: a {modality} reads as {type(content).__name__}"
        assert _bytes(one.read()) == _bytes(content), f"{one.source} reads as something else the second time"


def _bytes(content: Any) -> bytes:
    if isinstance(content, str):
        return content.encode()
    if isinstance(content, Waveform):
        return bytes(content.samples.tobytes())
    if isinstance(content, np.ndarray):
        return content.tobytes()
    if isinstance(content, VideoFrames):
        return b"".join(map(_bytes, content))
    return b"".join((content.mode.encode(), repr(content.size).encode(), content.tobytes()))


def digests(case: Case) -> None:
    """Items with one digest are encoded once, so it must not stand for two contents; nor for none."""
    found: dict[tuple[str, str], tuple[str, bytes]] = {}
    for modality, one in _first(case.made):
        assert re.fullmatch(r"[0-9a-f]{64}", one.digest), f"{one.source}: digest {one.digest!r} is no sha256 in hex"
        content = _bytes(one.read())
        source, before = found.setdefault((modality, one.digest), (one.source, content))
        assert before == content, f"{source} and {one.source} have one digest and two contents"
