"""`make evidence-store`: writers in one folder, flipped bits, the same requests, signals. Prints what became of each.

Runs are processes forked from this one, which has imported everything; a dozen more are started afresh, so that signals
meet imports, too.
"""

from __future__ import annotations

import contextlib
import json
import os
import random
import shutil
import signal
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch

from graftwork import Pipeline, load
from graftwork.core.cli import main
from graftwork.core.data.items import Media
from graftwork.core.stages.encode import EncoderStage
from graftwork.core.storage.claim import LOCK, PARTIAL
from graftwork.core.storage.manifest import adapter_folder
from graftwork.core.storage.result import Result
from graftwork.core.storage.run_folder import read_json_file
from graftwork.core.storage.store.verify import verify
from graftwork.core.studies.compare import compare
from graftwork.plugins.encoders import OpenClipSpec
from graftwork.registry.discovery import default_catalogue
from graftwork.registry.errors import GraftworkError

from .small_pipeline import Hearing, catalogue, pipeline

#: A pipeline of installed components, so that the command line knows it; a second where its vectors are stored.
SPEC: dict[str, Any] = {
    "version": 1,
    "name": "small",
    "dataset": {"type": "digits", "shots": 2},
    "encoder": {"type": "open_clip", "model": "pocket", "templates": ["a photo of the digit {}."]},
    "graph": {"type": "similarity", "threshold": 0.8},
    "adapter": {"type": "ga_net", "bottleneck": 8},
    "task": {"type": "classification", "head": {"type": "linear"}},
    "trainer": {"epochs": 20},
    "reporters": [{"type": "jsonl"}],
}
COMMAND = "import sys; from graftwork.core.cli import main; sys.argv[0] = 'graftwork'; main()"


def small_run(folder: Path, store: Path, **more: Any) -> Path:
    """A finished run of a second, whose result depends on all that stands in the store."""
    cosine = {"type": "cosine"}
    made = pipeline(task__head=cosine, trainer__epochs=1, reporters=[{"type": "jsonl"}, {"type": "hearing"}], **more)
    return made.run(folder, store).folder


def flipped(path: Path, draw: random.Random) -> None:
    """Turn one bit of a file around."""
    content = bytearray(path.read_bytes())
    content[draw.randrange(len(content))] ^= 1 << draw.randrange(8)
    path.write_bytes(content)


def flips_of_a_run(run: Path, scratch: Path, count: int, seed: int) -> Iterator[tuple[str, str]]:
    """The file whose bit was turned, and what ``compare`` and ``load`` made of that."""
    draw, known = random.Random(seed), catalogue()
    names = sorted(str(path.relative_to(run)) for path in run.rglob("*") if path.is_file() and path.stat().st_size)
    readers: tuple[Callable[[Path], object], ...] = (
        lambda folder: compare([folder], {}, known, scratch / "store", scratch / "out"),
        lambda folder: load(folder, device="cpu", catalogue=known),
    )
    for number in range(count):
        name, copy = names[number % len(names)], scratch / "copy"
        shutil.copytree(run, copy)
        flipped(copy / name, draw)
        for read in readers:
            yield name, _outcome(read, copy, copy / name)
        shutil.rmtree(copy)


def _outcome(read: Callable[[Path], object], folder: Path, path: Path) -> str:
    try:
        read(folder)
    except GraftworkError as error:
        return "refused, rightly blamed" if str(error).startswith(str(path)) else f"another blamed: {error}"
    except Exception as error:  # noqa: BLE001  # counted
        return f"{type(error).__name__}: {error}"
    return "silent"


def flips_of_a_store(scratch: Path, count: int, seed: int) -> Iterator[tuple[str, str]]:
    """The kind of file whose bit was turned, and what a run over that store made of it."""
    draw = random.Random(seed)
    result = Result.read(small_run(scratch / "first", scratch / "store") / "result.json")
    names = [path.relative_to(scratch / "store") for path in sorted((scratch / "store").rglob("*")) if _has_bits(path)]
    names = [name for name in names if name.name == "about.json"] * 2 + names
    for number in range(count):
        name, store = names[number % len(names)], scratch / "copy"
        shutil.copytree(scratch / "store", store)
        flipped(store / name, draw)
        Hearing.heard.clear()
        run = small_run(scratch / "again", store)
        same = Result.read(run / "result.json").test == result.test
        said = any("about.json" in note for note in _notes())
        yield (
            name.name if name.suffix == ".json" else name.suffix,
            (f"{'the same result' if same else 'ANOTHER RESULT'}{', said' if said else ''}"),
        )
        shutil.rmtree(store)
        shutil.rmtree(run)


def _has_bits(path: Path) -> bool:
    return path.is_file() and path.stat().st_size > 0


def _notes() -> list[str]:
    return [one.message for one in Hearing.heard if hasattr(one, "message")]


