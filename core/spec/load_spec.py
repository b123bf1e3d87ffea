"""From a file, overrides and a catalogue to a validated pipeline spec, or to every problem at once."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from pydantic import BaseModel, ValidationError

from ...registry.catalogue import Catalogue
from ...registry.discovery import default_catalogue
from ...registry.errors import Problem, SpecError, printable
from ...registry.slot import in_full
from ..events import NOTES
from ..storage.json_files import deeper_than
from .coherence import incoherences
from .explain import MOST, default_list, explain, more_than_told
from .extends import Composition, read_composed
from .json_source import MAX_DEPTH
from .overrides import Touched, apply_overrides
from .pipeline_spec import PipelineSpec, SearchRange
from .variables import variables
from .without_effect import without_effect

#: More values than this would not be checked before a run in any useful time.
MAX_SEARCH_VALUES = 500
A_LOCK = (
    "this is a lock, not a pipeline: `graftwork run --locked LOCK` runs the pipeline in it, "
    "`graftwork run SPEC --locked LOCK` runs SPEC where it agrees with it"
)


def load_spec(
    path: str | Path,
    overrides: Mapping[str, Any] | None = None,
    catalogue: Catalogue | None = None,
    root: str | Path | None = None,
) -> PipelineSpec:
    """Read a spec file with all that it extends, override and validate. Raises ``SpecError`` with every problem found.

    What it extends must lie in ``root`` (default: the folder of ``path``).
    """
    composed = read_composed(Path(path), Path(root) if root is not None else None)
    loading = _Loading(composed.value, overrides or {}, catalogue or default_catalogue(), composed)
    spec = loading.spec()
    for note in (*_dropped(composed, spec, loading.touched), *without_effect(spec)):
        NOTES.warning("%s", note)
    return spec


def _dropped(composed: Composition, spec: PipelineSpec, touched: Touched) -> Iterator[str]:
    """Of a section that another file gives another type: what it does not take over, though it could have it."""
    for path, keys in composed.dropped.items():
        section: Any = spec
        for part in path:
            section = section[part] if isinstance(part, int) else getattr(section, part, None)
        known = type(section).model_fields if isinstance(section, BaseModel) else {}
        written = {*composed.origins, *touched}
        lost = {key: file for key, file in keys.items() if key in known and (*path, key) not in written}
        if lost:
            named, verb = ", ".join(f"`{key}`" for key in lost), "is" if len(lost) == 1 else "are"
            yield printable(
                f"{'.'.join(map(str, path))} has another type than in {', '.join(dict.fromkeys(lost.values()))} and "
                f"replaces it whole: {named} of there {verb} not taken over; write {named} where the type is"
            )


def spec_from_dict(
    value: Mapping[str, Any], overrides: Mapping[str, Any] | None = None, catalogue: Catalogue | None = None
) -> PipelineSpec:
    """The same for a spec that is already a Python dictionary. It stands in no folder: it extends nothing."""
    if deeper_than(value, MAX_DEPTH):
        raise SpecError([Problem(f"nested deeper than {MAX_DEPTH} levels")])
    return _Loading(dict(value), overrides or {}, catalogue or default_catalogue()).spec()


@dataclass
class _Loading:
    """One spec on its way from JSON to a validated object."""

    value: Any
    overrides: Mapping[str, Any]
    catalogue: Catalogue
    composed: Composition | None = None
    touched: Touched = field(default_factory=dict)

    def spec(self) -> PipelineSpec:
        """The validated spec. Raises ``SpecError``."""
        if isinstance(self.value, dict) and {"lock", "pipeline"} <= self.value.keys():
            raise SpecError([self._located(Problem(A_LOCK))])
        raw, self.touched = apply_overrides(
            in_full(self.value, PipelineSpec, self.catalogue),
            self.overrides,
            lambda path, raw: default_list(path, PipelineSpec, raw, self.catalogue),
        )
        problems = list(variables(raw))
        spec = None
        try:
            spec = PipelineSpec.model_validate(raw, context={"catalogue": self.catalogue}, by_alias=True)
            problems += incoherences(spec)
            problems += _search_problems(spec, raw, self.catalogue, {(one.path, one.reason) for one in problems})
        except ValidationError as error:
            blamed = {problem.path for problem in problems}  # nothing more is said of a string with a variable in it
            found = explain(error, PipelineSpec, raw, self.catalogue)
            problems += [problem for problem in found if problem.path not in blamed]
        if problems or spec is None:
            told = problems if len(problems) <= MOST + 1 else [*problems[:MOST], more_than_told(len(problems) - MOST)]
            raise SpecError([self._located(problem) for problem in told])
        return spec

    def _located(self, problem: Problem) -> Problem:
        for depth in range(len(problem.path), -1, -1):
            if key := self.touched.get(problem.path[:depth]):
                return replace(problem, source=f"--set {key}")
        if self.composed is None:
            return problem
        source, line, column = self.composed.place(problem.path)
        return replace(problem, source=source, line=line, column=column)


def _search_problems(
    spec: PipelineSpec, raw: Any, catalogue: Catalogue, told: Collection[tuple[object, str]]
) -> Iterator[Problem]:
    """Each value to be tried must itself make a valid spec; what is ``told`` of the spec, whatever it tries, is not
    said of each.
    """
    base = {key: value for key, value in raw.items() if key not in ("search", "trials")}
    values = [(key, index, value) for key, listed in spec.search.items() for index, value in _values(listed)]
    if len(values) > MAX_SEARCH_VALUES:
        hint = 'give a range and "trials", or fewer values'
        yield Problem(f"{len(values)} values to try; the most is {MAX_SEARCH_VALUES}", ("search",), hint)
        return
    faults: dict[tuple[str, Problem], list[tuple[str | int, Any]]] = {}
    for key, index, value in values:
        try:
            spec_from_dict(base, {key: value}, catalogue)
        except SpecError as error:
            for inner in error.problems:
                if (inner.path, inner.reason) not in told:
                    faults.setdefault((key, inner), []).append((index, value))
    for (key, inner), found in faults.items():
        shown = [json.dumps(value, ensure_ascii=False, default=repr) for _, value in found]
        several = f"{', '.join(shown[:-1][:3])}{' ...' if len(shown) > 4 else ''} or {shown[-1]}"
        reason = f"with {key} = {several if len(shown) > 1 else shown[0]}: {inner.json_path}: {inner.reason}"
        yield Problem(reason, ("search", key, found[0][0]), inner.hint)


def _values(listed: Any) -> list[tuple[str | int, Any]]:
    if isinstance(listed, SearchRange):
        return [("low", listed.low), ("high", listed.high)]
    return list(enumerate(listed))
