"""JSON Schema of a spec with every installed component in its slots, for editors.

One self-contained schema of draft 2020-12:

- ``$defs/<kind>.<type>`` says what may stand in an object of that type;
- ``$defs/<kind>`` is an object whose ``type`` is one of the installed ones; and for each of them, if it is that, then
  what may and what must stand in it. So an editor's messages are about the type that was written, and no other. It may
  be a string, too: the ``type`` alone, of those that need nothing else;
- ``$defs/<kind>.partial`` is the same without what must: an object that a file which ``extends`` others adds to.

``enumDescriptions``, which validators ignore, is what editors show beside each type.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, PydanticUserError
from pydantic.json_schema import GenerateJsonSchema, models_json_schema

from .catalogue import Catalogue
from .component import Component, SpecClass, SpecClassError
from .errors import GraftworkError
from .importing import paused_collection

Json = dict[str, Any]
_AT = "#/$defs/"


class SchemaError(GraftworkError):
    """A component's spec class cannot be described."""


class _Generator(GenerateJsonSchema):
    """pydantic's, without an adapter made for each plain default: a fifth of the time of 500 types."""

    def encode_default(self, dft: Any) -> Any:
        """Scalars are JSON as they are."""
        return dft if type(dft) in (bool, int, float, str, type(None)) else super().encode_default(dft)


@paused_collection()
def export_schema(root: type[BaseModel], catalogue: Catalogue) -> Json:
    """The schema of ``root`` with the components of ``catalogue``."""
    components = list(catalogue)
    for component in components:
        _ready(component, catalogue)
    models = [(model, "validation") for model in dict.fromkeys([root, *(component.spec for component in components)])]
    try:
        refs, bundle = models_json_schema(models, schema_generator=_Generator)  # type: ignore[arg-type]
    except PydanticUserError:
        for component in components:
            component_schema(component, catalogue)  # says which one
        raise
    definitions: Json = bundle["$defs"]
    names = {refs[component.spec, "validation"]["$ref"]: f"{_AT}{component.name}" for component in components}
    named = {
        names.get(_AT + key, _AT + key).removeprefix(_AT): _with_slots(definition, names)
        for key, definition in definitions.items()
    }
    musts = {component.name: _taken_apart(named[component.name], component) for component in components}
    for kind in sorted({*catalogue.kinds(), *_slots_in(definitions)}):
        of_kind = [one for one in components if one.kind == kind]
        of_kind.sort(key=lambda one: one.type)
        named[kind] = _choice(of_kind, musts)
        named[f"{kind}.partial"] = _choice(of_kind, None)
    top = refs[root, "validation"]["$ref"].removeprefix(_AT)
    del named[top]
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", **_root(definitions[top], names)}
    return {**whole, "$defs": dict(sorted(named.items()))}


def _taken_apart(definition: Json, component: Component) -> list[str]:
    """Take the required keys out of a component's definition."""
    definition.setdefault("description", component.summary)
    return [key for key in definition.pop("required", []) if key != "type"]


def _choice(components: list[Component], musts: dict[str, list[str]] | None) -> Json:
    """One of these, by its ``type``; ``musts``: the keys that each requires, None: nothing is required."""
    if not components:
        return {"not": {}, "description": "Nothing of this kind is installed."}
    kind = components[0].kind
    branches = []
    for one in components:
        then: Json = {"$ref": f"{_AT}{one.name}"}
        if musts and musts[one.name]:
            then["required"] = musts[one.name]
        named = {"type": "object", "properties": {"type": {"const": one.type}}, "required": ["type"]}
        branches.append({"if": named, "then": then})
    alone = [one for one in components if not (musts and musts[one.name])]
    short = {"enum": [one.type for one in alone], "enumDescriptions": [one.summary for one in alone]}
    branches.append({"if": {"type": "string"}, "then": short})
    types = {
        "description": f"Which {kind}.",
        "enum": [one.type for one in components],
        "enumDescriptions": [one.summary for one in components],
    }
    must = {"required": ["type"]} if musts is not None else {}
    return {"type": ["object", "string"], "properties": {"type": types}, **must, "allOf": branches}


