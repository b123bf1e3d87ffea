"""What a spec sets and nothing reads, because another field of the same object is not as it must be."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterator

from pydantic import BaseModel

from ...registry.spec import ActsWith, Asked, Spec
from .pipeline_spec import PipelineSpec


def without_effect(spec: PipelineSpec) -> Iterator[str]:
    """A line for each field of ``spec`` that is set and acts with others alone; not where a search sets those."""
    yield from _of_sequence(spec)
    for path, section in _sections(spec, ""):
        fields = type(section).model_fields
        for name, field in fields.items():
            value = getattr(section, name)
            for acts in (one for one in field.metadata if isinstance(one, ActsWith)):
                lacking = acts.lacking(section)
                is_set = value != field.default or f"{path}{name}" in spec.search
                if is_set and lacking and not _searched(path, lacking, spec.search):
                    asked = " and ".join(_in_words(other, wanted) for other, wanted in lacking.items())
                    said = f"{path}{name} is set and has no effect: it acts with {asked} alone"
                    yield f"{said}; set that, or leave it out"


def _of_sequence(spec: PipelineSpec) -> Iterator[str]:
    """What is said of tasks that do not follow each other, or are not there."""
    said = spec.sequence
    for name, field in type(said).model_fields.items() if spec.tasks is None else ():
        if getattr(said, name) != field.default:
            yield f"sequence.{name} is set and has no effect: the pipeline has no `tasks`; add them, or leave it out"
    together = spec.tasks is not None and said.training != "sequential"
    for number, one in enumerate(spec.regularizers if together else ()):
        if one.between_tasks or one.in_first_task() != one:
            reason = f'with "training": "{said.training}" no task begins with the state of another'
            yield f"regularizers.{number} (`{one.type}`) has no effect: {reason}; leave it out"


def _in_words(name: str, asked: Asked) -> str:
    if asked is ...:
        return f"`{name}`"
    values = asked if isinstance(asked, tuple) else (asked,)
    return f'"{name}": ' + " or ".join(json.dumps(one) for one in values)


def _searched(path: str, names: Collection[str], search: Collection[str]) -> bool:
    """Whether a search tries values of one of these, or of what they stand in."""
    return any(f"{path}{name}".startswith(key) for name in names for key in search)


def _sections(value: object, path: str) -> Iterator[tuple[str, Spec]]:
    """Every object of a spec with its dotted path, which ends in a dot."""
    if isinstance(value, Spec):
        yield path, value
    if isinstance(value, BaseModel):
        for name in type(value).model_fields:
            yield from _sections(getattr(value, name), f"{path}{name}.")
    elif isinstance(value, tuple):
        for number, one in enumerate(value):
            yield from _sections(one, f"{path}{number}.")
