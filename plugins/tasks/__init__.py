"""Tasks: their specs."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

from ...core.roles import HeadSpec, TaskSpec
from ...registry.component import Component
from ...registry.slot import Slot


class ClassificationSpec(TaskSpec):
    """One class an item: cross-entropy, accuracy."""

    type: Literal["classification"] = "classification"
    head: Annotated[HeadSpec, Slot("head", "cosine")] = Field(
        default_factory=lambda: {"type": "cosine"},
        validate_default=True,
    )
    """The head that makes class logits."""
    label_smoothing: Annotated[float, Field(ge=0, lt=1)] = 0.0
    """Share of the target that is spread over all classes."""


COMPONENTS = (
    Component(
        "task",
        "classification",
        ClassificationSpec,
        "graftwork.plugins.tasks.classification:Classification",
        "one class an item",
    ),
)
