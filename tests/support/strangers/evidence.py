"""`make evidence-strangers`: adapter folders that a stranger altered, loaded and asked; a page of what became of them.

Each form of run is tried in a process of its own, of bounded memory: one that a folder kills is counted, too.
"""

from __future__ import annotations

import json
import resource
import subprocess
import sys
import tempfile
import time
import traceback
import warnings
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numpy as np

from graftwork.core.storage.manifest import MANIFEST, seal
from graftwork.registry.errors import GraftworkError

from .alterations import alterations, copied, damaged
from .small_runs import NAMES, adapter_of, asked, loaded

#: Bytes of address space that a process may have beside what torch takes of it; and seconds.
MEMORY, SECONDS = 8 << 30, 1800
#: Damages of each file of each form, once as found and once sealed again by a stranger who knows how.
DAMAGES = 10
GOOD = ("refused, file named", "the same answer", "another adapter, answered")
Outcomes = Iterator[tuple[str, str, str]]


def outcomes(name: str, damages: int, work: Path, seed: int = 1, every: int = 1) -> Outcomes:
    """What was done, to which kind it counts, and what became of it; of whole values ``every`` so many alone."""
    whole, ask = adapter_of(name, work / name), asked(name)
    answer, rng = _asked(whole, ask), np.random.default_rng(seed)
    for file in sorted(path.name for path in whole.iterdir()):
        for number in range(damages):
            for again in (False, True) if file != MANIFEST else (False,):
                folder = copied(whole, work / "altered")
                (folder / file).write_bytes(damaged((folder / file).read_bytes(), rng))
                if again:
                    seal(folder)
                kind = "damaged, sealed again" if again else "damaged"
                yield f"{file} {kind} {number}", kind, _outcome(folder, ask, answer, file, again)
    for number, one in enumerate(alterations(whole)):
        if number % every == 0:
            folder = copied(whole, work / "altered")
            one.alter(folder)
            yield one.name, "a value replaced", _outcome(folder, ask, answer, one.blamed, False)


def _outcome(folder: Path, ask: Callable[[Path], Any], answer: Any, blamed: str, another_is_fine: bool) -> str:
    try:
        found = _asked(folder, ask)
    except GraftworkError as error:
        said = str(error)
        return GOOD[0] if blamed in said and "Traceback" not in said else f"refused without {blamed}: {said[:200]}"
    except Exception:  # noqa: BLE001 - what is counted here
        return f"traceback: {traceback.format_exc()[-500:]}"
    if found == answer:
        return GOOD[1]
    return GOOD[2] if another_is_fine else "another answer without a word"


def _asked(folder: Path, ask: Callable[[Path], Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        return ask(folder)


def child(name: str, damages: int) -> None:
    """Write a line before and after each folder, so that one that kills the process is known."""
    with tempfile.TemporaryDirectory() as work:
        warm = loaded(adapter_of("layers", Path(work) / "warm"))  # what libraries map is not what a folder takes
        assert warm
        taken = int(Path("/proc/self/statm").read_text().split()[0]) * resource.getpagesize()
        resource.setrlimit(resource.RLIMIT_AS, (taken + MEMORY, taken + MEMORY))
        for done in outcomes(name, damages, Path(work)):
            print(json.dumps(done), flush=True)
    print(json.dumps(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss), flush=True)


def main(damages: int) -> int:
    """Print the page; 1 if anything was neither refused by name nor answered."""
    print(f"# Adapter folders of strangers\n\n`make evidence-strangers`, {time.strftime('%Y-%m-%d')}.\n")
    counts: dict[tuple[str, str], Counter[str]] = defaultdict(Counter)
    wrong, peaks, ends = [], [], []
    for name in NAMES:
        command = [sys.executable, "-m", __spec__.name, "child", name, str(damages)]  # type: ignore[name-defined]
        run = subprocess.run(command, capture_output=True, text=True, timeout=SECONDS, check=False)
        *lines, last = run.stdout.splitlines() or [""]
        if run.returncode != 0:
            ends.append(f"{name}: the process ended with {run.returncode} after {last[:200]}\n{run.stderr[-2000:]}")
        peaks.append(int(last) / 1024 if last.isdecimal() else 0)
        for what, kind, outcome in map(json.loads, lines):
            counts[name, kind][outcome if outcome in GOOD else "wrong"] += 1
            wrong += [] if outcome in GOOD else [f"{name}: {what}: {outcome}"]
    print("| run | what was done | folders | refused, file named | same answer | another adapter | anything else |")
    print("|---|---|--:|--:|--:|--:|--:|")
    for (name, kind), found in counts.items():
        row = [str(found.total()), *(str(found[one]) for one in (*GOOD, "wrong"))]
        print(f"| {name} | {kind} | {' | '.join(row)} |")
    total = sum(found.total() for found in counts.values())
    print(f"\n{total:,} folders; {len(ends)} processes ended early; most memory of a process {max(peaks):,.0f} MB")
    for one in (*wrong, *ends):
        print(f"- {one}")
    return int(bool(wrong or ends))


if __name__ == "__main__":
    if sys.argv[1:2] == ["child"]:
        child(sys.argv[2], int(sys.argv[3]))
    else:
        sys.exit(main(int(sys.argv[1]) if len(sys.argv) > 1 else DAMAGES))
