"""Turn pydantic's errors into problems a person can act on: position, reason, nearest name, right section."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from typing import Any, get_origin

from pydantic import BaseModel, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import ErrorDetails, to_jsonable_python

from ...registry.catalogue import Catalogue, UnknownComponent
from ...registry.errors import Problem
from ...registry.field_docs import field_doc
from ...registry.slot import Slot, full_form, slot_of
from ...registry.spec import keys_of, near_key
from .json_source import JsonPath

_IN_JSON_WORDS = {
    "tuple_type": "expected a list",
    "dict_type": "expected an object",
    "model_type": "expected an object",
}


#: More problems than this are counted, not told.
MOST = 100


def explain(error: ValidationError, root: type[BaseModel], raw: Any, catalogue: Catalogue) -> list[Problem]:
    """One problem for each error; ``raw`` is the JSON value that was validated as ``root``."""
    problems: list[Problem] = []
    lines = _without_echoes(error.errors(include_url=False), raw)
    for line in lines[:MOST]:
        path = _in_json(tuple(line["loc"]), raw)
        context = line.get("ctx", {})
        if line["type"] == "extra_forbidden":
            problems.append(_stray_key(path, root, raw, catalogue))
        elif line["type"] == "missing":
            path = (*path, line["loc"][-1])
            problems.append(
                Problem(f"`{path[-1]}` is missing", path[:-1], hint=_what_it_is(path, root, raw, catalogue))
            )
        else:
            reason = _reason(line["type"], line["msg"], line["input"], context)
            problems.append(Problem(reason, path, hint=context.get("hint")))
    if len(lines) > MOST:
        problems.append(more_than_told(len(lines) - MOST))
    return problems


def more_than_told(count: int) -> Problem:
    """The last line of a list that would have no end."""
    return Problem(f"and {count} more problems")


def default_list(path: JsonPath, root: type[BaseModel], raw: Any, catalogue: Catalogue) -> list[Any] | None:
    """As JSON, the items that the field at ``path`` has by default; ``None`` where it is unknown or no list."""
    model = _model_at(path[:-1], root, raw, catalogue)
    field = _field(model, path[-1])
    found = field.get_default(call_default_factory=True) if field else None
    return to_jsonable_python(list(found), by_alias=True) if isinstance(found, (list, tuple)) else None


def _field(model: type[BaseModel] | None, key: str | int) -> FieldInfo | None:
    return model.model_fields[name] if model and (name := _name(model, key)) else None


def _name(model: type[BaseModel], key: str | int) -> str | None:
    """Of the field that is called ``key`` in JSON."""
    return next((name for name, field in model.model_fields.items() if (field.alias or name) == key), None)


def _without_echoes(lines: list[ErrorDetails], raw: Any) -> list[ErrorDetails]:
    """pydantic does not count broken items of a list, and then calls the list too short as well. What is in a section
    that was not written is wrong where it was taken from (``tasks`` for ``dataset``), and is told there.
    """
    lines = [line for line in lines if not _is_taken(line, raw)]
    parents = {line["loc"][:depth] for line in lines for depth in range(len(line["loc"]))}
    return [line for line in lines if line["type"] != "too_short" or line["loc"] not in parents]


def _is_taken(line: ErrorDetails, raw: Any) -> bool:
    path, lacking = line["loc"], line["type"] == "missing" and len(line["loc"]) == 1
    return bool(path) and isinstance(raw, dict) and path[0] not in raw and not lacking


def _in_json(path: JsonPath, raw: Any) -> JsonPath:
    """Those steps that the JSON value has: pydantic's locations also name the members of a union that it tried."""
    out: JsonPath = ()
    for part in path:
        if isinstance(raw, (list, tuple)) if isinstance(part, int) else isinstance(raw, dict) and part in raw:
            out, raw = (*out, part), _child(raw, part)
    return out


def _reason(kind: str, message: str, given: Any, context: Mapping[str, Any]) -> str:
    """pydantic's message in the words of JSON, with the value that was given."""
    if kind == "value_error":
        return str(context["error"])
    if kind in ("too_short", "too_long"):
        bound = f"at least {context['min_length']}" if kind == "too_short" else f"at most {context['max_length']}"
        return f"expected {bound} item{'' if bound.endswith(' 1') else 's'}, not {context['actual_length']}"
    if not kind.startswith("component_"):  # those are our own words
        message = _IN_JSON_WORDS.get(kind, message[:1].lower() + message[1:])
    if isinstance(given, (str, int, float, bool)) and repr(given) not in message and str(given) not in message:
        message += f", not {json.dumps(given, ensure_ascii=False)}"[:80]
    return message


def _stray_key(path: JsonPath, root: type[BaseModel], raw: Any, catalogue: Catalogue) -> Problem:
    key = str(path[-1])
    model = _model_at(path[:-1], root, raw, catalogue)
    known = keys_of(model) if model else []
    if model and (near := near_key(model, key)):
        hint = f"did you mean `{near}`?"
    elif homes := list(_sections_with(key, root, raw, catalogue)):
        hint = f"it belongs in {' or '.join(f'`{home}`' for home in homes)}"
    else:
        hint = f"known here: {', '.join(sorted(known))}"
    return Problem(f"unknown key `{key}`", path, hint=hint)


def _what_it_is(path: JsonPath, root: type[BaseModel], raw: Any, catalogue: Catalogue) -> str | None:
    model = _model_at(path[:-1], root, raw, catalogue)
    name = _name(model, path[-1]) if model else None
    if model is None or name is None:
        return None
    slot = next((one for one in model.model_fields[name].metadata if isinstance(one, Slot)), None)
    return (
        f"installed: {', '.join(catalogue.types(slot.kind))}"
        if slot
        else " ".join((field_doc(model, name) or "").split()) or None
    )


def _model_in(annotation: Any, raw: Any) -> type[BaseModel] | None:
    """The plain model inside unions and tuples; of several the one with most of the keys that were given."""
    models = list(_models_in(annotation))
    given = raw.keys() if isinstance(raw, dict) else ()
    return max(models, key=lambda model: sum(key in given for key in keys_of(model)), default=None)


def _models_in(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for part in getattr(annotation, "__args__", ()):
        yield from _models_in(part)


def _sections_with(key: str, root: type[BaseModel], raw: Any, catalogue: Catalogue) -> Iterator[str]:
    """The sections of this very pipeline whose spec has a field ``key``."""
    for section in raw if isinstance(raw, dict) else ():
        if (model := _model_at((section,), root, raw, catalogue)) and key in keys_of(model):
            yield section


def _model_at(path: JsonPath, root: type[BaseModel], raw: Any, catalogue: Catalogue) -> type[BaseModel] | None:
    """The spec class of the object at ``path``: followed through plain models and, by ``type``, through slots."""
    model: type[BaseModel] | None = root
    slot: Slot | None = None
    keyed = False
    for part in path:
        raw = _child(raw, part)
        if keyed:  # the key of a mapping names no field
            keyed = False
        elif not isinstance(part, int):
            field = _field(model, part)
            if field is None:
                return None
            slot = slot_of(field)
            model = _model_in(field.annotation, raw)
            keyed = get_origin(field.annotation) is dict
        if slot and isinstance(whole := full_form(raw), dict):
            try:
                model = catalogue.find(slot.kind, str(whole.get("type"))).spec
            except UnknownComponent:
                return None
    return model


def _child(raw: Any, part: str | int) -> Any:
    try:
        return raw[part]
    except (KeyError, IndexError, TypeError):
        return None
