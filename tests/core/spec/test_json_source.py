"""The JSON reader: equal to the standard library on what is JSON, and it knows where everything stands."""

from __future__ import annotations

import json
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from graftwork import SpecError
from graftwork.core.spec.json_source import MAX_DEPTH, parse_json

SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=20)
)
VALUES = st.recursive(
    SCALARS, lambda inner: st.lists(inner, max_size=5) | st.dictionaries(st.text(max_size=8), inner, max_size=5)
)
LAYOUTS = st.sampled_from([{}, {"indent": 2}, {"indent": "\t"}, {"separators": (",", ":")}, {"ensure_ascii": False}])


def places(value: Any, path: tuple[str | int, ...] = ()) -> list[tuple[tuple[str | int, ...], Any]]:
    """Every value inside ``value`` with its path."""
    children = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    return [(path, value)] + [place for key, child in children for place in places(child, (*path, key))]


def offset(text: str, line: int, column: int) -> int:
    """The index that an editor would jump to."""
    return sum(len(row) + 1 for row in text.split("\n")[: line - 1]) + column - 1


@given(VALUES, LAYOUTS)
def test_parses_as_the_standard_library(value, layout):
    """Whatever ``json`` writes is read as ``json`` reads it, types included."""
    text = json.dumps(value, **layout)
    assert repr(parse_json(text, "x").value) == repr(json.loads(text))


@given(VALUES, LAYOUTS)
def test_position_points_at_the_text_of_every_value(value, layout):
    """From line and column of each path, the standard library's decoder reads that very value."""
    text = json.dumps(value, **layout)
    source = parse_json(text, "x")
    for path, expected in places(json.loads(text)):
        at = offset(text, *source.position(path))
        assert repr(json.JSONDecoder().raw_decode(text, at)[0]) == repr(expected)


@given(VALUES, st.lists(st.text(max_size=3) | st.integers(0, 3), max_size=3))
def test_position_of_what_is_not_there_is_its_nearest_ancestor(value, below):
    """A missing key is reported at the innermost object that should have held it."""
    source = parse_json(json.dumps(value), "x")
    ancestor = tuple(below)
    while ancestor not in source.offsets:
        ancestor = ancestor[:-1]
    assert source.position(tuple(below)) == source.position(ancestor)


@given(st.text(alphabet='{}[]",:0123456789.eE+-truefalsn \n\\u\t/aNI', max_size=40))
def test_accepts_exactly_what_is_json(text):
    """Any text is either read as by the standard library, or refused with a position inside it."""
    try:
        value = parse_json(text, "x").value
    except SpecError as error:
        (problem,) = error.problems
        assert 0 <= offset(text, problem.line, problem.column) <= len(text)
        return
    assert repr(value) == repr(json.loads(text))


@given(VALUES, st.data())
def test_cut_text_is_refused(value, data):
    """No proper beginning of an object or array is taken for a whole one."""
    text = json.dumps([value])
    with pytest.raises(SpecError):
        parse_json(text[: data.draw(st.integers(0, len(text) - 1))], "x")


@given(st.dictionaries(st.text(max_size=5), SCALARS, min_size=1, max_size=4), st.data())
def test_second_of_two_equal_keys_is_pointed_at(value, data):
    """A key that stands twice is refused where it stands the second time."""
    key = data.draw(st.sampled_from(sorted(value)))
    text = json.dumps(value)[:-1] + f", {json.dumps(key)}: 1}}"
    with pytest.raises(SpecError) as error:
        parse_json(text, "x")
    (problem,) = error.value.problems
    assert problem.reason == f"key `{key}` stands here twice"
    assert offset(text, problem.line, problem.column) == len(json.dumps(value)[:-1]) + 2


def test_equal_keys_in_different_objects_are_fine():
    """Only one object's own keys must differ."""
    assert parse_json('{"a": {"a": 1}, "b": [{"a": 2}, {"a": 3}]}', "x").value["b"][1] == {"a": 3}


def test_depth_is_capped_one_level_past_the_limit():
    """The deepest allowed nesting is read, one more is refused."""
    assert parse_json("[" * MAX_DEPTH + "1" + "]" * MAX_DEPTH, "x").offsets
    with pytest.raises(SpecError, match=f"nested deeper than {MAX_DEPTH} levels"):
        parse_json("[" * (MAX_DEPTH + 1) + "1" + "]" * (MAX_DEPTH + 1), "x")


def test_thousands_of_brackets_end_in_the_depth_error_and_not_in_recursion():
    """Hostile nesting is refused early."""
    with pytest.raises(SpecError, match="nested deeper"):
        parse_json("[" * 500_000, "x")
