"""Find finished runs in a folder: those of sweeps and comparisons within it, too. Light: no torch."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from itertools import chain
from pathlib import Path
from typing import Any

from ...registry.errors import GraftworkError, UserError, one_line
from ..storage.manifest import ADAPTER
from ..storage.result import Result
from ..storage.result_parts import Score
from ..storage.run_folder import read_json_file

RESULT, PARTIAL = "result.json", ".partial"


@dataclass(frozen=True, slots=True)
class FoundRun:
    """A finished run, without its files read but for the result and the spec."""

    #: Where it stands.
    folder: Path
    name: str
    #: Adapter, with its experts, and head by their types; ``None`` where the folder holds no spec.
    method: str | None
    dataset: str
    shots: int | None
    metric: str
    test: Score
    trainable: int
    #: When its result was written, UTC.
    date: datetime

    def to_json(self) -> dict[str, Any]:
        """As plain JSON."""
        return {
            "folder": str(self.folder),
            "name": self.name,
            "method": self.method,
            "dataset": self.dataset,
            "shots": self.shots,
            "metric": self.metric,
            "test": self.test.to_json(),
            "trainable": self.trainable,
            "date": self.date.isoformat(timespec="seconds"),
        }


@dataclass(frozen=True, slots=True)
class FoundRuns:
    """What a folder holds."""

    #: By their folders' names.
    runs: tuple[FoundRun, ...]
    #: Folders of runs that cannot be read, or did not come to their end: to the reason.
    broken: Mapping[Path, str]


def find_runs(folder: str | Path) -> FoundRuns:
    """Every run in a folder, at any depth; a folder that is one is itself. Raises ``UserError`` where none is there."""
    place = Path(folder)
    if not place.is_dir():
        raise UserError(f"{place} is no folder; name one that holds runs, as `graftwork run` makes them in runs/")
    runs, broken = list[FoundRun](), dict[Path, str]()
    for path in _run_folders(place):
        try:
            runs.append(_found(path))
        except (GraftworkError, OSError) as error:
            broken[path] = one_line(str(error))
    return FoundRuns(tuple(runs), broken)


def _run_folders(place: Path) -> Iterator[Path]:
    """Those that hold a result, or would; nothing within them."""
    for current, folders, files in os.walk(place):
        folders.sort()
        if RESULT in files or (current.endswith(PARTIAL) and "events.jsonl" in files):
            folders.clear()
            yield Path(current)


def _found(path: Path) -> FoundRun:
    if not (path / RESULT).is_file():
        raise UserError("it did not come to its end; run its pipeline with --resume")
    result = Result.read(path / RESULT)
    written = datetime.fromtimestamp((path / RESULT).stat().st_mtime, UTC)
    facts, trainable = result.dataset, result.parameters.trainable
    test = result.test[result.metric]
    called = chain.from_iterable(result.adapter.experts.values() if result.adapter else ())
    experts = list(dict.fromkeys(one.partition(" of ")[0] for one in called))  # of several partners, one for each
    method = _method(path / ADAPTER / "pipeline.json", experts)
    return FoundRun(path, result.name, method, facts.type, facts.shots, result.metric, test, trainable, written)


def _method(path: Path, experts: Sequence[str]) -> str | None:
    if not path.is_file():
        return None
    spec = read_json_file(path)
    adapter, head = _type(spec.get("adapter")), _type(_within(spec.get("task"), "head"))
    mixed = ", ".join(experts) if len(experts) < 3 else f"{len(experts)} experts"
    trained = f"{adapter} ({mixed})" if mixed else adapter if adapter != "none" else None
    return " + ".join(one for one in (trained, head) if one) or adapter


def _within(value: object, key: str) -> object:
    return value.get(key) if isinstance(value, Mapping) else None


def _type(value: object) -> str | None:
    found = _within(value, "type")
    return found if isinstance(found, str) else None
