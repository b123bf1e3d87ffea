"""The cells of docs/results/hmmoe.md: the pipeline of each, and what it measured as a line of JSON.

A cell is one of HMMoE's eight tasks in the pocket world (``examples/hmmoe_pocket_*.json``), a method, and a seed.
"""

from __future__ import annotations

import csv
import gzip
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeAlias

from graftwork import Pipeline
from graftwork.core.storage.record import Record

from ...support.paths import ROOT

#: Task to its example; in this order they are measured.
TASKS: Mapping[str, str] = {
    "VQA": "vqa",
    "AVE": "ave",
    "MUSIC-AVQA": "avqa",
    "NLVR2": "nlvr2",
    "MSR-VTT": "msrvtt",
    "AVS-S4": "avs_s4",
    "AVS-MS3": "avs_ms3",
    "MSVD": "msvd",
}
SEEDS = (0, 1, 2)
#: The committed lines, in a folder of results.
KEPT = "hmmoe_cells.jsonl.gz"
HMMOE = "HMMoE"
FROZEN = "frozen + head"


def _experts(*kept: str, uniform: bool = False) -> Mapping[str, Any]:
    router = {"router": {"uniform": True}} if uniform else {}
    return {"experts": [{"type": name} for name in kept], **router}


#: Method to fields of the example's adapter that are others; one with a type stands in its place, with the same budget.
METHODS: Mapping[str, Mapping[str, Any]] = {
    HMMOE: {},
    "cross-attention alone": _experts("cross_attention", uniform=True),
    "affine alone": _experts("affine", uniform=True),
    FROZEN: {"type": "none"},
    "LoRA": {"type": "lora"},
    "unimodal alone": _experts("unimodal", uniform=True),
    "LAVISH-like": {"experts": [{"type": "cross_attention", "latent": 8}], "router": {"uniform": True}},
}
#: Likewise HMMoE without one of its parts, or in another form, at the same budget: what remains gets wider.
ABLATIONS: Mapping[str, Mapping[str, Any]] = {
    "without unimodal": _experts("cross_attention", "affine"),
    "without cross-attention": _experts("unimodal", "affine"),
    "without affine": _experts("unimodal", "cross_attention"),
    "without router": _experts("unimodal", "cross_attention", "affine", uniform=True),
    "with shared down-projections": {"share_down": True},
}
#: Tasks on which they are measured.
ABLATED = ("VQA", "MUSIC-AVQA", "AVS-S4", "AVS-MS3")
#: What the first half of the plan measures on every task before the others follow.
FIRST = tuple(METHODS)[:4]
#: Methods as above, with eight values to choose among in place of two, and whose fields they have.
WIDE: Mapping[str, str] = {f"{one}, searched wider": one for one in (HMMOE, "affine alone")}
#: Tasks on which they are measured: those with two rates on which HMMoE is not ahead, and adapters gain something.
WIDER = ("MUSIC-AVQA", "VQA", "AVS-S4", "MSR-VTT")

#: What validation chooses among with the first seed: dotted path to the name of a value to it. Of ``adapter`` it is
#: what is other than in the method.
Search: TypeAlias = Mapping[str, Mapping[str, Any]]
RATE, ADAPTER, WARMUP = "trainer.optimizer.lr", "adapter", "trainer.warmup"
#: Between the names of values of several paths.
SEPARATOR = " at "


def _named(*values: float) -> Mapping[str, float]:
    return {str(one): one for one in values}


#: HMMoE's forms: experts at nearly the rank of one alone, by columns that are shared, or beside one that is wide.
_FORMS: Mapping[str, Mapping[str, Any]] = {
    "default": {},
    "shared": {"share_down": True, "router": {"hidden": 4}},
    "shared, no unimodal": {**_experts("cross_attention", "affine"), "share_down": True, "router": {"hidden": 4}},
    "wide affine": {
        "experts": [{"type": "unimodal", "rank": 4}, {"type": "cross_attention", "rank": 4}, {"type": "affine"}],
        "router": {"hidden": 4},
    },
}
_SINGLE: Search = {WARMUP: {"no warm-up": 0.0, "warm-up": 0.1}, RATE: _named(0.003, 0.006, 0.01, 0.015)}
#: Method to it. (At .01 one seed of HMMoE starts too late on VQA, and LoRA falls to chance on events: docs/results.md.)
SEARCHES: Mapping[str, Search] = {
    **{one: {RATE: _named(0.003, 0.006)} for one in (*METHODS, *ABLATIONS)},
    "LoRA": {RATE: _named(0.001, 0.003)},
    **dict.fromkeys(WIDE, _SINGLE),
    f"{HMMOE}, searched wider": {ADAPTER: _FORMS, RATE: _named(0.006, 0.01)},
}
#: Task to methods that two more seeds are measured of: those that three seeds did not tell from HMMoE, and itself.
CLOSE: Mapping[str, Sequence[str]] = {
    "VQA": FIRST[:3],
    "AVE": FIRST[:3],
    "AVS-S4": (HMMOE, "affine alone"),
    "AVS-MS3": (HMMOE, "LoRA"),
    "NLVR2": (*FIRST[:3], "unimodal alone", "LoRA"),
    "MSR-VTT": FIRST[:3],
}
MORE_SEEDS = (3, 4)


