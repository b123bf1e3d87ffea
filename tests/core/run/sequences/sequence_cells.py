"""What `make evidence-sequences` measures: cells, and the file that keeps them."""

from __future__ import annotations

import csv
import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from graftwork import Pipeline
from graftwork.core.run.run import Run
from graftwork.core.storage.result_parts import Score

from ....support.paths import ROOT

SPECS = ROOT / "examples" / "sequences"
CELLS = ROOT / "docs" / "results" / "sequences_cells.csv"
SETS = ("digits", "emoji", "mnist5k")
SCENARIOS = ("task", "class")
#: Method to its strengths: written down before anything was measured; one of them is chosen on the first tasks.
STRENGTHS: Mapping[str, Sequence[float]] = {
    "ewc_separate": (1e2, 1e4, 1e5, 1e6, 1e7, 1e8),
    "ewc_online": (1e2, 1e4, 1e5, 1e6, 1e7, 1e8),
    "synaptic_intelligence": (0.1, 1, 10, 100),
    "lwf": (0.3, 1, 3),
    "l2_start": (0.01, 0.1, 1, 10),
}
#: Memories in items; none is chosen, each is a budget of its own.
MEMORIES = (20, 50)
_REGULARIZERS: Mapping[str, Mapping[str, Any]] = {
    "ewc_separate": {"type": "ewc", "anchor": "every"},
    "ewc_online": {"type": "ewc", "anchor": "previous"},
    "synaptic_intelligence": {"type": "synaptic_intelligence"},
    "lwf": {"type": "lwf"},
    "l2_start": {"type": "l2_start"},
}
_TRAININGS = {"plain": "sequential", "joint": "joint", "separate": "separate"}
_PATH = "regularizers.0.strength"


@dataclass(frozen=True, slots=True)
class Cell:
    """One run over five tasks with five seeds."""

    set: str
    scenario: str
    method: str
    #: Of a penalty its strength, of replay its memory; 0 of the others.
    strength: float = 0.0

    def pipeline(self) -> Pipeline:
        """As it is run: a strength is a search of one value, so that the run says how it did on the first tasks."""
        changes: dict[str, Any] = {
            "name": "cell",
            "reporters": [],
            "sequence.scenario": self.scenario,
            "evaluation.predictions": "none",
        }
        if self.method in _TRAININGS:
            changes["sequence.training"] = _TRAININGS[self.method]
        elif self.method == "replay":
            changes["regularizers"] = [{"type": "replay", "memory": int(self.strength)}]
        else:
            changes["regularizers"] = [{**_REGULARIZERS[self.method], "strength": self.strength}]
            changes["search"] = {_PATH: [self.strength]}
        return Pipeline.from_file(SPECS / f"{self.set}.json", changes)


def cells() -> Iterator[Cell]:
    """All of them, the most wanted first."""
    for scenario in SCENARIOS:
        for of in SETS:
            yield from (Cell(of, scenario, method) for method in ("plain", "joint", "separate"))
            for method, strengths in STRENGTHS.items():
                yield from (Cell(of, scenario, method, float(one)) for one in strengths)
            yield from (Cell(of, scenario, "replay", float(one)) for one in MEMORIES)


@dataclass(frozen=True, slots=True)
class Line:
    """What is kept of a cell; a list has an entry a seed."""

    set: str
    scenario: str
    method: str
    strength: float
    #: Mean accuracy on the validation splits of the first three tasks, after the third.
    selection: tuple[float, ...]
    #: On the test splits.
    average: tuple[float, ...]
    learning: tuple[float, ...]
    forgetting: tuple[float, ...]
    backward: tuple[float, ...]
    seconds: float
    pipeline: str

    @classmethod
    def of(cls, cell: Cell, run: Run, seconds: float) -> Line:
        """Of a finished run."""
        found = run.typed.tasks
        assert found is not None
        return cls(
            *(cell.set, cell.scenario, cell.method, cell.strength),
            tuple(one for one in run.typed.selection.per_seed if one is not None),
            *(_each(one) for one in (found.average, found.learning, found.forgetting, found.backward)),
            round(seconds, 2),
            digest_of(cell),
        )

    @property
    def cell(self) -> Cell:
        """What it is of."""
        return Cell(self.set, self.scenario, self.method, self.strength)

    def row(self) -> dict[str, str]:
        """As the file has it."""
        return {
            key: " ".join(f"{one:.6g}" for one in value) if isinstance(value, tuple) else str(value)
            for key, value in asdict(self).items()
        }

    @classmethod
    def read(cls, row: Mapping[str, str]) -> Line:
        """Of a row."""
        numbers = ("selection", "average", "learning", "forgetting", "backward")
        found: dict[str, Any] = dict(row)
        found |= {key: tuple(map(float, row[key].split())) for key in numbers}
        found |= {key: float(row[key]) for key in ("strength", "seconds")}
        return cls(**found)


def digest_of(cell: Cell) -> str:
    """Of the pipeline: a cell of another one is measured anew."""
    return hashlib.sha256(json.dumps(cell.pipeline().spec.to_json(), sort_keys=True).encode()).hexdigest()[:12]


def read_lines(path: Path = CELLS) -> dict[Cell, Line]:
    """What is measured; the last of a cell counts."""
    if not path.exists():
        return {}
    with path.open(encoding="utf-8", newline="") as file:
        return {line.cell: line for line in map(Line.read, csv.DictReader(file))}


def add_line(line: Line, path: Path = CELLS) -> None:
    """Write it behind the others."""
    new = not path.exists()
    with path.open("a", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, [one.name for one in fields(Line)], lineterminator="\n")
        if new:
            writer.writeheader()
        writer.writerow(line.row())


def _each(score: Score | None) -> tuple[float, ...]:
    return () if score is None else tuple(score.per_seed)