def forked(arguments: Sequence[str], folder: Path, begin: float) -> int:
    """The process of a command that begins at ``begin`` in ``folder``."""
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        os.chdir(folder)
        quiet = os.open(folder / f"said-{os.getpid()}", os.O_WRONLY | os.O_CREAT)
        os.dup2(quiet, 1)
        os.dup2(quiet, 2)
        sys.argv = ["graftwork", *arguments]
        time.sleep(max(0.0, begin - time.time()))
        main()
        code = 0
    except SystemExit as end:
        code = end.code if isinstance(end.code, int) else 1 if end.code else 0
    finally:
        with contextlib.suppress(Exception):
            sys.stderr.flush()
        os._exit(code)


def ended(child: int) -> int:
    """Its exit code; of one that a signal killed, minus its number."""
    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1])


def whole(run: Path) -> bool:
    """Whether all in it is of one run: that of the seed which its result names."""
    adapter_folder(run)
    seeds = list(Result.read(run / "result.json").seeds)
    events = [json.loads(line) for line in (run / "events.jsonl").read_text().splitlines()]
    trained = [one["seed"] for one in events if one["event"] == "TrainingFinished"]
    return seeds == trained == [read_json_file(run / "lock.json")["pipeline"]["seed"]] and not (run / LOCK).exists()


def same_requests(folder: Path, processes: int, requests: int, seed: int, *, kill: bool) -> str:
    """What became of processes that ask one store for the same texts, one after the other, each in an order of its own;
    with ``kill`` the first is killed in the middle, and starts again."""
    store, begin = folder / "store", time.time() + 0.3
    draw = random.Random(seed)
    children = [_asking(store, folder / f"{one}", requests, draw.random(), begin) for one in range(processes)]
    killed = 0
    if kill:
        time.sleep(max(0.0, begin - time.time()) + draw.uniform(0.5, 6.0))
        os.kill(children[0], signal.SIGKILL)
        killed = int(ended(children[0]) == -signal.SIGKILL)
        children[0] = _asking(store, folder / "0", requests, draw.random(), 0.0)
    codes = {ended(child) for child in children}
    answers = {np.load(one).tobytes() for one in folder.glob("*.npy")}
    torn = len(verify(store).altered)
    twice = len(list(store.glob("features/*/*/text/*.safetensors"))) - requests  # a request's is a shard of one text
    shutil.rmtree(folder)
    computed = "each computed once" if not twice else f"{twice} computed twice"
    said = f", {killed} killed" if kill else ""
    alike = "one answer" if len(answers) == 1 else f"{len(answers)} ANSWERS"
    return f"exit codes {sorted(codes)}{said}; {alike}; {computed}; {torn} torn"


def _asking(store: Path, out: Path, requests: int, seed: float, begin: float) -> int:
    """A process that asks for the texts 0 to ``requests`` one by one, and saves their vectors in that order."""
    child = os.fork()
    if child:
        return child
    code = 70
    try:
        torch.set_num_threads(1)
        numbers = list(range(requests))
        random.Random(seed).shuffle(numbers)
        time.sleep(max(0.0, begin - time.time()))
        stage = EncoderStage(OpenClipSpec(), default_catalogue(), store, lambda: torch.device("cpu"))
        found = {one: stage.encode("text", [Media.of_text(f"a photo of the digit {one}.")])[0] for one in numbers}
        out.parent.mkdir(parents=True, exist_ok=True)
        np.save(out.with_name(f"{out.name}.npy"), np.stack([found[one] for one in range(requests)]))
        code = 0
    except BaseException:  # noqa: BLE001  # said, and the code tells
        import traceback

        traceback.print_exc()
    finally:
        os._exit(code)


def pair_of_writers(folder: Path, number: int, *, out: bool) -> str:
    """What became of two runs that begin at once."""
    begin, more = time.time() + 0.1, ["--out", "runs/x"] if out else []
    children = [
        forked(["run", str(folder / "spec.json"), "--set", f"seed={number * 2 + one}", *more], folder, begin)
        for one in range(2)
    ]
    codes = sorted(map(ended, children))
    found = sorted((folder / "runs").iterdir())
    unfit = [one.name for one in found if one.suffix == PARTIAL or not whole(one)]
    shutil.rmtree(folder / "runs")
    return f"exit codes {codes}, {len(found) - len(unfit)} whole runs{f', and {unfit}' if unfit else ''}"


