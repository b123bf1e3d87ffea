"""A comparison as table (text, Markdown, CSV, JSON). Light: no torch, no matplotlib."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..storage.files import write_whole
from ..storage.manifest import UNSEALED
from ..storage.run_folder import write_json
from .tables import csv_table, markdown_table, values_in_words

if TYPE_CHECKING:
    from .compare import Comparison


def write_comparison(comparison: Comparison, out: Path) -> list[Path]:
    """Write ``compare.json``, ``compare.csv``, ``compare.md`` and, where there is a run, the chart as PNG and SVG."""
    from .plots import compare_figure, save_figure

    write_json(out / "compare.json", comparison_json(comparison))
    write_whole(out / "compare.csv", csv_table(_flat(comparison)).encode())
    write_whole(out / "compare.md", comparison_markdown(comparison).encode())
    written = [out / f"compare.{kind}" for kind in ("json", "csv", "md")]
    return written + (save_figure(compare_figure(comparison), out / "compare") if comparison.entries else [])


def comparison_table(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Headers and cells, a row a run, in the order given."""
    metrics = list(dict.fromkeys(entry.measured.metric for entry in comparison.entries))
    what = f" {metrics[0]}" if len(metrics) == 1 else ""
    headers = ["run", f"test{what}", f"val{what}", "trainable", "fitted", "seconds", "peak MB"]
    headers += ["combinations", "epochs kept"]
    rows = []
    for entry in comparison.entries:
        found = entry.measured
        counts = [f"{count:,}" for count in (found.trainable, found.fitted)]
        cost = [f"{found.seconds:.2f}", f"{found.peak_memory_mb:,.0f}"]
        chosen = [str(found.tried), str(found.epochs_kept or "–")]
        rows.append([entry.name, str(found.test), str(found.val or "–"), *counts, *cost, *chosen])
    return headers, rows


LEGEND = (
    "mean ± sample standard deviation over the seeds; trainable parameters, and numbers fitted without training; "
    "seconds of one training of the chosen combination; peak resident memory of the whole process, earlier runs of it "
    "included; combinations of search values tried on validation; the epochs that validation chose, seed by seed"
)


def comparison_notes(comparison: Comparison) -> list[str]:
    """The search values that each run's validation chose, and what a reader of its figures should know besides."""
    chosen = [(entry.name, entry.result.chosen) for entry in comparison.entries]
    lines = [f"chosen by {name}: {values_in_words(values)}" for name, values in chosen if values]
    lines += [
        f"{entry.name}: its figures are of other code than is installed: {entry.changed}"
        for entry in comparison.entries
        if entry.changed
    ]
    lines += [f"{entry.name}: {UNSEALED}" for entry in comparison.entries if not entry.is_sealed]
    return lines + [f"{entry.name}: {line}" for entry in comparison.entries for line in entry.measured.notes]


def paired_lines(comparison: Comparison) -> list[str]:
    """Every other run against one of them on the same items, a line each; and which cannot be."""
    unpaired = [f"not paired item by item: {name}: {why}" for name, why in comparison.unpaired.items()]
    return [*(f"paired: {one}" for one in comparison.paired), *unpaired]


def comparability(comparison: Comparison) -> list[str]:
    """What the runs do not share, a line each; or one line that all is shared."""
    found = comparison.differences
    if not found:
        said = ", ".join(comparison.shared)
        return [f"comparable: the same {said}"]
    return [f"differs in {one}" for one in found]


def setting_lines(comparison: Comparison, most: int = 20) -> list[str]:
    """The settings in which the pipelines differ, a line each."""
    found = comparison.settings
    more = [f"and {len(found) - most} more, in compare.json"] if len(found) > most else []
    return [*(f"set {one}" for one in found[:most]), *more]


def comparison_markdown(comparison: Comparison) -> str:
    """The table, what differs (settings last), what is shared, what failed."""
    lines = ["# Comparison\n", markdown_table(*comparison_table(comparison)), f"{LEGEND}.\n"]
    lines += [f"- {line}" for line in [*paired_lines(comparison), *comparison_notes(comparison)]]
    lines += [f"- **{line}**" for line in comparability(comparison)]
    lines += [f"- {line}" for line in setting_lines(comparison)]
    lines += [f"- {condition}: {value}" for condition, value in comparison.shared.items()]
    lines += [f"- failed: {name}: {error}" for name, error in comparison.failures.items()]
    return "\n".join(lines) + "\n"


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """Everything as plain JSON."""
    return {
        "runs": [
            {
                "name": entry.name,
                "folder": str(entry.folder),
                **entry.measured.to_json(),
                "chosen": entry.result.chosen,
            }
            for entry in comparison.entries
        ],
        "best_on_validation": comparison.best and comparison.best.name,
        "paired": [one.to_json() for one in comparison.paired],
        "unpaired": dict(comparison.unpaired),
        "comparable": not comparison.differences,
        "differences": [one.to_json() for one in comparison.differences],
        "settings": [one.to_json() for one in comparison.settings],
        "shared": comparison.shared,
        "failures": {name: str(error) for name, error in comparison.failures.items()},
    }


def _flat(comparison: Comparison) -> list[dict[str, Any]]:
    rows = []
    for entry in comparison.entries:
        found = entry.measured.to_json()
        test, val, _ = found.pop("test"), found.pop("val") or {}, found.pop("notes")
        found |= {f"neighbours_{name}": share for name, share in (found.pop("neighbour_shares") or {}).items()}
        scores = {"test_mean": test["mean"], "test_std": test["std"], "val_mean": val.get("mean")}
        found["epochs_kept"] = str(entry.measured.epochs_kept) if entry.measured.epochs_kept else None
        rows.append({"name": entry.name, **scores, "val_std": val.get("std"), **found})
    return rows
