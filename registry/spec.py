"""The base of every spec: immutable, strict, and documented by the docstrings under its fields."""

from __future__ import annotations

import os
from collections.abc import Mapping
from types import EllipsisType
from typing import Annotated, Any, ClassVar, TypeVar

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import CoreSchema, InitErrorDetails, PydanticCustomError

from .errors import nearest
from .field_docs import field_docs

T = TypeVar("T")

#: A JSON array as an immutable tuple (the array itself may come as a list; its items stay strict).
Items = Annotated[tuple[T, ...], Field(strict=False)]


def _absolute(path: str) -> str:
    if not path.isprintable() or len(path) > 4096:
        raise ValueError(
            "a path of more than 4096 letters" if path.isprintable() else "a path with an unprintable letter"
        )
    if "://" in path:
        raise ValueError(f"`{path[:80]}` is a URL; Graftwork reads files on this machine: download it first")
    if path.startswith(("\\\\", "//")):
        raise ValueError(f"`{path[:80]}` is a network path; mount it, and name the folder")
    return os.path.abspath(os.path.expanduser(path))


#: A path on this machine; relative ones count from the working directory and are stored absolute.
LocalPath = Annotated[str, Field(min_length=1), AfterValidator(_absolute)]


#: What a field must be for another one to act.
Asked = str | bool | tuple[str, ...] | EllipsisType


class ActsWith:
    """In the annotation of a field that changes nothing unless others of its object have certain values.

    ``Annotated[int, ActsWith(joint=True)]``; a tuple names several values, ``...`` stands for any but ``None``. Whoever
    sets such a field in vain is told.
    """

    def __init__(self, **others: Asked) -> None:
        self.others: Mapping[str, Asked] = others

    def lacking(self, spec: Spec) -> dict[str, Asked]:
        """Those of the others that ``spec`` has with another value, with what is asked of them."""
        return {name: asked for name, asked in self.others.items() if not _is_so(getattr(spec, name), asked)}


def _is_so(value: object, asked: Asked) -> bool:
    if asked is ...:
        return value is not None
    return value in asked if isinstance(asked, tuple) else value == asked


class Documented(BaseModel):
    """A model whose schema says of each field what the docstring under it says."""

    @classmethod
    def __get_pydantic_json_schema__(cls, core_schema: CoreSchema, handler: GetJsonSchemaHandler, /) -> JsonSchemaValue:
        """With the docstrings under its fields as their descriptions."""
        schema = handler(core_schema)
        properties = handler.resolve_ref_schema(schema).get("properties", {})
        for name, doc in field_docs(cls).items():
            properties[cls.model_fields[name].alias or name].setdefault("description", doc)
        return schema


class Spec(Documented):
    """What a user writes in one JSON object. Unknown keys, wrong types, NaN and infinity are errors.

    A component's spec adds ``type: Literal["its_name"] = "its_name"``. Its validator is built when it is first used: of
    hundreds of installed specs a pipeline names a few.
    """

    model_config = ConfigDict(
        extra="forbid",
        frozen=True,
        strict=True,
        validate_default=True,
        allow_inf_nan=False,
        serialize_by_alias=True,
        defer_build=True,
        protected_namespaces=(),
    )

    #: What fields are called elsewhere, as in PEFT: whoever writes such a name is told the field's.
    also_called: ClassVar[Mapping[str, str]] = {}

    def __init__(self, /, **fields: Any) -> None:
        """Raises ``ValidationError``, which names the nearest field where there is none of a name."""
        if not type(self).__pydantic_complete__:  # with the names of whoever calls, as pydantic does by itself
            type(self).model_rebuild(_parent_namespace_depth=3)
        try:
            super().__init__(**fields)
        except ValidationError as error:
            stray = [one for one in error.errors(include_url=False) if one["type"] == "extra_forbidden"]
            told = [_stray(type(self), str(one["loc"][0]), one["input"]) for one in stray if len(one["loc"]) == 1]
            if not told:
                raise
            raise ValidationError.from_exception_data(error.title, told) from None

    # As pydantic's own: a value that is read as JSON says comes past it, and keeps every error in its place.
    __init__.__pydantic_base_init__ = True  # type: ignore[attr-defined]


def near_key(model: type[BaseModel], key: str) -> str | None:
    """The key of a model that is meant by ``key``, which it has not; ``None``: none is near."""
    also = model.also_called.get(key) if issubclass(model, Spec) else None
    return also or nearest(key, keys_of(model))


def keys_of(model: type[BaseModel]) -> list[str]:
    """What the fields of a model are called in JSON."""
    return [field.alias or name for name, field in model.model_fields.items()]


def _stray(model: type[Spec], key: str, given: Any) -> InitErrorDetails:
    near = near_key(model, key)
    hint = f"did you mean `{near}`?" if near else f"known here: {', '.join(sorted(keys_of(model)))}"
    said = PydanticCustomError("unknown_field", "unknown field `{key}`; {hint}", {"key": key, "hint": hint})
    return InitErrorDetails(type=said, loc=(key,), input=given)
