"""From a file, overrides and a catalogue to a validated pipeline spec, or to every problem at once."""

from __future__ import annotations

import copy
import json
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from pydantic import ValidationError

from ..registry.catalogue import Catalogue
from ..registry.discovery import default_catalogue
from ..registry.errors import Problem, SpecError
from .coherence import incoherences
from .explain import explain
from .json_source import JsonPath, JsonSource, parse_json, read_json
from .pipeline_spec import PipelineSpec, SearchRange


def load_spec(
    path: str | Path, overrides: Mapping[str, Any] | None = None, catalogue: Catalogue | None = None
) -> PipelineSpec:
    """Read, override and validate a spec file. Raises ``SpecError`` with every problem found."""
    source = read_json(Path(path))
    return _validated(source.value, overrides or {}, catalogue or default_catalogue(), source)


def spec_from_dict(
    value: Mapping[str, Any], overrides: Mapping[str, Any] | None = None, catalogue: Catalogue | None = None
) -> PipelineSpec:
    """The same for a spec that is already a Python dictionary."""
    return _validated(dict(value), overrides or {}, catalogue or default_catalogue(), None)


def parse_set(options: Iterable[str]) -> dict[str, Any]:
    """``["graph.threshold=0.8", "name=x"]`` as overrides: the value is JSON where it parses as such, else a string."""
    overrides: dict[str, Any] = {}
    for option in options:
        key, equals, text = option.partition("=")
        if not equals or not key:
            raise SpecError(
                [Problem("write --set KEY=VALUE, for example --set graph.threshold=0.8", source=f"--set {option}")]
            )
        try:
            overrides[key] = parse_json(text, f"--set {key}").value
        except SpecError:
            overrides[key] = text
    return overrides


def apply_overrides(value: Any, overrides: Mapping[str, Any]) -> Any:
    """A copy of ``value`` with each dotted path set. Raises ``SpecError`` where a path leads through a non-object."""
    value = copy.deepcopy(value)
    for key, new in overrides.items():
        *parents, last = key.split(".")
        node = value
        for depth, part in enumerate(parents):
            node = _step(node, part, key, tuple(parents[: depth + 1]))
        if isinstance(node, list):
            node[_index(node, last, key, tuple(parents))] = new
        elif isinstance(node, dict):
            node[last] = new
        else:
            raise _no_way(key, tuple(parents))
    return value


def _step(node: Any, part: str, key: str, path: JsonPath) -> Any:
    if isinstance(node, list):
        return node[_index(node, part, key, path)]
    if not isinstance(node, dict):
        raise _no_way(key, path)
    if node.get(part) is None:
        node[part] = {}
    return node[part]


def _index(node: list[Any], part: str, key: str, path: JsonPath) -> int:
    if not part.isdecimal() or int(part) >= len(node):
        raise SpecError([Problem(f"`{part}` is no index into a list of {len(node)}", path, source=f"--set {key}")])
    return int(part)


def _no_way(key: str, path: JsonPath) -> SpecError:
    return SpecError([Problem("is no object, so nothing can be set inside it", path, source=f"--set {key}")])


def _validated(
    value: Any, overrides: Mapping[str, Any], catalogue: Catalogue, source: JsonSource | None
) -> PipelineSpec:
    raw = apply_overrides(value, overrides)
    try:
        spec = PipelineSpec.model_validate(raw, context={"catalogue": catalogue}, by_alias=True)
        problems = [*incoherences(spec), *_search_problems(spec, raw, catalogue)]
    except ValidationError as error:
        problems = explain(error, PipelineSpec, raw, catalogue)
    if problems:
        raise SpecError([_located(problem, value, overrides, source) for problem in problems])
    return spec


def _search_problems(spec: PipelineSpec, raw: Any, catalogue: Catalogue) -> list[Problem]:
    """Each value to be tried must itself make a valid spec."""
    problems = []
    base = {key: value for key, value in raw.items() if key not in ("search", "trials")}
    for key, values in spec.search.items():
        ends = [("low", values.low), ("high", values.high)] if isinstance(values, SearchRange) else enumerate(values)
        for index, value in ends:
            try:
                spec_from_dict(base, {key: value}, catalogue)
            except SpecError as error:
                shown = json.dumps(value, ensure_ascii=False, default=repr)
                problems += [
                    Problem(
                        f"with {key} = {shown}: {inner.json_path}: {inner.reason}", ("search", key, index), inner.hint
                    )
                    for inner in error.problems
                ]
    return problems


def _located(problem: Problem, value: Any, overrides: Mapping[str, Any], source: JsonSource | None) -> Problem:
    path = [str(part) for part in problem.path]
    for key in overrides:
        parts = key.split(".")
        made_on_the_way = parts[: len(path)] == path and not _holds(value, problem.path)
        if path[: len(parts)] == parts or made_on_the_way:
            return Problem(problem.reason, problem.path, problem.hint, f"--set {key}")
    if source is None:
        return problem
    line, column = source.position(problem.path)
    return Problem(problem.reason, problem.path, problem.hint, source.name, line, column)


def _holds(value: Any, path: JsonPath) -> bool:
    """Whether there is something at ``path``."""
    for part in path:
        if not (isinstance(value, (dict, list)) and part in (value if isinstance(value, dict) else range(len(value)))):
            return False
        value = value[part]  # type: ignore[index]
    return True
