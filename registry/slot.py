"""A slot: a field of a spec that holds a component of one kind, whichever plugin it comes from.

    adapter: Annotated[AdapterSpec, Slot("adapter")]

The ``type`` is looked up in ``info.context["catalogue"]`` while pydantic validates, so error locations are exactly the
JSON path, and third-party, nested and late-registered types need no rebuilt model. Without a context (a spec made in
Python) the installed plugins are looked up.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from pydantic import GetCoreSchemaHandler, GetJsonSchemaHandler, ValidationError
from pydantic.json_schema import JsonSchemaValue
from pydantic_core import InitErrorDetails, PydanticCustomError, core_schema

from .catalogue import Catalogue, UnknownComponent
from .discovery import default_catalogue
from .spec import Spec


@dataclass(frozen=True, slots=True)
class Slot:
    """Annotates a field as holding a component of ``kind``."""

    kind: str

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
        return {"x-slot": self.kind}

    def _validate(self, value: Any, info: core_schema.ValidationInfo) -> Spec:
        catalogue = catalogue_in(info.context)
        if isinstance(value, Spec):
            return self._accept(value, catalogue)
        if not isinstance(value, dict):
            raise PydanticCustomError(
                "component_object", "{reason}", {"reason": f"expected an object with a `type`: a {self.kind}"}
            )
        type_ = value.get("type")
        if type_ is None:
            installed = ", ".join(catalogue.types(self.kind))
            raise _at_type(value, f"a {self.kind} needs a `type`", f"installed: {installed}")
        if not isinstance(type_, str):
            raise _at_type(type_, f"`type` must be the name of a {self.kind}", "a string")
        try:
            component = catalogue.find(self.kind, type_)
        except UnknownComponent as error:
            raise _at_type(type_, error.reason, error.hint) from None
        spec: Spec = component.spec.model_validate(value, context=info.context)
        return spec

    def _accept(self, value: Spec, catalogue: Catalogue) -> Spec:
        component = catalogue.component_of(value)
        if component.kind != self.kind:
            reason = f"`{component.type}` is of kind {component.kind}, not {self.kind}"
            raise PydanticCustomError("component_kind", "{reason}", {"reason": reason})
        return value


def catalogue_in(context: Any) -> Catalogue:
    """The catalogue of a validation's context, or the installed one."""
    found = (context or {}).get("catalogue")
    return found if isinstance(found, Catalogue) else default_catalogue()


def _dump(value: Spec) -> dict[str, Any]:
    return value.model_dump(mode="json")


def _at_type(value: Any, reason: str, hint: str) -> ValidationError:
    error = PydanticCustomError("component_type", "{reason}", {"reason": reason, "hint": hint})
    return ValidationError.from_exception_data("slot", [InitErrorDetails(type=error, loc=("type",), input=value)])
