"""What ``predict`` says as a file: CSV or JSON lines, a row an answer, written while the answers come."""

from __future__ import annotations

import csv
import json
import os
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, TextIO

import click

if TYPE_CHECKING:
    from ...data.prediction import Prediction

PARTIAL = ".partial"


class Said(NamedTuple):
    """What is said of an item, or of one of its segments; or why nothing can be."""

    item: str
    #: Of how many which it is, from 1; 0 for an item as a whole.
    segment: int
    segments: int
    prediction: Prediction | None
    error: str | None = None

    def to_json(self, top: int) -> dict[str, Any]:
        """As plain JSON, with the ``top`` likeliest classes."""
        found: dict[str, Any] = {"image": self.item}
        if self.prediction is None:
            return {**found, "error": self.error}
        shares = dict(islice(self.prediction.probabilities.items(), top))
        return {**found, **self.prediction.to_json(), "probabilities": shares}


class PredictionFile(click.Path):
    """A file whose suffix says its form."""

    def convert(self, value: Any, param: click.Parameter | None, ctx: click.Context | None) -> Any:
        """The path."""
        if Path(value).suffix.lower() not in _FORMS:
            self.fail(f"{value!r} ends in none of {', '.join(_FORMS)}, which say its form", param, ctx)
        return super().convert(value, param, ctx)


@contextmanager
def prediction_file(path: Path, top: int) -> Iterator[Callable[[Said], None]]:
    """Within it each answer that is given becomes a row; the file gets its name when the block ends well, and else
    stays beside it as ``NAME.partial``, with what was answered. Raises ``StorageError``.
    """
    from ...storage.files import storage_error

    partial = path.with_name(path.name + PARTIAL)
    try:
        with partial.open("w", encoding="utf-8", errors="backslashreplace", newline="") as file:
            yield _FORMS[path.suffix.lower()](file, top)
        os.replace(partial, path)
    except OSError as error:
        raise storage_error(path, error) from error


def _lines(file: TextIO, top: int) -> Callable[[Said], None]:
    def write(said: Said) -> None:
        row = said.to_json(top) | ({"segment": said.segment} if said.segment else {})
        file.write(json.dumps(row, ensure_ascii=False) + "\n")

    return write


def _table(file: TextIO, top: int) -> Callable[[Said], None]:
    """RFC 4180; the likeliest classes side by side, so that a spreadsheet sorts by them."""
    classes = [f"{name}{'' if rank == 1 else f'_{rank}'}" for rank in range(1, top + 1) for name in _RANKED]
    writer = csv.DictWriter(file, ["item", "segment", *classes, "description", "error"], restval="")
    writer.writeheader()

    def write(said: Said) -> None:
        row: dict[str, object] = {"item": said.item, "segment": said.segment or "", "error": said.error or ""}
        if said.prediction is not None:
            ranked = islice(said.prediction.probabilities.items(), top)
            row |= dict(zip(classes, (one for pair in ranked for one in pair), strict=False))
            row["description"] = said.prediction.description or ""
        writer.writerow(row)

    return write


_RANKED = ("label", "probability")
_FORMS = {".csv": _table, ".jsonl": _lines}
