"""`make evidence-instruments`: whether a sound is of the instrument in a picture, by real frozen towers.

What is finished stands in ``build/instruments`` and is not run again. Prints the tables of docs/results/instruments.md,
a page that says how the data and Whisper's folder are made.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from graftwork import GraftworkError, Pipeline
from graftwork.core.storage.item_predictions import read_predictions
from graftwork.core.storage.result import Result
from graftwork.core.studies.paired import Scores, paired, scores_of
from graftwork.core.studies.tables import markdown_table
from graftwork.plugins.datasets.registries.build_instruments import INSTRUMENTS, SPLITS

from ...support.paths import ROOT

OUT = ROOT / "build" / "instruments"
SEEDS = [0, 1, 2]
HMMOE, FROZEN, NAMED = "HMMoE", "frozen + head", "names both, then compares"


def _alone(expert: str) -> dict[str, Any]:
    return {"adapter": {"experts": [{"type": expert}], "router": {"uniform": True}}}


def _frozen(nodes: str, head: str = "mlp") -> dict[str, Any]:
    """On vectors of the frozen towers, which are encoded once: forty epochs cost less than one through them."""
    graph = {"type": "similarity", "nodes": nodes, "threshold": 1.0}
    task = {"type": "classification", "head": {"type": head}}
    trained: dict[str, Any] = {"trainer": {"epochs": 40}} if head == "mlp" else {}
    return {"adapter": {"type": "none"}, "graph": graph, "task": task, **trained}


#: Method to what differs from the example.
METHODS: Mapping[str, Mapping[str, Any]] = {
    HMMOE: {},
    "picture alone": _frozen("image"),
    "sound alone": _frozen("audio"),
    FROZEN: {
        "adapter": {"type": "none"},
        "task": {"type": "events", "head": {"type": "mlp"}},
        "trainer": {"epochs": 40},
    },
    "affine alone": _alone("affine"),
    "unimodal alone": _alone("unimodal"),
    "cross-attention alone": _alone("cross_attention"),
    "LoRA": {"adapter": {"type": "lora", "targets": "all", "budget": {"trainable_share": 0.03}}},
}


def spec_of(changes: Mapping[str, Any], data: Path, whisper: Path) -> dict[str, Any]:
    """The example with a method's changes, three seeds, and the places of what it needs."""
    spec: dict[str, Any] = json.loads((ROOT / "examples" / "instruments.json").read_text("utf-8"))
    own = changes.get("adapter", {})
    spec["adapter"] = own if "type" in own else spec["adapter"] | own
    spec["trainer"] |= changes.get("trainer", {})
    spec |= {key: value for key, value in changes.items() if key not in ("adapter", "trainer")}
    spec["dataset"]["root"] = str(data)
    spec["encoder"]["audio"]["model"] = str(whisper)
    return spec | {"reporters": [], "evaluation": {"seeds": SEEDS}}


def finished(spec: dict[str, Any], folder: Path) -> Result:
    """The result of a run, which goes on where it was interrupted."""
    if not (folder / "result.json").is_file():
        Pipeline(spec).run(folder, folder.parent / "store", resume=True)
    return Result.read(folder / "result.json")


def of_events(data: Path, out: Path) -> Path:
    """The same items, each as an event of one segment: a task that joins what frozen towers read out."""
    for split in SPLITS:
        lines = [
            {
                "id": line["id"],
                "passes": [{kind: line[kind] for kind in ("image", "audio")}],
                "label": [str(line["label"])],
            }
            for line in lines_of(data, split)
        ]
        _write(out / "of_events", split, lines, data)
    return out / "of_events"


def _write(root: Path, split: str, lines: Sequence[Mapping[str, Any]], data: Path) -> None:
    """A split of the data in another form, with links to its files."""
    root.mkdir(parents=True, exist_ok=True)
    for file in data.iterdir():
        if file.suffix != ".jsonl" and not (root / file.name).exists():
            (root / file.name).symlink_to(file)
    (root / f"{split}.jsonl").write_text("".join(f"{json.dumps(line)}\n" for line in lines), "utf-8")


