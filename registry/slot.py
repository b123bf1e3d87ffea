"""A slot: a field of a spec that holds a component of one kind, whichever plugin it comes from.

    adapter: Annotated[AdapterSpec, Slot("adapter")]

The ``type`` is looked up in ``info.context["catalogue"]`` while pydantic validates, so error locations are exactly the
JSON path, and third-party, nested and late-registered types need no rebuilt model. Without a context (a spec made in
Python) the installed plugins are looked up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import BaseModel, GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic.fields import FieldInfo
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import InitErrorDetails, PydanticCustomError, core_schema

from .as_written import as_written
from .catalogue import Catalogue, UnknownComponent
from .component import Component, SpecClassError
from .discovery import default_catalogue
from .spec import Spec


@dataclass(frozen=True, slots=True)
class Slot:
    """Annotates a field as holding a component of ``kind``."""

    kind: str
    #: The type that an object without one is of; ``None``: it needs a ``type``.
    default: str | None = None

    def __get_pydantic_core_schema__(self, source: Any, handler: GetCoreSchemaHandler) -> core_schema.CoreSchema:
        """Validate by look-up; serialise as the concrete spec, not as the annotated base."""
        return core_schema.with_info_plain_validator_function(
            self._validate,
            serialization=core_schema.plain_serializer_function_ser_schema(
                _dump, return_schema=core_schema.any_schema()
            ),
        )

    def __get_pydantic_json_schema__(
        self, schema: core_schema.CoreSchema, handler: GetJsonSchemaHandler
    ) -> JsonSchemaValue:
        """A placeholder that ``schema.export_schema`` replaces by the installed types."""
        return {"x-slot": self.kind, **({"x-slot-default": self.default} if self.default else {})}

    def _validate(self, value: Any, info: core_schema.ValidationInfo) -> Spec:
        catalogue = catalogue_in(info.context)
        if isinstance(value, Spec):
            return self._accept(value, catalogue, info.context)
        value = full_form(value)
        if not isinstance(value, dict):
            raise PydanticCustomError(
                "component_object",
                "{reason}",
                {"reason": f"expected an object whose `type` names the {self.kind}, or that name"},
            )
        type_ = value.get("type", self.default)
        if type_ is None:
            installed = ", ".join(catalogue.types(self.kind))
            raise _at_type(value, f"`type` is missing: it names the {self.kind}", f"installed: {installed or 'none'}")
        if not isinstance(type_, str):
            raise _at_type(type_, f"`type` must be a string: it names the {self.kind}")
        try:
            component = catalogue.find(self.kind, type_)
            ready = component.ready_spec()
        except UnknownComponent as error:
            raise _at_type(type_, error.reason, error.hint) from None
        except SpecClassError as error:
            owner = catalogue.owner(component)
            raise _at_type(type_, f"{component.kind} `{type_}` of {owner}: {error}", "tell its author") from None
        return as_written(ready, {"type": type_, **value}, info.context, _hint(component, catalogue))

    def _accept(self, value: Spec, catalogue: Catalogue, context: Any) -> Spec:
        try:
            component = catalogue.component_of(value)
        except UnknownComponent as error:
            raise PydanticCustomError(
                "component_unknown", "{reason}", {"reason": error.reason, "hint": error.hint}
            ) from None
        if component.kind != self.kind:
            reason = f"`{component.type}` is of kind {component.kind}, not {self.kind}"
            raise PydanticCustomError("component_kind", "{reason}", {"reason": reason})
        return as_written(component.spec, value, context, _hint(component, catalogue))


def full_form(value: Any) -> Any:
    """A component as an object, where its type alone is written: ``"linear"`` is ``{"type": "linear"}``."""
    return {"type": value} if isinstance(value, str) else value


def slot_of(field: FieldInfo) -> Slot | None:
    """The slot that a field is, may be, or is a list of."""
    return next((one for one in field.metadata if isinstance(one, Slot)), None) or slot_in(field.annotation)


def slot_in(annotation: Any) -> Slot | None:
    """The slot inside ``Annotated[...]``, unions and tuples."""
    for part in (*getattr(annotation, "__metadata__", ()), *getattr(annotation, "__args__", ())):
        found = part if isinstance(part, Slot) else slot_in(part)
        if found:
            return found
    return None


def in_full(value: Any, model: type[BaseModel], catalogue: Catalogue) -> Any:
    """``value``, as JSON gives it, with every component in it as an object. What is no spec of ``model`` stays."""
    if not isinstance(value, dict):
        return value
    fields = {field.alias or name: field for name, field in model.model_fields.items()}
    return {key: _in_full(one, fields[key], catalogue) if key in fields else one for key, one in value.items()}


def _in_full(value: Any, field: FieldInfo, catalogue: Catalogue) -> Any:
    if (slot := slot_of(field)) is None:
        return value
    if isinstance(value, list):
        return [_in_full(one, field, catalogue) for one in value]
    value = full_form(value)
    try:
        inner = catalogue.find(slot.kind, str(value.get("type", slot.default))).spec
    except (AttributeError, UnknownComponent):  # validation says what it is
        return value
    return in_full(value, inner, catalogue)


def _hint(component: Component, catalogue: Catalogue) -> str:
    owner = catalogue.owner(component)
    return f"its class is that of {owner}: tell its author, whom `graftwork plugins check {owner.name}` tells more"


def catalogue_in(context: Any) -> Catalogue:
    """The catalogue of a validation's context, or the installed one."""
    found = (context or {}).get("catalogue")
    return found if isinstance(found, Catalogue) else default_catalogue()


def _dump(value: Spec) -> dict[str, Any]:
    return value.model_dump(mode="json")


def _at_type(value: Any, reason: str, hint: str | None = None) -> ValidationError:
    error = PydanticCustomError("component_type", "{reason}", {"reason": reason, "hint": hint})
    return ValidationError.from_exception_data("slot", [InitErrorDetails(type=error, loc=("type",), input=value)])
