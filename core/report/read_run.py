"""A run folder as a report reads it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from pathlib import Path
from typing import Any

from ...registry.errors import UserError, one_line
from ..storage.item_predictions import ItemPrediction, read_predictions
from ..storage.manifest import adapter_folder, require_whole
from ..storage.record import Json
from ..storage.result import Result
from ..storage.run_folder import RunFolderError, read_json_file
from ..studies.tables import told_apart


@dataclass(frozen=True)
class ReportedRun:
    """A finished run, whole and unaltered."""

    name: str
    folder: Path
    result: Result
    #: The resolved spec, the chosen search values in it; empty where the folder holds none.
    pipeline: Json
    #: What ``sweep.json`` beside it says, where it is a point of a sweep.
    sweep: Json | None = None

    @cached_property
    def answers(self) -> list[ItemPrediction]:
        """Of the reported split, all seeds. Raises ``RunFolderError``."""
        if self.result.predictions is None:
            return []
        return [one for one in read_predictions(self.folder) if one.split == self.result.test_on]

    @cached_property
    def saved_answers(self) -> list[ItemPrediction]:
        """Those of the seed that is saved."""
        return [one for one in self.answers if one.seed == self.result.saved_seed]


def read_runs(given: Sequence[str | Path]) -> list[ReportedRun]:
    """The runs that folders hold, named apart: a run folder one, a sweep the point that it chose, a comparison all.

    Raises ``RunFolderError`` for a folder that holds none, and for a file that is missing or altered.
    """
    if not given:
        raise UserError("a report needs a run: name a run folder, or the folder of a sweep or a comparison")
    return _distinct([run for one in given for run in _runs_in(Path(one))])


def _runs_in(folder: Path) -> list[ReportedRun]:
    if (folder / "result.json").is_file():
        beside = folder.parent.parent / "sweep.json"
        return [_read(folder, read_json_file(beside) if folder.parent.name == "points" and beside.is_file() else None)]
    if (folder / "sweep.json").is_file():
        sweep = read_json_file(folder / "sweep.json")
        points = [one for one in _listed(sweep, "points") if one.get("folder")]
        chosen = [one for one in points if one.get("chosen_on_validation")] or points[:1]
        if not chosen:
            raise RunFolderError(f"{folder} is a sweep of which no point finished; run `graftwork sweep` again")
        return [_read(_within(folder, str(chosen[0]["folder"])), sweep)]
    if (folder / "compare.json").is_file():
        runs = [
            str(one["folder"]) for one in _listed(read_json_file(folder / "compare.json"), "runs") if one.get("folder")
        ]
        if runs:
            return [_read(Path(one), None) for one in runs]
        raise RunFolderError(f"{folder} is a comparison of which no run finished; run `graftwork compare` again")
    if not folder.exists():
        raise RunFolderError(f"{folder} is not there; name a finished run, as `graftwork run` printed it")
    raise RunFolderError(
        f"{folder} holds no finished run: result.json is missing; `graftwork runs` lists what is there"
    )


def _within(folder: Path, name: str) -> Path:
    """A point of a sweep; a stranger's file leads nowhere else."""
    if not (found := folder / name).resolve().is_relative_to(folder.resolve()):
        raise RunFolderError(one_line(f"{folder / 'sweep.json'}: the point {name!r} lies outside of the sweep"))
    return found


def _read(folder: Path, sweep: Json | None) -> ReportedRun:
    if not (folder / "result.json").is_file():
        raise RunFolderError(f"{folder} holds no finished run: result.json is missing")
    require_whole(folder)
    pipeline = read_json_file(adapter_folder(folder) / "pipeline.json") if (folder / "adapter").is_dir() else {}
    result = Result.read(folder / "result.json")
    return ReportedRun(result.name, folder, result, pipeline, sweep)


def _listed(value: Mapping[str, Any], key: str) -> list[Mapping[str, Any]]:
    found = value.get(key)
    return [one for one in found if isinstance(one, Mapping)] if isinstance(found, list) else []


def _distinct(runs: Sequence[ReportedRun]) -> list[ReportedRun]:
    """Each once, with names that tell them apart."""
    once = list({run.folder.resolve(): run for run in runs}.values())
    names = told_apart([(run.name, run.folder.name) for run in once])
    return [replace(run, name=name) for run, name in zip(once, names, strict=True)]
