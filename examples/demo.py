"""Graftwork on real pictures with human words: eight pipelines declared in JSON, one table.

    make demo          (or: python examples/demo.py)

The frozen encoders are real: EfficientNet-Lite0 for pictures, MiniLM for words. Every method has the same vectors,
labelled items and seeds; those that have something to choose get six combinations each on the validation split. An
interrupted demo goes on where it was: a finished pipeline is found again, not trained again. The second table, across
modalities, is printed from results that stand in the repository; it takes an hour to measure.
"""

from __future__ import annotations

import argparse
import json
import sys
import time
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from graftwork import GraftworkError
from graftwork.core.storage.root import store_root
from graftwork.core.studies.compare import compare
from graftwork.core.studies.compare_report import Comparison, Entry
from graftwork.core.studies.paired import Paired, pairs_of
from graftwork.core.studies.tables import values_in_words
from graftwork.registry.discovery import default_catalogue

HERE = Path(__file__).parent
#: Row to its spec in this folder.
METHODS = {
    "zero-shot, words": "emoji_zero_shot",
    "log. reg., words": "emoji_words",
    "log. reg., pictures": "emoji_pictures",
    "logistic regression": "emoji_logistic_regression",
    "Tip-Adapter": "emoji_tip_adapter",
    "bottleneck": "emoji_bottleneck",
    "GA-Net, no graph": "emoji_ganet_no_graph",
    "GA-Net": "emoji_ganet",
}
SHOTS = (1, 4, 16)
#: Cross-modal results that were measured before, with what they were measured on.
EVENTS = HERE.parent / "docs" / "results_events.json"


def main() -> None:
    """Run what was not run before, and print what it measured."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument(
        "--out", type=Path, default=Path("runs/demo"), help="folder of the runs; finished ones are kept"
    )
    out = parser.parse_args().out
    console, start = Console(highlight=False), time.perf_counter()
    console.print("the first time, 1,266 pictures and their words are encoded")
    measured = {shots: measure(METHODS, shots, {}, out, console) for shots in SHOTS}
    console.print(accuracy_table(measured))
    seconds = f"{time.perf_counter() - start:.0f} s in all, {time.process_time():.0f} s of processor time"
    lines = [*conclusions(measured), *conditions(measured), seconds]
    events = json.loads(EVENTS.read_text("utf-8"))
    console.print("\n".join(lines), soft_wrap=True, markup=False)
    console.print()
    console.print(events_table(events))
    console.print("\n".join([*events["conditions"], "", *NEXT]), soft_wrap=True, markup=False)


def measure(
    methods: Mapping[str, str], shots: int, overrides: Mapping[str, Any], out: Path, console: Console
) -> dict[str, Entry]:
    """Row to its run at so many labelled items a class. Raises the first pipeline's error where one failed."""

    def hear(name: str, outcome: Entry | GraftworkError, found: bool) -> None:
        said = f"failed: {outcome}" if isinstance(outcome, GraftworkError) else f"test {outcome.measured.test}"
        line = f"{_shots(shots)}, {name}: {said}{' (found)' if found else ''}"
        console.print(line, soft_wrap=True, markup=False)

    paths = [HERE / f"{stem}.json" for stem in methods.values()]
    done: Comparison = compare(
        paths, {**overrides, "dataset.shots": shots}, default_catalogue(), store_root(None), out.absolute(), hear
    )
    for error in done.failures.values():
        raise error
    return dict(zip(methods, done.entries, strict=True))


def accuracy_table(measured: Mapping[int, Mapping[str, Entry]]) -> Table:
    """A row a method, a column a shot count."""
    title = "29 kinds of emoji, pictures and human words: test accuracy"
    table = Table("method", title=title, title_justify="left")
    for shots in measured:
        table.add_column(_shots(shots), justify="right", no_wrap=True)
    for method in next(iter(measured.values())):
        table.add_row(method, *(_cell(method, entries) for entries in measured.values()))
    table.caption = "words, pictures: these alone; mean ± s.d. over seeds; * the highest mean"
    return table


def _cell(method: str, entries: Mapping[str, Entry]) -> str:
    test = entries[method].measured.test
    best = test.mean == max(entry.measured.test.mean for entry in entries.values())
    return f"{'*' if best else ''}{test.mean:.4f} ± {test.std:.4f}"


def conclusions(measured: Mapping[int, Mapping[str, Entry]]) -> Iterator[str]:
    """GA-Net against logistic regression and against itself without a graph, item by item."""
    for other in ("logistic regression", "GA-Net, no graph"):
        for shots, entries in measured.items():
            one = difference(entries, "GA-Net", other)
            said = f"{one.difference:+.4f}, 95 % interval {one.low:+.4f} to {one.high:+.4f}: {verdict(one)}"
            yield f"GA-Net against {other}, {_shots(shots)}: {said}"


def difference(entries: Mapping[str, Entry], name: str, against: str) -> Paired:
    """Of two rows, over the same items and seeds. Raises ``GraftworkError`` where they cannot be paired."""
    runs = [(row, entries[row].folder, entries[row].result) for row in (against, name)]
    pairs, reasons = pairs_of(runs)
    if not pairs:
        raise GraftworkError(f"{name} against {against}: {'; '.join(reasons.values())}")
    return pairs[0]


def verdict(one: Paired) -> str:
    """What the interval allows to say."""
    if one.low > 0:
        return "ahead"
    return "behind" if one.high < 0 else "level within the interval"


def conditions(measured: Mapping[int, Mapping[str, Entry]]) -> Iterator[str]:
    """What the figures were measured under, and what validation chose."""
    for method in next(iter(measured.values())):
        chosen = {shots: entries[method].result.chosen for shots, entries in measured.items()}
        said = "; ".join(f"{_shots(shots)}: {values_in_words(values)}" for shots, values in chosen.items() if values)
        if said:
            tried = max(entries[method].measured.tried for entries in measured.values())
            yield f"chosen on val of {tried} combinations, {method}, {said}"
    one = measured[max(measured)]["GA-Net"].result
    yield f"split: {one.dataset.split_id}"
    yield f"prompts: {one.prompts}; seeds {one.seeds}"
    yield f"GA-Net: inductive policy {one.inductive}, pool {one.pool}"
    yield from one.dataset.notes
    for shots, entries in measured.items():
        yield from (f"GA-Net, {_shots(shots)}: {note}" for note in entries["GA-Net"].measured.notes)


def _shots(count: int) -> str:
    return f"{count} shot{'s' if count > 1 else ''}"


def events_table(events: Mapping[str, Any]) -> Table:
    """The committed results across modalities."""
    table = Table("method", title=events["title"], title_justify="left")
    for name in ("test accuracy", "val", "adapter"):
        table.add_column(name, justify="right", no_wrap=True)
    for row in events["rows"]:
        accuracy = f"{row['test']['mean']:.4f} ± {row['test']['std']:.4f}"
        table.add_row(row["method"], accuracy, f"{row['val']:.4f}", f"{row['adapter']:,} ({row['share']:.1%})")
    return table


NEXT = (
    "Next: other splits than this one, or your own pictures (a folder a class in pictures/train, val, test):",
    "  .venv/bin/graftwork compare examples/emoji_{logistic_regression,ganet}.json --set dataset.split_seed=1",
    "  .venv/bin/graftwork run examples/timm_folder.json --set dataset.root=pictures",
)

if __name__ == "__main__":
    try:
        main()
    except GraftworkError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted; finished pipelines are kept: the same command goes on with the next")
