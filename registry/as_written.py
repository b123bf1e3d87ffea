"""What a spec says is what its component is built with: a spec is its JSON, all of it, and reads back the same.

Runs, locks, searches and saved adapters hold a spec as JSON and read it again. What pydantic would leave out of that
JSON, or give back otherwise, is refused in words for the author of its class: by the class alone where a component is
declared (``unkept_fields``), by the values where a spec is read (``as_written``).
"""

from __future__ import annotations

import json
from collections import abc
from collections.abc import Iterable, Iterator, Mapping
from decimal import Decimal
from enum import Enum
from pathlib import PurePath
from typing import Annotated, Any, Literal, TypeVar, get_args, get_origin

from pydantic import BaseModel, ConfigDict, ImportString, Secret, SecretBytes, SecretStr, ValidationError
from pydantic.fields import FieldInfo
from pydantic_core import InitErrorDetails, PydanticCustomError, PydanticSerializationError

M = TypeVar("M", bound=BaseModel)
Place = tuple[str | int, ...]

#: In a validation's context: a component around this one looks at the whole.
_WITHIN = "within a component"
#: The type of pydantic's error where a spec is not what is written of it.
UNKEPT = "component_unkept"
_ITEMS = "write Items[...] of graftwork.registry.spec"
_CODE = "names code, which JSON does not hold; write a Literal of names, and look them up where it is used"
_IMPORT: type = ImportString
_CLASSES: tuple[tuple[tuple[type, ...], str], ...] = (
    (
        (SecretStr, SecretBytes, Secret),
        "is written as asterisks; let a `str` name an environment variable, and read that where it is used",
    ),
    ((abc.Set,), f"stands in another order in each process; {_ITEMS}"),
    ((Decimal,), "is rounded where JSON has a number; write float, or a str that becomes a Decimal where it is used"),
    ((PurePath,), "is another file in another folder; write LocalPath of graftwork.registry.spec, a `str`"),
    ((_IMPORT, type), _CODE),
)
_EXACTLY: dict[Any, str] = {
    abc.Callable: _CODE,
    **dict.fromkeys((abc.Iterable, abc.Iterator, abc.Generator), f"is empty once it was read; {_ITEMS}"),
}
#: Of these all is seen by their items, or by ``==``.
_SEEN = (bool, int, float, str, bytes, list, tuple, dict, type(None))
_DROPS = "drops keys that it does not know; derive it from graftwork.registry.spec.Spec"
_NO_INFINITY = "allow_inf_nan: JSON has neither; leave it out, and write `float | None = None` for no bound"


def unkept_fields(spec: type[BaseModel]) -> tuple[str, ...]:
    """What of a spec class does not go out to JSON and come back: field, why, and what to write instead."""
    return tuple(dict.fromkeys(_of_model(spec, set())))


def _of_model(model: type[BaseModel], seen: set[type]) -> Iterator[str]:
    if model in seen:
        return
    seen.add(model)
    fields, own = model.model_fields, model.__name__
    yield from (f"{own}: {why}" for why in _of_config(model.model_config, any(one.alias for one in fields.values())))
    for name in model.__pydantic_decorators__.computed_fields:
        yield f"{own}.{name}: a computed_field is written, and is then no known key; write @property alone"
    for name, field in fields.items():
        plain = field.annotation in (bool, int, float, str)  # as most are, of hundreds of installed specs
        parts = _imports(field.metadata) if plain else [*_parts(field.annotation), *_imports(field.metadata)]
        told = [*_of_field(name, field), *(why for part in parts if (why := _of_part(part)))]
        yield from (f"{own}.{name}: {why}" for why in told)
        for part in parts:
            if isinstance(part, type) and issubclass(part, BaseModel):
                yield from _of_model(part, seen)


