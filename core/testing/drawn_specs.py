"""Specs drawn from their own JSON schema: values it allows, values at its edges, and junk."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from hypothesis import strategies as st

Json = Mapping[str, Any]

#: Those of ``st.text()``, by category: what UTF-8 encodes takes hypothesis a second in each folder that is new to it.
LETTERS = st.characters(exclude_categories=["Cs"])
#: Any JSON (and the numbers that JSON has no word for), small.
JUNK: st.SearchStrategy[Any] = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(LETTERS, max_size=6),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(LETTERS, max_size=4), inner, max_size=3),
    max_leaves=4,
)


def objects(
    schema: Json, component: str, example: Json, junk: st.SearchStrategy[Any] = JUNK
) -> st.SearchStrategy[dict[str, Any]]:
    """The example with some fields left out, some redrawn, some junk, and now and then one that is not there.

    ``schema`` is an exported one; ``component`` (``kind.type``) is among its ``$defs``. ``junk``: none with
    ``st.nothing()``, where most should be valid.
    """
    definitions = schema["$defs"]
    fields = definitions[component]["properties"]
    given = {
        name: st.sampled_from([example[name]]) | values(field, definitions) | junk
        if name in example
        else values(field, definitions) | junk
        for name, field in fields.items()
        if name != "type"
    }
    kept = {name: value for name, value in example.items() if name == "type"}
    stray = st.dictionaries(st.text(LETTERS, max_size=6), junk, max_size=0 if junk.is_empty else 1)
    return st.builds(
        lambda own, drawn, more, keep: {**more, **(own if keep else {}), **drawn, **kept},
        st.just(dict(example)),
        st.fixed_dictionaries({}, optional=given),
        st.just({}) | stray,
        st.sampled_from([True, True, True, False]),
    )


def values(schema: Json, definitions: Json, depth: int = 2) -> st.SearchStrategy[Any]:
    """What a schema allows, as far as it says it in simple words; junk for what is not understood."""
    if "$ref" in schema:
        target = definitions.get(schema["$ref"].removeprefix("#/$defs/"), {})
        return values(target, definitions, depth - 1) if depth > 0 else JUNK
    if "const" in schema:
        return st.just(schema["const"])
    if "enum" in schema:
        return st.sampled_from(schema["enum"])
    for several in ("anyOf", "oneOf"):
        if several in schema:
            return st.one_of([values(one, definitions, depth - 1) for one in schema[several]])
    return _of_type(schema, definitions, depth)


def _of_type(schema: Json, definitions: Json, depth: int) -> st.SearchStrategy[Any]:
    match schema.get("type"):
        case "integer":
            low = schema.get("minimum", schema.get("exclusiveMinimum", -3))
            return st.sampled_from([low - 1, low, low + 1, schema.get("maximum", low + 7)]) | st.integers()
        case "number":
            edges = [schema.get(key, 1.0) for key in ("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum")]
            return st.sampled_from(edges) | st.floats(allow_nan=False, allow_infinity=False)
        case "boolean":
            return st.booleans()
        case "string":
            return st.text(LETTERS, max_size=8)
        case "null":
            return st.none()
        case "array" if depth > 0:
            return st.lists(values(schema.get("items", {}), definitions, depth - 1), max_size=3)
        case "object" if depth > 0 and "properties" in schema:
            each = {name: values(one, definitions, depth - 1) for name, one in schema["properties"].items()}
            return st.fixed_dictionaries({}, optional=each)
        case _:
            return JUNK