@dataclass(frozen=True, slots=True)
class Cell:
    """One run of the table."""

    task: str
    method: str
    seed: int

    def pipeline(self, search: Search | None = None) -> Pipeline:
        """Its pipeline, which lets validation choose; by default all that the method is searched by."""
        path = ROOT / "examples" / f"hmmoe_pocket_{TASKS[self.task]}.json"
        spec: dict[str, Any] = json.loads(path.read_text("utf-8"))
        changed = {**METHODS, **ABLATIONS}[WIDE.get(self.method, self.method)]
        if "type" not in changed:
            spec["adapter"] |= changed
        else:
            budget = {} if self.method == FROZEN else {"budget": spec["adapter"]["budget"]}
            spec["adapter"] = {**changed, **budget}
        spec |= {"reporters": [], "evaluation": {"seeds": [self.seed]}}
        lists = {path: list(values.values()) for path, values in (search or SEARCHES[self.method]).items()}
        if ADAPTER in lists:
            lists[ADAPTER] = [spec["adapter"] | form for form in lists[ADAPTER]]
        return Pipeline({**spec, "search": lists})

    def said(self) -> str:
        """In a few words."""
        return f"{self.task}, {self.method}, seed {self.seed}"


def cells() -> Iterator[Cell]:
    """All of them: by task the methods of ``FIRST`` with all seeds, the others, forms, wider searches, more seeds."""
    for methods in (FIRST, [one for one in METHODS if one not in FIRST]):
        for task in TASKS:
            yield from (Cell(task, method, seed) for method in methods for seed in SEEDS)
    yield from (Cell(task, method, seed) for task in ABLATED for method in ABLATIONS for seed in SEEDS)
    yield from (Cell(task, method, seed) for task in WIDER for method in WIDE for seed in SEEDS)
    yield from (Cell(task, method, seed) for task in CLOSE for method in CLOSE[task] for seed in MORE_SEEDS)


class Line(Record):
    """A finished cell."""

    task: str
    method: str
    seed: int
    spec: str
    """Digest of its pipeline."""
    weights: str = ""
    """Digest of the frozen weights."""
    commit: str
    """Of the code that ran."""
    metric: str
    test: float
    val: float
    rate: float
    """The learning rate that validation chose with the first seed."""
    chosen: str = ""
    """The names of all values that it chose so, where the rate is not the only one."""
    tried: Mapping[str, float]
    """The names of values to what they had on val."""
    kept: int
    """The epoch that validation chose, from 1; 0 is the start."""
    epochs: int
    adapter: int
    """Its trainable parameters."""
    share: float
    """Of the frozen towers' parameters."""
    head: int
    """The head's."""
    train_seconds: float
    """Wall time of one training."""
    cpu_seconds: float
    """Processor time of the whole run: its search, its test, its files."""
    scores: Sequence[float]
    """What each test item has in the metric, in the order of the split."""

    @property
    def cell(self) -> Cell:
        """Which one."""
        return Cell(self.task, self.method, self.seed)


def search_of(cell: Cell, done: Mapping[Cell, Line]) -> Search:
    """What may be chosen for a cell: with a later seed what the first one had. Raises ``KeyError`` before that one."""
    search, first = SEARCHES[cell.method], Cell(cell.task, cell.method, SEEDS[0])
    if cell == first:
        return search
    names = (done[first].chosen or str(done[first].rate)).split(SEPARATOR)
    return {path: {name: values[name]} for (path, values), name in zip(search.items(), names, strict=True)}


def names_of(search: Search) -> list[str]:
    """The names of every combination, in the order in which a run tries them."""
    return [SEPARATOR.join(names) for names in itertools.product(*search.values())]


def read_lines(path: Path) -> dict[Cell, Line]:
    """The last line of each cell, of a file that may be compressed or not be there.

    A line that was cut at the end of the file is as if it were not there.
    """
    found: dict[Cell, Line] = {}
    data = path.read_bytes() if path.is_file() else b""
    for text in (gzip.decompress(data) if path.suffix == ".gz" else data).decode().splitlines():
        try:
            line = Line.model_validate(json.loads(text))
        except json.JSONDecodeError:
            continue
        found[line.cell] = line
    return found


def write_lines(lines: Mapping[Cell, Line], folder: Path) -> list[Path]:
    """``hmmoe_cells.csv``, which people read, and ``hmmoe_cells.jsonl.gz``, which has the scores, too.

    Rows of the table whose scores were not kept stay until their cell is measured again.
    """
    table, whole = folder / "hmmoe_cells.csv", folder / KEPT
    there = [lines[cell] for cell in cells() if cell in lines]
    fields = [name for name in Line.model_fields if name not in ("scores", "tried", "weights")]
    old = list(csv.reader(table.read_text("utf-8").splitlines()))[1:] if table.is_file() else []
    found = {tuple(row[:3]): row for row in old}
    found |= {_key(line.cell): [str(getattr(line, name)) for name in fields] for line in there}
    with table.open("w", encoding="utf-8", newline="") as file:
        rows = csv.writer(file, lineterminator="\n")
        rows.writerow(fields)
        rows.writerows(found[name] for name in map(_key, cells()) if name in found)
    texts = "".join(f"{json.dumps(line.to_json(), ensure_ascii=False)}\n" for line in there)
    whole.write_bytes(gzip.compress(texts.encode(), mtime=0))
    return [table, whole]


def _key(cell: Cell) -> tuple[str, ...]:
    return cell.task, cell.method, str(cell.seed)
