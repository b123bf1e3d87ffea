"""Compare: runs and pipelines beside each other, with every condition that they do not share."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from ...registry.catalogue import Catalogue
from ...registry.errors import GraftworkError, UserError
from ..run.measured import Measured, measured
from ..run.provenance import changed, measuring, recorded_by_run
from ..spec.load_spec import load_spec
from ..spec.pipeline_spec import PipelineSpec
from ..storage.manifest import adapter_folder, is_sealed, require_whole
from ..storage.result import Result
from ..storage.run_folder import RunFolderError, read_json_file
from .conditions import Difference, differences, shared
from .paired import Paired, pairs_of
from .run_cache import RunCache
from .settings import differing_settings


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


@dataclass(frozen=True, slots=True)
class Comparison:
    """Runs in the order in which they were named."""

    entries: tuple[Entry, ...]
    #: Pipelines that could not be run: name to reason.
    failures: Mapping[str, GraftworkError]
    #: Every other run against the one that is named first, or asked for.
    paired: tuple[Paired, ...] = ()
    #: Runs that cannot be paired: name to reason.
    unpaired: Mapping[str, str] = field(default_factory=dict)

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
    def shared(self) -> dict[str, str]:
        """The conditions that they do share."""
        return shared([entry.result for entry in self.entries])


Hear = Callable[[str, "Entry | GraftworkError", bool], None]


def compare(
    given: Sequence[str | Path | PipelineSpec],
    overrides: Mapping[str, Any],
    catalogue: Catalogue,
    store: Path,
    out: Path,
    hear: Hear = lambda name, outcome, found: None,
    against: str | None = None,
) -> Comparison:
    """Read the run folders among ``given`` and run the specs into ``out/runs``: files with ``overrides``, others as
    they are.

    Every other run is paired with ``against``, the name of one of them; by default with the first.

    A spec that was run there before is read. ``hear(name, outcome, found)`` is called for each spec. All runs are read
    and all specs validated before the first is run: raises ``RunFolderError`` and ``SpecError``. A pipeline that fails
    does not stop the others.
    """
    opened = [
        (one.name, _quiet(one))
        if isinstance(one, PipelineSpec)
        else (Path(one).stem, _open(Path(one), overrides, catalogue))
        for one in given
    ]
    once = RunCache(catalogue, store, out / "runs")
    entries: list[Entry] = []
    failures: dict[str, GraftworkError] = {}
    for stem, one in opened:
        if isinstance(one, Entry):
            entries.append(one)
            continue
        try:
            done = once(one)
        except GraftworkError as error:
            failures[one.name] = error
            hear(one.name, error, False)
        else:
            entries.append(_entry(one.name, stem, done.folder, done.typed))
            hear(one.name, entries[-1], done.found)
    named = _distinct(entries)
    pairs, reasons = pairs_of([(one.name, one.folder, one.result) for one in _first(named, against)])
    return Comparison(tuple(named), failures, tuple(pairs), reasons)


def _quiet(spec: PipelineSpec) -> PipelineSpec:
    """One that was read, and whose overrides are in it."""
    return spec.model_copy(update={"reporters": tuple(one for one in spec.reporters if one.type != "console")})


def _first(entries: Sequence[Entry], name: str | None) -> list[Entry]:
    """The one of that name, or of the only file or folder called so, before the others. Raises ``UserError``."""
    chosen = [one for one in entries if one.name == name] or [one for one in entries if one.stem == name]
    chosen = list(entries[:1]) if name is None else chosen
    if entries and len(chosen) != 1:
        what = "several runs are called so; say which" if chosen else "no such run; there are"
        raise UserError(f"--against {name}: {what} {', '.join(repr(one.name) for one in chosen or entries)}")
    return [*chosen, *(entry for entry in entries if entry not in chosen)]


def _open(path: Path, overrides: Mapping[str, Any], catalogue: Catalogue) -> Entry | PipelineSpec:
    if path.is_dir():
        if not (path / "result.json").is_file():
            raise RunFolderError(f"{path} holds no finished run: result.json is missing")
        require_whole(path)
        if (path / "adapter").is_dir():
            adapter_folder(path)  # its pipeline is compared
        result = Result.read(path / "result.json")
        entry = _entry(result.name, path.name, path, result)
        return replace(entry, changed=changed(recorded_by_run(path), measuring(catalogue), catalogue))
    return load_spec(path, {**overrides, "reporters": [{"type": "jsonl"}]}, catalogue)


def _entry(name: str, stem: str, folder: Path, result: Result) -> Entry:
    spec = folder / "adapter" / "pipeline.json"
    return Entry(name, stem, folder, result, measured(result), read_json_file(spec) if spec.is_file() else {})


def _distinct(entries: Sequence[Entry]) -> list[Entry]:
    """Names told apart by their files where two are the same, and by number where those are the same too."""
    names = Counter(entry.name for entry in entries)
    named = [replace(one, name=f"{one.name} ({one.stem})") if names[one.name] > 1 else one for one in entries]
    seen: Counter[str] = Counter()
    for index, one in enumerate(named):
        seen[one.name] += 1
        if seen[one.name] > 1:
            named[index] = replace(one, name=f"{one.name} #{seen[one.name]}")
    return named
