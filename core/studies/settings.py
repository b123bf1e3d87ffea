"""The settings in which pipelines differ, by dotted path. Light."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any

from .conditions import Difference

#: What a comparison says elsewhere, and what no number depends on.
TOLD = {
    "$schema",
    "version",
    "name",
    "reporters",
    "search",
    "trials",
    "device",
    "dataset.type",
    "dataset.shots",
    "evaluation.seeds",
    "evaluation.select_on",
    "evaluation.test_on",
    "evaluation.inductive",
    "evaluation.predictions",
}
ABSENT = object()
LONGEST = 60
Values = Mapping[str, Any]


def differing_settings(pipelines: Mapping[str, Mapping[str, Any]], chosen: Mapping[str, Values]) -> list[Difference]:
    """Of resolved specs by name, in their order. Paths that the search of every one of them chose are left out.

    Of components of several types the types are named, and settings are compared among those of one type.
    """
    searched = set.intersection(*(set(chosen[name]) for name in pipelines)) if pipelines else set()
    return [
        _grouped(path, values)
        for path, values in _differing("", pipelines)
        if not any(path == key or path.startswith(f"{key}.") for key in TOLD | searched)
    ]


def _differing(path: str, values: Values) -> Iterator[tuple[str, Values]]:
    """The innermost paths below ``path`` whose values differ."""
    if len({_json(value) for value in values.values()}) < 2:
        return
    types = {name: _type(value) for name, value in values.items()}
    if all(isinstance(value, Mapping) for value in values.values()) and len(set(types.values())) == 1:
        for key in dict.fromkeys(key for value in values.values() for key in value):
            inner = {name: value.get(key, ABSENT) for name, value in values.items()}
            yield from _differing(f"{path}.{key}".lstrip("."), inner)
    elif _alike(values):
        for index in range(len(next(iter(values.values())))):
            yield from _differing(f"{path}.{index}", {name: value[index] for name, value in values.items()})
    else:
        yield path, values
        for type_ in dict.fromkeys(one for one in types.values() if one):
            yield from _differing(path, {name: value for name, value in values.items() if types[name] == type_})


def _alike(values: Values) -> bool:
    """Whether they are lists of objects of the same types in the same order."""
    if not all(isinstance(value, list) and value and all(map(_type, value)) for value in values.values()):
        return False
    return len({tuple(map(_type, value)) for value in values.values()}) == 1


def _type(value: Any) -> str | None:
    return value.get("type") if isinstance(value, Mapping) else None


def _grouped(path: str, values: Values) -> Difference:
    found: dict[str, list[str]] = {}
    for name, value in values.items():
        found.setdefault(_short(value), []).append(name)
    return Difference(path, {value: tuple(names) for value, names in found.items()})


def _short(value: Any) -> str:
    """A component by its type, a list of them by theirs, anything else as JSON."""
    if value is ABSENT:
        return "absent"
    if type_ := _type(value):
        return type_
    if isinstance(value, list) and any(map(_type, value)):
        return f"[{', '.join(map(_short, value))}]"
    text = value if isinstance(value, str) else _json(value)
    return text if len(text) <= LONGEST else f"{text[: LONGEST - 4]} ..."


def _json(value: Any) -> str:
    return "" if value is ABSENT else json.dumps(value, sort_keys=True, ensure_ascii=False)
