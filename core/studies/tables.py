"""Tables as text. Light."""

from __future__ import annotations

import csv
import io
import json
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from ...registry.errors import MissingExtra, UserError, imported
from ..events import NOTES
from ..storage.files import require_writable
from ..storage.result_parts import Score
from ..storage.run_folder import RunFolderError, read_json_file


def charts() -> Any:
    """The module that draws; ``None`` without matplotlib, which a note says."""
    try:
        return imported(f"{__package__}.plots", "a chart")
    except MissingExtra as missing:
        NOTES.warning("%s", missing)
        return None


def require_own_tables(out: Path, stem: str, rows: str) -> frozenset[str]:
    """Folders of the runs that the tables ``out/STEM.*`` tell of, which are to be written anew; none where none is.

    ``rows``: the key of ``STEM.json`` under which its runs are. Raises ``UserError`` where somebody else wrote them,
    ``StorageError`` where they cannot be written.
    """
    require_writable(out / f"{stem}.json")
    there = [path for kind in ("json", "csv", "md", "png", "svg") if (path := out / f"{stem}.{kind}").exists()]
    if not there:
        return frozenset()
    try:
        written = read_json_file(out / f"{stem}.json")[rows]
        return frozenset(one["folder"] for one in written if one.get("folder"))
    except (RunFolderError, KeyError, TypeError, AttributeError):
        raise UserError(
            f"{there[0]} is there, and no `graftwork {stem}` wrote it; name another folder: --out"
        ) from None


def tell_replaced(out: Path, stem: str, before: frozenset[str], now: frozenset[str]) -> None:
    """A note where tables of other runs are replaced."""
    if gone := before - now:
        names = ", ".join(sorted(Path(one).name for one in gone))
        NOTES.warning(
            "%s: its tables told of %s as well, and no longer do; the runs are kept", out / f"{stem}.md", names
        )


def label(value: Any) -> str:
    """A spec value in a few words: ``0.8``, ``cosine``, ``average_degree 8``."""
    if isinstance(value, Mapping):
        return " ".join(label(one) if key == "type" else f"{key} {label(one)}" for key, one in value.items())
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)


def told_apart(runs: Sequence[tuple[str, str]]) -> list[str]:
    """Of each run's name and its file's: names told apart by their files where two are the same, and by number where
    those are the same, too.
    """
    names, seen, found = Counter(name for name, _ in runs), Counter[str](), []
    for name, file in runs:
        said = f"{name} ({file})" if names[name] > 1 else name
        seen[said] += 1
        found.append(said if seen[said] == 1 else f"{said} #{seen[said]}")
    return found


def values_in_words(values: Mapping[str, Any]) -> str:
    """``graph.threshold 0.8, adapter.bottleneck 16``."""
    return ", ".join(f"{key} {label(value)}" for key, value in values.items())


def task_columns(tasks: Mapping[str, Score] | None) -> dict[str, float]:
    """The figures of a sequence of tasks as columns: ``forgetting_mean``, ``forgetting_std``; none of one task."""
    named = {name.replace(" ", "_"): score for name, score in (tasks or {}).items()}
    return {f"{name}_{what}": of for name, one in named.items() for what, of in (("mean", one.mean), ("std", one.std))}


def markdown_table(headers: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A GitHub table; a ``|`` in a cell is escaped."""
    lines = [headers, ["---"] * len(headers), *rows]
    return "".join("| " + " | ".join(cell.replace("|", "\\|") for cell in line) + " |\n" for line in lines)


def csv_table(rows: Sequence[Mapping[str, Any]]) -> str:
    """CSV (RFC 4180) of flat rows; the columns of all of them, in the order met."""
    columns = list(dict.fromkeys(key for row in rows for key in row))
    text = io.StringIO()
    writer = csv.DictWriter(text, columns, lineterminator="\r\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
