"""What ``graftwork components show`` says of a component, from its spec's JSON Schema."""

from __future__ import annotations

import inspect
import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ValidationError
from pydantic_core import to_jsonable_python

from ....registry.as_written import read
from ....registry.schema import component_schema

if TYPE_CHECKING:
    from ....registry.catalogue import Catalogue
    from ....registry.component import Component

Json = Mapping[str, Any]
_BOUNDS = {
    "minimum": "at least {}",
    "exclusiveMinimum": "above {}",
    "maximum": "at most {}",
    "exclusiveMaximum": "below {}",
    "minLength": "at least {} letter{s}",
    "minItems": "at least {} item{s}",
    "maxItems": "at most {} item{s}",
    "pattern": "matching {}",
}
_SCALARS = {"string": "...", "integer": 1, "number": 1.0, "boolean": True, "array": [], "object": {}, "null": None}


def component_page(component: Component, catalogue: Catalogue) -> dict[str, Any]:
    """Everything about a component, as JSON."""
    owner = catalogue.owner(component)
    schema = component_schema(component, catalogue)
    required = set(schema.get("required", ()))
    return {
        "kind": component.kind,
        "type": component.type,
        "summary": component.summary,
        "documentation": inspect.cleandoc(schema.get("description", component.summary)),
        "version": component.version,
        "plugin": owner.name,
        "distribution": owner.distribution,
        "distribution_version": owner.version,
        "file": _file(component.spec),
        "build": component.build,
        "fields": [
            _field(name, {**_made_default(component.spec, name), **field}, name in required, schema.get("$defs", {}))
            for name, field in schema.get("properties", {}).items()
            if name != "type"
        ],
        "example": example(component, catalogue),
    }


def example(component: Component, catalogue: Catalogue, depth: int = 3) -> dict[str, Any] | None:
    """The least that a spec of it must say, and that is valid; ``None`` where only its author could write one."""
    schema = component_schema(component, catalogue)
    made = next(iter(schema.get("examples", ())), None) or {
        "type": component.type,
        **_sample_fields(schema, schema.get("$defs", {}), catalogue, depth),
    }
    try:
        read(component.spec, made, {"catalogue": catalogue})
    except ValidationError:
        return None
    return made


def _sample_fields(schema: Json, definitions: Json, catalogue: Catalogue, depth: int) -> dict[str, Any]:
    """A value for each required field."""
    names = [name for name in schema.get("required", ()) if name != "type"]
    return {name: _sample(schema["properties"][name], definitions, catalogue, depth) for name in names}


def _sample(field: Json, definitions: Json, catalogue: Catalogue, depth: int) -> Any:
    """A value that the field may take."""
    if "examples" in field:
        return field["examples"][0]
    if "x-slot" in field:
        types = catalogue.types(field["x-slot"]) if depth else ()
        found = (example(catalogue.find(field["x-slot"], type_), catalogue, depth - 1) for type_ in types)
        return next((one for one in found if one), None)
    if "anyOf" in field:
        return _sample(field["anyOf"][0], definitions, catalogue, depth)
    if "$ref" in field:
        return _sample_fields(definitions[field["$ref"].rpartition("/")[2]], definitions, catalogue, depth)
    if "enum" in field or "const" in field:
        return field.get("const", field.get("enum", [None])[0])
    if field.get("type") == "array":
        return [_sample(field.get("items", {}), definitions, catalogue, depth)] * field.get("minItems", 1)
    return field.get("minimum", _SCALARS.get(str(field.get("type"))))


def _made_default(spec: type[BaseModel], name: str) -> Json:
    """``default`` of a field that has a ``default_factory``, which no schema shows."""
    for own, field in spec.model_fields.items():
        if name == (field.alias or own) and field.default_factory and not field.default_factory_takes_validated_data:
            return {"default": to_jsonable_python(field.get_default(call_default_factory=True))}
    return {}


def _field(name: str, field: Json, required: bool, definitions: Json) -> dict[str, Any]:
    return {
        "name": name,
        "takes": takes(field, definitions),
        "required": required,
        "default": field.get("default"),
        "documentation": " ".join(field.get("description", "").split()),
    }


def takes(field: Json, definitions: Json) -> str:
    """The values that a field may have, in words."""
    bounds = [
        text.format(field[key], s="" if field[key] == 1 else "s") for key, text in _BOUNDS.items() if key in field
    ]
    return ", ".join([_kind(field, definitions), *bounds])


def _kind(field: Json, definitions: Json) -> str:
    if "x-slot" in field:
        return f"{field['x-slot']} component"
    if "anyOf" in field:
        return " or ".join(dict.fromkeys(takes(one, definitions) for one in field["anyOf"]))
    if "$ref" in field:
        target = definitions[field["$ref"].rpartition("/")[2]]
        return (
            f"object with {', '.join(target['properties'])}" if "properties" in target else _kind(target, definitions)
        )
    if "enum" in field or "const" in field:
        return " | ".join(f"`{value}`" for value in field.get("enum", [field.get("const")]))
    if field.get("type") == "array" and "items" in field:
        return f"array of {takes(field['items'], definitions)}"
    return str(field.get("type", "any value"))


def _file(spec: type) -> str | None:
    """Where the spec is written; the module is imported already."""
    module = sys.modules.get(spec.__module__)
    return getattr(module, "__file__", None)
