"""What a run says of single items: ``predictions.jsonl``, a line an item and seed. Light: no torch."""

from __future__ import annotations

import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

from pydantic import ValidationError

from ...registry.errors import one_line
from .files import open_regular
from .record import Record, first_problem
from .run_folder import RunFolderError

PREDICTIONS = "predictions.jsonl"
#: Bytes of a line: the longest has a clip of many segments.
MAX_LINE = 1 << 20


class HeardItem(Record):
    """A support item that a prediction heard."""

    id: str
    """The item's."""
    label: str | None
    """Its class; `null` where it is unlabelled."""
    similarity: float
    """Cosine of the two node vectors."""


class ItemPrediction(Record):
    """What one seed's model says of one item."""

    LEFT_OUT: ClassVar[frozenset[str]] = frozenset({"score", "neighbours", "prediction", "probabilities"})

    split: str
    """The item's."""
    seed: int
    """The training's."""
    id: str
    """The item's."""
    content: str | None = None
    """Equal for items of the same contents and target: 16 hexadecimal digits; `null` before there were any."""
    label: Any
    """What is right: a class; a list of classes, one a segment, `null` where unlabelled; classes to scores; or digests
    of masks, one a frame."""
    prediction: str | Sequence[str] | None = None
    """The likeliest class; a list of them, one a segment; left out of masks, which a line could not hold."""
    score: float | None = None
    """What the item has in the primary metric, which is the mean of these; left out where it is no mean over items."""
    probabilities: Mapping[str, float] | Sequence[Mapping[str, float]] | None = None
    """The five likeliest classes with their softmax probabilities; a list of such, one a segment; left out of masks."""
    neighbours: Sequence[HeardItem] | None = None
    """The five nearest support items that it heard, of the seed that is saved; left out where there are none."""


def read_predictions(folder: Path) -> Iterator[ItemPrediction]:
    """Line by line. Raises ``RunFolderError`` that names file and line."""
    path = folder / PREDICTIONS
    try:
        with open_regular(path) as file:
            for number in itertools.count(1):
                if not (line := file.readline(MAX_LINE + 1)):
                    return
                yield _read(line, f"{path}, line {number}")
    except OSError as error:
        raise RunFolderError(one_line(f"{path} cannot be read: {error}")) from None


def _read(line: bytes, where: str) -> ItemPrediction:
    try:
        if len(line) > MAX_LINE:
            raise ValueError(f"longer than {MAX_LINE:,} bytes")
        return ItemPrediction.model_validate(json.loads(line))
    except ValidationError as error:
        problem = first_problem(error, "prediction", "")
    except (ValueError, RecursionError) as error:
        problem = str(error)
    raise RunFolderError(one_line(f"{where}: {problem}; run its pipeline again"))
