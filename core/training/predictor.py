"""A trained pipeline that is asked about new items, at whatever level its adapter works."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from ..data.given_clips import ClipInSegments, in_folders, pictures_or_clips
from ..data.given_items import WORDS, Contents, Row, Sampled, bytes_held, name_of_row, open_item, rows_of
from ..data.items import DataError, Item, Media
from ..data.prediction import Answer, Neighbour, Predictions
from ..data.sounds import SUFFIXES as SOUNDS
from ..data.vector_files import SUFFIXES as VECTORS
from ..data.vector_files import read_columns, vectors_in
from ..data.video import SUFFIXES as CLIPS
from ..data.video import clip_media
from ..spec.pipeline_spec import PipelineSpec
from ..stages.prefetch import ROOM, in_batches
from ..storage.run_folder import RunFolderError

#: What becomes of the passes of an item where a clip may be cut into them: any number will do.
CUT = frozenset({"each", "mean", "masks", "pairs"})


class Predictor(ABC):
    """A trained pipeline; made by ``load``."""

    def __init__(self, spec: PipelineSpec, class_names: tuple[str, ...], passes: int = 1) -> None:
        #: ``passes``: how many an item has, where a task reads them together.
        self.spec, self.class_names, self.passes = spec, class_names, passes
        #: bool [C]: the classes that answers are among; ``None``: all of them.
        self._among: Tensor | None = None

    def answer_among(self, classes: Sequence[str], task: str) -> None:
        """Answer from now on among those classes of a task. Raises ``DataError`` where one is not known here."""
        if unknown := [name for name in classes if name not in self.class_names]:
            raise DataError(f"task `{task}` was learnt later: this state does not know its class `{unknown[0]}`")
        self._among = torch.tensor([name in classes for name in self.class_names])

    def among(self, logits: Tensor) -> Tensor:
        """Logits [..., C] with minus infinity for classes that are no answers."""
        return logits if self._among is None else logits.masked_fill(~self._among, -torch.inf)

    def predict(
        self,
        images: Contents | None = None,
        texts: Contents | None = None,
        sounds: Contents | None = None,
        clips: Contents | None = None,
        every: float | None = None,
        vectors: Contents | None = None,
    ) -> Predictions:
        """One answer for each item, in order: a ``Prediction``, or ``Segments`` where a task predicts each of them.

        ``images`` are paths, ``PIL.Image`` objects or uint8 arrays [H, W] or [H, W, 3]; ``sounds`` paths (of clips,
        too) or ``Waveform``; a tuple of them for an item of several passes (two pictures of one statement, the segments
        of a clip). One path, picture, waveform or text alone is one item. ``texts`` may be left out where a captioner
        describes the images. ``clips`` are paths or ``VideoFrames``; for a run on pictures that takes any number of
        them as an item they are cut into segments of ``every`` seconds. ``vectors`` are arrays [N, d], or a list of
        [d]. Raises ``DataError``.

        On features, policies ``attach`` and ``rewire`` let no item depend on the others; by ``batch`` it hears those of
        its batch. A run that was ``transductive`` attaches: a new item was no node of its graph. Files are decoded a
        few at a time, whatever their number.
        """
        return list(self.answer(self._items(images, texts, sounds, clips, every, vectors)))

    def logits(
        self,
        images: Contents | None = None,
        texts: Contents | None = None,
        sounds: Contents | None = None,
        clips: Contents | None = None,
        every: float | None = None,
        vectors: Contents | None = None,
    ) -> Tensor:
        """Logits float32 on the CPU, [N, C] or of segments [N, S, C], classes in the order of ``class_names``."""
        parts = list(self._logits(self._items(images, texts, sounds, clips, every, vectors)))
        if not parts:
            return torch.zeros(0, len(self.class_names))
        return torch.cat(padded(parts))

    def row_of(self, item: Item) -> Row:
        """What ``open`` takes, of an item of a data set. Raises ``DataError`` where it lacks what is heard here."""
        views = item.views()
        needed = self._needed([kind for kind in views[0] if kind in WORDS])
        if lacking := [kind for kind in needed if any(kind not in view for view in views)]:
            raise DataError(f"item {item.id} has no {' and no '.join(lacking)}, and this run hears {', '.join(needed)}")
        own = {kind for one in item.passes for kind in one}
        return {kind: [view[kind] for view in views] if kind in own else item.modalities[kind] for kind in needed}

    @property
    def modalities(self) -> tuple[str, ...]:
        """What it must be given of each item."""
        return self._needed(())

    def rows(
        self,
        images: Contents | None,
        texts: Contents | None,
        sounds: Contents | None,
        clips: Contents | None = None,
        every: float | None = None,
        vectors: Contents | None = None,
    ) -> list[Row]:
        """What ``predict`` is given, item by item. Raises ``DataError`` where something lacks or is too many."""
        given = {"image": images, "video": clips, "text": texts, "audio": sounds, "vector": vectors}
        needed = self._needed([kind for kind, contents in given.items() if contents is not None])
        return self._rows(given, needed, every)

    def _rows(self, given: Mapping[str, Contents | None], needed: Sequence[str], every: float | None) -> list[Row]:
        """See ``rows``: what of the items is ``given`` is what is ``needed`` of them, clips cut or whole."""
        if given.get("video") is None or "video" in needed or self.spec.task.passes_are not in CUT:
            if every is not None:
                why = "this run takes each clip as a whole" if given.get("video") is not None else "no clip is given"
                raise DataError(f"`every` cuts clips into segments, and {why}")
            return rows_of(given, needed)
        if not isinstance(every, (int, float)) or not 0 < every < float("inf"):
            raise DataError(
                "this run takes a clip segment by segment, each a picture and its sound: say how long a segment is, in "
                "seconds; in Python clips=[...], every=1.0, on the command line --every 1"
            )
        rows = rows_of(given, ("video", *(kind for kind in needed if kind not in ("image", "audio"))))
        return [{**row, "video": ClipInSegments(_path(row["video"]), every)} for row in rows]

    def named(
        self, files: Sequence[str], texts: Sequence[str], sounds: Sequence[str], every: float | None = None
    ) -> list[Row]:
        """What a command line names, item by item. Raises ``DataError``, also for sounds that nothing hears.

        Files are pictures, where it hears sounds and no pictures these, where it hears clips these; a folder stands for
        those in it, and files that are read together come in groups.
        """
        hears = self.modalities
        if "vector" in hears:
            called = {
                kind: name for kind, name in getattr(self.spec.dataset, "columns", {}).items() if kind == "vector"
            }
            rows = [
                Media("", f"{file} row {number}", partial(np.asarray, row))
                for file in in_folders(files, VECTORS)
                for number, row in enumerate(vectors_in(read_columns(Path(file), called), file))
            ]
            return self.rows(None, texts or None, sounds or None, vectors=rows or None)
        if sounds and "audio" not in hears:
            raise DataError("this run hears no sounds")
        if "video" in hears:
            return self.rows(None, texts or None, sounds or None, in_folders(files, CLIPS) or None, every)
        if "audio" in hears and "image" not in hears:
            return self.rows(None, texts or None, in_folders([*files, *sounds], SOUNDS) or None, None, every)
        found, clips = pictures_or_clips(files, cut=every is not None)
        if clips:
            return self.rows(None, texts or None, sounds or None, found or None, every)
        images: Sequence[str | Sequence[str]] = found
        if self.spec.task.passes_are == "joined":
            images = [found[start : start + self.passes] for start in range(0, len(found), self.passes)]
        return self.rows(images or None, texts or None, sounds or None, None, every)

    def open(self, row: Row, name: str = "0") -> Item:
        """One item, decoded. Raises ``DataError``."""
        sampling = self.spec.dataset.sampling()
        absent = "refuse" if sampling is None else sampling.absent
        if isinstance(segments := row.get("video"), ClipInSegments):
            rest = {kind: content for kind, content in row.items() if kind != "video"}
            row = {**rest, **segments.passes(self.modalities, absent)}
        item = open_item(name, row, self.spec.dataset.background, self._sampling(), absent)
        passes, are = len(item.passes), self.spec.task.passes_are
        if are == "joined" and passes != self.passes:
            of = f"{passes} passes" if passes > 1 else "one pass"
            raise DataError(f"item {name} has {of}, and this pipeline reads {self.passes} together")
        if are == "one" and passes:
            raise DataError(f"item {name}: this pipeline takes one content a modality, not {passes}")
        return item

    @property
    @abstractmethod
    def module(self) -> nn.Module:
        """What was trained, as a torch module: ``module(**features(images=…, texts=…))`` gives logits [N, C].

        It is in ``eval()``; its parameters train once ``train()`` and an optimizer are there, and ``predict`` answers
        by them. Frozen models are no part of its parameters.
        """

    @abstractmethod
    def features(
        self, images: Contents | None = None, texts: Contents | None = None, sounds: Contents | None = None
    ) -> Mapping[str, Any]:
        """What ``module`` takes of these items, by name, all of it in memory."""

    @abstractmethod
    def answer(self, items: Iterable[Item]) -> Iterator[Answer]:
        """What ``predict`` says of each item that ``open`` gave, in order; items are asked for a batch at a time."""

    def heard(self, items: Iterable[Item], most: int) -> Iterator[tuple[Tensor, list[tuple[Neighbour, ...]]]]:
        """Of some items that ``open`` gave after the other: their logits float32 [n, ...] on the CPU, and of each the
        ``most`` nearest support items that it heard; none where no graph is."""
        for logits in self._logits(items):
            yield logits, [() for _ in logits]

    @abstractmethod
    def _logits(self, items: Iterable[Item]) -> Iterator[Tensor]:
        """See ``logits``: of some items after the other."""

    @abstractmethod
    def _needed(self, given: Collection[str]) -> tuple[str, ...]:
        """The modalities that it needs of each item where these are given."""

    def _sampling(self) -> Sampled:
        sampling = self.spec.dataset.sampling()
        return None if sampling is None else lambda clip: clip_media(clip, sampling.frames, sampling.every)

    def _items(
        self,
        images: Contents | None,
        texts: Contents | None,
        sounds: Contents | None,
        clips: Contents | None = None,
        every: float | None = None,
        vectors: Contents | None = None,
    ) -> Iterator[Item]:
        """Each decoded when it is asked for."""
        rows = self.rows(images, texts, sounds, clips, every, vectors)
        return (self.open(row, name_of_row(row, number)) for number, row in enumerate(rows))

    @staticmethod
    def _batches(items: Iterable[Item], size: int) -> Iterator[Sequence[Item]]:
        """``size`` items at most, and few bytes of pictures and sounds."""
        return in_batches(items, size, bytes_held, ROOM // 2)  # the models' own copies take as much again, or more


def _path(content: object) -> Path:
    if not isinstance(content, (str, Path)):
        raise DataError(f"a clip that is cut into segments is a path, not a {type(content).__name__}")
    return Path(content)


def finite(numbers: Tensor, items: Sequence[str]) -> Tensor:
    """Those of items [N, ...], as they are. Raises ``RunFolderError`` that names the first that is NaN or infinite."""
    whole = numbers.isfinite().flatten(1).all(dim=1)
    if not bool(whole.all()):
        raise RunFolderError(
            f"{items[int(whole.int().argmin())]}: what the run says of it is not finite: numbers of its adapter or "
            "support are too large, or its files were altered; run its pipeline again"
        )
    return numbers


def padded(parts: Sequence[Tensor]) -> list[Tensor]:
    """Logits [n, C] as they are; of segments [n, S, ...] with zeros up to the longest item of all parts."""
    if parts[0].ndim < 3:
        return list(parts)
    width = max(part.shape[1] for part in parts)
    inner = (0, 0) * (parts[0].ndim - 2)
    return [torch.nn.functional.pad(part, (*inner, 0, width - part.shape[1])) for part in parts]