def signalled(folder: Path, one: signal.Signals, after: float, *, fresh: bool) -> str:
    """What became of a run that got a signal after so many seconds, and of the next start into its folder."""
    arguments = ["run", str(folder / "spec.json"), "--out", "runs/x"]
    if fresh:
        # SIGINT is ignored in the background jobs of a shell, and that is inherited.
        command = f"import signal; signal.signal(signal.SIGINT, signal.default_int_handler); {COMMAND}"
        with subprocess.Popen(
            [sys.executable, "-c", command, *arguments],
            cwd=folder,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        ) as started:
            time.sleep(after)
            started.send_signal(one)
            said, code = started.communicate()[1], started.returncode
    else:
        child = forked(arguments, folder, 0)
        time.sleep(after)
        os.kill(child, one)
        code = ended(child)
        said = (folder / f"said-{child}").read_text()
    trace = ", A TRACEBACK" if "Traceback" in said else ""
    if not (folder / "runs" / "x").exists() and (again := ended(forked([*arguments, "--resume"], folder, 0))):
        return f"{one.name}: exit code {code}{trace}, and the next start's {again}"
    left = [path.name for path in (folder / "runs").iterdir() if path.name != "x"]
    fit = "" if whole(folder / "runs" / "x") and not left else f", AND {left} LEFT"
    shutil.rmtree(folder / "runs")
    return f"{one.name}: exit code {code}{trace}; the next start is whole{fit}"


def _page(pairs: int, flips: int, store_flips: int, kills: int, fresh: int, rounds: int) -> bool:
    """Print it; whether all is as it should be."""
    fine = True

    def table(title: str, outcomes: Iterator[tuple[str, str]], good: Callable[[str], bool]) -> None:
        nonlocal fine
        counts = Counter(outcomes)
        print(f"\n## {title}\n| what | what became of it | times |\n|---|---|---|")
        for (what, outcome), number in sorted(counts.items()):
            fine = fine and good(outcome)
            print(f"| {what} | {outcome} | {number} |", flush=True)

    signal.signal(signal.SIGINT, signal.default_int_handler)
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        os.environ["GRAFTWORK_CACHE"] = str(folder / "cache")
        (folder / "spec.json").write_text(json.dumps(SPEC))
        (folder / "warm").mkdir()
        Pipeline.from_dict(SPEC).run(folder / "warm" / "run")
        table(
            f"{pairs} pairs of writers into one `--out`, {pairs} without",
            (
                (f"{'one' if out else 'no'} `--out`", pair_of_writers(folder, number, out=out))
                for out in (True, False)
                for number in range(pairs)
            ),
            lambda outcome: outcome in ("exit codes [0, 2], 1 whole runs", "exit codes [0, 0], 2 whole runs"),
        )
        run = small_run(folder / "flip" / "run", folder / "flip" / "store")
        table(
            f"{flips} bits flipped in a run folder, read by `compare` and by `load`",
            flips_of_a_run(run, folder / "flip", flips, seed=3),
            lambda outcome: outcome == "refused, rightly blamed",
        )
        table(
            f"{store_flips} bits flipped in the store",
            flips_of_a_store(folder / "flip", store_flips, seed=4),
            lambda outcome: outcome.startswith("the same result"),
        )
        table(
            f"{PROCESSES} processes with the same {REQUESTS} requests, {rounds} times",
            (
                (
                    "one killed and started again" if kill else "all live",
                    same_requests(folder / "same", PROCESSES, REQUESTS, number, kill=kill),
                )
                for kill in (False, True)
                for number in range(rounds)
            ),
            lambda outcome: outcome.startswith("exit codes [0]") and outcome.endswith(SAME),
        )
        draw, began = random.Random(5), time.monotonic()
        ended(forked(["run", str(folder / "spec.json"), "--out", "runs/x"], folder, 0))
        lasts = time.monotonic() - began
        shutil.rmtree(folder / "runs")
        moments = [(draw.uniform(0.05, lasts), False) for _ in range(kills)]
        moments += [(draw.uniform(0.3, 8 * lasts), True) for _ in range(fresh)]
        table(
            f"Signals at {kills} moments of a run of {lasts:.1f} s, and at {fresh} of one that imports first",
            (
                ("fresh" if new else "forked", signalled(folder, one, after, fresh=new))
                for number, (after, new) in enumerate(moments)
                for one in [(signal.SIGTERM, signal.SIGINT)[number % 2]]
            ),
            lambda outcome: outcome.split("; ")[0] in GOOD and outcome.endswith("; the next start is whole"),
        )
    return fine


#: Of the requests.
PROCESSES, REQUESTS = 8, 500
#: What a killed process was computing may be computed again.
SAME = tuple(f"; one answer; {computed}; 0 torn" for computed in ("each computed once", "1 computed twice"))
#: A signal that comes when the run is over changes nothing; one that comes before Python listens ends the process.
GOOD = [
    *(f"SIGTERM: exit code {code}" for code in (143, 0, -15)),
    *(f"SIGINT: exit code {code}" for code in (130, 0, -2)),
]

if __name__ == "__main__":
    sys.exit(0 if _page(*map(int, sys.argv[1:] or (24, 600, 120, 30, 12, 1))) else 1)
