"""What is promised of every spec."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Callable, Mapping
from functools import cache
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from pydantic import ValidationError

from ....registry.as_written import UNKEPT, as_written
from ....registry.catalogue import Catalogue, Plugin
from ....registry.component import Component
from ....registry.field_docs import field_doc
from ....registry.schema import export_schema
from ....registry.spec import Spec
from ..case import Case
from ..drawn_specs import objects

HEAVY = ("torch", "transformers", "open_clip", "torch_geometric", "triton")
EXAMPLES = 40
_KEPT = (
    "every training reads the spec again from its JSON, so let validators leave their own result as it is, serializers "
    "write what is read, and defaults be the same each time"
)


def light_import(case: Case) -> None:
    """In a process of its own, importing the spec's module leaves the heavy packages alone."""
    module = case.component.spec.__module__
    if found := heavy_imports(module, tuple(sys.path)):
        raise AssertionError(
            f"importing {module} imports {', '.join(found)}: it is imported for every command, so keep the "
            f"implementation in a module of its own, named by `build`"
        )


@cache
def heavy_imports(module: str, path: tuple[str, ...]) -> tuple[str, ...]:
    """Which heavy packages that module's import brings in."""
    script = f"import sys; sys.path[:] = {list(path)!r}; import {module}; print(*(set({HEAVY!r}) & set(sys.modules)))"
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=False, timeout=300)
    if done.returncode:
        raise AssertionError(f"{module} cannot be imported by itself: {done.stderr.strip().splitlines()[-1]}")
    return tuple(sorted(done.stdout.strip().splitlines()[-1].split())) if done.stdout.strip() else ()


def round_trip(case: Case) -> None:
    """Out to JSON and back it is the same, to every field and type; so is what the schema allows in place of it."""
    context = {"catalogue": case.catalogue}

    def kept(value: Mapping[str, Any]) -> None:
        try:
            as_written(case.component.spec, value, context)
        except ValidationError as error:
            for told in error.errors():
                assert told["type"] != UNKEPT, f"{dict(value)}: {told['msg']}; {_KEPT}"

    kept(case.example)
    _draw(objects(_schema(case.component), case.component.name, case.example, st.nothing()), kept)


def schema(case: Case) -> None:
    """What editors complete from."""
    exported = _schema(case.component)
    definition = exported["$defs"][case.component.name]
    type_ = definition["properties"]["type"]
    assert type_.get("const") == case.component.type, f"`type` is {type_} in the schema, not {case.component.type!r}"
    json.dumps(definition, allow_nan=False)


class _Root(Spec):
    """What the schema is exported of; what matters are its definitions."""


def _schema(component: Component) -> dict[str, Any]:
    """Of this component alone: exporting all that is installed takes a second, and slots hold anything here."""
    return export_schema(_Root, Catalogue([Plugin("under_test", "under test", "", components=(component,))]))


def defaults(case: Case) -> None:
    """With the required fields of the example alone, no default is refused. What fields mean together may be."""
    try:
        case.validated(required_of(case))
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors() if one["loc"]]
        assert not wrong, f"defaults do not validate: {'; '.join(wrong)}"


def required_of(case: Case) -> dict[str, Any]:
    """Of the example what the spec cannot be without."""
    fields = {field.alias or name: field for name, field in case.component.spec.model_fields.items()}
    return {key: value for key, value in case.example.items() if key == "type" or fields[key].is_required()}


def documented(case: Case) -> None:
    """A docstring on the class, one under each field, and a summary of one line."""
    spec, component = case.component.spec, case.component
    assert component.summary.strip(), "the component's summary is empty"
    assert "\n" not in component.summary, "the component's summary is more than one line"
    assert spec.__dict__.get("__doc__"), f"{spec.__name__} has no docstring: it is what editors show for the type"
    bare = [name for name in spec.model_fields if name != "type" and not field_doc(spec, name)]
    assert not bare, f"{spec.__name__}: no docstring under {', '.join(bare)}"


def drawn_specs(case: Case) -> None:
    """Values at and beyond the edge of what the schema allows, and plain junk, in place of the example's."""
    found: list[tuple[Any, Exception]] = []

    def once(value: dict[str, Any]) -> None:
        try:
            case.validated(value)
        except ValidationError:
            return
        except Exception as error:
            found.append((value, error))
            raise

    try:
        _draw(objects(_schema(case.component), case.component.name, case.example), once)
    except Exception as error:
        if not found:
            raise
        value, cause = found[-1]
        raise AssertionError(
            f"{value} raises {type(cause).__name__}: {cause}; in validators raise ValueError, which pydantic reports"
        ) from error


def _draw(drawn: st.SearchStrategy[dict[str, Any]], check: Callable[[dict[str, Any]], None]) -> None:
    """The same ones each time, the smallest that fails last."""
    configured = settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate, Phase.shrink],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    configured(given(drawn)(check))()
