"""Sections of a spec, validated by themselves."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, TypeVar

from pydantic import ValidationError

from ...registry.catalogue import Catalogue
from ...registry.errors import SpecError
from ...registry.slot import Slot
from ...registry.spec import Spec
from ..roles.specs import DatasetSpec, EncoderSpec
from ..spec.explain import explain

S = TypeVar("S", bound=Spec)


class _Dataset(Spec):
    """A pipeline's data set alone."""

    dataset: Annotated[DatasetSpec, Slot("dataset")]


class _Encoder(Spec):
    """A pipeline's encoder alone."""

    encoder: Annotated[EncoderSpec, Slot("encoder")]


def dataset_spec(section: Any, catalogue: Catalogue) -> DatasetSpec:
    """Raises ``SpecError`` as the whole pipeline would."""
    return _read(_Dataset, {"dataset": section}, catalogue).dataset


def encoder_spec(section: Any, catalogue: Catalogue) -> EncoderSpec:
    """Raises ``SpecError`` as the whole pipeline would."""
    return _read(_Encoder, {"encoder": section}, catalogue).encoder


def _read(model: type[S], value: Mapping[str, Any], catalogue: Catalogue) -> S:
    try:
        return model.model_validate(value, context={"catalogue": catalogue})
    except ValidationError as error:
        raise SpecError(explain(error, model, value, catalogue)) from None
