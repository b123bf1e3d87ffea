"""`make evidence-resume`: runs killed at random moments, within chosen steps, before chosen operations on the disk, and
while two processes train; and what became of each. Prints a page.

Runs are processes forked from this one, which has imported everything; a kill is SIGKILL, so that nothing tidies up.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from graftwork import Pipeline
from graftwork.core.storage.claim import CHECKPOINTS, PARTIAL
from graftwork.core.training import finished
from graftwork.core.training.checkpoints import folder as written
from graftwork.core.training.checkpoints.folder import Checkpoints
from graftwork.core.training.steps import Steps
from graftwork.registry.catalogue import Catalogue
from graftwork.registry.discovery import default_catalogue

from ...support.small_layers import with_little_data
from ...support.small_pipeline import SMALL, catalogue
from .test_checkpoints import FEATURES, numbers_of, towers

#: Seconds between two checkpoints: many, so that many are met.
EVERY = 0.02
#: Seconds after which a run that should have ended counts as one that hangs.
LONGEST = 120.0


@dataclass
class Case:
    """A pipeline, and what an uninterrupted run of it gave."""

    name: str
    spec: Mapping[str, Any]
    known: Catalogue
    folder: Path
    #: Processes that train.
    jobs: int = 1
    numbers: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0

    def child(self, *, before_step: int | None = None, before_writing: int | None = None) -> int:
        """A process that runs it, or goes on with it, into ``x``; it kills itself before one of its steps, or of its
        operations on the disk, by number.
        """
        if child := os.fork():
            return child
        code = 70
        try:
            quiet = os.open(self.folder / "said", os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
            os.dup2(quiet, 1)
            os.dup2(quiet, 2)
            if before_step is not None:
                _cut_before_step(before_step)
            if before_writing is not None:
                _cut_before_writing(self.folder, before_writing)
            self.run()
            code = 0
        except BaseException:  # noqa: BLE001  # said, and the code tells
            import traceback

            traceback.print_exc()
        finally:
            with contextlib.suppress(Exception):
                sys.stderr.flush()
            os._exit(code)

    def run(self) -> None:
        """Once, to its end."""
        pipeline = Pipeline.from_dict(self.spec, catalogue=self.known)
        pipeline.run(self.folder / "x", self.folder / "store", resume=True, checkpoint_every=EVERY, jobs=self.jobs)

    def whole(self) -> None:
        """Without an interrupt: once in this process, which imports what it takes; once in another, which is timed."""
        self.run()
        self.clear()
        since = time.monotonic()
        assert ended(self.child()) == 0, (self.folder / "said").read_text()
        self.seconds = time.monotonic() - since
        self.numbers = numbers_of(self.folder / "x")
        self.clear()

    def clear(self) -> None:
        """Nothing is stored and nothing is run."""
        for path in self.folder.iterdir():
            shutil.rmtree(path) if path.is_dir() else path.unlink()

    def left(self) -> list[str]:
        """What no finished run leaves."""
        beside = {one.name for one in self.folder.iterdir()} - {"x", "store", "said"}
        return sorted({*beside, *(one.name for one in self.folder.rglob(".graftwork*") if not _stays(one))})


def _stays(path: Path) -> bool:
    return path.name in {".graftwork-lock", ".graftwork-used"} or path.suffix in {".lock"}


#: What changes a disk, as Python's audit events name it; and files that are opened to be written.
WRITING = {"os.mkdir", "os.rename", "os.link", "os.remove", "os.rmdir", "os.truncate", "os.utime", "os.symlink"}


def _is_writing(event: str, given: tuple[Any, ...], folder: str) -> bool:
    opened = event == "open" and bool((given[2] or 0) & (os.O_WRONLY | os.O_RDWR))
    return (event in WRITING or opened) and isinstance(given[0], str | Path) and str(given[0]).startswith(folder)


def _cut_before_writing(folder: Path, number: int) -> None:
    """Kill this process before the operation of that number on what is in a folder."""
    seen = [0]

    def cutting(event: str, given: tuple[Any, ...]) -> None:
        if _is_writing(event, given, f"{folder}{os.sep}"):
            if seen[0] == number:
                os.kill(os.getpid(), signal.SIGKILL)
            seen[0] += 1

    sys.addaudithook(cutting)


def _cut_before_step(steps: int) -> None:
    """Kill this process in the middle of the step after so many."""
    step, done = Steps._step, [0]

    def cutting(self: Steps) -> None:
        if done[0] == steps:
            os.kill(os.getpid(), signal.SIGKILL)
        done[0] += 1
        step(self)

    Steps._step = cutting  # type: ignore[method-assign]


def ended(child: int) -> int:
    """Its exit code; of one that a signal killed, minus its number. One that hangs is killed."""
    since = time.monotonic()
    while time.monotonic() - since < LONGEST:
        if (found := os.waitpid(child, os.WNOHANG))[0]:
            return os.waitstatus_to_exitcode(found[1])
        time.sleep(0.002)
    os.kill(child, signal.SIGKILL)
    os.waitpid(child, 0)
    return 99


def stage_at(folder: Path) -> str:
    """What a killed run was about, by what it left."""
    partial = folder / f"x{PARTIAL}"
    if (folder / "x").is_dir():
        return "over"
    if not partial.is_dir():
        return "before it began"
    if (partial / "adapter").exists() or (partial / "lock.json").exists():
        return "saving"
    if any((partial / CHECKPOINTS).glob("*/.graftwork-*")):
        return "writing or removing a checkpoint"
    if any(partial.glob("trainings/.graftwork-*")):
        return "writing a finished training"
    events = partial / "events.jsonl"
    lines = [json.loads(one) for one in events.read_text().splitlines() if one.endswith("}")] if events.exists() else []
    names = [one.get("stage", one["event"]) for one in lines if one["event"] not in ("Note", "RunStarted")]
    last = names[-1] if names else "listing"
    doing = {"describe": "describing", "encode": "encoding", "read": "reading what towers take"}
    return doing.get(last.split()[0], "training" if "Finished" in last else last)


def killed(case: Case, draw: random.Random) -> tuple[str, str]:
    """Where a run was when it was killed, and what became of the next start."""
    child = case.child()
    time.sleep(draw.uniform(0.0, 1.05 * case.seconds))
    with contextlib.suppress(ProcessLookupError):
        os.kill(child, signal.SIGKILL)
    ended(child)
    return stage_at(case.folder), outcome(case)


def outcome(case: Case) -> str:
    """What becomes of the next start."""
    return outcome_of(case, ended(case.child()))


def outcome_of(case: Case, code: int) -> str:
    """What became of a run that ended so."""
    if code:
        said = (case.folder / "said").read_text().strip().splitlines()
        return f"EXIT CODE {code}: {said[-1] if said else ''}"
    same = numbers_of(case.folder / "x") == case.numbers
    left = case.left()
    return ("the same bits" if same else "OTHER BITS") + (f", AND {left} LEFT" if left else ", nothing left")


def cut(case: Case, **where: int) -> tuple[str, str]:
    """A run that is killed within a step or before an operation, and what became of the next start."""
    ended(case.child(**where))
    return case.name, outcome(case)


def killed_beside(case: Case, draw: random.Random, *, worker: bool) -> tuple[str, str, str]:
    """Two processes train: their run is killed, and started again, or one of them is, and the run goes on."""
    child, trained = case.child(), case.folder / f"x{PARTIAL}" / CHECKPOINTS
    since = time.monotonic()
    while not any(trained.glob("*/*")) and not (case.folder / "x").exists() and time.monotonic() - since < LONGEST:
        time.sleep(0.01)
    time.sleep(draw.uniform(0.0, 0.5 * case.seconds))
    tasks = Path(f"/proc/{child}/task").glob("*/children")  # a process is a child of the thread that began it
    processes = [int(one) for task in tasks for one in task.read_text().split()]
    with contextlib.suppress(ProcessLookupError):
        os.kill(draw.choice(processes) if worker and processes else child, signal.SIGKILL)
    code = ended(child)
    killed = "one of two" if worker and processes else "their run"
    return killed, stage_at(case.folder), outcome_of(case, code) if worker and processes else outcome(case)


def operations_of(case: Case) -> int:
    """Of a whole run on what is in its folder, in a process of its own."""
    case.clear()
    low, high = 0, 1
    while ended(case.child(before_writing=high)):
        case.clear()
        low, high = high, 2 * high
    while high - low > 1:
        case.clear()
        middle = (low + high) // 2
        low, high = (low, middle) if ended(case.child(before_writing=middle)) == 0 else (middle, high)
    case.clear()
    return high


def steps_of(case: Case) -> int:
    """Of a whole run, in this process."""
    counted, step = [], Steps._step

    def counting(self: Steps) -> None:
        counted.append(1)
        step(self)

    Steps._step = counting  # type: ignore[method-assign]
    try:
        case.clear()
        case.run()
    finally:
        Steps._step = step  # type: ignore[method-assign]
    case.clear()
    return len(counted)


def cases(scratch: Path) -> list[Case]:
    """Vectors, towers, and a captioner before them."""
    made = []
    for name in ("features", "towers", "captioner"):
        (scratch / name).mkdir()
    few = {"type": "few_digits", "train": 4, "val": 2, "test": 2}
    slow = {**FEATURES["trainer"], "epochs": 5, "batch_size": 10}
    captioned = {
        **SMALL,
        "dataset": few,
        "captioner": {"type": "brightness"},
        "trainer": slow,
        "reporters": [{"type": "jsonl"}],
    }
    captioned["encoder"] = {"type": "open_clip", "model": "pocket", "templates": ["a digit, {}"]}
    captioned["graph"] = {"type": "similarity", "nodes": "pair", "threshold": 0.8}
    layers = dict(towers(scratch / "clip", {"type": "lora", "rank": 2, "dropout": 0.3}))
    layers |= {"evaluation": {"seeds": [0, 1]}, "trainer": {**layers["trainer"], "epochs": 3}}
    made.append(
        Case(
            "vectors, EWC, two seeds", {**FEATURES, "dataset": few, "trainer": slow}, catalogue(), scratch / "features"
        )
    )
    made.append(Case("LoRA with dropout inside two towers", layers, with_little_data(), scratch / "towers"))
    made.append(Case("a captioner, pictures and texts", captioned, catalogue(), scratch / "captioner"))
    return made


def beside(scratch: Path) -> Case:
    """Four seeds in two processes, of components that those know."""
    (folder := scratch / "beside").mkdir()
    spec = {
        "name": "beside",
        "dataset": {"type": "digits", "shots": 10},
        "encoder": {"type": "open_clip", "model": "pocket"},
        "adapter": {"type": "bottleneck", "bottleneck": 16},
        "task": {"type": "classification", "head": {"type": "linear"}},
        "regularizers": [{"type": "ewc", "strength": 1.0, "anchor": "init"}],
        "trainer": {"epochs": 60, "batch_size": 5, "optimizer": {"type": "adamw", "lr": 0.001}},
        "evaluation": {"seeds": [0, 1, 2, 3]},
        "reporters": [{"type": "jsonl"}],
    }
    return Case("vectors, EWC, four seeds", spec, default_catalogue(), folder, jobs=2)


def main(kills: int, cuts: int, seed: int, operations: int, pairs: int) -> bool:
    """Print the page; whether all is as it should be."""
    finished.SECONDS, written.SHARE = 0.0, 1.0
    draw, fine = random.Random(seed), True
    stages: Counter[tuple[str, ...]] = Counter()
    points, writings, ends = Counter[tuple[str, ...]](), Counter[tuple[str, ...]](), Counter[tuple[str, ...]]()
    with tempfile.TemporaryDirectory() as name:
        made = cases(Path(name))
        for case in made:
            case.whole()
        for number in range(kills):
            case = made[number % len(made)]
            stages[found := (case.name, *killed(case, draw))] += 1
            case.clear()
            print(number + 1, *found, sep="; ", file=sys.stderr, flush=True)
        if pairs:
            (two := beside(Path(name))).whole()
        for number in range(pairs):
            ends[found := killed_beside(two, draw, worker=number % 2 == 1)] += 1
            two.clear()
            print(number + 1, *found, sep="; ", file=sys.stderr, flush=True)
        Checkpoints.due = lambda self: True  # type: ignore[method-assign]
        for case in made:
            total = steps_of(case)
            for place in sorted(draw.sample(range(total), min(cuts, total))):
                points[found := (*cut(case, before_step=place), f"{total} steps")] += 1
                case.clear()
                print(place, *found, sep="; ", file=sys.stderr, flush=True)
        for case in made if operations else ():
            total = operations_of(case)
            for place in sorted(draw.sample(range(total), min(operations, total))):
                writings[found := (*cut(case, before_writing=place), f"{total} operations")] += 1
                case.clear()
                print(place, *found, sep="; ", file=sys.stderr, flush=True)
    tables = {
        f"{kills} kills at random moments": stages,
        f"Killed within {cuts} chosen steps": points,
        f"Killed before {operations} chosen operations on the disk": writings,
        f"{pairs} kills while two processes train": ends,
    }
    for title, rows in tables.items():
        print(f"\n## {title}\n| pipeline | | | times |\n|---|---|---|---|")
        for found, times in sorted(rows.items()):
            fine = fine and any("the same bits, nothing left" in one for one in found)
            print(f"| {' | '.join(found)} | {times} |", flush=True)
    return fine


if __name__ == "__main__":
    sys.exit(0 if main(*map(int, sys.argv[1:] or (200, 25, 7, 100, 26))) else 1)
