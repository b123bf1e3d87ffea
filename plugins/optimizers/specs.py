"""The specs of the optimizers."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from ...core.roles import OptimizerSpec


class AdamWSpec(OptimizerSpec):
    """Adam with decoupled weight decay (Loshchilov & Hutter 2019)."""

    elementwise: ClassVar[bool] = True

    type: Literal["adamw"] = "adamw"


class SGDSpec(OptimizerSpec):
    """Stochastic gradient descent with momentum."""

    elementwise: ClassVar[bool] = True

    type: Literal["sgd"] = "sgd"
    momentum: Annotated[float, Field(ge=0, lt=1)] = 0.9
    """Momentum."""
