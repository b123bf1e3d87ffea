"""The components that a pipeline is made of."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from pydantic import BaseModel

from ...registry.catalogue import Catalogue, UnknownComponent
from ...registry.component import Component
from ...registry.spec import Spec
from .load_spec import spec_from_dict
from .pipeline_spec import PipelineSpec, SearchRange


def components_in(value: Any, catalogue: Catalogue) -> Iterator[Component]:
    """Every component in a spec, however deep; those that stand in it twice come twice."""
    if isinstance(value, (tuple, list)):
        for one in value:
            yield from components_in(one, catalogue)
    elif isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from components_in(getattr(value, name), catalogue)
        if isinstance(value, Spec):
            try:
                yield catalogue.component_of(value)
            except UnknownComponent:  # a section, not a component
                return


def components_tried(spec: PipelineSpec, catalogue: Catalogue) -> Iterator[Component]:
    """Those of a pipeline and of every value that its search tries."""
    yield from components_in(spec, catalogue)
    base = {key: value for key, value in spec.to_json().items() if key not in ("search", "trials")}
    for key, values in spec.search.items():
        for value in () if isinstance(values, SearchRange) else values:
            if isinstance(value, (dict, list, str)):  # a type, an object with one, a list of such
                yield from components_in(spec_from_dict(base, {key: value}, catalogue), catalogue)
