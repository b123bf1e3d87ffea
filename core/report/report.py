"""Report: finished runs as one HTML file."""

from __future__ import annotations

from pathlib import Path

from ...registry.catalogue import Catalogue
from ...registry.discovery import default_catalogue
from ..storage.files import require_writable, write_whole
from ..storage.root import store_root
from .answer_parts import answer_parts
from .comparison_parts import comparison_part
from .expert_parts import expert_part
from .graph_parts import graph_part
from .items_of_run import items_of
from .measured_parts import cost_part, curves_part, result_part, source_part
from .page import Chapter, page_of
from .picture_parts import worst_part
from .read_run import ReportedRun, read_runs
from .search_parts import search_part
from .task_parts import task_parts


def report(
    *runs: str | Path,
    out: str | Path = "report.html",
    worst: int = 12,
    store: str | Path | None = None,
    catalogue: Catalogue | None = None,
) -> Path:
    """Write finished runs as one HTML file that stands by itself, and say where.

    Each of ``runs`` is a run folder, or the folder of a sweep (of which the chosen point is shown) or of a comparison.
    ``worst``: so many of the wrong answers are shown with their pictures. ``store``: where descriptions are kept
    (default: ``$GRAFTWORK_CACHE``, else the user's cache folder). Nothing is trained, encoded or described. What a run
    does not have is said in the file, and so is a data set that is gone.

    Raises ``RunFolderError`` where a folder holds no finished run or one that was altered, ``StorageError`` where
    ``out`` cannot be written.
    """
    catalogue, place = catalogue or default_catalogue(), Path(out)
    require_writable(place)
    found = read_runs(runs)
    chapters = [Chapter("Comparison", [comparison_part(found)])] if len(found) > 1 else []
    chapters += [_chapter(run, worst, store_root(store), catalogue) for run in found]
    title = found[0].name if len(found) == 1 else f"{len(found)} runs: {', '.join(run.name for run in found)}"
    write_whole(place, page_of(title, chapters).encode())
    return place


def _chapter(run: ReportedRun, worst: int, store: Path, catalogue: Catalogue) -> Chapter:
    items = items_of(run, catalogue, store)
    parts = [
        result_part(run),
        curves_part(run),
        *task_parts(run),
        search_part(run),
        *answer_parts(run),
        worst_part(run, items, worst),
        graph_part(run),
        expert_part(run),
        cost_part(run),
        source_part(run),
    ]
    return Chapter(run.name, parts)
