"""The pipeline as a Python object; it says the same as the JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..registry.catalogue import Catalogue
from ..registry.discovery import default_catalogue
from .events import Event
from .load_spec import load_spec, spec_from_dict
from .pipeline_spec import PipelineSpec
from .plan import Plan, make_plan
from .store import default_root

if TYPE_CHECKING:
    from .run import Run
    from .sweep import Grid, Hear
    from .sweep_report import WrittenSweep


class Pipeline:
    """A validated pipeline.

        Pipeline.from_file("spec.json", {"graph.threshold": 0.8}).run()

    ``overrides`` are dotted paths to values, as ``--set`` on the command line. ``catalogue`` defaults to what is
    installed. Every constructor raises ``SpecError`` with all problems at once.
    """

    def __init__(self, spec: PipelineSpec | Mapping[str, Any], catalogue: Catalogue | None = None) -> None:
        self.catalogue = catalogue or default_catalogue()
        given = spec.to_json() if isinstance(spec, PipelineSpec) else spec
        self.spec = spec_from_dict(given, catalogue=self.catalogue)

    @classmethod
    def from_file(
        cls,
        path: str | Path,
        overrides: Mapping[str, Any] | None = None,
        catalogue: Catalogue | None = None,
        root: str | Path | None = None,
    ) -> Pipeline:
        """From a JSON file and what it extends; errors carry lines and columns. ``root``: see ``load_spec``."""
        return cls(load_spec(path, overrides, catalogue, root), catalogue)

    @classmethod
    def from_dict(
        cls, value: Mapping[str, Any], overrides: Mapping[str, Any] | None = None, catalogue: Catalogue | None = None
    ) -> Pipeline:
        """From a dictionary as JSON would give it."""
        return cls(spec_from_dict(value, overrides, catalogue), catalogue)

    def plan(self, store: str | Path | None = None, tell: Callable[[Event], None] = lambda event: None) -> Plan:
        """What a run would do, what is stored already, how many parameters. Loads no model.

        ``tell`` hears of the reading of files, where a data set has many, and of notes on the data.
        """
        return make_plan(self.spec, self.catalogue, Path(store) if store else default_root(), tell)

    def run(self, out: str | Path | None = None, store: str | Path | None = None) -> Run:
        """Train, select, test, save. ``out``: the run folder to make (default: the first free ``runs/NAME``);
        ``store``: where encoded vectors are kept (default: ``$GRAFTWORK_CACHE``, else the user's cache folder)."""
        from .run import run_pipeline

        return run_pipeline(
            self.spec, self.catalogue, Path(store) if store else default_root(), Path(out) if out else None
        )

    def sweep(
        self,
        grid: Grid | None = None,
        seeds: Sequence[int] | None = None,
        out: str | Path | None = None,
        store: str | Path | None = None,
        hear: Hear | None = None,
    ) -> WrittenSweep:
        """Run at every point of ``grid`` (default: the search values) and write table and chart into ``out`` (default:
        ``runs/NAME-sweep``), where finished points are found again. ``hear(number, total, point)`` after each."""
        from .sweep import sweep
        from .sweep_report import WrittenSweep, write_sweep

        folder = Path(out or Path("runs") / f"{self.spec.name}-sweep").absolute()
        root = Path(store) if store else default_root()
        done = sweep(self.spec, grid, seeds, self.catalogue, root, folder, *([hear] if hear else []))
        return WrittenSweep(done, tuple(write_sweep(done, folder)))
