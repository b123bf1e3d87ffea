"""What a look at the store costs beside one at a small store, what its index costs, and what a process takes for it.

    python -m graftwork.benchmarks.store [--quick]

Shards are written by the shelf itself: 32,768 vectors of 64 numbers each. A look asks for so many of the stored items
and as many that are not stored; small and large store in turn, in one process, seconds of its processor.
"""

from __future__ import annotations

import hashlib
import shutil
import sys
import tempfile
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from functools import partial
from pathlib import Path
from statistics import median

import numpy as np

from ..core.storage.store import Namespace, VectorShelf
from ..core.storage.store.index import STABLE_NS
from ..core.storage.store.table import mapped
from .against import median_interval
from .memory import peak_now_mb, reset_peak, resident_mb

SIZES, QUICK = (1_000, 100_000, 1_000_000), (1_000, 10_000)
WIDTH, SHARD = 64, 32_768
ASKED, ROUNDS = (1, 100, 1_000), 41


def digests(numbers: Iterable[int]) -> list[str]:
    """Of items by number."""
    return [hashlib.sha256(number.to_bytes(8, "little")).hexdigest() for number in numbers]


def shelf(root: Path) -> VectorShelf:
    """The only one of a store."""
    return VectorShelf(Namespace(root, "features", {"encoder": "x"}), "w/image")


def fill(root: Path, count: int) -> None:
    """Store so many vectors, and wait until their shards can be known by their times."""
    rng = np.random.default_rng(0)
    for start in range(0, count, SHARD):
        some = digests(range(start, min(start + SHARD, count)))
        shelf(root).add(some, list(rng.standard_normal((len(some), WIDTH), np.float32)))
    time.sleep(STABLE_NS / 1e9 + 0.1)


def seconds(work: Callable[[], object]) -> float:
    """Of the processor, for one call: what other processes take of it does not count."""
    start = time.process_time()
    work()
    return time.process_time() - start


def paired(small: Callable[[int], object], large: Callable[[int], object]) -> tuple[list[float], list[float]]:
    """Seconds of each in turn, given the round's number; one round comes before."""
    small(ROUNDS), large(ROUNDS)
    took: tuple[list[float], list[float]] = ([], [])
    for number in range(ROUNDS):
        for side in (0, 1) if number % 2 == 0 else (1, 0):
            took[side].append(seconds(partial((small, large)[side], number)))
    return took


def questions(asked: int, count: int, absent: bool) -> list[list[str]]:
    """So many of ``count`` stored items in each round, and as many ``absent`` ones."""
    drawn = np.random.default_rng(asked).integers(0, count, (ROUNDS + 1, asked)).tolist()
    others = [range(start, start + asked) for start in range(10**9, 10**9 + (ROUNDS + 1) * asked, asked)]
    return [digests([*some, *(more if absent else ())]) for some, more in zip(drawn, others, strict=True)]


def looks(roots: Sequence[tuple[int, Path]], ask: Callable[[Path, list[str]], object], absent: bool) -> Iterator[str]:
    """A row for each number of items that is asked for and each larger store."""
    (least, smallest), *larger = roots
    for asked in ASKED:
        mine = questions(asked, least, absent)
        for count, root in larger:
            theirs = questions(asked, count, absent)
            small, large = paired(partial(_nth, ask, smallest, mine), partial(_nth, ask, root, theirs))
            ratio, low, high = median_interval([b / a for a, b in zip(small, large, strict=True)])
            yield (
                f"| {asked:,} | {count:,} | {median(small) * 1e3:.2f} | {median(large) * 1e3:.2f} "
                f"| {ratio:.2f} | {low:.2f} to {high:.2f} |"
            )


def _nth(ask: Callable[[Path, list[str]], object], root: Path, words: list[list[str]], number: int) -> object:
    return ask(root, words[number])


def built(root: Path, count: int) -> str:
    """A row on the first look, which makes the index."""
    shutil.rmtree(root / "index", ignore_errors=True)
    mapped.cache_clear()
    reset_peak()
    before = resident_mb()
    took = seconds(lambda: shelf(root).stored(digests([0])))
    grown = peak_now_mb() - before
    mapped.cache_clear()
    again = seconds(lambda: shelf(root).stored(digests([0])))
    size = sum(path.stat().st_size for path in (root / "index").rglob("*.index")) / 1e6
    stored = sum(path.stat().st_size for path in (root / "features").rglob("*.safetensors")) / 1e6
    return f"| {count:,} | {stored:,.1f} | {took:.2f} | {grown:,.0f} | {size:,.2f} | {again * 1e3:.2f} |"


def main() -> None:
    """Print the tables."""
    sizes = QUICK if "--quick" in sys.argv else SIZES
    with tempfile.TemporaryDirectory() as folder:
        roots = [(count, Path(folder) / str(count)) for count in sizes]
        for count, root in roots:
            fill(root, count)
        head = "| items | shards, MB | CPU s | memory grown by, MB | index, MB | the next look, CPU ms |"
        print(f"### The first look\n\n{head}\n{'|---' * 6}|")
        for count, root in roots:
            print(built(root, count), flush=True)
        asking: dict[str, Callable[[Path, list[str]], object]] = {
            "A look": lambda root, words: shelf(root).stored(words),
            "Taking": lambda root, words: shelf(root).take(words),
        }
        for title, ask in asking.items():
            head = "| asked | of items | of 1,000, CPU ms | of these, CPU ms | ratio | 95 % |"
            print(f"\n### {title}\n\n{head}\n{'|---' * 6}|")
            for row in looks(roots, ask, absent=title == "A look"):
                print(row, flush=True)


if __name__ == "__main__":
    main()
