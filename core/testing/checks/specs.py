"""What is promised of every spec."""

from __future__ import annotations

import json
import subprocess
import sys
from functools import cache
from typing import Any

from hypothesis import HealthCheck, Phase, given, settings
from pydantic import ValidationError

from ....registry.catalogue import Catalogue, Plugin
from ....registry.component import Component
from ....registry.field_docs import field_doc
from ....registry.schema import export_schema
from ....registry.spec import Spec
from ..case import Case
from ..drawn_specs import objects

HEAVY = ("torch", "transformers", "open_clip", "torch_geometric", "triton")
EXAMPLES = 40


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
    """Out to JSON and back."""
    written = json.loads(json.dumps(case.spec.model_dump(mode="json", by_alias=True), allow_nan=False))
    again = case.validated(written)
    assert again == case.spec, f"{written} validates to {again!r}, not to {case.spec!r}"


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
    fields = case.component.spec.model_fields
    needed = {name: value for name, value in case.example.items() if name == "type" or fields[name].is_required()}
    try:
        case.validated(needed)
    except ValidationError as error:
        wrong = [f"{'.'.join(map(str, one['loc']))}: {one['msg']}" for one in error.errors() if one["loc"]]
        assert not wrong, f"defaults do not validate: {'; '.join(wrong)}"


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

    drawn = objects(_schema(case.component), case.component.name, case.example)
    configured = settings(
        max_examples=EXAMPLES,
        deadline=None,
        database=None,
        derandomize=True,
        phases=[Phase.generate, Phase.shrink],
        report_multiple_bugs=False,
        suppress_health_check=list(HealthCheck),
    )
    try:
        configured(given(drawn)(once))()
    except Exception as error:
        if not found:
            raise
        value, cause = found[-1]
        raise AssertionError(
            f"{value} raises {type(cause).__name__}: {cause}; in validators raise ValueError, which pydantic reports"
        ) from error
