"""Compare: runs and pipelines beside each other, with every condition that they do not share."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from typing import Any

from ...registry.catalogue import Catalogue
from ...registry.errors import GraftworkError, UserError
from ..events import Tell
from ..run.jobs.machine import Jobs
from ..run.measured import measured
from ..run.provenance import changed, measuring, recorded_by_run
from ..run.resume import Resume
from ..spec.load_spec import load_spec, spec_from_dict
from ..spec.pipeline_spec import PipelineSpec
from ..storage.claim import CHECKPOINT_EVERY
from ..storage.files import write_whole
from ..storage.manifest import adapter_folder, require_whole
from ..storage.result import Result
from ..storage.run_folder import RunFolderError, read_json_file, write_json
from .compare_report import Comparison, Entry, comparison_json, comparison_markdown, comparison_rows
from .paired import pairs_of
from .run_cache import Done, RunCache
from .tables import charts, csv_table, require_own_tables, tell_replaced, told_apart

Hear = Callable[[str, "Entry | GraftworkError", bool], None]


def compare(
    given: Sequence[str | Path | PipelineSpec],
    overrides: Mapping[str, Any],
    catalogue: Catalogue,
    store: Path,
    out: Path,
    hear: Hear = lambda name, outcome, found: None,
    against: str | None = None,
    jobs: Jobs = 1,
    tell: Tell = lambda event: None,
    *,
    resume: Resume = "where equal",
    checkpoint_every: float = CHECKPOINT_EVERY,
) -> Comparison:
    """Read the run folders among ``given`` and run the specs, files or not, with ``overrides``, into ``out/runs``.

    Every other run is paired with ``against``, the name of one of them; by default with the first.
    ``resume`` and ``checkpoint_every`` as ``run_pipeline`` takes them.

    A spec that was run there before is read. ``hear(name, outcome, found)`` is called for each spec. All runs are read
    and all specs validated before the first is run: raises ``RunFolderError`` and ``SpecError``; ``UserError`` where
    files that no comparison wrote stand where its tables go. A pipeline that fails does not stop the others. ``jobs``
    processes run them beside each other, and ``tell`` hears what those do.
    """
    opened = [_open(one, overrides, catalogue) for one in given]
    require_own_tables(out, "compare", "runs")
    called = [(one.name, stem) for stem, one in opened]
    _number([(name, stem) for name, (_, stem) in zip(told_apart(called), called, strict=True)], against)
    once = RunCache(catalogue, store, out / "runs", resume, checkpoint_every)
    found: dict[int, Entry | GraftworkError] = {}
    specs = {number: one for number, (_, one) in enumerate(opened) if isinstance(one, PipelineSpec)}
    numbers = list(specs)
    with closing(once.each([(one, one.name) for one in specs.values()], jobs, tell)) as ended:
        for index, done in ended:
            number = numbers[index]
            stem, name = opened[number][0], specs[number].name
            found[number] = done if isinstance(done, GraftworkError) else _entry(name, stem, done.folder, done.typed)
            hear(name, found[number], isinstance(done, Done) and done.found)
    outcomes = [(one.name, found.get(number, one)) for number, (_, one) in enumerate(opened)]
    entries = [one for _, one in outcomes if isinstance(one, Entry)]
    failures = {name: one for name, one in outcomes if isinstance(one, GraftworkError)}
    names = told_apart([(one.name, one.stem) for one in entries])
    named = [replace(one, name=name) for one, name in zip(entries, names, strict=True)]
    pairs, reasons = pairs_of([(one.name, one.folder, one.result) for one in _first(named, against)])
    return Comparison(tuple(named), failures, tuple(pairs), reasons)


def _first(entries: Sequence[Entry], against: str | None) -> list[Entry]:
    """The one of that name, or of the only file or folder called so, before the others. Raises ``UserError``."""
    number = _number([(one.name, one.stem) for one in entries], against)
    return [*entries[number : number + 1], *entries[:number], *entries[number + 1 :]]


def _number(called: Sequence[tuple[str, str]], against: str | None) -> int:
    """Which of these names and stems is meant; the first where none is named. Raises ``UserError``."""
    if against is None or not called:
        return 0
    chosen = [number for number, (name, _) in enumerate(called) if name == against]
    chosen = chosen or [number for number, (_, stem) in enumerate(called) if stem == against]
    if len(chosen) != 1:
        what = "several runs are called so; say which" if chosen else "no such run; there are"
        names = ", ".join(repr(called[one][0]) for one in chosen or range(len(called)))
        raise UserError(f"--against {against}: {what} {names}")
    return chosen[0]


def _open(
    given: str | Path | PipelineSpec, overrides: Mapping[str, Any], catalogue: Catalogue
) -> tuple[str, Entry | PipelineSpec]:
    """What it is called, and the run or the spec."""
    overrides = {**overrides, "reporters": [{"type": "jsonl"}]}
    if isinstance(given, PipelineSpec):
        return given.name, spec_from_dict(given.to_json(), overrides, catalogue)
    path = Path(given)
    return path.stem, _read(path, catalogue) if path.is_dir() else load_spec(path, overrides, catalogue)


def _read(path: Path, catalogue: Catalogue) -> Entry:
    if not (path / "result.json").is_file():
        raise RunFolderError(f"{path} holds no finished run: result.json is missing")
    require_whole(path)
    if (path / "adapter").is_dir():
        adapter_folder(path)  # its pipeline is compared
    result = Result.read(path / "result.json")
    entry = _entry(result.name, path.name, path, result)
    return replace(entry, changed=changed(recorded_by_run(path), measuring(catalogue), catalogue))


def _entry(name: str, stem: str, folder: Path, result: Result) -> Entry:
    spec = folder / "adapter" / "pipeline.json"
    return Entry(name, stem, folder, result, measured(result), read_json_file(spec) if spec.is_file() else {})


def write_comparison(comparison: Comparison, out: Path) -> list[Path]:
    """Write ``compare.json``, ``compare.csv``, ``compare.md`` and, where there is a run, the chart as PNG and SVG."""
    before = require_own_tables(out, "compare", "runs")
    tell_replaced(out, "compare", before, frozenset(str(one.folder) for one in comparison.entries))
    write_json(out / "compare.json", comparison_json(comparison))
    write_whole(out / "compare.csv", csv_table(comparison_rows(comparison)).encode())
    write_whole(out / "compare.md", comparison_markdown(comparison).encode())
    written = [out / f"compare.{kind}" for kind in ("json", "csv", "md")]
    if comparison.entries and (plots := charts()):
        written += plots.save_figure(plots.compare_figure(comparison), out / "compare")
    return written
