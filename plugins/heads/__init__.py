"""Heads: their specs."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ...core.roles import HeadSpec
from ...registry.component import Component


class CosineSpec(HeadSpec):
    """Cosine against the frozen class-prompt vectors, times a scale: the zero-shot start is kept."""

    type: Literal["cosine"] = "cosine"
    needs_prompts: ClassVar[bool] = True
    scale: Annotated[float, Field(gt=0)] | None = None
    """Factor from cosine to logit. Default: the encoder's own, or 100."""
    train_scale: bool = False
    """Whether the factor is trained (as its logarithm)."""

    def parameter_count(self, width: int, classes: int) -> int:
        """0, or 1 with ``train_scale``."""
        return int(self.train_scale)


class LinearSpec(HeadSpec):
    """A linear classifier, as in a linear probe."""

    type: Literal["linear"] = "linear"
    init: Literal["zero", "prompts"] = "zero"
    """Where the weights start: at zero, or at the class-prompt vectors (a zero-shot start that then trains)."""
    scale: Annotated[float, Field(gt=0)] | None = None
    """Factor on the incoming vectors. Default: the square root of their width, so that the entries of unit vectors have
    unit variance; with init `prompts` the encoder's own logit scale, or 100."""

    def uses_prompts(self) -> bool:
        """With init `prompts`."""
        return self.init == "prompts"

    def parameter_count(self, width: int, classes: int) -> int:
        """dC + C."""
        return width * classes + classes


COMPONENTS = (
    Component("head", "cosine", CosineSpec, "graftwork.plugins.heads.cosine:Cosine", "cosine against class prompts"),
    Component("head", "linear", LinearSpec, "graftwork.plugins.heads.linear:Linear", "linear classifier"),
)