def _of_config(config: ConfigDict, aliased: bool) -> Iterator[str]:
    if config.get("extra") not in ("forbid", "allow"):
        yield _DROPS
    if config.get("frozen") is False:
        yield "frozen=False: what is written of it could change while it is used; leave it out"
    if config.get("allow_inf_nan"):
        yield _NO_INFINITY
    if config.get("alias_generator"):
        yield "alias_generator: write Field(alias=...) on each field, which messages and schemas know"
    by_name = config.get("populate_by_name") or config.get("validate_by_name")
    if aliased and not by_name and not config.get("serialize_by_alias"):
        yield "an alias is read, and the field's name written; derive it from graftwork.registry.spec.Spec"
    if aliased and config.get("validate_by_alias") is False:
        yield "validate_by_alias=False: the alias is written, and not read; leave it out"


def _of_field(name: str, field: FieldInfo) -> Iterator[str]:
    if field.exclude or getattr(field, "exclude_if", None):
        yield "`exclude` leaves it out of the JSON that the component is built from; leave `exclude` out"
    keys = [one or name for one in (field.alias, field.validation_alias, field.serialization_alias)]
    if any(key != keys[0] for key in keys):
        yield "is read under one key and written under another; give it one: Field(alias=...)"
    if any(getattr(one, "allow_inf_nan", None) for one in field.metadata):
        yield _NO_INFINITY


def _parts(annotation: Any) -> Iterator[Any]:
    """An annotation without ``Annotated``, then what it is made of."""
    annotation = getattr(annotation, "__value__", getattr(annotation, "__supertype__", annotation))
    if get_origin(annotation) is Annotated:
        yield from _imports(annotation.__metadata__)
        yield from _parts(annotation.__origin__)
        return
    yield annotation
    for part in () if get_origin(annotation) in (Literal, abc.Callable) else get_args(annotation):
        yield from _parts(part)


def _imports(metadata: Iterable[Any]) -> list[Any]:
    return [_IMPORT for one in metadata if one is _IMPORT or isinstance(one, _IMPORT)]


def _of_part(part: Any) -> str | None:
    """Why a class, or a generic apart from its arguments, is not kept."""
    kind, arguments = get_origin(part) or part, get_args(part)
    if kind is Literal and any(isinstance(one, Enum) for one in arguments):
        return "a Literal of an Enum's members takes no JSON; write the Enum, or a Literal of their values"
    if kind in _EXACTLY:
        return _EXACTLY[kind]
    if not isinstance(kind, type) or issubclass(kind, BaseModel):
        return None
    if issubclass(kind, Mapping) and arguments and not all(map(_is_key, _parts(arguments[0]))):
        return "keys of JSON are strings, and several of them one number; write dict[str, ...]"
    if getattr(kind, "__pydantic_config__", {"extra": "forbid"}).get("extra") not in ("forbid", "allow"):
        return _DROPS
    return next((why for classes, why in _CLASSES if issubclass(kind, classes)), None)


def _is_key(part: Any) -> bool:
    """Whether no two spellings are one key."""
    if get_origin(part) is Literal:
        return all(isinstance(one, str) for one in get_args(part))
    return not isinstance(part, type) or part is object or issubclass(part, (str, Enum))


def read(spec: type[M], value: Mapping[str, Any], context: Any = None) -> M:
    """A spec from a JSON object, by the rules of JSON: a string may stand for an Enum, a path or a time, an array for a
    tuple. Raises ``ValidationError``.
    """
    try:
        text = _text(value)
    except (TypeError, ValueError, RecursionError):
        return spec.model_validate(value, context=context)  # what is no JSON is refused at its place
    return spec.model_validate_json(text, context=context)


def _text(value: Any) -> bytes:
    """Raises ``TypeError``, ``ValueError`` where it is no JSON."""
    return json.dumps(value, ensure_ascii=False, allow_nan=False, default=_dumped).encode()


def _dumped(value: Any) -> Any:
    """A spec that stands in a Python value."""
    if isinstance(value, BaseModel):
        return value.model_dump(mode="json", by_alias=True, warnings="error")
    raise TypeError(f"a {type(value).__name__} is no JSON")