def _root(definition: Json, names: dict[str, str]) -> Json:
    """The pipeline itself: nothing need stand in a file that extends others."""
    slotted = {key: field for key, field in definition["properties"].items() if _is_slot(field)}
    about = ("description", "default")
    plain = {
        key: {name: value for name, value in field.items() if name in about} if key in slotted else field
        for key, field in definition["properties"].items()
    }
    rest = {key: value for key, value in definition.items() if key not in ("properties", "required")}
    strict = {"properties": {key: _bare(_with_slots(field, names), about) for key, field in slotted.items()}}
    partial = {"properties": {key: _bare(_with_slots(field, names, True), about) for key, field in slotted.items()}}
    if "required" in definition:
        strict["required"] = definition["required"]
    whole = {**_with_slots(rest, names), "properties": _with_slots(plain, names)}
    if "extends" not in plain:
        return {**whole, **strict, "properties": {**whole["properties"], **_with_slots(slotted, names)}}
    given = {"properties": {"extends": {"not": {"type": "null"}}}, "required": ["extends"]}
    return {**whole, "if": given, "then": partial, "else": strict}


def _bare(field: Json, about: tuple[str, ...]) -> Json:
    return {key: value for key, value in field.items() if key not in about}


def _is_slot(field: Json) -> bool:
    """Whether a field is a slot, or a slot that may be empty; a list of slots is none."""
    return any("x-slot" in one for one in (field, *field.get("anyOf", [])))


def component_schema(component: Component, catalogue: Catalogue) -> Json:
    """The JSON Schema of one component's spec, slots left open (``x-slot``). Raises ``SchemaError``."""
    try:
        return _ready(component, catalogue).model_json_schema()
    except PydanticUserError as error:
        reason = f"its spec {component.spec.__name__} has no JSON Schema: {' '.join(error.message.split())}"
        raise _unusable(component, catalogue, reason) from error


def _ready(component: Component, catalogue: Catalogue) -> SpecClass:
    """Its spec class, built. Raises ``SchemaError``."""
    try:
        return component.ready_spec()
    except SpecClassError as error:
        raise _unusable(component, catalogue, str(error)) from error


def _unusable(component: Component, catalogue: Catalogue, reason: str) -> SchemaError:
    owner = catalogue.owner(component)
    return SchemaError(
        f"{component.kind} `{component.type}` of {owner}: {reason}; --plugins-block {owner.name} leaves it out"
    )


def _slots_in(node: Any) -> Iterator[str]:
    """The kinds of all slots, installed or not."""
    if isinstance(node, dict) and isinstance(node.get("x-slot"), str):
        yield node["x-slot"]
    for part in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _slots_in(part)


def _is_noise(key: str, value: Any) -> bool:
    """Placeholders, and pydantic's titles: names that editors would show above the sentences."""
    return key.startswith("x-slot") or (key == "title" and isinstance(value, str))


def _with_slots(node: Any, names: dict[str, str], partial: bool = False) -> Any:
    """``node`` with the definition of its kind in each slot, and components under their names."""
    if isinstance(node, list):
        return [_with_slots(part, names, partial) for part in node]
    if not isinstance(node, dict):
        return node
    out = {key: _with_slots(value, names, partial) for key, value in node.items() if not _is_noise(key, value)}
    if "x-slot" in node:
        kind, default = f"{_AT}{node['x-slot']}", node.get("x-slot-default")
        if partial:
            out["$ref"] = f"{kind}.partial"
        elif default is None:
            out["$ref"] = kind
        else:  # an object without a type is of the default one
            out |= {"if": {"required": ["type"]}, "then": {"$ref": kind}, "else": {"$ref": f"{kind}.{default}"}}
    elif isinstance(out.get("$ref"), str):
        out["$ref"] = names.get(out["$ref"], out["$ref"])
    return out
