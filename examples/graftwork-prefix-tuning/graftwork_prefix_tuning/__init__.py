"""Prefix tuning for Graftwork: the spec and the declaration. Light: imported for nearly every command."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, Self

from pydantic import Field, model_validator

from graftwork.core.roles import TowerAdapterSpec
from graftwork.registry.component import Component
from graftwork.registry.hookspecs import hookimpl

GRAFTWORK_API = 1


class PrefixSpec(TowerAdapterSpec):
    """Learned keys and values that every token of the towers' blocks may look at; towers do not meet."""

    type: Literal["prefix"] = "prefix"
    length: Annotated[int, Field(ge=1, le=4096)] | None = None
    """p, learned tokens a block. Default: 8, or what the `budget` comes to."""

    @model_validator(mode="after")
    def _one_size(self) -> Self:
        if None not in (self.budget, self.length):
            raise ValueError("either `budget` or `length`: remove one of them")
        return self

    @property
    def own_length(self) -> int:
        """p, the default filled in."""
        return self.length or 8

    def with_length(self, length: int) -> Self:
        """This spec with that length instead of a budget."""
        return self.model_copy(update={"length": length, "budget": None})


@hookimpl
def graftwork_components() -> Iterator[Component]:
    """The one adapter."""
    yield Component(
        "adapter", "prefix", PrefixSpec, "graftwork_prefix_tuning.prefix:Prefix", "learned keys and values in towers"
    )
