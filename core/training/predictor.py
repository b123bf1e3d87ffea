"""A trained pipeline that is asked about new items, at whatever level its adapter works."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Collection, Iterable, Iterator, Sequence

import torch
from torch import Tensor

from ..data.given_items import Contents, Row, bytes_held, name_of_row, open_item, rows_of
from ..data.items import DataError, Item
from ..data.prediction import Answer, Predictions
from ..spec.pipeline_spec import PipelineSpec
from ..stages.prefetch import ROOM, in_batches
from ..storage.run_folder import RunFolderError


class Predictor(ABC):
    """A trained pipeline; made by ``load``."""

    def __init__(self, spec: PipelineSpec, class_names: tuple[str, ...], passes: int = 1) -> None:
        #: ``passes``: how many an item has, where a task reads them together.
        self.spec, self.class_names, self.passes = spec, class_names, passes

    def predict(
        self, images: Contents | None = None, texts: Contents | None = None, sounds: Contents | None = None
    ) -> Predictions:
        """One answer for each item, in order: a ``Prediction``, or ``Segments`` where a task predicts each of them.

        ``images`` are paths, ``PIL.Image`` objects or uint8 arrays [H, W] or [H, W, 3]; ``sounds`` paths or
        ``Waveform``; a tuple of them for an item of several passes (two pictures of one statement, the segments of a
        clip). One path, picture, waveform or text alone is one item. ``texts`` may be left out where a captioner
        describes the images. Raises ``DataError``.

        On features, policies ``attach`` and ``rewire`` let no item depend on the others; by ``batch`` it hears those of
        its batch. A run that was ``transductive`` attaches: a new item was no node of its graph. Files are decoded a
        few at a time, whatever their number.
        """
        return list(self.answer(self._items(images, texts, sounds)))

    def logits(
        self, images: Contents | None = None, texts: Contents | None = None, sounds: Contents | None = None
    ) -> Tensor:
        """Logits float32 on the CPU, [N, C] or of segments [N, S, C], classes in the order of ``class_names``."""
        parts = list(self._logits(self._items(images, texts, sounds)))
        if not parts:
            return torch.zeros(0, len(self.class_names))
        return torch.cat(padded(parts))

    @property
    def modalities(self) -> tuple[str, ...]:
        """What it must be given of each item."""
        return self._needed(())

    def rows(self, images: Contents | None, texts: Contents | None, sounds: Contents | None) -> list[Row]:
        """What ``predict`` is given, item by item. Raises ``DataError`` where something lacks or is too many."""
        given = {"image": images, "text": texts, "audio": sounds}
        return rows_of(given, self._needed([kind for kind, contents in given.items() if contents is not None]))

    def named(self, files: Sequence[str], texts: Sequence[str], sounds: Sequence[str]) -> list[Row]:
        """What a command line names, item by item. Raises ``DataError``, also for sounds that nothing hears.

        Files are pictures, where it hears sounds and no pictures these; files that are read together come in groups.
        """
        hears, images = self.modalities, files
        if sounds and "audio" not in hears:
            raise DataError("this run hears no sounds")
        if "audio" in hears and "image" not in hears:
            images, sounds = (), [*files, *sounds]
        if self.spec.task.passes_are == "joined":
            groups = [images[start : start + self.passes] for start in range(0, len(images), self.passes)]
            return self.rows(groups or None, texts or None, sounds or None)
        return self.rows(images or None, texts or None, sounds or None)

    def open(self, row: Row, name: str = "0") -> Item:
        """One item, decoded. Raises ``DataError``."""
        item = open_item(name, row, self.spec.dataset.background)
        passes, are = len(item.passes), self.spec.task.passes_are
        if are == "joined" and passes != self.passes:
            of = f"{passes} passes" if passes > 1 else "one pass"
            raise DataError(f"item {name} has {of}, and this pipeline reads {self.passes} together")
        if are == "one" and passes:
            raise DataError(f"item {name}: this pipeline takes one content a modality, not {passes}")
        return item

    @abstractmethod
    def answer(self, items: Iterable[Item]) -> Iterator[Answer]:
        """What ``predict`` says of each item that ``open`` gave, in order; items are asked for a batch at a time."""

    @abstractmethod
    def _logits(self, items: Iterable[Item]) -> Iterator[Tensor]:
        """See ``logits``: of some items after the other."""

    @abstractmethod
    def _needed(self, given: Collection[str]) -> tuple[str, ...]:
        """The modalities that it needs of each item where these are given."""

    def _items(self, images: Contents | None, texts: Contents | None, sounds: Contents | None) -> Iterator[Item]:
        """Each decoded when it is asked for."""
        rows = self.rows(images, texts, sounds)
        return (self.open(row, name_of_row(row, number)) for number, row in enumerate(rows))

    @staticmethod
    def _batches(items: Iterable[Item], size: int) -> Iterator[Sequence[Item]]:
        """``size`` items at most, and few bytes of pictures and sounds."""
        return in_batches(items, size, bytes_held, ROOM // 2)  # the models' own copies take as much again, or more


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
    """Logits [n, C] as they are; of segments [n, S, C] with zeros up to the longest item of all parts."""
    if parts[0].ndim < 3:
        return list(parts)
    width = max(part.shape[1] for part in parts)
    return [torch.nn.functional.pad(part, (0, 0, 0, width - part.shape[1])) for part in parts]
