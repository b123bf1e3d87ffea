"""JSON Schema of a spec with every installed component in its slots, for editors."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel, PydanticUserError
from pydantic.json_schema import models_json_schema

from .catalogue import Catalogue
from .component import Component
from .errors import GraftworkError

Json = dict[str, Any]


class SchemaError(GraftworkError):
    """A component's spec class cannot be described."""


def export_schema(root: type[BaseModel], catalogue: Catalogue) -> Json:
    """One self-contained schema: ``$defs/<kind>`` is ``oneOf`` the installed types, each ``$defs/<kind>.<type>``."""
    components = list(catalogue)
    models = [(model, "validation") for model in dict.fromkeys([root, *(component.spec for component in components)])]
    try:
        refs, bundle = models_json_schema(models)  # type: ignore[arg-type]
    except PydanticUserError:
        for component in components:
            component_schema(component, catalogue)  # says which one
        raise
    definitions: Json = bundle["$defs"]
    renamed = {refs[component.spec, "validation"]["$ref"]: f"#/$defs/{component.name}" for component in components}
    named: Json = {}
    for key, definition in definitions.items():
        named[renamed.get(f"#/$defs/{key}", f"#/$defs/{key}").removeprefix("#/$defs/")] = _rewrite(definition, renamed)
    for component in components:
        named[component.name]["required"] = [
            "type",
            *(r for r in named[component.name].get("required", []) if r != "type"),
        ]
        named[component.name].setdefault("description", component.summary)
    for kind in sorted({*catalogue.kinds(), *_slots_in(definitions)}):
        types = [{"$ref": f"#/$defs/{kind}.{type_}"} for type_ in catalogue.types(kind)]
        named[kind] = {"oneOf": types} if types else {"not": {}, "description": f"No {kind} is installed."}
    top = named.pop(refs[root, "validation"]["$ref"].removeprefix("#/$defs/"))
    return {"$schema": "https://json-schema.org/draft/2020-12/schema", **top, "$defs": dict(sorted(named.items()))}


def component_schema(component: Component, catalogue: Catalogue) -> Json:
    """The JSON Schema of one component's spec, slots left open (``x-slot``). Raises ``SchemaError``."""
    try:
        return component.spec.model_json_schema()
    except PydanticUserError as error:
        owner = catalogue.owner(component)
        raise SchemaError(
            f"{component.kind} `{component.type}` of {owner}: its spec {component.spec.__name__} has no JSON Schema: "
            f"{' '.join(error.message.split())}; --plugins-block {owner.name} leaves it out"
        ) from error


def _slots_in(node: Any) -> Iterator[str]:
    """The kinds of all slots, installed or not."""
    if isinstance(node, dict) and isinstance(node.get("x-slot"), str):
        yield node["x-slot"]
    for part in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from _slots_in(part)


def _rewrite(node: Any, renamed: dict[str, str]) -> Any:
    if isinstance(node, list):
        return [_rewrite(part, renamed) for part in node]
    if not isinstance(node, dict):
        return node
    out = {key: _rewrite(value, renamed) for key, value in node.items() if key != "x-slot"}
    if "x-slot" in node:
        out["$ref"] = f"#/$defs/{node['x-slot']}"
    elif "$ref" in out:
        out["$ref"] = renamed.get(out["$ref"], out["$ref"])
    return out