def named_apart(data: Path, whisper: Path, out: Path) -> tuple[dict[str, float], dict[str, float]]:
    """A picture's instrument and a sound's, each by a logistic regression that was told them: whether they agree.

    Each test item's score, by its id; and what share of the pictures, and of the sounds, of test is named rightly.
    """
    named: dict[str, dict[str, str]] = {}
    shares: dict[str, float] = {}
    for kind in ("image", "audio"):
        root = out / f"named_{kind}"
        for split in SPLITS:
            files = sorted({line[kind] for line in lines_of(data, split)})
            _write(root, split, [{"id": file, kind: file, "label": instrument_of(file)} for file in files], data)
        spec = spec_of(_frozen(kind, "logistic_regression"), root, whisper) | {"evaluation": {"seeds": SEEDS[:1]}}
        result = finished(spec, out / f"names_of_{kind}")
        shares[kind] = result.test["accuracy"].mean
        named[kind] = {
            one.id.partition("/")[2]: str(one.prediction) for one in read_predictions(out / f"names_of_{kind}")
        }
    scores = {
        line["id"]: float((named["image"][line["image"]] == named["audio"][line["audio"]]) == line["label"])
        for line in lines_of(data, "test")
    }
    return scores, shares


def lines_of(data: Path, split: str) -> list[dict[str, Any]]:
    """The items of a split."""
    return [json.loads(line) for line in (data / f"{split}.jsonl").read_text("utf-8").splitlines()]


def by_id(scores: Scores) -> Scores:
    """Items by their ids alone, without split and content."""
    return {
        seed: {key.partition("\n")[0].partition("/")[2]: one for key, one in own.items()}
        for seed, own in scores.items()
    }


def instrument_of(file: str) -> str:
    """By the name of a file."""
    return file.partition("_")[0]


def tables(results: Mapping[str, Result], scores: Mapping[str, Scores], shares: Mapping[str, float]) -> str:
    """Of each method: what it has, on drawings and on photographs, and how much HMMoE is above it."""
    rows = []
    for name, own in scores.items():
        result = results.get(name)
        adapter = result.adapter if result else None
        held = paired(HMMOE, scores[HMMOE], name, own) if name != HMMOE else None
        points = f"{100 * held.difference:+.1f} ({100 * held.low:+.1f} to {100 * held.high:+.1f})" if held else "–"
        rows.append([
            name, *(_figure(own, photographs) for photographs in (None, False, True)), points,
            f"{result.selection.mean:.4f}" if result and result.selection.mean is not None else "–",
            f"{adapter.parameters:,} ({adapter.share_of_frozen:.1%})" if adapter else "–",
            ", ".join(map(str, result.epochs_kept)) if adapter and result else "–",
        ])  # fmt: skip
    header = [
        "method",
        "test",
        "drawings",
        "photographs",
        f"points that {HMMOE} is above",
        "val",
        "adapter",
        "epochs kept",
    ]
    pictures, sounds = shares["image"], shares["audio"]
    return f"{markdown_table(header, rows)}\nNamed rightly on test: pictures {pictures:.3f}, sounds {sounds:.3f}.\n"


def _figure(scores: Scores, photographs: bool | None) -> str:
    """Mean and sample standard deviation over seeds; of photographs alone, or of drawings, where that is said."""
    of_seeds = [
        statistics.mean(
            value for item, value in own.items() if photographs is None or _is_photograph(item) == photographs
        )
        for own in scores.values()
    ]
    return f"{statistics.mean(of_seeds):.4f} ± {statistics.stdev(of_seeds):.4f}"


def _is_photograph(item: str) -> bool:
    """By the picture in an item's id."""
    names = {Path(path).name for one in INSTRUMENTS.values() for path in one.photographs}
    return item.rpartition("/")[2].partition("_")[2] in names


def main() -> None:
    """Measure what is missing, then print the tables of what is there."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("data", type=Path, help="what `build_instruments` wrote")
    parser.add_argument("whisper", type=Path, help="what `checkpoints.whisper --seconds 1` wrote")
    parser.add_argument("--out", type=Path, default=OUT, help="folder of the runs")
    parser.add_argument("--methods", nargs="+", choices=METHODS, default=list(METHODS), metavar="METHOD")
    given = parser.parse_args()
    data, whisper = given.data.resolve(), given.whisper.resolve()
    results, scores = {}, {}
    for name in dict.fromkeys([HMMOE, *given.methods]):
        folder = given.out / name.replace(" ", "_")
        root = of_events(data, given.out) if name == FROZEN else data
        results[name] = finished(spec_of(METHODS[name], root, whisper), folder)
        scores[name] = by_id(scores_of(folder, results[name]))
    apart, shares = named_apart(data, whisper, given.out)
    scores[NAMED] = dict.fromkeys(SEEDS, apart)  # nothing is drawn in it
    print(tables(results, scores, shares))


if __name__ == "__main__":
    try:
        main()
    except GraftworkError as error:
        sys.exit(f"error: {error}")
    except KeyboardInterrupt:
        sys.exit("interrupted; the same command goes on")
