"""The specs of encoders without a model."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ...core.roles import EncoderSpec, OnHand


class GivenSpec(EncoderSpec):
    """No model: the data set brings vectors that are ready (`vectors`), which are taken at unit length."""

    has_towers: ClassVar[bool] = False

    type: Literal["given"] = "given"
    batch_size: Annotated[int, Field(ge=1)] = 4096
    """Vectors that are handled at a time. Not part of the cache key."""

    @classmethod
    def on_hand(cls) -> Sequence[OnHand]:
        """Always."""
        return (OnHand({}),)

    def modalities(self) -> frozenset[str]:
        """Vectors."""
        return frozenset({"vector"})

    def shares_space(self) -> bool:
        """There are no texts."""
        return False

    def frozen_parameters(self) -> int:
        """0."""
        return 0