def as_written(spec: type[M], value: Mapping[str, Any] | M, context: Any = None, hint: str | None = None) -> M:
    """A spec from a JSON object, or one that was made in Python, as its own JSON says it.

    Raises ``ValidationError``: of what it refuses, or with ``hint`` at the field that is another when it is read twice,
    or once more from what is written of it.
    """
    context = dict(context or {})
    inner, context[_WITHIN] = context.get(_WITHIN), True
    first = value if isinstance(value, BaseModel) else read(spec, value, context)
    if inner:
        return first
    second = value if isinstance(value, BaseModel) else read(spec, value, context)
    if found := difference(first, second):
        raise _unkept(found[0], f"{found[1]} and then {found[2]}, read twice from one JSON", hint)
    try:
        again = spec.model_validate_json(_text(first), context=context)
    except ValidationError as error:
        told = error.errors(include_url=False)[0]
        raise _unkept(
            told["loc"], f"refused once it is read again from what is written of it ({told['msg']})", hint
        ) from None
    except (PydanticSerializationError, TypeError, ValueError) as error:
        raise _unkept((), f"no JSON: {' '.join(str(error).split())}", hint) from None
    if found := difference(first, again):
        raise _unkept(found[0], f"{found[1]}, and {found[2]} once it is read again from what is written of it", hint)
    return again


def _unkept(path: Place, what: str, hint: str | None) -> ValidationError:
    name = ".".join(map(str, path)) or "it"
    error = PydanticCustomError(UNKEPT, "{reason}", {"reason": f"`{name}` is {what}", "hint": hint})
    return ValidationError.from_exception_data("spec", [InitErrorDetails(type=error, loc=path, input=None)])


def difference(a: Any, b: Any, at: Place = ()) -> tuple[Place, str, str] | None:
    """Where two values differ, in a field, item or type, and how; ``None`` where they are the same."""
    pairs: list[tuple[str | int, Any, Any]] = []
    if type(a) is not type(b):
        return at, _shown(a), _shown(b)
    if isinstance(a, BaseModel):
        pairs = [(one.alias or name, getattr(a, name), getattr(b, name)) for name, one in type(a).model_fields.items()]
        pairs += [("keys beside its fields", a.model_extra, b.model_extra)]
        pairs += [("private attributes", a.__pydantic_private__, b.__pydantic_private__)]
    elif isinstance(a, Mapping) and list(a) == list(b):
        pairs = [(key, a[key], b[key]) for key in a]
    elif isinstance(a, (tuple, list)) and len(a) == len(b):
        pairs = [(index, one, other) for index, (one, other) in enumerate(zip(a, b, strict=True))]
    elif a != b or (isinstance(a, float) and repr(a) != repr(b)):  # 0.0 == -0.0
        return at, _shown(a), _shown(b)
    found = next((found for key, one, other in pairs if (found := difference(one, other, (*at, key)))), None)
    return found or (at, _shown(a), _shown(b)) if found or _differ_unseen(a, b) else None


def _differ_unseen(a: Any, b: Any) -> bool:
    """Whether values that are equal are made of other parts: a deque's ``maxlen``, a time zone, ``compare=False``."""
    if isinstance(a, BaseModel) or type(a) in _SEEN:
        return False
    try:
        return difference(_parts_of(a), _parts_of(b)) is not None
    except Exception:  # noqa: BLE001  # one that cannot be taken apart, or stands within itself: equal is all there is
        return False


def _parts_of(value: Any) -> Any:
    """What ``copy`` would make another of."""
    made = value.__reduce_ex__(4)
    return made if isinstance(made, str) else [list(one) if isinstance(one, abc.Iterator) else one for one in made]


def _shown(value: Any) -> str:
    text = repr(value)
    return text if len(text) <= 60 else f"{text[:60]}..."
