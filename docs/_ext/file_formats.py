"""The page of the files that a run writes, from their models."""

from __future__ import annotations

import inspect
import json
import textwrap
from collections.abc import Iterator, Mapping
from typing import Any

from appended import append
from sphinx.application import Sphinx

from graftwork.core.cli.plugins.component_page import takes
from graftwork.core.cli.specs.schema import files


def setup(app: Sphinx) -> dict[str, bool]:
    """From the models alone."""
    return append(app, "docs/reference/results", lambda: "\n".join(formats()))


def formats() -> Iterator[str]:
    """Markdown: a section a file, a section an object in it."""
    for file, model in files().items():
        schema = model.model_json_schema()
        definitions = schema.pop("$defs", {})
        yield f"\n## {file}.json\n"
        yield from _fields(file, schema, definitions)
        for name, definition in definitions.items():
            yield f"({_label(file, name)})="
            yield f"### {name}\n"
            yield from _fields(file, definition, definitions)


def _fields(file: str, schema: Mapping[str, Any], definitions: Mapping[str, Any]) -> Iterator[str]:
    yield inspect.cleandoc(schema["description"]).replace("``", "`") + "\n"
    for name, field in schema["properties"].items():
        default = f"; default `{json.dumps(field['default'])}`" if "default" in field else ""
        yield f"`{name}`\n: {_kind(file, field, definitions)}{default}\n"
        yield textwrap.indent(field.get("description", "").replace("``", "`"), "  ") + "\n"


def _kind(file: str, field: Mapping[str, Any], definitions: Mapping[str, Any]) -> str:
    """As ``takes``, an object of ours by a link to it."""
    if "$ref" in field:
        name = field["$ref"].rpartition("/")[2]
        return f"[{name}](#{_label(file, name)})"
    if "anyOf" in field:
        return " or ".join(_kind(file, one, definitions) for one in field["anyOf"])
    if field.get("type") == "array":
        return f"array of {_kind(file, field['items'], definitions)}"
    if isinstance(values := field.get("additionalProperties"), Mapping):
        return f"object of {_kind(file, values, definitions)}"
    return takes(field, definitions)


def _label(file: str, name: str) -> str:
    return f"{file}-{name.lower()}".replace("_", "-")
