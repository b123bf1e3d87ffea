"""The cells of docs/results/real.md: the pipeline of each, and what it measured as a line of JSON.

A cell is a set and a method of ``examples/real``, shots, and a seed.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Self

from graftwork import Pipeline
from graftwork.core.run.measured import measured
from graftwork.core.run.run import Run
from graftwork.core.spec.extends import merged, read_composed
from graftwork.core.storage.record import Record
from graftwork.core.studies.paired import scores_of

from ...support.paths import ROOT

SPECS = ROOT / "examples" / "real"
#: A seed redraws the split, the labelled items and the initial weights.
SEEDS = tuple(range(10))
#: What the goals are about, named before anything was measured.
GA_NET = "ga_net"
#: Set (a file of ``SPECS``) to its shots; the least class of the stamps has six pictures to train on.
SHOTS: Mapping[str, tuple[int, ...]] = {
    "emoji": (1, 2, 4, 8, 16),
    "stamps": (1, 2, 4),
    "mnist5k": (1, 2, 4, 8, 16),
}
#: Method (a file of ``SPECS / "methods"``) to its row.
METHODS: Mapping[str, str] = {
    "zero_shot_words": "zero-shot, words alone",
    "zero_shot": "zero-shot",
    "logistic_regression_words": "logistic regression, words alone",
    "logistic_regression_pictures": "logistic regression, pictures alone",
    "logistic_regression": "logistic regression",
    "tip_adapter": "Tip-Adapter, centred",
    "self_training": "self-training",
    "label_propagation": "label propagation",
    "bottleneck": "bottleneck",
    "diffusion": "diffusion (untrained) + logistic regression",
    "ga_net_prototypes": "GA-Net, prototypes",
    GA_NET: "GA-Net, solved",
}
#: Of GA-Net, on ``ABLATED`` at the shots of ``FIRST``. Without training it is the method ``diffusion``.
ABLATIONS: Mapping[str, str] = {
    "no_graph": "no graph",
    "no_pool": "no pool",
    "no_text": "no text",
    "no_centring": "no centring",
    "no_blend": "no blend",
}
#: Logistic regression, with what the pocket LLaVA says of a picture in the place of human words; likewise.
DESCRIBED: Mapping[str, str] = {
    "described_words": "logistic regression, the pocket LLaVA's words alone",
    "described": "logistic regression, the pocket LLaVA's words",
}
ABLATED, FIRST = "emoji", (1, 4, 16)
#: Methods that a set cannot have: the digits come without words, and `dual` joins no pictures with prompts.
LEFT_OUT: Mapping[str, frozenset[str]] = {
    "emoji": frozenset({"zero_shot"}),
    "stamps": frozenset({"zero_shot"}),
    "mnist5k": frozenset({"zero_shot_words", "logistic_regression_words", "logistic_regression_pictures"}),
}


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of the table."""

    set: str
    shots: int
    method: str
    seed: int

    def pipeline(self, dataset: Mapping[str, Any]) -> Pipeline:
        """Its pipeline; ``dataset`` are fields of the data set besides, such as where it lies on this machine."""
        fields = {**dataset, "shots": self.shots, "split_seed": self.seed}
        overrides = {f"dataset.{key}": value for key, value in fields.items()}
        parts = [read_composed(SPECS / path) for path in (f"{self.set}.json", f"methods/{self.method}.json")]
        named = {"name": f"{self.set}-{self.method}-{self.shots}-{self.seed}", "evaluation.seeds": [self.seed]}
        return Pipeline.from_dict(merged(*parts).value, {**overrides, **named, "reporters": []})

    def said(self) -> str:
        """In a few words."""
        return f"{self.set}, {self.shots} shot{'s' if self.shots > 1 else ''}, {self.method}, seed {self.seed}"


def methods_of(name: str) -> list[str]:
    """The methods that a set can have, in the order of the table."""
    return [method for method in METHODS if method not in LEFT_OUT[name]]


def cells() -> Iterator[Cell]:
    """All of them; an early stop leaves rows of equal length: the shots of ``FIRST`` and the ablations, seed by seed,
    then the other shots.
    """
    for first in (True, False):
        for seed in SEEDS:
            for name, shots in SHOTS.items():
                some = [count for count in shots if (count in FIRST) == first]
                yield from (Cell(name, count, method, seed) for count in some for method in methods_of(name))
            if first:
                yield from (
                    Cell(ABLATED, count, method, seed) for count in FIRST for method in (*ABLATIONS, *DESCRIBED)
                )


def digest_of(pipeline: Pipeline) -> str:
    """Of all that the spec says but where its data lies, so that a line is taken for no other pipeline's."""
    value = pipeline.spec.to_json()
    value["dataset"].pop("root", None)
    if not value["trainer"]["warmup"]:
        del value["trainer"]["warmup"]  # lines from before it was there
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()[:16]


class Line(Record):
    """A finished cell."""

    set: str
    shots: int
    method: str
    seed: int
    spec: str
    """Digest of its pipeline."""
    test: float
    val: float | None
    chosen: Mapping[str, Any]
    """What validation chose."""
    tried: int
    """Of how many."""
    trainable: int
    fitted: int
    train_seconds: float
    """Wall time of one training."""
    cpu_seconds: float
    """Processor time of the whole run: its search, its test, its files."""
    shares: Mapping[str, float]
    """The neighbours' weight in each message of the adapter."""
    right: Sequence[str]
    """The test items whose class was found."""
    wrong: Sequence[str]
    """The others."""

    @classmethod
    def of(cls, cell: Cell, spec: str, run: Run, cpu_seconds: float) -> Self:
        """Of a finished run with one seed."""
        found, result = measured(run.typed), run.typed
        scores = {key.partition("\n")[0]: value for key, value in scores_of(run.folder, result)[cell.seed].items()}
        shares = (result.graph.neighbour_shares if result.graph else None) or [{}]
        return cls(
            set=cell.set,
            shots=cell.shots,
            method=cell.method,
            seed=cell.seed,
            spec=spec,
            test=found.test.mean,
            val=found.val.mean if found.val else None,
            chosen=result.chosen,
            tried=found.tried,
            trainable=found.trainable,
            fitted=found.fitted,
            train_seconds=found.seconds,
            cpu_seconds=cpu_seconds,
            shares=shares[0],
            right=tuple(id_ for id_, score in scores.items() if score == 1),
            wrong=tuple(id_ for id_, score in scores.items() if score == 0),
        )

    @property
    def cell(self) -> Cell:
        """Which one."""
        return Cell(self.set, self.shots, self.method, self.seed)

    @property
    def scores(self) -> dict[str, float]:
        """Test item to 1 or 0."""
        return {**dict.fromkeys(self.right, 1.0), **dict.fromkeys(self.wrong, 0.0)}


def read_lines(path: Path) -> dict[Cell, Line]:
    """The last line of each cell. A line that was cut at the end of the file is as if it were not there."""
    found: dict[Cell, Line] = {}
    for text in path.read_text("utf-8").splitlines() if path.is_file() else ():
        try:
            value = json.loads(text)
        except json.JSONDecodeError:
            continue
        line = Line.model_validate(value)
        found[line.cell] = line
    return found
