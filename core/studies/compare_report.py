"""A comparison, and the same as table (text, Markdown, CSV, JSON, HTML). Light: no torch, no matplotlib."""

from __future__ import annotations

import itertools
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from ...registry.errors import GraftworkError, one_line, printable
from ..data.html_table import html_table
from ..run.measured import Measured
from ..storage.manifest import UNSEALED, is_sealed
from ..storage.result import Result
from .conditions import Difference, differences, reported, selected, shared
from .paired import Paired
from .settings import differing_settings
from .tables import markdown_table, task_columns, values_in_words


@dataclass(frozen=True, slots=True)
class Entry:
    """One run of a comparison."""

    name: str
    #: Of its spec file or run folder: what tells two runs of one name apart.
    stem: str
    folder: Path
    result: Result
    measured: Measured
    #: The resolved spec, the values that its search chose in it; empty where the folder has none.
    pipeline: Mapping[str, Any]
    #: The components, in words, whose code was another when the run was made.
    changed: str = ""

    @property
    def is_sealed(self) -> bool:
        """Whether its result is vouched for: not in a folder that an older Graftwork wrote."""
        return is_sealed(self.folder)


@dataclass(frozen=True, slots=True, repr=False)
class Comparison:
    """Runs in the order in which they were named. ``print`` and a notebook show it as a table."""

    entries: tuple[Entry, ...]
    #: Pipelines that could not be run: name to reason.
    failures: Mapping[str, GraftworkError]
    #: Every other run against the one that is named first, or asked for.
    paired: tuple[Paired, ...] = ()
    #: Runs that cannot be paired: name to reason.
    unpaired: Mapping[str, str] = field(default_factory=dict)

    @property
    def table(self) -> list[dict[str, Any]]:
        """A row a run, figures as numbers: what ``compare.csv`` holds, and ``pandas.DataFrame`` takes."""
        return comparison_rows(self)

    def __repr__(self) -> str:
        runs = "; ".join(f"{one.name}: {one.measured.metric} {one.measured.test}" for one in self.entries)
        return one_line(f"Comparison({runs}{f'; {len(self.failures)} failed' if self.failures else ''})")

    def __str__(self) -> str:
        return printable(comparison_markdown(self))

    def _repr_html_(self) -> str:
        return comparison_html(self)

    @property
    def best(self) -> Entry | None:
        """The run with the best mean on the split that selects, the first among equals; none where the runs select on
        other data or by another metric, or no run has such a score."""
        scored = [one for one in self.entries if one.measured.val]
        of = {(one.result.metric, selected(one.result), one.result.dataset.fingerprint) for one in scored}
        if len(of) != 1:
            return None
        return max(scored, key=lambda one: one.measured.val.mean)  # type: ignore[union-attr]

    @property
    def differences(self) -> list[Difference]:
        """Every condition that the runs do not share; none is as it should be."""
        return differences([(entry.name, entry.result) for entry in self.entries])

    @property
    def settings(self) -> list[Difference]:
        """The settings in which the specs differ, by dotted path; not what the search of each one chose."""
        known = [entry for entry in self.entries if entry.pipeline]
        return differing_settings(
            {entry.name: entry.pipeline for entry in known}, {entry.name: entry.result.chosen for entry in known}
        )

    @property
    def columns(self) -> dict[str, list[Entry]]:
        """The runs whose scores may stand in one column, by its letter: of one metric on one split of the same data."""
        found: dict[tuple[str, str, str], list[Entry]] = {}
        for entry in self.entries:
            found.setdefault(reported(entry.result), []).append(entry)
        return {_letter(number): entries for number, entries in enumerate(found.values())}

    @property
    def shared(self) -> dict[str, str]:
        """The conditions that they do share."""
        return shared([entry.result for entry in self.entries])


def comparison_table(comparison: Comparison) -> tuple[list[str], list[list[str]]]:
    """Headers and cells, a row a run, in the order given; scores that cannot be compared in columns of their own."""
    columns = comparison.columns
    headers = ["run"]
    for letter, entries in columns.items():
        what = f" {entries[0].measured.metric}{f' ({letter})' if len(columns) > 1 else ''}"
        headers += [f"test{what}", f"val{what}"]
    figures = dict.fromkeys(name for entry in comparison.entries for name in entry.measured.tasks or ())
    headers += [*figures, "trainable", "fitted", "seconds", "peak MB", "combinations", "epochs kept"]
    rows = []
    for entry in comparison.entries:
        found = entry.measured
        counts = [f"{count:,}" for count in (found.trainable, found.fitted)]
        cost = [f"{found.seconds:.2f}", f"{found.peak_memory_mb:,.0f}"]
        chosen = [str(found.tried), str(found.epochs_kept or "–")]
        scores = [(str(found.test), str(found.val or "–")) if entry in one else ("", "") for one in columns.values()]
        of_tasks = [str((found.tasks or {}).get(name, "–")) for name in figures]
        rows.append([entry.name, *itertools.chain(*scores), *of_tasks, *counts, *cost, *chosen])
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
    return [*_columns_in_words(comparison), *(f"differs in {one}" for one in found)]


def _columns_in_words(comparison: Comparison) -> list[str]:
    """What each column of scores is of, where there are several."""
    columns = comparison.columns
    if len(columns) < 2:
        return []
    lines = [
        "not comparable: scores of another metric, split or data stand in a column of their own, and say nothing "
        "of each other"
    ]
    for letter, (first, *_) in columns.items():
        metric, split, data = reported(first.result)
        lines.append(f"({letter}) {metric} on {split} of {first.result.dataset.type}, data {data[:12]}")
    return lines


def _letters(comparison: Comparison) -> list[str]:
    """The column of each run."""
    columns = comparison.columns
    return [next(letter for letter, one in columns.items() if entry in one) for entry in comparison.entries]


def _letter(number: int) -> str:
    """A to Z, then A2 ..."""
    return f"{chr(ord('A') + number % 26)}{number // 26 + 1 if number >= 26 else ''}"


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


def comparison_html(comparison: Comparison) -> str:
    """The table, who is ahead of whom, what differs; for notebooks."""
    notes = [*paired_lines(comparison), *comparison_notes(comparison), *comparability(comparison)]
    notes += [f"failed: {name}: {error}" for name, error in comparison.failures.items()]
    headers, rows = comparison_table(comparison)
    return html_table(headers, rows, "Comparison", notes)


def comparison_json(comparison: Comparison) -> dict[str, Any]:
    """Everything as plain JSON."""
    return {
        "runs": [
            {
                "name": entry.name,
                "folder": str(entry.folder),
                "column": letter,
                **entry.measured.to_json(),
                "chosen": entry.result.chosen,
            }
            for entry, letter in zip(comparison.entries, _letters(comparison), strict=True)
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


def comparison_rows(comparison: Comparison) -> list[dict[str, Any]]:
    """A row a run, its figures as numbers."""
    rows = []
    for entry, letter in zip(comparison.entries, _letters(comparison), strict=True):
        found = entry.measured.to_json()
        test, val, _ = found.pop("test"), found.pop("val") or {}, found.pop("notes")
        found |= {f"neighbours_{name}": share for name, share in (found.pop("neighbour_shares") or {}).items()}
        found.pop("tasks", None)
        found |= task_columns(entry.measured.tasks)
        scores = {"test_mean": test["mean"], "test_std": test["std"], "val_mean": val.get("mean")}
        found["epochs_kept"] = str(entry.measured.epochs_kept) if entry.measured.epochs_kept else None
        rows.append({"name": entry.name, "column": letter, **scores, "val_std": val.get("std"), **found})
    return rows
